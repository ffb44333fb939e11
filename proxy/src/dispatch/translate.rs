//! A call in the dialect of the provider that it goes to: which dialect that is, its path, and the body written anew
//! where the caller speaks another one. What was lost on the way is named.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use penstock_llm::model::{Codec, Dialect, Losses, Maker, Request as Asked, Target as ModelTarget};
use penstock_llm::openai::Request;

use crate::dispatch::media::Fit;
use crate::dispatch::outgoing::percent_encoded;
use crate::dispatch::signatures::put_back;
use crate::fault::{Fault, Result};
use crate::state::media::{Got, Want};
use crate::state::signatures::{Keeping, Vault};
use crate::state::snapshot::{Provider, Target};

/// What Anthropic's API is asked for where nobody says otherwise (APIS.md 3).
const ANTHROPIC_VERSION: &str = "2023-06-01";

/// A body for a provider, and what has to be said of it.
#[derive(Debug)]
pub struct Translated {
    pub bytes: Vec<u8>,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What the caller sees as `x-penstock-dropped`.
    pub dropped: Vec<Box<str>>,
    pub streams: bool,
    pub legacy_functions: bool,
    /// What answers repeat of the request.
    pub repeated: Option<Box<str>>,
    /// Where what its caller may not bring back of the answer is kept.
    pub keeping: Option<Box<Keeping>>,
}

/// What is kept of a caller's earlier turns.
#[derive(Clone, Copy)]
pub struct Remembered<'a> {
    pub vault: &'a Arc<Vault>,
    pub caller: &'a Arc<str>,
}

/// What a provider is spoken to in: the caller's own dialect where it can, else its first.
pub fn spoken_to(provider: &Provider, caller: Dialect) -> Dialect {
    match provider.dialects.contains(&caller) {
        true => caller,
        false => provider.dialects.first().copied().unwrap_or(Dialect::OpenAiChat),
    }
}

/// What a request may be made up with: media that its target does not take as they are, and what its caller dropped.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// None where the caller is counted on, or nothing is kept.
    pub remembered: Option<Remembered<'a>>,
    /// What was fetched and read already.
    pub got: &'a Got,
    pub may_fetch: bool,
    pub as_words: bool,
}

/// Whether a request in its own dialect may still hold media that its target does not take: only then it has to be looked
/// into.
pub fn may_lack(request: &Request, target: &Target) -> bool {
    let is_limited = target.fetches_urls() == Some(false) || !target.reads_documents();
    is_limited && request.segments().iter().any(|segment| !segment.kind.has_text())
}

/// The body of a call in another dialect, or with media in another form; none while something is wanted for it, or where
/// nothing is to be changed.
///
/// # Errors
/// What cannot be said in that dialect and must not be left out: the caller's fault, with the field.
pub fn translated(
    request: &Request,
    target: &Target,
    model: &str,
    to: Dialect,
    from_caller: &HeaderMap,
    means: Means<'_>,
    wants: &mut Vec<Want>,
) -> Result<Option<Translated>> {
    let betas = betas(from_caller);
    let mut read = request.in_model(&betas)?;
    let codec = to.codec().ok_or_else(|| unknown(to))?;
    let spoken = request.dialect();
    let spoken = spoken.codec().ok_or_else(|| unknown(spoken))?;
    if spoken.dialect() != to {
        spoken.check_portable(&read.value)?;
    }
    let (streams, legacy_functions) = (read.value.stream, read.value.legacy_functions);
    let facts = facts(target, model, to, means.may_fetch);
    let (is_changed, fitted) = fit(&mut read.value, codec, &facts, target, means, wants)?;
    if !wants.is_empty() || (!is_changed && spoken.dialect() == to) {
        return Ok(None);
    }
    let keeping = means.remembered.map(|kept| Keeping {
        conversation: put_back(&mut read.value, kept.caller, facts.maker, kept.vault),
        vault: kept.vault.clone(),
        caller: kept.caller.clone(),
        maker: facts.maker,
    });
    let written = codec.write_request(&read.value, &facts)?;
    let mut losses = read.losses;
    losses.append(fitted);
    losses.append(written.losses);
    let header = |(name, value): (&'static str, String)| {
        Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?))
    };
    Ok(Some(Translated {
        bytes: written.bytes,
        headers: written.headers.into_iter().filter_map(header).collect(),
        dropped: losses.names(),
        streams,
        legacy_functions,
        repeated: spoken.repeated(&read.value).map(Into::into),
        keeping: keeping.map(Box::new),
    }))
}

