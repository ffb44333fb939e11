//! Contents and parts, as requests, answers and streams have them (APIS.md 4.1, 4.2).

use crate::fault::{Fault, Within};
use crate::model::{
    Content, Dialect, Extra, Extras, Json, Maker, Message, Native, Part, Place, Reasoning, Role, Text,
};
use crate::read::Reader;

use super::data::{file_data, function_call, function_response, inline_data, take_detail};
use super::foreign::{self, Kept};
use super::partial_args::Partial;
use super::spelling::{BOOL, TEXT, each, next, object};

/// Reads `contents`.
pub(super) fn contents<'a>(reader: &mut Reader<'a>) -> Result<Vec<Message<'a>>, Fault> {
    let mut messages = Vec::new();
    each(reader, |reader, _| {
        messages.extend(message(reader)?);
        Ok(())
    })?;
    Ok(messages)
}

/// Reads `systemInstruction`, whose role says nothing.
pub(super) fn system<'a>(reader: &mut Reader<'a>) -> Result<Option<Message<'a>>, Fault> {
    let Some((_, parts, extras)) = content(reader)? else {
        return Ok(None);
    };
    Ok(Some(Message {
        place: Place::Top,
        extras,
        ..Message::new(Role::System, into_parts(parts))
    }))
}

fn message<'a>(reader: &mut Reader<'a>) -> Result<Option<Message<'a>>, Fault> {
    let Some((role, parts, extras)) = content(reader)? else {
        return Ok(None);
    };
    let role = match role.as_ref().map(Text::get).as_deref() {
        Some("model") => Role::Assistant,
        // a lone content needs none
        Some("user" | "") | None => Role::User,
        // the name that results of functions had before
        Some("function") => Role::Tool,
        Some(_) => return Err(Fault::invalid("role", "is none of `user` and `model`")),
    };
    Ok(Some(Message {
        extras,
        ..Message::new(role, into_parts(parts))
    }))
}

type Pieces<'a> = (Option<Text<'a>>, Vec<Piece<'a>>, Extras<'a>);

/// Reads a content: its role, its parts and what else there is.
pub(super) fn content<'a>(reader: &mut Reader<'a>) -> Result<Option<Pieces<'a>>, Fault> {
    let Some(mut members) = object(reader)? else {
        return Ok(None);
    };
    let (mut role, mut parts, mut extras) = (None, Vec::new(), Extras::new());
    while let Some(key) = next(reader, &mut members)? {
        match &*key {
            b"role" => role = reader.text(TEXT).within("role")?,
            b"parts" => each(reader, |reader, _| {
                parts.extend(piece(reader)?);
                Ok(())
            })
            .within("parts")?,
            _ => reader.extra(key, &mut extras)?,
        }
    }
    Ok(Some((role, parts, extras)))
}

fn into_parts(pieces: Vec<Piece<'_>>) -> Vec<Part<'_>> {
    pieces.into_iter().map(|piece| piece.part).collect()
}

/// A part, and what a stream says of a call that goes on.
pub(super) struct Piece<'a> {
    pub part: Part<'a>,
    pub partial: Option<Partial<'a>>,
}

#[derive(Default)]
struct Found<'a> {
    text: Option<Text<'a>>,
    thought: bool,
    signature: Option<Text<'a>>,
    data: Option<Content<'a>>,
    /// How many of the members that exclude each other there were.
    kinds: usize,
    partial: Option<Partial<'a>>,
    native: Option<&'static str>,
    extras: Extras<'a>,
}

