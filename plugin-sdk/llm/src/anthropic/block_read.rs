//! Content blocks, of requests, answers and streams alike (APIS.md 3.1, 3.2).

use crate::fault::{Fault, Within};
use crate::json::ValueKind;
use crate::model::{
    CacheMark, Citation, Content, Dialect, Extras, Json, Maker, Media, MediaKind, Native, Part, Reasoning,
    SearchResult, Signature, Text, ToolCall, ToolResult,
};
use crate::read::Reader;

use super::{foreign, source};

const TEXT: &str = "must be a string";
const BLOCKS: &str = "must be a string or an array of blocks";

/// Reads a content: a string, or blocks.
pub(super) fn content<'a>(reader: &mut Reader<'a>) -> Result<Vec<Part<'a>>, Fault> {
    let mut parts = Vec::new();
    if reader.kind()? == ValueKind::String {
        let text = reader.literal()?;
        parts.push(Part::text(text));
        return Ok(parts);
    }
    reader.each(BLOCKS, |reader, _| {
        parts.extend(block(reader)?);
        Ok(())
    })?;
    Ok(attached(parts))
}

/// A marked block may hold the signature of the part behind it.
fn attached(parts: Vec<Part<'_>>) -> Vec<Part<'_>> {
    let is_mark =
        |part: &Part<'_>| matches!(&part.content, Content::Native(native) if native.kind.is(foreign_mark()));
    if !parts.iter().any(is_mark) {
        return parts;
    }
    let mut joined: Vec<Part<'_>> = Vec::with_capacity(parts.len());
    let mut waiting = None;
    for mut part in parts {
        if is_mark(&part) {
            waiting = part.signature;
            continue;
        }
        part.signature = part.signature.or_else(|| waiting.take());
        joined.push(part);
    }
    joined
}

/// The kind of a block that is no block but its neighbour's signature.
const fn foreign_mark() -> &'static str {
    "penstock_signature"
}

/// A block's members, before its type tells which of them count.
#[derive(Default)]
struct Members<'a> {
    kind: Option<Text<'a>>,
    text: Option<Text<'a>>,
    thinking: Option<Text<'a>>,
    signature: Option<Text<'a>>,
    data: Option<Text<'a>>,
    id: Option<Text<'a>>,
    name: Option<Text<'a>>,
    call_id: Option<Text<'a>>,
    title: Option<Text<'a>>,
    context: Option<Text<'a>>,
    is_error: Option<bool>,
    cache: Option<CacheMark<'a>>,
    input: Option<Json<'a>>,
    content: Option<Json<'a>>,
    source: Option<Json<'a>>,
    citations: Option<Json<'a>>,
    extras: Extras<'a>,
}

/// Reads one block; none where a lenient reader finds something else.
pub(super) fn block<'a>(reader: &mut Reader<'a>) -> Result<Option<Part<'a>>, Fault> {
    let Some(mut members) = reader.object("must be an object with a `type`")? else {
        return Ok(None);
    };
    let mut found = Members::default();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"type" => found.kind = reader.text(TEXT).within("type")?,
            b"text" => found.text = reader.text(TEXT).within("text")?,
            b"thinking" => found.thinking = reader.text(TEXT).within("thinking")?,
            b"signature" => found.signature = reader.text(TEXT).within("signature")?,
            b"data" => found.data = reader.text(TEXT).within("data")?,
            b"id" => found.id = reader.text(TEXT).within("id")?,
            b"name" => found.name = reader.text(TEXT).within("name")?,
            b"tool_use_id" => found.call_id = reader.text(TEXT).within("tool_use_id")?,
            b"title" => found.title = reader.text("must be a string or null").within("title")?,
            b"context" => found.context = reader.text("must be a string or null").within("context")?,
            b"is_error" => found.is_error = reader.bool("must be true or false").within("is_error")?,
            b"cache_control" => found.cache = cache_control(reader).within("cache_control")?,
            b"input" => found.input = Some(reader.json()?),
            b"content" => found.content = reader.json_or_null()?,
            b"source" => found.source = reader.json_or_null()?,
            b"citations" => found.citations = reader.json_or_null()?,
            _ => reader.extra(key, &mut found.extras)?,
        }
    }
    let whole = reader.walked(&members);
    found.into_part(whole, reader)
}

