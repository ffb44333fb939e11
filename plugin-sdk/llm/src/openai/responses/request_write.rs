//! A request of the model for a provider of Responses. Nobody else's caller asked to keep his answers, so none is kept.

use crate::fault::{BodyError, Fault};
use crate::json::DEFAULT_MAX_DEPTH;
use crate::model::{
    Content, Dialect, Losses, Maker, Number, Part, Place, ReasoningMode, ReasoningSupport, Request, Target,
    Text, Written, orphan_result,
};
use crate::write::{Object, object};

use super::NO_SUCH;
use super::input_write::Input;
use super::request_read::LOGPROBS;
use super::tools_write::{is_said_here, write_choice, write_format, write_tools};

/// What `include` says to ask for thoughts in the form that goes back.
const ENCRYPTED: &str = "reasoning.encrypted_content";

/// # Errors
/// Media that cannot be said here, results of no call, several answers.
pub(super) fn write(request: &Request<'_>, target: &Target<'_>) -> Result<Written, BodyError> {
    let mut written = Written::default();
    written.bytes.reserve(1024);
    let result = check(request).and_then(|()| body(request, target, &mut written));
    result.map_err(|fault| fault.into_body_error(&[], DEFAULT_MAX_DEPTH))?;
    Ok(written)
}

fn check(request: &Request<'_>) -> Result<(), Fault> {
    let own = request.dialect == Dialect::OpenAiResponses;
    // in this dialect the call may be in the answer that the request goes on from
    if let Some((placed, _)) = orphan_result(&request.messages).filter(|_| !own) {
        let path = format!("messages[{}].tool_call_id", placed.message);
        return Err(Fault::invalid(
            &path,
            "names a call that is in no message before it",
        ));
    }
    let several = request.sampling.choices.as_ref().and_then(Number::as_u64);
    if several.is_some_and(|choices| choices > 1) {
        let why = "asks for several answers, of which the model gives one";
        return Err(Fault::unsupported("n", why));
    }
    Ok(())
}

fn body(request: &Request<'_>, target: &Target<'_>, written: &mut Written) -> Result<(), Fault> {
    let mut input = Input::new(request, target);
    let mut result = Ok(());
    let losses = &mut written.losses;
    object(&mut written.bytes, |body| {
        body.str("model", target.model);
        let skipped = instructions(request, body);
        let messages = request.messages.get(skipped..).unwrap_or_default();
        body.array("input", |array| result = input.write(messages, skipped, array));
        sampling(request, body, losses);
        tools(request, body, losses);
        text(request, body, losses);
        thinking(request, target, body, losses);
        kept(request, target, body, losses);
        rest(request, target, body, losses);
    });
    losses.append(input.losses);
    result
}

/// One text above the conversation is `instructions`; several stay apart, among the items. How many messages that was.
fn instructions(request: &Request<'_>, body: &mut Object<'_>) -> usize {
    let above = |place: usize| {
        request
            .messages
            .get(place)
            .is_some_and(|message| message.place == Place::Top)
    };
    if !above(0) || above(1) {
        return 0;
    }
    let parts = request.messages.first().map(|message| message.parts.as_slice());
    match parts {
        Some([part]) if part.is_bare_text() => {
            body.text("instructions", part.as_text().unwrap_or(&Text::default()));
            1
        }
        _ => 0,
    }
}

fn sampling(request: &Request<'_>, body: &mut Object<'_>, losses: &mut Losses) {
    let sampling = &request.sampling;
    body.number_if("temperature", sampling.temperature.as_ref());
    body.number_if("top_p", sampling.top_p.as_ref());
    body.number_if("top_logprobs", sampling.top_logprobs.as_ref());
    body.number_if("max_output_tokens", request.max_output.as_ref());
    let unsaid = [
        ("top_k", sampling.top_k.is_some()),
        ("min_p", sampling.min_p.is_some()),
        ("frequency_penalty", is_set(sampling.frequency_penalty.as_ref())),
        ("presence_penalty", is_set(sampling.presence_penalty.as_ref())),
        ("repetition_penalty", sampling.repetition_penalty.is_some()),
        ("seed", sampling.seed.is_some()),
        ("logit_bias", sampling.logit_bias.is_some()),
        ("stop", !request.stop.is_empty()),
    ];
    for (name, _) in unsaid.iter().filter(|(_, said)| *said) {
        losses.dropped(*name, NO_SUCH);
    }
}

