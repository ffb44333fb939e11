//! A request of the model as a chat request.

use crate::fault::{BodyError, Fault, Within};
use crate::json::DEFAULT_MAX_DEPTH;
use crate::model::{
    Content, Dialect, Effort, Losses, Number, ReasoningSupport, Request, Target, Text, Written, orphan_result,
};
use crate::write::{Object, object};

use super::NO_SUCH;
use super::message_write::Messages;
use super::tools;

/// More stop sequences are refused.
const MAX_STOPS: usize = 5;

/// # Errors
/// Media that cannot be said here, a tool call whose arguments are no JSON object, or a result of no call.
pub(super) fn write(request: &Request<'_>, target: &Target<'_>) -> Result<Written, BodyError> {
    let mut written = Written::default();
    written.bytes.reserve(1024);
    let result = body(request, target, &mut written);
    result.map_err(|fault| fault.into_body_error(&[], DEFAULT_MAX_DEPTH))?;
    Ok(written)
}

fn body(request: &Request<'_>, target: &Target<'_>, written: &mut Written) -> Result<(), Fault> {
    check_calls(request)?;
    check_choices(request)?;
    let own = request.dialect == Dialect::Cohere;
    let mut messages = Messages::new(own);
    let mut result = Ok(());
    let (losses, names) = (&mut written.losses, &mut written.names);
    object(&mut written.bytes, |body| {
        body.str("model", target.model);
        body.array("messages", |array| {
            result = messages.write(&request.messages, array);
        });
        if result.is_ok() {
            result = messages.write_documents(body);
        }
        sampling(request, own, body, losses);
        limits(request, own, body, losses);
        tools::write(request, body, names, losses);
        tools::write_format(request, body, losses);
        thinking(request, target, body, losses);
        body.bool("stream", target.stream.unwrap_or(request.stream));
        rest(request, own, body, losses);
    });
    losses.append(messages.losses);
    result
}

/// Broken arguments and results of no call are the caller's mistake, whatever the provider would make of them (PAIN D07).
fn check_calls(request: &Request<'_>) -> Result<(), Fault> {
    if let Some((placed, _)) = orphan_result(&request.messages) {
        return Err(Fault::invalid(
            &placed.path(),
            "is the result of a call that no message before it makes",
        ));
    }
    for (at, message) in request.messages.iter().enumerate() {
        for part in &message.parts {
            if let Content::ToolCall(call) = &part.content
                && call.arguments_object().is_none()
            {
                let fault = crate::model::broken_arguments(Some(&call.id)).within("tool_calls");
                return Err(fault.within_element(at)).within("messages");
            }
        }
    }
    Ok(())
}

fn check_choices(request: &Request<'_>) -> Result<(), Fault> {
    let several = request.sampling.choices.as_ref().and_then(Number::as_u64);
    if several.is_some_and(|choices| choices > 1) {
        return Err(Fault::unsupported(
            "n",
            "asks for several answers, of which the model gives one",
        ));
    }
    Ok(())
}

fn sampling(request: &Request<'_>, own: bool, body: &mut Object<'_>, losses: &mut Losses) {
    let sampling = &request.sampling;
    let mut ranged = |name: &'static str, number: &Option<Number<'_>>, least: f64, most: f64| {
        let Some(number) = number else { return };
        let value = number.as_f64().unwrap_or(least);
        if own || (least..=most).contains(&value) {
            return body.number(name, number);
        }
        losses.changed(name, format!("Cohere takes {least} to {most}"));
        let near = if value > most { most } else { least };
        body.value(name).extend_from_slice(near.to_string().as_bytes());
    };
    ranged("temperature", &sampling.temperature, 0.0, f64::MAX);
    ranged("p", &sampling.top_p, 0.01, 0.99);
    ranged("k", &sampling.top_k, 0.0, 500.0);
    ranged("frequency_penalty", &sampling.frequency_penalty, 0.0, 1.0);
    ranged("presence_penalty", &sampling.presence_penalty, 0.0, 1.0);
    body.number_if("seed", sampling.seed.as_ref());
    body.bool_if("logprobs", sampling.logprobs);
    let unsaid = [
        ("min_p", sampling.min_p.is_some()),
        ("repetition_penalty", sampling.repetition_penalty.is_some()),
        ("logit_bias", sampling.logit_bias.is_some()),
        ("top_logprobs", sampling.top_logprobs.is_some()),
    ];
    drop_all(&unsaid, losses);
}

