//! Which page a request is for: one table, from which the pages, their methods and the 405s all come.

use http::Method;
use penstock_llm::foreign::Form;
use penstock_llm::model::Dialect;
use penstock_llm::openai::Operation;
use penstock_llm::{embed, rerank};

use crate::accept::stored;
use crate::exchange::{Kind, Spoken, Stored};
use crate::fault::{Fault, Result};

/// OpenRouter's base path, under which every `/v1` page is served too (FEATURES A02).
const OPENROUTER_PREFIX: &str = "/api";

/// What a page does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    Operation(Operation),
    /// A generation in another dialect than OpenAI's first.
    Generation(Form),
    /// How many tokens a request in Anthropic's dialect has.
    CountTokens,
    /// A call of which only the model is read; the page under a provider's base path.
    Named(&'static str),
    /// The same, for one that can be said in other words.
    Spoken(Spoken),
    /// Files, batches and answers.
    Stored(Stored),
    Models,
    /// The model's name, as in the path.
    Model(String),
    Realtime,
    /// `/{provider}/rest`: the provider's name and the rest with its slash.
    Raw {
        provider: String,
        rest: String,
    },
}

impl Route {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Operation(operation) => Kind::Operation(*operation),
            Self::Generation(_) => Kind::Operation(Operation::Chat),
            Self::Named(page) => Kind::of_page(page),
            Self::Spoken(Spoken::Embed { .. }) => Kind::Operation(Operation::Embeddings),
            Self::Spoken(Spoken::Rerank(_)) => Kind::Rerank,
            Self::Stored(stored) => stored.kind(),
            Self::CountTokens => Kind::Count,
            Self::Models | Self::Model(_) => Kind::Models,
            Self::Realtime => Kind::Realtime,
            Self::Raw { .. } => Kind::Raw,
        }
    }
}

