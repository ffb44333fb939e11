//! A call in the dialect of the provider that it goes to: which dialect that is, and the body written anew where the caller
//! speaks another one, by what is built in or by an adapter. What was lost on the way is named.

use std::collections::HashSet;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use penstock_llm::model::{
    Codec, Dialect, Losses, Maker, Names, Request as Asked, Seal, Target as ModelTarget,
};
use penstock_llm::openai::Request;
use penstock_plugin_host::Encoded;

use crate::adapter::Adapted;
use crate::dispatch::media::Fit;
use crate::dispatch::signatures::put_back;
use crate::fault::{Fault, Result};
use crate::state::media::{Got, Want};
use crate::state::signatures::{Keeping, Vault};
use crate::state::snapshot::{Provider, Target};

/// A body for a provider, and what has to be said of it.
#[derive(Debug)]
pub struct Translated {
    pub bytes: Vec<u8>,
    /// Under the provider's base path, with the query.
    pub path: String,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What the caller sees as `x-penstock-dropped`.
    pub dropped: Vec<Box<str>>,
    pub legacy_functions: bool,
    /// Of tools that go by another name.
    pub names: Names,
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
        false => provider.first_dialect(),
    }
}

/// What a call is written in for its provider.
#[derive(Clone, Copy)]
pub enum Writer<'a> {
    Codec(&'static dyn Codec),
    Adapter(&'a Adapted),
}

impl<'a> Writer<'a> {
    /// The adapter where there is one, else what is built in.
    pub fn of(dialect: Dialect, adapted: Option<&'a Adapted>) -> Result<Self> {
        match adapted {
            Some(adapted) => Ok(Self::Adapter(adapted)),
            None => dialect.codec().map(Self::Codec).ok_or_else(|| unknown(dialect)),
        }
    }

    /// What the provider speaks, where that is known here.
    fn dialect(self) -> Option<Dialect> {
        match self {
            Self::Codec(codec) => Some(codec.dialect()),
            Self::Adapter(adapted) => adapted.dialect(),
        }
    }

    /// What is built in of it: what it says of media holds for an adapter of its dialect, too.
    fn codec(self) -> Option<&'static dyn Codec> {
        self.dialect().and_then(Dialect::codec)
    }

    fn write(self, request: &Asked<'_>, target: &ModelTarget<'_>, bytes: usize) -> Result<Encoded> {
        let codec = match self {
            Self::Codec(codec) => codec,
            Self::Adapter(adapted) => return adapted.encode(request, target, bytes),
        };
        let written = codec.write_request(request, target)?;
        let header = |(name, value): (&'static str, String)| {
            Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?))
        };
        Ok(Encoded {
            body: written.bytes,
            path: codec.dialect().path(target.model, request.stream),
            headers: written.headers.into_iter().filter_map(header).collect(),
            names: written.names,
            losses: written.losses,
        })
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
    /// Encrypted thoughts that cannot be read there.
    pub foreign: &'a HashSet<Seal>,
}

/// Whether a request in its own dialect may still hold media that its target does not take: only then it has to be looked
/// into.
pub fn may_lack(request: &Request, target: &Target) -> bool {
    let is_limited = target.fetches_urls() == Some(false) || !target.reads_documents();
    is_limited && request.segments().iter().any(|segment| !segment.kind.has_text())
}

