//! Content blocks, of requests and of answers (APIS.md 6.3). Each is an object with one member, whose name is its type.

use crate::anthropic::foreign;
use crate::fault::{Fault, Within};
use crate::json::ValueKind;
use crate::model::{
    CacheMark, Content, Dialect, Extra, Extras, Json, Maker, MediaKind, Native, Part, Reasoning,
    SearchResult, Signature, Text, ToolCall, ToolResult,
};
use crate::read::Reader;

use super::super::blob;
use super::{cite, media_read, rest};

const TEXT: &str = "must be a string";
const OBJECT: &str = "must be an object";
const BLOCKS: &str = "must be an array of content blocks";

/// The name under which a part keeps that it is guarded content, and what it says of that.
pub(super) const GUARDED: &str = "guardContent";

/// The name under which a part keeps that it is a piece of cited content, where its citations do not say so.
pub(super) const CITED: &str = "citationsContent";

/// The name under which a text keeps that it stood as JSON.
pub(super) const JSON: &str = "json";

/// The name of an encoding: bytes that are no text, in base64 as they came.
pub(super) const BLOB: &str = "bedrock-blob";

/// The kind of a block that is no block but its neighbour's signature.
const OF_NEXT: &str = "penstock_signature";

/// Whose blocks are read.
#[derive(Copy, Clone, Debug)]
pub(super) struct Speaker {
    /// The family of the model that is asked, whose thoughts these are; none where nobody knows.
    pub maker: Option<Maker>,
    /// What the model said: results in it are those of the provider's own tools.
    pub assistant: bool,
}

/// Reads an array of blocks. A cache point marks the part before it.
pub(super) fn blocks<'a>(reader: &mut Reader<'a>, speaker: Speaker) -> Result<Vec<Part<'a>>, Fault> {
    let mut parts = Vec::new();
    reader.each(BLOCKS, |reader, _| block(reader, speaker, &mut parts))?;
    Ok(attached(parts))
}

/// A marked block may hold the signature of the part behind it, which has no place for one here.
fn attached(parts: Vec<Part<'_>>) -> Vec<Part<'_>> {
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

fn is_mark(part: &Part<'_>) -> bool {
    matches!(&part.content, Content::Native(native) if native.kind.is(OF_NEXT))
}

fn block<'a>(reader: &mut Reader<'a>, speaker: Speaker, parts: &mut Vec<Part<'a>>) -> Result<(), Fault> {
    let Some(mut members) = reader.object("must be an object with one member")? else {
        return Ok(());
    };
    let mut any = false;
    while let Some(key) = reader.next(&mut members)? {
        // some clients send every member of the union
        if reader.kind()? == ValueKind::Null {
            reader.pass()?;
            continue;
        }
        if std::mem::replace(&mut any, true) && reader.is_strict() {
            return Err(Fault::invalid("", "has several members: a block is one thing"));
        }
        let name = String::from_utf8_lossy(&key).into_owned();
        member(reader, &name, speaker, parts).within(&name)?;
    }
    if !any && reader.is_strict() {
        return Err(Fault::missing("", "is empty: say what the block is"));
    }
    Ok(())
}

fn member<'a>(
    reader: &mut Reader<'a>,
    name: &str,
    speaker: Speaker,
    parts: &mut Vec<Part<'a>>,
) -> Result<(), Fault> {
    match name {
        "text" => parts.extend(reader.text(TEXT)?.map(Part::text)),
        "image" => parts.extend(media_read::read(reader, MediaKind::Image)?),
        "document" => parts.extend(media_read::read(reader, MediaKind::Document)?),
        "video" => parts.extend(media_read::read(reader, MediaKind::Video)?),
        "audio" => parts.extend(media_read::read(reader, MediaKind::Audio)?),
        "toolUse" => parts.extend(call(reader)?),
        "toolResult" if !speaker.assistant => parts.extend(result(reader, speaker)?),
        "reasoningContent" => parts.extend(thought(reader, speaker.maker)?),
        "guardContent" => guarded(reader, parts)?,
        "citationsContent" => cited(reader, parts)?,
        "searchResult" => parts.extend(found(reader)?),
        "cachePoint" => point(reader, parts)?,
        _ => {
            let json = reader.json()?;
            parts.push(native(name, json));
        }
    }
    Ok(())
}