impl<'a> Members<'a> {
    fn into_part(mut self, whole: Json<'a>, reader: &mut Reader<'a>) -> Result<Option<Part<'a>>, Fault> {
        let Some(kind) = self.kind.take() else {
            return match reader.is_strict() {
                true => Err(Fault::missing("type", "is missing: every block has one")),
                false => Ok(None),
            };
        };
        let mut signature = None;
        let content = match &*kind.get() {
            "text" => self.text_block(reader)?,
            "image" => Content::Media(self.image(reader)?),
            "document" => Content::Media(self.document(reader)?),
            "search_result" => Content::SearchResult(self.search_result(reader)?),
            "thinking" => {
                signature = self
                    .signature
                    .take()
                    .filter(|signature| !signature.is_empty())
                    .map(own_or_foreign);
                let text = required(self.thinking.take(), reader, "thinking")?;
                let maker = match &signature {
                    Some(signature) => signature.maker,
                    None => Some(Maker::Anthropic),
                };
                Content::Reasoning(Reasoning::text(text, maker))
            }
            "redacted_thinking" => {
                let data = required(self.data.take(), reader, "data")?;
                return Ok(Some(self.redacted(data)));
            }
            "tool_use" => Content::ToolCall(self.call(reader)?),
            "tool_result" => Content::ToolResult(self.result(reader)?),
            _ => Content::Native(Native {
                dialect: Dialect::AnthropicMessages,
                kind: kind.clone(),
                json: whole,
            }),
        };
        let extras = match content {
            // all of it is in its JSON
            Content::Native(_) => Vec::new(),
            _ => self.extras,
        };
        Ok(Some(Part {
            content,
            cache: self.cache,
            signature,
            extras,
        }))
    }

    fn text_block(&mut self, reader: &mut Reader<'a>) -> Result<Content<'a>, Fault> {
        let text = required(self.text.take(), reader, "text")?;
        let citations = match self.citations.take() {
            Some(json) => reader
                .revisit(&json, citations)
                .within("citations")?
                .unwrap_or_default(),
            None => Vec::new(),
        };
        Ok(Content::Text { text, citations })
    }

    fn image(&mut self, reader: &mut Reader<'a>) -> Result<Media<'a>, Fault> {
        let (source, media_type) = self.source(reader)?;
        let mut media = Media::new(MediaKind::Image, source);
        media.media_type = media_type;
        Ok(media)
    }

    fn document(&mut self, reader: &mut Reader<'a>) -> Result<Media<'a>, Fault> {
        let (source, media_type) = self.source(reader)?;
        let enabled = self.citations.take();
        let mut media = Media::new(MediaKind::Document, source);
        media.media_type = media_type;
        media.title = self.title.take();
        media.context = self.context.take();
        media.citations = enabled_of(enabled.as_ref());
        Ok(media)
    }

    fn source(
        &mut self,
        reader: &mut Reader<'a>,
    ) -> Result<(crate::model::Source<'a>, Option<Text<'a>>), Fault> {
        let json = self
            .source
            .take()
            .ok_or_else(|| Fault::missing("source", "is missing"))?;
        let read = reader.revisit(&json, source::read).within("source")?;
        read.ok_or_else(|| Fault::missing("source", "is missing"))
    }

    fn search_result(&mut self, reader: &mut Reader<'a>) -> Result<SearchResult<'a>, Fault> {
        let source = match self.source.take() {
            Some(json) => reader
                .revisit(&json, |reader| reader.text(TEXT))
                .within("source")?
                .flatten(),
            None => None,
        };
        let parts = match self.content.take() {
            Some(json) => reader
                .revisit(&json, content)
                .within("content")?
                .unwrap_or_default(),
            None => Vec::new(),
        };
        Ok(SearchResult {
            source: required(source, reader, "source")?,
            title: required(self.title.take(), reader, "title")?,
            parts,
            citations: enabled_of(self.citations.take().as_ref()),
        })
    }

    /// Anthropic's own, or another maker's on its way home.
    fn redacted(self, data: Text<'a>) -> Part<'a> {
        let Some(foreign) = foreign::read(&data) else {
            let thought = Reasoning::encrypted(data, Some(Maker::Anthropic));
            return Part {
                cache: self.cache,
                extras: self.extras,
                ..Part::new(Content::Reasoning(thought))
            };
        };
        if foreign.of_next {
            let mark = Native {
                dialect: Dialect::AnthropicMessages,
                kind: Text::plain(foreign_mark()),
                json: Json::checked("{}"),
            };
            let mut part = Part::new(Content::Native(mark));
            part.signature = Some(Signature {
                maker: foreign.maker,
                data: Text::plain(foreign.data),
            });
            return part;
        }
        let mut thought = Reasoning::encrypted(Text::plain(foreign.data), foreign.maker);
        thought.format = Some(Text::plain(foreign.format));
        thought.id = foreign.id.map(Text::plain);
        Part::new(Content::Reasoning(thought))
    }

    fn call(&mut self, reader: &mut Reader<'a>) -> Result<ToolCall<'a>, Fault> {
        let input = self.input.take();
        if reader.is_strict() && input.as_ref().is_some_and(|input| !input.is_object()) {
            return Err(Fault::wrong_type("input", "must be an object"));
        }
        let arguments = input.map_or_else(|| Text::plain("{}"), Json::into_text);
        let id = required(self.id.take(), reader, "id")?;
        let name = required(self.name.take(), reader, "name")?;
        Ok(ToolCall::function(id, name, arguments))
    }

    fn result(&mut self, reader: &mut Reader<'a>) -> Result<ToolResult<'a>, Fault> {
        let call_id = required(self.call_id.take(), reader, "tool_use_id")?;
        let parts = match self.content.take() {
            Some(json) => reader
                .revisit(&json, content)
                .within("content")?
                .unwrap_or_default(),
            None => Vec::new(),
        };
        Ok(ToolResult {
            is_error: self.is_error,
            ..ToolResult::new(call_id, parts)
        })
    }
}

/// A member that a block of this type has to have; a provider that leaves it out meant nothing by it.
fn required<'a>(text: Option<Text<'a>>, reader: &Reader<'a>, name: &'static str) -> Result<Text<'a>, Fault> {
    match text {
        Some(text) => Ok(text),
        None if reader.is_strict() => Err(Fault::missing(name, "is missing")),
        None => Ok(Text::default()),
    }
}

fn own_or_foreign(data: Text<'_>) -> Signature<'_> {
    match foreign::read(&data) {
        Some(foreign) => Signature {
            maker: foreign.maker,
            data: Text::plain(foreign.data),
        },
        None => Signature {
            maker: Some(Maker::Anthropic),
            data,
        },
    }
}

/// A signature as it comes in a stream.
pub(super) fn signature(data: Text<'_>) -> Signature<'_> {
    own_or_foreign(data)
}

fn enabled_of(citations: Option<&Json<'_>>) -> Option<bool> {
    citations?.pointer("/enabled")?.as_bool()
}

/// Reads `cache_control`; none for null.
pub(super) fn cache_control<'a>(reader: &mut Reader<'a>) -> Result<Option<CacheMark<'a>>, Fault> {
    if reader.kind()? == ValueKind::Null {
        return reader.pass().map(|()| None);
    }
    let Some(mut members) = reader.object("must be an object")? else {
        return Ok(None);
    };
    let mut mark = CacheMark::default();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"ttl" => mark.ttl = reader.text(TEXT).within("ttl")?,
            // `ephemeral` is the only one there is
            b"type" => reader.pass()?,
            _ => reader.extra(key, &mut mark.extras)?,
        }
    }
    Ok(Some(mark))
}

/// Reads the citations of a text; what is no array (a document's setting) has none.
fn citations<'a>(reader: &mut Reader<'a>) -> Result<Vec<Citation<'a>>, Fault> {
    let mut citations = Vec::new();
    if reader.kind()? != ValueKind::Array {
        reader.pass()?;
        return Ok(citations);
    }
    reader.each("must be an array", |reader, _| {
        citations.extend(citation(reader)?);
        Ok(())
    })?;
    Ok(citations)
}

/// Reads one citation, whichever of the five kinds it is.
pub(super) fn citation<'a>(reader: &mut Reader<'a>) -> Result<Option<Citation<'a>>, Fault> {
    let Some(mut members) = reader.object("must be an object")? else {
        return Ok(None);
    };
    let mut citation = Citation::native(Dialect::AnthropicMessages, Json::checked("null"));
    let mut document = None;
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"cited_text" => citation.quote = reader.text(TEXT).within("cited_text")?,
            b"url" | b"source" => citation.url = reader.text(TEXT).within("url")?.or(citation.url),
            b"title" => citation.title = reader.text(TEXT).within("title")?,
            b"document_title" => document = reader.text(TEXT).within("document_title")?,
            // places in the document, not in the answer
            _ => reader.pass()?,
        }
    }
    citation.title = citation.title.or(document);
    citation.native = reader.walked(&members);
    Ok(Some(citation))
}
