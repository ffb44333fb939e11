//! A raw call: a provider's own API, passed through. Which path and query the provider gets, and which models the call
//! names, wherever it names them.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use penstock_llm::openai::Operation;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::accept::route::percent_decoded;
use crate::fault::{Fault, Result};
use crate::state::snapshot::Provider;

/// Query parameters in which some SDKs put their key: it is the gateway's, and no business of the provider's.
const KEY_PARAMETERS: &[&str] = &["key", "api_key", "api-key", "access_token"];

/// A raw call as it was read.
#[derive(Debug)]
pub struct Read {
    pub provider: Arc<Provider>,
    pub path: String,
    /// Every model it names: all of them must be allowed (PAIN Q01).
    pub models: Vec<String>,
    pub body: Bytes,
}

/// The operation that a path stands for, if Penstock reads it: such a call is treated like any other.
pub fn operation(rest: &str) -> Option<Operation> {
    match rest.strip_prefix("/v1").unwrap_or(rest) {
        "/chat/completions" => Some(Operation::Chat),
        "/completions" => Some(Operation::Completions),
        "/embeddings" => Some(Operation::Embeddings),
        "/moderations" => Some(Operation::Moderations),
        _ => None,
    }
}

/// Path and query at the provider. Its base path is not doubled: SDKs may be given a base URL with it or without.
pub fn upstream_path(provider: &Provider, rest: &str, query: Option<&str>) -> String {
    let base = &*provider.base_path;
    let rest = rest
        .strip_prefix(base)
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or(rest);
    let kept = query
        .unwrap_or("")
        .split('&')
        .filter(|pair| !pair.is_empty() && !holds_key(pair));
    let query = kept.collect::<Vec<_>>().join("&");
    let mark = if query.is_empty() { "" } else { "?" };
    let mut path = format!("{base}{rest}{mark}{query}");
    let is_there = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    provider.pages.add_query(&mut path, is_there);
    path
}

pub(super) fn holds_key(pair: &str) -> bool {
    let name = percent_decoded(pair.split('=').next().unwrap_or(""));
    KEY_PARAMETERS.contains(&name.to_ascii_lowercase().as_str())
}

/// The models that a path, a query and a body name. Escapes are undone, as the provider will.
pub fn models(path: &str, body: &[u8]) -> Result<Vec<String>> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let path = percent_decoded(path);
    let mut models: Vec<String> = path
        .split("/models/")
        .skip(1)
        .map(|rest| until(rest, "/:"))
        .collect();
    models.extend(path.split("/deployments/").skip(1).map(|rest| until(rest, "/")));
    models.extend(
        query
            .split('&')
            .map(percent_decoded)
            .filter_map(|pair| pair.strip_prefix("model=").map(str::to_owned)),
    );
    if body
        .first()
        .is_some_and(|first| first.is_ascii_whitespace() || *first == b'{')
    {
        let named: Named = serde_json::from_slice(body).map_err(|_| ambiguous())?;
        models.extend(named.0);
    }
    Ok(models)
}

fn until(rest: &str, ends: &str) -> String {
    rest.split(|c| ends.contains(c)).next().unwrap_or("").to_owned()
}

/// The parser's own words might quote the body.
fn ambiguous() -> Box<Fault> {
    let message = "the body is not a JSON object with at most one text `model`";
    Fault::caller(400, "invalid_json", message).with_param("model")
}

/// The `model` of a JSON object. Two would be read one way here and another way there.
struct Named(Option<String>);

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Named;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with at most one `model`")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> std::result::Result<Named, M::Error> {
                let mut model = None;
                while let Some(name) = members.next_key::<std::borrow::Cow<'de, str>>()? {
                    if name != "model" {
                        members.next_value::<IgnoredAny>()?;
                    } else if model.replace(members.next_value()?).is_some() {
                        return Err(serde::de::Error::duplicate_field("model"));
                    }
                }
                Ok(Named(model))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_found_wherever_a_call_names_them() {
        let found = |path: &str, body: &str| models(path, body.as_bytes()).unwrap();
        assert_eq!(
            found("/v1beta/models/gemini-2.5:generateContent", "{}"),
            ["gemini-2.5"]
        );
        assert_eq!(
            found("/openai/deployments/my-gpt/images", r#"{"model":"other"}"#),
            ["my-gpt", "other"]
        );
        assert_eq!(found("/v1/messages", r#" {"mod\u0065l":"claude"}"#), ["claude"]);
        assert!(found("/v1/files", "binary").is_empty());
    }

    #[test]
    fn pain_q01_a_second_model_is_refused() {
        assert!(models("/v1/messages", br#"{"model":"a","model":"b"}"#).is_err());
        assert!(models("/v1/messages", br#"{"model":1}"#).is_err());
    }
}