/// A penalty of nothing is none.
fn is_set(number: Option<&Number<'_>>) -> bool {
    number.is_some_and(|number| number.as_f64() != Some(0.0))
}

fn tools(request: &Request<'_>, body: &mut Object<'_>, losses: &mut Losses) {
    let own = request.dialect == Dialect::OpenAiResponses;
    let any = request.tools.iter().any(is_said_here);
    if any {
        body.array("tools", |array| write_tools(&request.tools, own, array, losses));
    } else if !request.tools.is_empty() {
        write_tools(
            &request.tools,
            own,
            &mut crate::write::nowhere(&mut Vec::new()),
            losses,
        );
    }
    if request.legacy_functions {
        losses.changed("functions", "goes as `tools`, its present name");
    }
    match &request.tool_choice {
        Some(choice) if any || own => write_choice(choice, &request.tools, body, losses),
        Some(_) => losses.dropped("tool_choice", "there are no tools to choose from"),
        None => {}
    }
    body.bool_if("parallel_tool_calls", request.parallel_calls);
}

fn text(request: &Request<'_>, body: &mut Object<'_>, losses: &mut Losses) {
    let own = request.dialect == Dialect::OpenAiResponses;
    let others = || {
        let named = |name: &str| name.strip_prefix("text.").map(str::to_owned);
        let extras = request.extras.iter().filter(|_| own);
        extras.filter_map(move |extra| Some((named(&extra.name.get())?, &extra.value)))
    };
    if request.format.is_none() && request.verbosity.is_none() && others().next().is_none() {
        return;
    }
    body.object("text", |text| {
        if let Some(format) = &request.format {
            write_format(format, own, text, losses);
        }
        text.text_if("verbosity", request.verbosity.as_ref());
        for (name, value) in others() {
            text.member(&Text::plain(name), value);
        }
    });
}

fn thinking(request: &Request<'_>, target: &Target<'_>, body: &mut Object<'_>, losses: &mut Losses) {
    let wish = &request.reasoning;
    let own = request.dialect == Dialect::OpenAiResponses;
    if wish.is_empty() {
        return;
    }
    if own {
        return body.object("reasoning", |reasoning| {
            if let Some(effort) = &wish.effort {
                reasoning.text("effort", &effort.name());
            }
            reasoning.text_if("summary", wish.summary.as_ref());
            reasoning.extras(&wish.extras);
        });
    }
    for extra in &wish.extras {
        losses.dropped(extra.name.get().into_owned(), NO_SUCH);
    }
    if target.reasoning == ReasoningSupport::None {
        return losses.dropped("reasoning", "the model cannot be told how to think");
    }
    let most = request
        .max_output
        .as_ref()
        .and_then(Number::as_u64)
        .or(target.max_output);
    let effort = wish.effort_of(most);
    if effort.is_some() && wish.effort.is_none() && wish.budget.is_some() {
        losses.changed(
            "reasoning.budget",
            "a number of tokens goes as the effort nearest to it",
        );
    }
    // whoever switches thinking on by hand sees the thoughts in the other dialects; here a summary is all there is to see
    let on = matches!(wish.mode, Some(ReasoningMode::On | ReasoningMode::Adaptive));
    let shown = (on || wish.include == Some(true)) && wish.include != Some(false) && !wish.is_off();
    if effort.is_none() && !shown {
        return losses.dropped(
            "reasoning.mode",
            "Responses know efforts alone, and none was said",
        );
    }
    body.object("reasoning", |reasoning| {
        if let Some(effort) = &effort {
            reasoning.text("effort", &effort.name());
        }
        match &wish.summary {
            Some(summary) if summary.is("concise") || summary.is("detailed") || summary.is("auto") => {
                reasoning.text("summary", summary);
            }
            _ if shown => reasoning.str("summary", "auto"),
            _ => {}
        }
    });
}