/// The path of a generation under a provider's base path.
pub fn path(dialect: Dialect, model: &str, streams: bool) -> String {
    match (dialect, streams) {
        (Dialect::OpenAiChat, _) => "/chat/completions".to_owned(),
        (Dialect::OpenAiResponses, _) => "/responses".to_owned(),
        (Dialect::AnthropicMessages, _) => "/messages".to_owned(),
        (Dialect::Cohere, _) => "/chat".to_owned(),
        (Dialect::Gemini, false) => format!("/models/{}:generateContent", percent_encoded(model)),
        (Dialect::Gemini, true) => {
            format!("/models/{}:streamGenerateContent?alt=sse", percent_encoded(model))
        }
        (Dialect::BedrockConverse, false) => format!("/model/{}/converse", whole_part(model)),
        (Dialect::BedrockConverse, true) => format!("/model/{}/converse-stream", whole_part(model)),
    }
}

/// Headers without which a dialect's API does not answer.
pub fn required_header(dialect: Dialect) -> Option<(HeaderName, HeaderValue)> {
    (dialect == Dialect::AnthropicMessages).then(|| {
        (
            HeaderName::from_static("anthropic-version"),
            HeaderValue::from_static(ANTHROPIC_VERSION),
        )
    })
}

/// Media as the target takes them: whether anything was changed, and what was lost by it.
fn fit<'a>(
    request: &mut Asked<'a>,
    codec: &'static dyn Codec,
    facts: &ModelTarget<'_>,
    target: &Target,
    means: Means<'a>,
    wants: &mut Vec<Want>,
) -> Result<(bool, Losses)> {
    let fit = Fit {
        codec,
        target: facts,
        reads_documents: target.reads_documents(),
        may_fetch: means.may_fetch,
        as_words: means.as_words,
    };
    let fitted = fit.request(request, means.got)?;
    wants.extend(fitted.wants);
    Ok((fitted.is_changed, fitted.losses))
}

fn facts<'m>(target: &Target, model: &'m str, to: Dialect, may_fetch: bool) -> ModelTarget<'m> {
    // some models of Google's fetch, and some do not: bytes are taken by all
    let usual = !(may_fetch && to == Dialect::Gemini);
    ModelTarget {
        maker: maker(target, model),
        fetches_urls: target.fetches_urls().unwrap_or(usual),
        ..ModelTarget::new(model)
    }
}

/// Whose thoughts the model takes back: of the dialect's own house where that is plain, else by the model's name.
fn maker(target: &Target, model: &str) -> Option<Maker> {
    let name = model.to_ascii_lowercase();
    let has = |part: &str| name.contains(part);
    match target.provider.dialects.first() {
        Some(Dialect::AnthropicMessages) => Some(Maker::Anthropic),
        Some(Dialect::Gemini) => Some(Maker::Google),
        _ if has("claude") => Some(Maker::Anthropic),
        _ if has("gemini") => Some(Maker::Google),
        Some(Dialect::OpenAiResponses) => Some(Maker::OpenAi),
        _ => None,
    }
}

fn betas(headers: &HeaderMap) -> Vec<&str> {
    headers
        .get_all("anthropic-beta")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|beta| !beta.is_empty())
        .collect()
}

/// A model that is one part of a path: ARNs hold slashes and colons.
fn whole_part(model: &str) -> String {
    percent_encoded(model).replace('/', "%2F").replace(':', "%3A")
}

fn unknown(dialect: Dialect) -> Box<Fault> {
    let message = format!("the gateway does not speak {}", dialect.as_str());
    Fault::ours(500, "unknown_dialect", message)
}
