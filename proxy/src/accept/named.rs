//! A call of which only the model is read, because that says where it goes: images, audio, reranking,
//! embeddings of other dialects than OpenAI's. JSON or a form; the
//! rest of the body is passed on as it came.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use http::{HeaderMap, header};
use memchr::memmem;
use penstock_llm::json;
use serde::Deserialize;

use crate::accept::raw;
use crate::exchange::Spoken;
use crate::fault::{Fault, Result};

/// Parts of one form; OpenAI's forms have ten.
const MOST_PARTS: usize = 256;

/// A call as it was read.
#[derive(Debug)]
pub struct Read {
    pub model: String,
    pub body: Bytes,
}

/// Reads the model's name. It must be there, and only once: the model that is allowed is the model that is sent
/// (PAIN Q01).
pub fn read(headers: &HeaderMap, body: Bytes) -> Result<Read> {
    let model = match boundary(headers) {
        Some(boundary) => in_form(&body, &boundary)?.map(|value| text(&body[value])),
        None => raw::models("", &body)?.pop(),
    };
    let model = model.filter(|name| !name.is_empty()).ok_or_else(|| {
        let message = "`model` is missing: name a model";
        Fault::caller(400, "missing_required_parameter", message).with_param("model")
    })?;
    Ok(Read { model, body })
}

/// The same for a call whose path may name the model. Where its body does too, it must be the same one: the model that is
/// allowed is the model that is asked.
pub fn read_spoken(headers: &HeaderMap, spoken: &Spoken, body: Bytes) -> Result<Read> {
    let Spoken::Embed {
        model: Some(model), ..
    } = spoken
    else {
        return read(headers, body);
    };
    same_model(&body, model)?;
    let model = model.to_string();
    Ok(Read { model, body })
}

fn same_model(body: &[u8], model: &str) -> Result<()> {
    let named: Named<'_> = serde_json::from_slice(body).map_err(|_| {
        let message = "the body is not a JSON object with at most one `model` for each request";
        Fault::caller(400, "invalid_json", message)
    })?;
    let of_requests = named.requests.iter().flatten().map(|one| &one.model);
    let is_it = |name: &Option<Cow<'_, str>>| {
        let name = name.as_deref();
        name.is_none_or(|name| name == model || name.strip_prefix("models/") == Some(model))
    };
    if of_requests.chain([&named.model]).all(is_it) {
        return Ok(());
    }
    let message = "`model` of the body is another one than the path's: name the same, or leave it out";
    Err(Fault::caller(400, "invalid_value", message).with_param("model"))
}

/// The models in the body of Google's embeddings.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    requests: Option<Vec<NamedOne<'a>>>,
}

#[derive(Deserialize)]
struct NamedOne<'a> {
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
}

/// The body with another model's name in it.
pub fn renamed(headers: &HeaderMap, body: &Bytes, model: &str) -> Result<Bytes> {
    let (place, name) = match boundary(headers) {
        Some(boundary) => (in_form(body, &boundary)?, model.as_bytes().to_vec()),
        None => {
            let mut literal = Vec::with_capacity(model.len() + 2);
            json::escape_into(model, &mut literal);
            let span = json::pointer(body, "/model");
            (span.map(|span| span.start..span.end), literal)
        }
    };
    let place = place.ok_or_else(broken_form)?;
    if body[place.clone()] == name {
        return Ok(body.clone());
    }
    let mut renamed = Vec::with_capacity(body.len() + name.len());
    renamed.extend_from_slice(&body[..place.start]);
    renamed.extend_from_slice(&name);
    renamed.extend_from_slice(&body[place.end..]);
    Ok(renamed.into())
}

/// The delimiter of a form's parts (RFC 2046, 5.1.1); none for a body that is no form.
fn boundary(headers: &HeaderMap) -> Option<Vec<u8>> {
    let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim())
    })?;
    Some(format!("--{}", value.trim_matches('"')).into_bytes())
}

/// Where the value of the form's only field `model` stands.
fn in_form(body: &[u8], boundary: &[u8]) -> Result<Option<Range<usize>>> {
    let finder = memmem::Finder::new(boundary);
    let starts: Vec<usize> = finder.find_iter(body).take(MOST_PARTS + 1).collect();
    if starts.len() > MOST_PARTS {
        return Err(broken_form());
    }
    let mut found = None;
    for pair in starts.windows(2) {
        let &[start, end] = pair else { continue };
        let part = start + boundary.len()..end;
        let Some(value) = value_of(&body[part.clone()]) else {
            continue;
        };
        let value = part.start + value.start..part.start + value.end;
        if found.replace(value).is_some() {
            let message = "the form has more than one `model`";
            return Err(Fault::caller(400, "duplicate_key", message).with_param("model"));
        }
    }
    Ok(found)
}

/// The value of a part, if it is the field `model`. A part is its headers, an empty line, the value, a line's end.
fn value_of(part: &[u8]) -> Option<Range<usize>> {
    let blank = memmem::find(part, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&part[..blank]).ok()?;
    let is_model = head.lines().any(|line| {
        line.split_once(':').is_some_and(|(name, value)| {
            name.trim().eq_ignore_ascii_case("content-disposition")
                && value
                    .split(';')
                    .any(|parameter| matches!(parameter.trim(), "name=\"model\"" | "name=model"))
        })
    });
    let start = blank + 4;
    let end = part.len().checked_sub(2).filter(|end| *end >= start)?;
    is_model.then_some(start..end)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn broken_form() -> Box<Fault> {
    Fault::caller(400, "invalid_form", "the form cannot be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"model\"\r\n\r\nRIFF--\r\n--x\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nwhisper\r\n--x--\r\n";

    fn headers(content_type: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_TYPE, http::HeaderValue::from_static(content_type))])
    }

    #[test]
    fn the_model_of_a_form_is_found_and_nothing_else_changes() {
        let form = headers("multipart/form-data; boundary=x");
        let read = read(&form, FORM.into()).unwrap();
        assert_eq!(read.model, "whisper");
        let renamed = renamed(&form, &read.body, "whisper-large").unwrap();
        assert_eq!(
            renamed,
            FORM.replace("\r\n\r\nwhisper\r\n", "\r\n\r\nwhisper-large\r\n")
        );
    }

    #[test]
    fn pain_q01_a_form_with_two_models_is_refused() {
        let form = headers("multipart/form-data; boundary=\"x\"");
        let two = FORM.replace("name=\"file\"; filename=\"model\"", "name=\"model\"");
        assert_eq!(read(&form, two.into()).unwrap_err().code, "duplicate_key");
        assert_eq!(
            read(&form, "--x--".into()).unwrap_err().code,
            "missing_required_parameter"
        );
    }

    #[test]
    fn the_model_of_a_json_body_is_renamed_in_place() {
        let json = headers("application/json");
        let body = Bytes::from_static(br#"{"prompt": "a",  "model":"dall-e", "n":1e0}"#);
        assert_eq!(read(&json, body.clone()).unwrap().model, "dall-e");
        assert_eq!(
            renamed(&json, &body, "gpt-image").unwrap(),
            &br#"{"prompt": "a",  "model":"gpt-image", "n":1e0}"#[..]
        );
    }
}