fn drop_all(unsaid: &[(&'static str, bool)], losses: &mut Losses) {
    for (name, said) in unsaid {
        if *said {
            losses.dropped(*name, NO_SUCH);
        }
    }
}

fn limits(request: &Request<'_>, own: bool, body: &mut Object<'_>, losses: &mut Losses) {
    body.number_if("max_tokens", request.max_output.as_ref());
    if request.stop.is_empty() {
        return;
    }
    let most = if own { usize::MAX } else { MAX_STOPS };
    body.array("stop_sequences", |array| {
        request.stop.iter().take(most).for_each(|stop| array.text(stop));
    });
    if request.stop.len() > most {
        losses.dropped("stop", "Cohere takes 5 stop sequences: the others are left out");
    }
}

fn thinking(request: &Request<'_>, target: &Target<'_>, body: &mut Object<'_>, losses: &mut Losses) {
    let wish = &request.reasoning;
    let own = request.dialect == Dialect::Cohere;
    if wish.is_empty() {
        return;
    }
    if !own {
        for extra in &wish.extras {
            losses.dropped(extra.name.get().into_owned(), NO_SUCH);
        }
        drop_all(
            &[
                ("reasoning.summary", wish.summary.is_some()),
                ("reasoning.include", wish.include == Some(false)),
            ],
            losses,
        );
        if target.reasoning == ReasoningSupport::None {
            return losses.dropped("reasoning", "the model cannot be told how to think");
        }
        if wish.mode.is_none() && wish.effort.is_none() && wish.budget.is_none() {
            return;
        }
    }
    let budget = if own {
        wish.budget.clone()
    } else {
        budget(request, target, losses)
    };
    let off = if own {
        wish.mode.map(|mode| mode == crate::model::ReasoningMode::Off)
    } else {
        Some(wish.is_off())
    };
    body.object("thinking", |thinking| {
        if let Some(off) = off {
            thinking.str("type", if off { "disabled" } else { "enabled" });
        }
        if own || off == Some(false) {
            thinking.number_if("token_budget", budget.as_ref());
        }
        if own {
            thinking.extras(&wish.extras);
        }
    });
}

/// The tokens that may be thought: those that were asked for, or an effort's share of the output.
fn budget<'r>(request: &'r Request<'_>, target: &Target<'_>, losses: &mut Losses) -> Option<Number<'r>> {
    let wish = &request.reasoning;
    if wish.is_off() {
        return None;
    }
    if let Some(budget) = &wish.budget {
        return Some(budget.clone());
    }
    let effort = wish.effort.as_ref()?;
    let most = request
        .max_output
        .as_ref()
        .and_then(Number::as_u64)
        .or(target.max_output);
    let tokens = most.and_then(|most| wish.budget_tokens(1, most));
    let why = match (tokens, effort) {
        (Some(_), _) => "an effort goes as its share of the output",
        (None, Effort::Other(_)) => "is no effort that is known: the model thinks as it does",
        (None, _) => "Cohere knows no efforts, and no limit of the output tells what it would be",
    };
    losses.changed("reasoning.effort", why);
    tokens.map(Number::whole)
}

fn rest(request: &Request<'_>, own: bool, body: &mut Object<'_>, losses: &mut Losses) {
    let spoken = |name: &Text<'_>| !name.is("text");
    let unsaid = [
        ("verbosity", request.verbosity.is_some()),
        ("modalities", request.modalities.iter().any(spoken)),
        ("audio", request.audio.is_some()),
        ("user", request.user.is_some()),
        ("metadata", request.metadata.is_some()),
        ("prompt_cache_key", request.cache_key.is_some()),
        ("cache_control", request.cache.is_some()),
        ("service_tier", request.service_tier.is_some()),
    ];
    drop_all(&unsaid, losses);
    for beta in &request.betas {
        losses.dropped(format!("beta {}", beta.get()), NO_SUCH);
    }
    for extra in &request.extras {
        match own {
            true => body.member(&extra.name, &extra.value),
            false => losses.dropped(extra.name.get().into_owned(), NO_SUCH),
        }
    }
}