/// A block in its own words.
pub(super) fn native<'a>(kind: &str, json: Json<'a>) -> Part<'a> {
    Part::new(Content::Native(Native {
        dialect: Dialect::BedrockConverse,
        kind: Text::plain(kind.to_owned()),
        json,
    }))
}

fn call<'a>(reader: &mut Reader<'a>) -> Result<Option<Part<'a>>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let (mut id, mut name, mut input, mut extras) = (None, None, None, Extras::new());
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"toolUseId" => id = reader.text(TEXT).within("toolUseId")?,
            b"name" => name = reader.text(TEXT).within("name")?,
            b"input" => input = Some(reader.json()?),
            _ => reader.extra(key, &mut extras)?,
        }
    }
    if is_servers(&extras) {
        return Ok(Some(native("toolUse", reader.walked(&members))));
    }
    let name = demanded(reader, name, "name", "is missing: say which tool was called")?;
    let id = demanded(reader, id, "toolUseId", "is missing: every call has one")?;
    let arguments = input.map(Json::into_text).unwrap_or_default();
    let mut part = Part::new(Content::ToolCall(ToolCall::function(id, name, arguments)));
    part.extras = extras;
    Ok(Some(part))
}

/// The provider runs the tool itself.
pub(super) fn is_servers(extras: &[Extra<'_>]) -> bool {
    crate::model::extra(extras, "type").is_some_and(|kind| kind.get() == "\"server_tool_use\"")
}

/// A member that a request must have; an answer may lack it.
fn demanded<'a>(
    reader: &Reader<'_>,
    member: Option<Text<'a>>,
    name: &str,
    why: &'static str,
) -> Result<Text<'a>, Fault> {
    match member {
        Some(member) => Ok(member),
        None if reader.is_strict() => Err(Fault::missing(name, why)),
        None => Ok(Text::default()),
    }
}

fn result<'a>(reader: &mut Reader<'a>, speaker: Speaker) -> Result<Option<Part<'a>>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let (mut id, mut parts, mut is_error, mut extras) = (None, Vec::new(), None, Extras::new());
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"toolUseId" => id = reader.text(TEXT).within("toolUseId")?,
            b"content" => parts = result_blocks(reader, speaker).within("content")?,
            b"status" => match reader.text(TEXT).within("status")? {
                Some(status) if status.is("success") => is_error = Some(false),
                Some(status) if status.is("error") => is_error = Some(true),
                Some(status) => extras.push(Extra::text("status", &status)),
                None => {}
            },
            _ => reader.extra(key, &mut extras)?,
        }
    }
    let why = "is missing: say which call this is the result of";
    let id = demanded(reader, id, "toolUseId", why)?;
    let mut result = ToolResult::new(id, parts);
    result.is_error = is_error;
    let mut part = Part::new(Content::ToolResult(result));
    part.extras = extras;
    Ok(Some(part))
}

/// What a tool gave: blocks, and JSON, which is a text to every other dialect.
fn result_blocks<'a>(reader: &mut Reader<'a>, speaker: Speaker) -> Result<Vec<Part<'a>>, Fault> {
    let mut parts = Vec::new();
    reader.each(BLOCKS, |reader, _| {
        let at = parts.len();
        block(reader, speaker, &mut parts)?;
        for part in parts.iter_mut().skip(at) {
            let Content::Native(native) = &part.content else {
                continue;
            };
            if !native.kind.is(JSON) {
                continue;
            }
            let mut text = Part::text(native.json.clone().into_text());
            text.extras.push(marker(JSON));
            *part = text;
        }
        Ok(())
    })?;
    Ok(parts)
}