pub(super) fn piece<'a>(reader: &mut Reader<'a>) -> Result<Option<Piece<'a>>, Fault> {
    let Some(mut members) = reader.object("must be an object")? else {
        return Ok(None);
    };
    let mut found = Found::default();
    while let Some(key) = next(reader, &mut members)? {
        found.kinds = found.kinds.saturating_add(usize::from(is_kind(&key)));
        match &*key {
            b"text" => found.text = reader.text(TEXT).within("text")?,
            b"thought" => found.thought = reader.bool(BOOL).within("thought")?.unwrap_or(false),
            b"thoughtSignature" => found.signature = reader.text(TEXT).within("thoughtSignature")?,
            b"inlineData" => found.data = inline_data(reader).within("inlineData")?,
            b"fileData" => found.data = file_data(reader).within("fileData")?,
            b"functionCall" => {
                let call = function_call(reader).within("functionCall")?;
                let (call, partial) = call.unzip();
                found.data = call.map(Content::ToolCall);
                found.partial = partial.flatten();
            }
            b"functionResponse" => {
                found.data = function_response(reader)
                    .within("functionResponse")?
                    .map(Content::ToolResult);
            }
            b"executableCode" => native(reader, &mut found, "executableCode")?,
            b"codeExecutionResult" => native(reader, &mut found, "codeExecutionResult")?,
            b"toolCall" => native(reader, &mut found, "toolCall")?,
            b"toolResponse" => native(reader, &mut found, "toolResponse")?,
            _ => reader.extra(key, &mut found.extras)?,
        }
    }
    let whole = reader.walked(&members);
    found.into_piece(whole, reader)
}

fn is_kind(key: &[u8]) -> bool {
    matches!(
        key,
        b"text"
            | b"inlineData"
            | b"fileData"
            | b"functionCall"
            | b"functionResponse"
            | b"executableCode"
            | b"codeExecutionResult"
            | b"toolCall"
            | b"toolResponse"
    )
}

/// What the provider's own tools did stays as it is.
fn native<'a>(reader: &mut Reader<'a>, found: &mut Found<'a>, kind: &'static str) -> Result<(), Fault> {
    found.native = Some(kind);
    reader.pass()
}

impl<'a> Found<'a> {
    fn into_piece(self, whole: Json<'a>, reader: &mut Reader<'a>) -> Result<Option<Piece<'a>>, Fault> {
        if self.kinds > 1 {
            if reader.is_strict() {
                return Err(Fault::invalid(
                    "",
                    "has more than one kind of data: send several parts",
                ));
            }
            reader
                .losses
                .dropped("parts", "a part has more than one kind of data");
        }
        let signature = self.signature.filter(|data| !data.is_empty());
        let signature = match signature.map(foreign::read) {
            Some(Kept::Thought(thought)) => return Ok(Some(Piece::of(Content::Reasoning(thought)))),
            Some(Kept::Signature(signature)) => Some(signature),
            None => None,
        };
        let maker = signature
            .as_ref()
            .map_or(Some(Maker::Google), |signature| signature.maker);
        let mut extras = self.extras;
        let content = match (self.native, self.data, self.text) {
            (Some(kind), ..) => return Ok(Some(native_piece(Text::plain(kind), whole))),
            (None, Some(mut data), _) => {
                if let Content::Media(media) = &mut data {
                    media.detail = take_detail(&mut extras);
                }
                if self.thought {
                    extras.push(flag("thought"));
                }
                data
            }
            (None, None, Some(text)) => worded(text, self.thought, maker),
            // a signature may come behind what it is of
            (None, None, None) if signature.is_some() && extras.is_empty() => {
                worded(Text::default(), self.thought, maker)
            }
            (None, None, None) => match extras.into_iter().next() {
                Some(first) => return Ok(Some(native_piece(first.name, whole))),
                None if reader.is_strict() && self.kinds == 0 => {
                    return Err(Fault::missing(
                        "",
                        "has no data: a part has `text` or another kind",
                    ));
                }
                None => return Ok(None),
            },
        };
        let mut part = Part::new(content);
        part.signature = signature;
        part.extras = extras;
        Ok(Some(Piece {
            part,
            partial: self.partial,
        }))
    }
}

/// What another maker signed is another maker's thought.
fn worded(text: Text<'_>, thought: bool, maker: Option<Maker>) -> Content<'_> {
    if thought {
        return Content::Reasoning(Reasoning::text(text, maker));
    }
    Content::Text {
        text,
        citations: Vec::new(),
    }
}

fn native_piece<'a>(kind: Text<'a>, json: Json<'a>) -> Piece<'a> {
    let native = Native {
        dialect: Dialect::Gemini,
        kind,
        json,
    };
    Piece::of(Content::Native(native))
}

impl<'a> Piece<'a> {
    fn of(content: Content<'a>) -> Piece<'a> {
        Piece {
            part: Part::new(content),
            partial: None,
        }
    }
}

fn flag(name: &'static str) -> Extra<'static> {
    Extra {
        name: Text::plain(name),
        value: Json::checked("true"),
    }
}
