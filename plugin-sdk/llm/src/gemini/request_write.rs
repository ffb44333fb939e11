//! A request out of the model. Model and stream are in the path, which is not written here.

use crate::fault::{BodyError, Fault};
use crate::json::DEFAULT_MAX_DEPTH;
use crate::model::{Dialect, Losses, Request, Target, Text, Written};
use crate::write::{Object, object};

use super::content_write::Conversation;
use super::{GENERATION, NO_SUCH, TOOL_CONFIG, config_write, tools_write};

/// # Errors
/// Media that cannot be said here, a tool call whose arguments are no JSON object, a result of no call.
pub(super) fn write(request: &Request<'_>, target: &Target<'_>) -> Result<Written, BodyError> {
    let mut written = Written::default();
    written.bytes.reserve(1024);
    let (mut bytes, mut result) = (std::mem::take(&mut written.bytes), Ok(()));
    object(&mut bytes, |object| {
        result = members(request, target, object, &mut written)
    });
    written.bytes = bytes;
    result.map_err(|fault: Fault| fault.into_body_error(&[], DEFAULT_MAX_DEPTH))?;
    Ok(written)
}

/// Writes the members of the request.
pub(super) fn members(
    request: &Request<'_>,
    target: &Target<'_>,
    body: &mut Object<'_>,
    written: &mut Written,
) -> Result<(), Fault> {
    let Written { names, losses, .. } = written;
    let any_functions = request.tools.iter().any(|tool| tool.name().is_some());
    let form = config_write::form_of(request, target, any_functions, losses);
    let instruction = match &form {
        config_write::Form::Told(instruction) => Some(&**instruction),
        _ => None,
    };
    Conversation::new(request, target, names, losses).write(instruction, body)?;
    let any_functions = tools_write::write(request, target, body, names, losses);
    tools_write::write_config(request, any_functions, body, names, losses);
    config_write::write(request, target, &form, body, losses);
    rest(request, body, losses);
    Ok(())
}

fn rest(request: &Request<'_>, body: &mut Object<'_>, losses: &mut Losses) {
    if request.dialect == Dialect::Gemini {
        body.text_if("serviceTier", request.service_tier.as_ref());
        let inner = |name: &str| name.starts_with(GENERATION) || name.starts_with(TOOL_CONFIG);
        for extra in request.extras.iter().filter(|extra| !inner(&extra.name.get())) {
            body.member(&extra.name, &extra.value);
        }
        return;
    }
    let unsaid = [
        ("verbosity", request.verbosity.is_some()),
        ("audio", request.audio.is_some()),
        ("user", request.user.is_some()),
        ("metadata", request.metadata.is_some()),
        ("prompt_cache_key", request.cache_key.is_some()),
    ];
    for (name, _) in unsaid.iter().filter(|(_, said)| *said) {
        losses.dropped(*name, NO_SUCH);
    }
    if request.cache.is_some() {
        losses.dropped(
            "cache_control",
            "the provider caches by itself, or what was cached before",
        );
    }
    if request.service_tier.is_some() {
        losses.dropped("service_tier", "its names differ from provider to provider");
    }
    for beta in &request.betas {
        losses.dropped(format!("beta {}", beta.get()), NO_SUCH);
    }
    for extra in &request.extras {
        losses.dropped(Text::get(&extra.name).into_owned(), NO_SUCH);
    }
}