fn marker(name: &'static str) -> Extra<'static> {
    Extra {
        name: Text::plain(name),
        value: Json::checked("true"),
    }
}

/// Signed and encrypted thoughts are Claude's, as no other model in Converse has them so far.
pub(super) fn signer(maker: Option<Maker>) -> Option<Maker> {
    maker.or(Some(Maker::Anthropic))
}

fn thought<'a>(reader: &mut Reader<'a>, maker: Option<Maker>) -> Result<Option<Part<'a>>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let mut part = None;
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"reasoningText" => part = reasoning_text(reader, maker).within("reasoningText")?,
            b"redactedContent" => {
                let data = reader.text(TEXT).within("redactedContent")?;
                part = data.map(|data| redacted(data, maker));
            }
            _ => reader.pass()?,
        }
    }
    // something new: as it was
    Ok(Some(part.unwrap_or_else(|| {
        native("reasoningContent", reader.walked(&members))
    })))
}

fn reasoning_text<'a>(reader: &mut Reader<'a>, maker: Option<Maker>) -> Result<Option<Part<'a>>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let (mut text, mut signature, mut extras) = (None, None, Extras::new());
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"text" => text = reader.text(TEXT).within("text")?,
            b"signature" => signature = reader.text(TEXT).within("signature")?,
            _ => reader.extra(key, &mut extras)?,
        }
    }
    let signature = signature.map(|data| signed(data, maker));
    // another maker's, which came in a marked signature
    let maker = match &signature {
        Some(signature) if signature.maker != signer(maker) => signature.maker,
        _ => maker,
    };
    let mut part = Part::new(Content::Reasoning(Reasoning::text(
        text.unwrap_or_default(),
        maker,
    )));
    part.signature = signature;
    part.extras = extras;
    Ok(Some(part))
}

/// A signature, and whose it is: that of another dialect's model is marked.
pub(super) fn signed(data: Text<'_>, maker: Option<Maker>) -> Signature<'_> {
    match foreign::read(&data) {
        Some(foreign) => Signature {
            maker: foreign.maker,
            data: Text::plain(foreign.data),
        },
        None => Signature {
            maker: signer(maker),
            data,
        },
    }
}

/// The bytes are Anthropic's text, as seen in recorded traffic; bytes that are none stay as they are.
pub(super) fn redacted<'a>(data: Text<'a>, maker: Option<Maker>) -> Part<'a> {
    let decoded = blob::decode(&data.get()).and_then(|bytes| String::from_utf8(bytes).ok());
    let printable = |text: &String| text.bytes().all(|byte| byte.is_ascii_graphic());
    let Some(text) = decoded.filter(printable).map(Text::plain) else {
        return Part::new(Content::Reasoning(Reasoning {
            format: Some(Text::plain(BLOB)),
            ..Reasoning::encrypted(data, signer(maker))
        }));
    };
    let Some(foreign) = foreign::read(&text) else {
        return Part::new(Content::Reasoning(Reasoning::encrypted(text, signer(maker))));
    };
    let data = Text::plain(foreign.data);
    if foreign.of_next {
        let mut mark = native(OF_NEXT, Json::checked("null"));
        mark.signature = Some(Signature {
            maker: foreign.maker,
            data,
        });
        return mark;
    }
    Part::new(Content::Reasoning(Reasoning {
        id: foreign.id.map(Text::from),
        format: Some(Text::plain(foreign.format)),
        ..Reasoning::encrypted(data, foreign.maker)
    }))
}

/// Content that a guardrail looks at: to the model it is a text or an image like any other.
fn guarded<'a>(reader: &mut Reader<'a>, parts: &mut Vec<Part<'a>>) -> Result<(), Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(());
    };
    while let Some(key) = reader.next(&mut members)? {
        let part = match &*key {
            b"text" => guarded_text(reader).within("text")?,
            b"image" => guarded_image(reader).within("image")?,
            _ => {
                reader.pass()?;
                None
            }
        };
        parts.extend(part);
    }
    Ok(())
}