/// The body of a call in another dialect, or with media in another form or without thoughts that cannot be read there; none
/// while something is wanted for it, or where nothing is to be changed.
///
/// # Errors
/// What cannot be said in that dialect and must not be left out: the caller's fault, with the field. Or an adapter failed.
pub fn translated(
    request: &Request,
    target: &Target,
    model: &str,
    to: Writer<'_>,
    from_caller: &HeaderMap,
    means: Means<'_>,
    wants: &mut Vec<Want>,
) -> Result<Option<Translated>> {
    let betas = betas(from_caller);
    let mut read = request.in_model(&betas)?;
    let spoken = request.dialect();
    let spoken = spoken.codec().ok_or_else(|| unknown(spoken))?;
    // a body in its caller's own dialect is only written anew where media in it change
    let is_own = matches!(to, Writer::Codec(codec) if codec.dialect() == spoken.dialect());
    if !is_own {
        spoken.check_portable(&read.value)?;
    }
    let unsealed = read.value.unseal(|seal| means.foreign.contains(&seal));
    let legacy_functions = read.value.legacy_functions;
    let facts = facts(target, model, to, means.may_fetch);
    let (is_changed, fitted) = fit(&mut read.value, to, &facts, target, means, wants)?;
    let is_changed = is_changed || !unsealed.is_empty();
    if !wants.is_empty() || (!is_changed && is_own) {
        return Ok(None);
    }
    let keeping = means.remembered.map(|kept| Keeping {
        conversation: put_back(&mut read.value, kept.caller, facts.maker, kept.vault),
        vault: kept.vault.clone(),
        caller: kept.caller.clone(),
        maker: facts.maker,
    });
    let written = to.write(&read.value, &facts, request.bytes().len())?;
    let mut losses = read.losses;
    for place in unsealed {
        losses.dropped(
            place,
            "only the account that these thoughts were made for can read them",
        );
    }
    losses.append(fitted);
    losses.append(written.losses);
    Ok(Some(Translated {
        bytes: written.body,
        path: written.path,
        headers: written.headers,
        names: written.names,
        dropped: losses.names(),
        legacy_functions,
        repeated: spoken.repeated(&read.value).map(Into::into),
        keeping: keeping.map(Box::new),
    }))
}

/// What an answer that is written anew in its caller's own dialect has to know of the request.
pub struct Own {
    pub legacy_functions: bool,
    pub repeated: Option<Box<str>>,
}

/// Reads that.
///
/// # Errors
/// The field that is of the wrong type.
pub fn own(request: &Request) -> Result<Own> {
    let codec = request.dialect().codec();
    let codec = codec.ok_or_else(|| unknown(request.dialect()))?;
    let read = request.in_model(&[])?.value;
    Ok(Own {
        legacy_functions: read.legacy_functions,
        repeated: codec.repeated(&read).map(Into::into),
    })
}

/// Headers without which a dialect's API does not answer.
pub fn required_header(dialect: Dialect) -> Option<(HeaderName, HeaderValue)> {
    let header = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    dialect.required_header().map(header)
}

/// Media as the target takes them: whether anything was changed, and what was lost by it.
fn fit<'a>(
    request: &mut Asked<'a>,
    to: Writer<'_>,
    facts: &ModelTarget<'_>,
    target: &Target,
    means: Means<'a>,
    wants: &mut Vec<Want>,
) -> Result<(bool, Losses)> {
    // nobody knows what an adapter of a dialect of its own takes: it says so itself
    let Some(codec) = to.codec() else {
        return Ok((false, Losses::default()));
    };
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

fn facts<'m>(target: &Target, model: &'m str, to: Writer<'_>, may_fetch: bool) -> ModelTarget<'m> {
    let house = match to {
        Writer::Codec(_) => target.provider.dialects.first().copied(),
        Writer::Adapter(adapted) => adapted.dialect(),
    };
    // some models of Google's fetch, and some do not: bytes are taken by all
    let usual = !(may_fetch && to.dialect() == Some(Dialect::Gemini));
    target.facts.told_to(ModelTarget {
        maker: maker(house, model),
        fetches_urls: target.fetches_urls().unwrap_or(usual),
        ask_usage: target.provider.usage_option,
        ..ModelTarget::new(model)
    })
}

/// Whose thoughts the model takes back: of the dialect's own house where that is plain, else by the model's name.
fn maker(house: Option<Dialect>, model: &str) -> Option<Maker> {
    let name = model.to_ascii_lowercase();
    let has = |part: &str| name.contains(part);
    match house {
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

fn unknown(dialect: Dialect) -> Box<Fault> {
    let message = format!("the gateway does not speak {}", dialect.as_str());
    Fault::ours(500, "unknown_dialect", message)
}
