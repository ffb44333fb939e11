//! A request of the model in any of the dialects.

use super::item::Item;
use super::{Dialect, NO_SUCH, Request};
use crate::fault::{BodyError, Fault, Within};
use crate::json::DEFAULT_MAX_DEPTH;
use crate::model::{Json, Losses, Text, Written};
use crate::write::{Object, object};

pub(super) fn write(to: Dialect, request: &Request<'_>, model: &str) -> Result<Written, BodyError> {
    let mut written = Written::default();
    let losses = &mut written.losses;
    let mut result = Ok(());
    object(&mut written.bytes, |body| {
        body.str("model", model);
        result = query(to, request, body).and_then(|()| documents(to, request, body, losses));
        members(to, request, body, losses);
        for extra in &request.extras {
            match to == request.dialect {
                true => body.member(&extra.name, &extra.value),
                false => losses.dropped(extra.name.get().into_owned(), NO_SUCH),
            }
        }
    });
    result.map_err(|fault: Fault| fault.into_body_error(&[], DEFAULT_MAX_DEPTH))?;
    Ok(written)
}

fn query(to: Dialect, request: &Request<'_>, body: &mut Object<'_>) -> Result<(), Fault> {
    match &request.query {
        own if to == request.dialect => own.write(body.value("query")),
        other => match other.text() {
            Some(text) => body.text("query", text),
            None => {
                return Err(Fault::unsupported(
                    "query",
                    "is no text, and the provider takes nothing else",
                ));
            }
        },
    }
    Ok(())
}

fn documents(
    to: Dialect,
    request: &Request<'_>,
    body: &mut Object<'_>,
    losses: &mut Losses,
) -> Result<(), Fault> {
    let both = to.takes_objects() && request.dialect.takes_objects();
    let as_they_are =
        to == request.dialect || both && (request.rank_fields.is_none() || to == Dialect::CohereV1);
    let mut result = Ok(());
    body.array("documents", |array| {
        for (at, document) in request.documents.iter().enumerate() {
            if as_they_are {
                document.write(array.value());
                continue;
            }
            match as_text(document, request.rank_fields.as_ref()) {
                Some((text, same)) => {
                    if !same {
                        losses.changed(format!("documents[{at}]"), "an object goes as its text");
                    }
                    array.text(&text);
                }
                None => {
                    result = Err(Fault::unsupported(
                        "",
                        "is no text, and the provider takes nothing else",
                    ))
                    .map_err(|fault: Fault| fault.within_element(at))
                    .within("documents");
                    return;
                }
            }
        }
    });
    result
}

/// The text of a document, and whether that is all of it. Of an object, the members that it is to be ranked by, a line
/// each; its text where nobody says; all of it where it has none and is not media.
fn as_text<'d>(document: &'d Item<'_>, rank_fields: Option<&Json<'_>>) -> Option<(Text<'d>, bool)> {
    let (json, text, more) = match document {
        Item::Text(text) => return Some((text.borrowed(), true)),
        Item::Object { json, text, more } => (json, text, *more),
    };
    if let Some(fields) = rank_fields
        .map(Json::elements)
        .filter(|fields| !fields.is_empty())
    {
        return Some((Text::plain(lines(json, &fields)), false));
    }
    match text {
        Some(text) => Some((text.borrowed(), !more)),
        None if ["/image", "/video", "/audio", "/content"]
            .iter()
            .any(|media| json.pointer(media).is_some()) =>
        {
            None
        }
        None => Some((Text::plain(json.get()), false)),
    }
}

/// More members than anybody ranks by are not looked at: each document is walked for each of them.
const MAX_FIELDS: usize = 32;

fn lines(document: &Json<'_>, fields: &[Json<'_>]) -> String {
    let members = document.members();
    let mut lines = String::new();
    let mut said: Vec<Text<'_>> = Vec::new();
    for name in fields.iter().filter_map(Json::as_text).take(MAX_FIELDS) {
        let Some((_, value)) = members.iter().find(|(member, _)| *member == name) else {
            continue;
        };
        if said.contains(&name) {
            continue;
        }
        if !lines.is_empty() {
            lines.push('\n');
        }
        lines.push_str(&name.get());
        lines.push_str(": ");
        match value.as_text() {
            Some(text) => lines.push_str(&text.get()),
            None => lines.push_str(value.get()),
        }
        said.push(name);
    }
    lines
}

fn members(to: Dialect, request: &Request<'_>, body: &mut Object<'_>, losses: &mut Losses) {
    let own = to == request.dialect;
    let top = if to == Dialect::Voyage { "top_k" } else { "top_n" };
    body.number_if(top, request.top_n.as_ref());
    // where it cannot be asked for, documents come back anyway, or are put in from the request
    if own || matches!(to, Dialect::CohereV1 | Dialect::Jina | Dialect::Voyage) {
        body.bool_if("return_documents", request.return_documents);
    }
    let limits = own || matches!(to, Dialect::CohereV2 | Dialect::OpenRouter | Dialect::Vllm);
    match &request.max_tokens_per_doc {
        Some(limit) if limits => body.number("max_tokens_per_doc", limit),
        Some(_) => losses.dropped("max_tokens_per_doc", NO_SUCH),
        None => {}
    }
    match request.truncate {
        Some(truncate) if own || to == Dialect::Voyage => body.bool("truncation", truncate),
        Some(_) => losses.dropped("truncation", NO_SUCH),
        None => {}
    }
    match &request.rank_fields {
        Some(fields) if own || to == Dialect::CohereV1 => body.json("rank_fields", fields),
        // for documents that are texts it says nothing, and for others it was followed
        _ => {}
    }
}
