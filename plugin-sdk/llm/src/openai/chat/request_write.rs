//! A request of the model as a chat completion.

use crate::fault::{BodyError, Fault};
use crate::json::DEFAULT_MAX_DEPTH;
use crate::model::{
    CacheMarks, Dialect, Json, Losses, ReasoningField, ReasoningSupport, Request, Target, Written,
};
use crate::write::{Object, object};

use super::message_write::Messages;
use super::reasoning;
use super::tools::{NO_SUCH, write_choice, write_format, write_tools};

/// # Errors
/// Media that cannot be said here.
pub(super) fn write(request: &Request<'_>, target: &Target<'_>) -> Result<Written, BodyError> {
    let mut written = Written::default();
    written.bytes.reserve(1024);
    let result = body(request, target, &mut written);
    result.map_err(|fault| fault.into_body_error(&[], DEFAULT_MAX_DEPTH))?;
    Ok(written)
}

fn body(request: &Request<'_>, target: &Target<'_>, written: &mut Written) -> Result<(), Fault> {
    let mut messages = Messages::new(request, target);
    let mut result = Ok(());
    let losses = &mut written.losses;
    object(&mut written.bytes, |body| {
        body.str("model", target.model);
        body.array("messages", |array| {
            result = messages.write(&request.messages, array)
        });
        sampling(request, body);
        limits(request, target, body);
        tools(request, body, losses);
        thinking(request, target, body, losses);
        rest(request, target, body, losses);
    });
    losses.append(messages.losses);
    result
}

fn sampling(request: &Request<'_>, body: &mut Object<'_>) {
    let sampling = &request.sampling;
    body.number_if("temperature", sampling.temperature.as_ref());
    body.number_if("top_p", sampling.top_p.as_ref());
    body.number_if("top_k", sampling.top_k.as_ref());
    body.number_if("min_p", sampling.min_p.as_ref());
    body.number_if("frequency_penalty", sampling.frequency_penalty.as_ref());
    body.number_if("presence_penalty", sampling.presence_penalty.as_ref());
    body.number_if("repetition_penalty", sampling.repetition_penalty.as_ref());
    body.number_if("seed", sampling.seed.as_ref());
    body.number_if("n", sampling.choices.as_ref());
    body.json_if("logit_bias", sampling.logit_bias.as_ref());
    body.bool_if("logprobs", sampling.logprobs);
    body.number_if("top_logprobs", sampling.top_logprobs.as_ref());
}

fn limits(request: &Request<'_>, target: &Target<'_>, body: &mut Object<'_>) {
    let name = match target.legacy_max_tokens {
        true => "max_tokens",
        false => "max_completion_tokens",
    };
    body.number_if(name, request.max_output.as_ref());
    if !request.stop.is_empty() {
        body.array("stop", |array| {
            request.stop.iter().for_each(|stop| array.text(stop))
        });
    }
}

fn tools(request: &Request<'_>, body: &mut Object<'_>, losses: &mut Losses) {
    let own = request.dialect == Dialect::OpenAiChat;
    let any = !request.tools.is_empty() && write_tools(&request.tools, own, body, losses);
    if request.legacy_functions {
        losses.changed("functions", "goes as `tools`, its present name");
    }
    // both are refused without tools
    if let Some(choice) = &request.tool_choice {
        match any {
            true => write_choice(choice, &request.tools, body, losses),
            false => losses.dropped("tool_choice", "there are no tools to choose from"),
        }
    }
    if let Some(parallel) = request.parallel_calls {
        match any {
            true => body.bool("parallel_tool_calls", parallel),
            false => losses.dropped("parallel_tool_calls", "there are no tools to call"),
        }
    }
    if let Some(format) = &request.format {
        write_format(format, own, body, losses);
    }
}