/// How a row of the table turns into a route.
#[derive(Clone, Copy, Debug)]
enum Page {
    Operation(Operation),
    /// All that is asked for stands in the body.
    Generation(Dialect),
    CountTokens,
    /// Only the model is read; the page under a provider's base path.
    Named(&'static str),
    Embed(embed::Dialect),
    Rerank(rerank::Dialect),
    /// `{model}:generateContent` and its like.
    Gemini,
    /// `{model}/converse` or `{model}/converse-stream`.
    Converse,
    /// What the rest of the path names.
    Stored(fn(&str) -> Option<Stored>),
    Models,
    Model,
    Realtime,
}

/// Every page, with a method that it takes. A path that ends in `/*` has one more part, which may hold slashes.
const TABLE: &[(&str, &str, Page)] = &[
    ("POST", "/v1/chat/completions", Page::Operation(Operation::Chat)),
    ("POST", "/v1/completions", Page::Operation(Operation::Completions)),
    ("POST", "/v1/embeddings", Page::Operation(Operation::Embeddings)),
    ("POST", "/v1/moderations", Page::Operation(Operation::Moderations)),
    (
        "POST",
        "/v1/messages",
        Page::Generation(Dialect::AnthropicMessages),
    ),
    ("POST", "/v1/messages/count_tokens", Page::CountTokens),
    (
        "POST",
        "/v1/responses",
        Page::Generation(Dialect::OpenAiResponses),
    ),
    ("POST", "/v1beta/models/*", Page::Gemini),
    // the version that Google's SDKs ask for where nobody says another
    ("POST", "/v1/models/*", Page::Gemini),
    ("POST", "/model/*", Page::Converse),
    ("POST", "/v2/chat", Page::Generation(Dialect::Cohere)),
    ("POST", "/v2/embed", Page::Embed(embed::Dialect::Cohere)),
    ("POST", "/v1/rerank", Page::Rerank(rerank::Dialect::CohereV1)),
    ("POST", "/v2/rerank", Page::Rerank(rerank::Dialect::CohereV2)),
    (
        "POST",
        "/v1/images/generations",
        Page::Named("/images/generations"),
    ),
    ("POST", "/v1/images/edits", Page::Named("/images/edits")),
    ("POST", "/v1/images/variations", Page::Named("/images/variations")),
    ("POST", "/v1/audio/speech", Page::Named("/audio/speech")),
    (
        "POST",
        "/v1/audio/transcriptions",
        Page::Named("/audio/transcriptions"),
    ),
    (
        "POST",
        "/v1/audio/translations",
        Page::Named("/audio/translations"),
    ),
    ("POST", "/v1/files", Page::Stored(|_| Some(Stored::Upload))),
    ("GET", "/v1/files", Page::Stored(|_| Some(Stored::Files))),
    ("GET", "/v1/files/*", Page::Stored(stored::file)),
    ("DELETE", "/v1/files/*", Page::Stored(stored::deleted_file)),
    ("POST", "/v1/batches", Page::Stored(|_| Some(Stored::CreateBatch))),
    ("GET", "/v1/batches", Page::Stored(|_| Some(Stored::Batches))),
    ("GET", "/v1/batches/*", Page::Stored(stored::batch)),
    ("POST", "/v1/batches/*", Page::Stored(stored::cancelled_batch)),
    ("GET", "/v1/responses/*", Page::Stored(stored::response)),
    (
        "DELETE",
        "/v1/responses/*",
        Page::Stored(stored::deleted_response),
    ),
    (
        "POST",
        "/v1/responses/*",
        Page::Stored(stored::cancelled_response),
    ),
    ("GET", "/v1/models", Page::Models),
    ("GET", "/v1/models/*", Page::Model),
    ("GET", "/v1/realtime", Page::Realtime),
];

/// A path of each page with the methods that it takes, for the tests that walk them.
pub fn pages() -> Vec<(String, String)> {
    let mut pages: Vec<(String, String)> = Vec::new();
    for (method, path, page) in TABLE {
        let rest = match page {
            Page::Gemini => "some-model:generateContent",
            Page::Converse => "some.model/converse-stream",
            Page::Stored(_) if path.ends_with("/*") && *method == "POST" => "some-id/cancel",
            Page::Stored(_) => "some-id",
            _ => "some/model",
        };
        let path = path.replace('*', rest);
        let under_api = path
            .starts_with("/v1/")
            .then(|| format!("{OPENROUTER_PREFIX}{path}"));
        for path in std::iter::once(path).chain(under_api) {
            if !pages.iter().any(|(_, known)| *known == path) {
                pages.push((methods_of(&path), path));
            }
        }
    }
    pages
}

fn methods_of(path: &str) -> String {
    let takes = |method: &Method| find(method, path, |_| false).is_ok();
    let all = [Method::POST, Method::GET, Method::DELETE];
    let taken = all.iter().filter(|method| takes(method)).map(Method::as_str);
    // in the order of the table, as a 405 has them
    let rank = |name: &&str| {
        TABLE.iter().position(|(verb, pattern, page)| {
            verb == name
                && rest_of(pattern, path.strip_prefix(OPENROUTER_PREFIX).unwrap_or(path))
                    .is_some_and(|rest| page.route(rest).is_some())
        })
    };
    let mut taken: Vec<&str> = taken.collect();
    taken.sort_by_key(rank);
    taken.join(", ")
}

/// The pages under a provider's base path whose calls are passed on mostly unread.
pub fn named_pages() -> impl Iterator<Item = &'static str> {
    TABLE.iter().filter_map(|(_, _, page)| match page {
        Page::Named(page) => Some(*page),
        _ => None,
    })
}

/// Finds the page. `is_provider` says whether a first path segment names a provider.
pub fn find(method: &Method, path: &str, is_provider: impl Fn(&str) -> bool) -> Result<Route> {
    let plain = path
        .strip_prefix(OPENROUTER_PREFIX)
        .filter(|rest| rest.starts_with("/v1/"))
        .unwrap_or(path);
    let (mut methods, mut is_ours): (Vec<&str>, bool) = (Vec::new(), false);
    for (verb, pattern, page) in TABLE {
        let Some(rest) = rest_of(pattern, plain) else {
            continue;
        };
        is_ours = true;
        let Some(route) = page.route(rest) else { continue };
        match (method.as_str() == *verb, page) {
            (true, Page::Rerank(_)) if plain != path => {
                return Ok(Route::Spoken(Spoken::Rerank(rerank::Dialect::OpenRouter)));
            }
            (true, _) => return Ok(route),
            (false, _) if !methods.contains(verb) => methods.push(verb),
            (false, _) => {}
        }
    }
    match methods.is_empty() {
        true => {
            let route = (!is_ours).then(|| raw(path, is_provider)).flatten();
            route.ok_or_else(|| unknown(method, path))
        }
        false => Err(wrong_method(method, path, methods.join(", "))),
    }
}