/// What is kept of the answer: of another dialect's call nothing, so its thoughts have to come along to go back.
fn kept(request: &Request<'_>, target: &Target<'_>, body: &mut Object<'_>, losses: &mut Losses) {
    let own = request.dialect == Dialect::OpenAiResponses;
    let logprobs = request.sampling.logprobs == Some(true);
    let said = crate::model::extra(&request.extras, "include").filter(|_| own);
    let encrypted = !own && thinks(request, target);
    if said.is_some() || logprobs || encrypted {
        body.array("include", |array| {
            said.map(crate::model::Json::elements)
                .unwrap_or_default()
                .iter()
                .for_each(|name| array.json(name));
            if logprobs {
                array.str(LOGPROBS);
            }
            if encrypted {
                array.str(ENCRYPTED);
            }
        });
    }
    if !own {
        body.bool("store", false);
        losses.added(
            "store",
            "an answer is kept here unless it is said that it is not to be",
        );
    }
}

/// Models that do not think refuse to be asked for their thoughts: it takes a wish, or thoughts of theirs from before.
fn thinks(request: &Request<'_>, target: &Target<'_>) -> bool {
    let wish = &request.reasoning;
    let is_told = !wish.is_empty() && !wish.is_off() && target.reasoning != ReasoningSupport::None;
    let mut parts = request.messages.iter().flat_map(|message| &message.parts);
    is_told || parts.any(|part| is_own_thought(part, target))
}

fn is_own_thought(part: &Part<'_>, target: &Target<'_>) -> bool {
    let Content::Reasoning(thought) = &part.content else {
        return false;
    };
    thought.data.is_some() && thought.maker == Some(Maker::OpenAi) && target.maker == thought.maker
}

fn rest(request: &Request<'_>, target: &Target<'_>, body: &mut Object<'_>, losses: &mut Losses) {
    let own = request.dialect == Dialect::OpenAiResponses;
    let related = own || request.dialect == Dialect::OpenAiChat;
    match request.user_is_safety_identifier {
        true => body.text_if("safety_identifier", request.user.as_ref()),
        false => body.text_if("user", request.user.as_ref()),
    }
    match &request.metadata {
        Some(metadata) if related => body.json("metadata", metadata),
        Some(_) => losses.dropped("metadata", NO_SUCH),
        None => {}
    }
    body.text_if("prompt_cache_key", request.cache_key.as_ref());
    match &request.service_tier {
        Some(tier) if related => body.text("service_tier", tier),
        Some(_) => losses.dropped("service_tier", "its names differ from provider to provider"),
        None => {}
    }
    if request.cache.is_some() {
        losses.dropped("cache_control", "the provider has no marks for its cache");
    }
    if request.modalities.iter().any(|name| !name.is("text")) {
        losses.dropped("modalities", "answers are texts here");
    }
    if request.audio.is_some() {
        losses.dropped("audio", NO_SUCH);
    }
    if target.stream.unwrap_or(request.stream) {
        body.bool("stream", true);
    }
    for beta in request.betas.iter().filter(|_| !own) {
        losses.dropped(format!("beta {}", beta.get()), NO_SUCH);
    }
    for extra in &request.extras {
        let name = extra.name.get();
        match own {
            true if name == "include" || name.starts_with("text.") => {}
            true => body.member(&extra.name, &extra.value),
            false => losses.dropped(name.into_owned(), NO_SUCH),
        }
    }
}
