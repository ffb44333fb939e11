//! A request into the model: the dialects' names do not collide, so each takes the others' as well.

use super::item;
use super::{Dialect, Request};
use crate::fault::{BodyError, Fault, Within};
use crate::model::{Asked, Read, Text};
use crate::read::Reader;

const TEXT: &str = "must be a string";
const NUMBER: &str = "must be a number";
const BOOL: &str = "must be true or false";

pub(super) fn read<'a>(
    dialect: Dialect,
    body: &'a [u8],
    asked: &Asked<'a>,
) -> Result<Read<Request<'a>>, BodyError> {
    Reader::whole(body, true, |reader| request(dialect, reader, asked))
}

fn request<'a>(dialect: Dialect, reader: &mut Reader<'a>, asked: &Asked<'a>) -> Result<Request<'a>, Fault> {
    let mut query = None;
    let mut request = Request {
        dialect,
        model: Text::default(),
        query: item::Item::Text(Text::default()),
        documents: Vec::new(),
        top_n: None,
        return_documents: None,
        max_tokens_per_doc: None,
        truncate: None,
        rank_fields: None,
        extras: Vec::new(),
    };
    let Some(mut members) = reader.object("the body must be a JSON object")? else {
        return Ok(request);
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"model" => request.model = reader.text(TEXT).within("model")?.unwrap_or_default(),
            b"query" => query = Some(item::read(reader).within("query")?),
            b"documents" => {
                let documents = &mut request.documents;
                reader
                    .each("must be an array", |reader, _| {
                        documents.push(item::read(reader)?);
                        Ok(())
                    })
                    .within("documents")?;
            }
            b"top_n" => request.top_n = reader.number(NUMBER).within("top_n")?.or(request.top_n),
            b"top_k" if dialect == Dialect::Voyage => {
                request.top_n = reader.number(NUMBER).within("top_k")?.or(request.top_n);
            }
            b"return_documents" => request.return_documents = reader.bool(BOOL).within("return_documents")?,
            b"max_tokens_per_doc" => {
                request.max_tokens_per_doc = reader.number(NUMBER).within("max_tokens_per_doc")?;
            }
            b"truncation" => request.truncate = reader.bool(BOOL).within("truncation")?,
            b"rank_fields" => request.rank_fields = reader.json_or_null()?,
            _ => reader.extra(key, &mut request.extras)?,
        }
    }
    if let Some(model) = asked.model {
        request.model = Text::plain(model);
    }
    if request.model.is_empty() {
        return Err(Fault::missing("model", "is missing: name the model to ask"));
    }
    request.query = query.ok_or_else(|| Fault::missing("query", "is missing"))?;
    if request.documents.is_empty() {
        return Err(Fault::missing("documents", "is missing or empty"));
    }
    Ok(request)
}