fn thinking(request: &Request<'_>, target: &Target<'_>, body: &mut Object<'_>, losses: &mut Losses) {
    let wish = &request.reasoning;
    if request.dialect == Dialect::OpenAiChat {
        // as it was spelled: providers differ in which of the names they know
        if let Some(effort) = &wish.effort
            && crate::model::extra(&wish.extras, "reasoning").is_none()
        {
            body.text("reasoning_effort", &effort.name());
        }
        body.extras(&wish.extras);
        return;
    }
    for extra in &wish.extras {
        losses.dropped(extra.name.get().into_owned(), NO_SUCH);
    }
    if wish.is_empty() {
        return;
    }
    if target.reasoning == ReasoningSupport::None {
        losses.dropped("reasoning", "the model cannot be told how to think");
        return;
    }
    if target.reasoning_field == ReasoningField::Details {
        reasoning::write_object(wish, body);
        return;
    }
    let most = reasoning::most(request.max_output.as_ref(), target.max_output);
    match wish.effort_of(most) {
        Some(effort) => {
            body.text("reasoning_effort", &effort.name());
            if wish.effort.is_none() && wish.budget.is_some() {
                losses.changed(
                    "reasoning.budget",
                    "a number of tokens goes as the effort nearest to it",
                );
            }
        }
        None => losses.dropped(
            "reasoning.mode",
            "chat completions know efforts alone, and none was said",
        ),
    }
    if wish.include == Some(false) || wish.summary.is_some() {
        losses.dropped("reasoning.summary", NO_SUCH);
    }
}

fn rest(request: &Request<'_>, target: &Target<'_>, body: &mut Object<'_>, losses: &mut Losses) {
    let own = request.dialect == Dialect::OpenAiChat;
    let related = own || request.dialect == Dialect::OpenAiResponses;
    body.text_if("verbosity", request.verbosity.as_ref());
    if !request.modalities.is_empty() {
        body.array("modalities", |array| {
            request.modalities.iter().for_each(|name| array.text(name))
        });
    }
    body.json_if("audio", request.audio.as_ref());
    body.text_if("user", request.user.as_ref());
    match &request.metadata {
        Some(metadata) if related => body.json("metadata", metadata),
        // OpenAI takes metadata with stored answers only, which nobody asked for (APIS.md 9.5)
        Some(_) => losses.dropped("metadata", NO_SUCH),
        None => {}
    }
    body.text_if("prompt_cache_key", request.cache_key.as_ref());
    match &request.cache {
        Some(mark) if own || target.cache_marks == CacheMarks::CacheControl => {
            body.object("cache_control", |object| {
                object.str("type", "ephemeral");
                object.text_if("ttl", mark.ttl.as_ref());
                object.extras(&mark.extras);
            })
        }
        Some(_) => losses.dropped("cache_control", "the provider has no marks for its cache"),
        None => {}
    }
    match &request.service_tier {
        Some(tier) if related => body.text("service_tier", tier),
        Some(_) => losses.dropped("service_tier", "its names differ from provider to provider"),
        None => {}
    }
    stream(request, target, body);
    for beta in request.betas.iter().filter(|_| !own) {
        losses.dropped(format!("beta {}", beta.get()), NO_SUCH);
    }
    extras(request, own, body, losses);
}

fn stream(request: &Request<'_>, target: &Target<'_>, body: &mut Object<'_>) {
    if !target.stream.unwrap_or(request.stream) {
        return;
    }
    body.bool("stream", true);
    let own = request.dialect == Dialect::OpenAiChat;
    let others = crate::model::extra(&request.extras, "stream_options").filter(|_| own);
    // a caller of a dialect that always tells it is no reason to use an option that the provider does not take
    let usage = target.ask_usage || (own && request.stream_usage);
    if !usage && others.is_none() {
        return;
    }
    body.object("stream_options", |options| {
        if usage {
            options.bool("include_usage", true);
        }
        let others = others.map(Json::members).unwrap_or_default();
        for (name, value) in others.iter().filter(|(name, _)| !name.is("include_usage")) {
            options.member(name, value);
        }
    });
}

fn extras(request: &Request<'_>, own: bool, body: &mut Object<'_>, losses: &mut Losses) {
    for extra in request
        .extras
        .iter()
        .filter(|extra| !extra.name.is("stream_options"))
    {
        match own {
            true => body.member(&extra.name, &extra.value),
            false => losses.dropped(extra.name.get().into_owned(), NO_SUCH),
        }
    }
}