impl Page {
    /// `None` where the rest of the path is no page.
    fn route(self, rest: &str) -> Option<Route> {
        Some(match self {
            Self::Operation(operation) => Route::Operation(operation),
            Self::Generation(dialect) => Route::Generation(Form::of(dialect)),
            Self::CountTokens => Route::CountTokens,
            Self::Named(page) => Route::Named(page),
            Self::Embed(dialect) => Route::Spoken(Spoken::Embed { dialect, model: None }),
            Self::Rerank(dialect) => Route::Spoken(Spoken::Rerank(dialect)),
            Self::Gemini => gemini(rest)?,
            Self::Converse => Route::Generation(converse(rest)?),
            Self::Stored(stored) => Route::Stored(stored(rest)?),
            Self::Models => Route::Models,
            Self::Model => Route::Model(percent_decoded(rest)),
            Self::Realtime => Route::Realtime,
        })
    }
}

/// What errors are told in: the dialect of the page, or of the page that was probably meant.
pub fn dialect_of(path: &str) -> Dialect {
    let path = path.strip_prefix(OPENROUTER_PREFIX).unwrap_or(path);
    let is = |page: &str| {
        path.strip_prefix(page)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if is("/v1/messages") {
        Dialect::AnthropicMessages
    } else if is("/v1/responses") {
        Dialect::OpenAiResponses
    } else if is("/v1beta") || is("/v1/models") && path.ends_with("enerateContent") {
        Dialect::Gemini
    } else if is("/model") {
        Dialect::BedrockConverse
    } else if matches!(path, "/v2/chat" | "/v2/embed" | "/v2/rerank") {
        Dialect::Cohere
    } else {
        Dialect::OpenAiChat
    }
}

fn gemini(rest: &str) -> Option<Route> {
    let (model, method) = rest.rsplit_once(':')?;
    let embed = |dialect| {
        Route::Spoken(Spoken::Embed {
            dialect,
            model: Some(percent_decoded(model).into()),
        })
    };
    Some(match method {
        "generateContent" => Route::Generation(in_path(Dialect::Gemini, model, false)),
        "streamGenerateContent" => Route::Generation(in_path(Dialect::Gemini, model, true)),
        "embedContent" => embed(embed::Dialect::Gemini),
        "batchEmbedContents" => embed(embed::Dialect::GeminiBatch),
        _ => return None,
    })
}

fn converse(rest: &str) -> Option<Form> {
    let (model, method) = rest.rsplit_once('/')?;
    let stream = match method {
        "converse" => false,
        "converse-stream" => true,
        _ => return None,
    };
    Some(in_path(Dialect::BedrockConverse, model, stream))
}

fn in_path(dialect: Dialect, model: &str, stream: bool) -> Form {
    Form {
        dialect,
        model: Some(percent_decoded(model).into()),
        stream: Some(stream),
    }
}

/// What stands for the `*`; empty for an exact path.
fn rest_of<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    match pattern.strip_suffix('*') {
        Some(prefix) => path.strip_prefix(prefix).filter(|rest| !rest.is_empty()),
        None => (path == pattern).then_some(""),
    }
}

fn raw(path: &str, is_provider: impl Fn(&str) -> bool) -> Option<Route> {
    let (provider, rest) = path.strip_prefix('/')?.split_once('/')?;
    let is_clean = !rest
        .split('/')
        .any(|part| matches!(percent_decoded(part).as_str(), "." | ".."));
    (is_provider(provider) && is_clean).then(|| Route::Raw {
        provider: provider.to_owned(),
        rest: format!("/{rest}"),
    })
}

/// Model names hold slashes, which SDKs send as `%2F`. What is not a legal escape stays as it is.
pub(super) fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(hex_byte);
        out.push(escaped.unwrap_or(bytes[at]));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

fn hex_byte(pair: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()
}

fn unknown(method: &Method, path: &str) -> Box<Fault> {
    let hint = match meant(path) {
        Some(page) => format!("did you mean {page}?"),
        None => format!("there are {} and /{{provider}}/*", listed()),
    };
    let message = format!("there is no page {method} {}; {hint}", shown(path));
    Fault::caller(404, "unknown_url", message)
}

