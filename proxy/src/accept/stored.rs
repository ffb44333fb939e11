//! Files, batches and answers: things that stay at a provider and that a caller comes back to by their id (APIS.md 1.11,
//! 1.13). Which request that is, and which provider it names.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;

use crate::accept::raw::holds_key;
use crate::accept::route::percent_decoded;
use crate::exchange::Stored;
use crate::fault::{Fault, Result};

/// The header, and the query parameter, by which a caller chooses where a file goes.
const HEADER: &str = "x-penstock-provider";
const PARAMETER: &str = "provider";

/// A request as it was read.
#[derive(Debug)]
pub struct Read {
    pub stored: Stored,
    pub body: Bytes,
    /// The provider that the caller names.
    pub provider: Option<String>,
    /// The id of what it is about, or is made of.
    pub id: Option<String>,
    /// An answer is wanted as the stream that it was, or still is.
    pub streamed: bool,
}

/// A row's page under `/v1/files/`; none where the rest of the path is no page.
pub fn file(rest: &str) -> Option<Stored> {
    match parts(rest)? {
        (id, None) => Some(Stored::File(id)),
        (id, Some("content")) => Some(Stored::Content(id)),
        _ => None,
    }
}

pub fn deleted_file(rest: &str) -> Option<Stored> {
    alone(rest).map(Stored::DeleteFile)
}

pub fn batch(rest: &str) -> Option<Stored> {
    alone(rest).map(Stored::Batch)
}

pub fn cancelled_batch(rest: &str) -> Option<Stored> {
    cancelled(rest).map(Stored::CancelBatch)
}

/// The same under `/v1/responses/`.
pub fn response(rest: &str) -> Option<Stored> {
    match parts(rest)? {
        (id, None) => Some(Stored::Response(id)),
        (id, Some("input_items")) => Some(Stored::ResponseItems(id)),
        _ => None,
    }
}

pub fn deleted_response(rest: &str) -> Option<Stored> {
    alone(rest).map(Stored::DeleteResponse)
}

pub fn cancelled_response(rest: &str) -> Option<Stored> {
    cancelled(rest).map(Stored::CancelResponse)
}

/// An id, and what is behind it in the path.
fn parts(rest: &str) -> Option<(String, Option<&str>)> {
    let (id, page) = match rest.split_once('/') {
        Some((id, page)) => (id, Some(page)),
        None => (rest, None),
    };
    (!id.is_empty()).then(|| (percent_decoded(id), page))
}

fn alone(rest: &str) -> Option<String> {
    let (id, page) = parts(rest)?;
    page.is_none().then_some(id)
}

fn cancelled(rest: &str) -> Option<String> {
    let (id, page) = parts(rest)?;
    (page == Some("cancel")).then_some(id)
}

/// Reads a request.
///
/// # Errors
/// A batch that does not say which file it is made of.
pub fn read(stored: Stored, headers: &HeaderMap, query: Option<&str>, body: Bytes) -> Result<Read> {
    let id = match stored {
        Stored::CreateBatch => Some(input_file(&body)?),
        _ => stored.id().map(str::to_owned),
    };
    Ok(Read {
        streamed: matches!(stored, Stored::Response(_))
            && parameter(query, "stream").as_deref() == Some("true"),
        provider: named_provider(headers, query),
        id,
        stored,
        body,
    })
}

/// Path and query at the provider, under its base path.
pub fn upstream_path(path: &str, query: Option<&str>) -> String {
    let page = path.strip_prefix("/api").unwrap_or(path);
    let page = page.strip_prefix("/v1").unwrap_or(page);
    let is_ours = |pair: &&str| pair.split('=').next() == Some(PARAMETER);
    let kept: Vec<&str> = query
        .unwrap_or("")
        .split('&')
        .filter(|pair| !pair.is_empty() && !is_ours(pair) && !holds_key(pair))
        .collect();
    match kept.is_empty() {
        true => page.to_owned(),
        false => format!("{page}?{}", kept.join("&")),
    }
}

fn named_provider(headers: &HeaderMap, query: Option<&str>) -> Option<String> {
    let header = headers.get(HEADER).and_then(|value| value.to_str().ok());
    header
        .map(str::to_owned)
        .or_else(|| parameter(query, PARAMETER))
        .filter(|name| !name.is_empty())
}

fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = query
        .unwrap_or("")
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(own, _)| *own == name)?;
    Some(percent_decoded(value))
}

/// The file that a batch is made of. Two would be read one way here and another way there.
fn input_file(body: &[u8]) -> Result<String> {
    #[derive(Deserialize)]
    struct Batch<'a> {
        #[serde(borrow, default)]
        input_file_id: Option<Cow<'a, str>>,
    }
    let batch: Batch<'_> = serde_json::from_slice(body).map_err(|_| {
        let message = "the body is not a JSON object with one text `input_file_id`";
        Fault::caller(400, "invalid_json", message).with_param("input_file_id")
    })?;
    let id = batch.input_file_id.filter(|id| !id.is_empty());
    id.map(Cow::into_owned).ok_or_else(|| {
        let message = "`input_file_id` is missing: name a file that was uploaded here";
        Fault::caller(400, "missing_required_parameter", message).with_param("input_file_id")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_named_by_header_or_query_and_told_neither() {
        let mut headers = HeaderMap::new();
        assert_eq!(
            named_provider(&headers, Some("limit=2&provider=b")).as_deref(),
            Some("b")
        );
        headers.insert(HEADER, "a".parse().unwrap());
        assert_eq!(named_provider(&headers, Some("provider=b")).as_deref(), Some("a"));
        assert_eq!(
            upstream_path("/v1/files", Some("provider=b&limit=2")),
            "/files?limit=2"
        );
        assert_eq!(upstream_path("/api/v1/files", Some("provider=b")), "/files");
    }

    #[test]
    fn a_batch_names_its_file() {
        assert_eq!(input_file(br#"{"input_file_id":"file-1"}"#).unwrap(), "file-1");
        let twice = r#"{"input_file_id":"a","input_file_id":"b"}"#;
        for body in [
            "{}",
            r#"{"input_file_id":7}"#,
            r#"{"input_file_id":""}"#,
            twice,
            "{",
        ] {
            assert_eq!(
                input_file(body.as_bytes()).unwrap_err().param.as_deref(),
                Some("input_file_id")
            );
        }
    }
}