fn guarded_text<'a>(reader: &mut Reader<'a>) -> Result<Option<Part<'a>>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let (mut text, mut extras) = (None, Extras::new());
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"text" => text = reader.text(TEXT).within("text")?,
            _ => reader.extra(key, &mut extras)?,
        }
    }
    Ok(text.map(|text| {
        let mut part = Part::text(text);
        part.extras.push(Extra {
            name: Text::plain(GUARDED),
            value: rest::whole(&extras),
        });
        part
    }))
}

fn guarded_image<'a>(reader: &mut Reader<'a>) -> Result<Option<Part<'a>>, Fault> {
    let part = media_read::read(reader, MediaKind::Image)?;
    Ok(part.map(|mut part| {
        part.extras.push(marker(GUARDED));
        part
    }))
}

/// A text with citations. One in several pieces becomes a part for each, the citations on the last one.
fn cited<'a>(reader: &mut Reader<'a>, parts: &mut Vec<Part<'a>>) -> Result<(), Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(());
    };
    let (mut pieces, mut all) = (Vec::new(), Vec::new());
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"content" => pieces = media_read::texts(reader).within("content")?,
            b"citations" => reader
                .each("must be an array", |reader, _| {
                    all.push(cite::read(reader.json()?));
                    Ok(())
                })
                .within("citations")?,
            _ => reader.pass()?,
        }
    }
    let several = pieces.len() > 1;
    if pieces.is_empty() {
        pieces.push(Part::text(""));
    }
    if several || all.is_empty() {
        for (at, piece) in (0u64..).zip(&mut pieces) {
            piece.extras.push(Extra {
                name: Text::plain(CITED),
                value: Json::checked(at.to_string()),
            });
        }
    }
    if let Some(Content::Text { citations, .. }) = pieces.last_mut().map(|last| &mut last.content) {
        *citations = all;
    }
    parts.append(&mut pieces);
    Ok(())
}

fn found<'a>(reader: &mut Reader<'a>) -> Result<Option<Part<'a>>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let mut result = SearchResult {
        source: Text::default(),
        title: Text::default(),
        parts: Vec::new(),
        citations: None,
    };
    let mut extras = Extras::new();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"source" => result.source = reader.text(TEXT).within("source")?.unwrap_or_default(),
            b"title" => result.title = reader.text(TEXT).within("title")?.unwrap_or_default(),
            b"content" => result.parts = media_read::texts(reader).within("content")?,
            b"citations" => result.citations = media_read::read_enabled(reader).within("citations")?,
            _ => reader.extra(key, &mut extras)?,
        }
    }
    let mut part = Part::new(Content::SearchResult(result));
    part.extras = extras;
    Ok(Some(part))
}

/// A cache point with nothing before it, or behind another one, marks no part and stays a block.
fn point<'a>(reader: &mut Reader<'a>, parts: &mut Vec<Part<'a>>) -> Result<(), Fault> {
    let Some((mark, json)) = cache_point(reader)? else {
        return Ok(());
    };
    match parts.last_mut().filter(|last| last.cache.is_none()) {
        Some(last) => last.cache = Some(mark),
        None => parts.push(native("cachePoint", json)),
    }
    Ok(())
}

/// Reads a cache point, and gives it as it was, too.
pub(super) fn cache_point<'a>(reader: &mut Reader<'a>) -> Result<Option<(CacheMark<'a>, Json<'a>)>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let mut mark = CacheMark::default();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"ttl" => mark.ttl = reader.text(TEXT).within("ttl")?,
            b"type" => {
                let kind = reader.text(TEXT).within("type")?;
                if let Some(kind) = kind.filter(|kind| !kind.is("default")) {
                    mark.extras.push(Extra::text("type", &kind));
                }
            }
            _ => reader.extra(key, &mut mark.extras)?,
        }
    }
    Ok(Some((mark, reader.walked(&members))))
}