/// The page that a path with the wrong base URL was for: without `/v1`, with it twice, or with a slash too many.
fn meant(path: &str) -> Option<&'static str> {
    let tail = path.trim_end_matches('/');
    let exact = TABLE
        .iter()
        .map(|(_, page, _)| *page)
        .filter(|page| !page.ends_with('*'));
    exact
        .filter(|page| {
            let Some(rest) = page.strip_prefix("/v1").filter(|rest| rest.starts_with('/')) else {
                return false;
            };
            tail.strip_suffix(rest)
                .is_some_and(|base| matches!(base, "" | "/v1" | "/v1/v1" | "/api"))
        })
        .max_by_key(|page| page.len())
}

fn listed() -> String {
    let mut pages: Vec<&str> = TABLE.iter().map(|(_, page, _)| *page).collect();
    pages.dedup();
    pages.join(", ")
}

fn wrong_method(method: &Method, path: &str, allow: String) -> Box<Fault> {
    let message = format!("{} takes {allow}, not {method}", shown(path));
    let mut fault = Fault::caller(405, "method_not_allowed", message);
    fault.allow = Some(allow);
    fault
}

/// A path in an error: bounded, printable.
fn shown(path: &str) -> String {
    path.chars().filter(|c| !c.is_control()).take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &str, path: &str) -> Result<Route> {
        find(&method.parse().unwrap(), path, |name| name == "openai")
    }

    #[test]
    fn every_page_is_found_by_its_methods_and_refused_by_others() {
        for (methods, path) in pages() {
            for method in methods.split(", ") {
                assert!(found(method, &path).is_ok(), "{method} {path}");
            }
            let refused = found("PUT", &path).unwrap_err();
            assert_eq!((refused.status, refused.allow), (405, Some(methods)), "{path}");
        }
    }

    #[test]
    fn a_wrong_base_url_is_told_the_page_that_was_meant() {
        for path in [
            "/chat/completions",
            "/v1/v1/chat/completions",
            "/v1/chat/completions/",
            "/api/chat/completions",
        ] {
            let refused = found("POST", path).unwrap_err();
            assert!(
                refused.message.ends_with("did you mean /v1/chat/completions?"),
                "{}",
                refused.message
            );
        }
        let refused = found("POST", "/v1/unheard-of").unwrap_err();
        assert!(
            refused.message.contains("/v1/embeddings, /v1/moderations"),
            "{}",
            refused.message
        );
    }

    #[test]
    fn a_models_name_may_hold_slashes_plain_or_escaped() {
        assert_eq!(
            found("GET", "/v1/models/openai/gpt-4o").unwrap(),
            Route::Model("openai/gpt-4o".into())
        );
        assert_eq!(
            found("GET", "/v1/models/openai%2Fgpt-4o").unwrap(),
            Route::Model("openai/gpt-4o".into())
        );
    }

    #[test]
    fn googles_sdks_find_their_page_under_either_version() {
        for version in ["v1", "v1beta"] {
            let path = format!("/{version}/models/a/b:streamGenerateContent");
            let route = Route::Generation(in_path(Dialect::Gemini, "a/b", true));
            assert_eq!(found("POST", &path).unwrap(), route);
            assert_eq!(dialect_of(&path), Dialect::Gemini);
        }
        assert_eq!(dialect_of("/v1/models/a"), Dialect::OpenAiChat);
        let refused = found("POST", "/v1/models/a").unwrap_err();
        assert_eq!(refused.allow.as_deref(), Some("GET"));
    }

    #[test]
    fn a_provider_name_leads_to_the_raw_pass_through() {
        let route = Route::Raw {
            provider: "openai".into(),
            rest: "/audio/speech".into(),
        };
        assert_eq!(found("POST", "/openai/audio/speech").unwrap(), route);
        assert_eq!(found("POST", "/elsewhere/audio/speech").unwrap_err().status, 404);
    }

    #[test]
    fn a_raw_path_cannot_climb_out_of_the_base_url() {
        assert_eq!(found("GET", "/openai/../admin").unwrap_err().status, 404);
        assert_eq!(found("GET", "/openai/a/%2e%2E/admin").unwrap_err().status, 404);
    }
}
