//! One item of a conversation, of a request's input and of an answer's output alike. What it means is told by its type,
//! which may stand behind everything else: its members are kept unread until then.

use crate::fault::{Fault, Within};
use crate::json::ValueKind;
use crate::model::{
    CallKind, Content, Dialect, Extra, Extras, Json, Maker, Media, MediaKind, Native, Part, Reasoning,
    ReasoningForm, Role, Signature, Source, Text, ToolCall, ToolResult, broken_arguments, is_object,
};
use crate::read::Reader;

use super::content;
use super::reasoning::Thoughts;

const TEXT: &str = "must be a string";

/// An item's members, as they stand.
#[derive(Default)]
pub(super) struct Item<'a> {
    pub kind: Option<Text<'a>>,
    pub role: Option<Text<'a>>,
    pub call_id: Option<Json<'a>>,
    pub name: Option<Json<'a>>,
    id: Option<Json<'a>>,
    arguments: Option<Json<'a>>,
    input: Option<Json<'a>>,
    output: Option<Json<'a>>,
    content: Option<Json<'a>>,
    summary: Option<Json<'a>>,
    encrypted: Option<Json<'a>>,
    result: Option<Json<'a>>,
    phase: Option<Json<'a>>,
    extras: Extras<'a>,
    whole: Option<Json<'a>>,
}

/// What an item is.
pub(super) enum Said<'a> {
    /// A message of anybody but the model.
    Message {
        role: Role,
        parts: Vec<Part<'a>>,
        extras: Extras<'a>,
    },
    /// Something that the model said or did.
    Assistant(Vec<Part<'a>>),
    /// Nothing but the signature of what comes behind it.
    Signature(Signature<'a>),
    Result(ToolResult<'a>, Extras<'a>),
}

/// None for what is no object in an answer.
pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<Option<Item<'a>>, Fault> {
    let Some(mut members) = reader.object("must be an object")? else {
        return Ok(None);
    };
    let mut item = Item::default();
    while let Some(key) = reader.next(&mut members)? {
        let place = match &*key {
            b"type" => {
                item.kind = reader.text(TEXT).within("type")?;
                continue;
            }
            b"role" => {
                item.role = reader.text(TEXT).within("role")?;
                continue;
            }
            // how far its provider has come with it, which an item of a conversation does not tell anybody
            b"status" => {
                reader.pass()?;
                continue;
            }
            b"id" => &mut item.id,
            b"call_id" => &mut item.call_id,
            b"name" => &mut item.name,
            b"arguments" => &mut item.arguments,
            b"input" => &mut item.input,
            b"output" => &mut item.output,
            b"content" => &mut item.content,
            b"summary" => &mut item.summary,
            b"encrypted_content" => &mut item.encrypted,
            b"result" => &mut item.result,
            b"phase" => &mut item.phase,
            _ => {
                reader.extra(key, &mut item.extras)?;
                continue;
            }
        };
        *place = reader.json_or_null()?;
    }
    item.extras.retain(|extra| !extra.value.is_null());
    item.whole = Some(reader.walked(&members));
    Ok(Some(item))
}

/// A member that has to be a string, if it is there.
pub(super) fn text_of<'a>(
    reader: &mut Reader<'a>,
    member: Option<&Json<'a>>,
    name: &'static str,
) -> Result<Option<Text<'a>>, Fault> {
    match member {
        Some(json) => Ok(reader
            .revisit(json, |reader| reader.text(TEXT))
            .within(name)?
            .flatten()),
        None => Ok(None),
    }
}

/// JSON in a string, or as such.
fn json_text<'a>(reader: &mut Reader<'a>, member: Option<&Json<'a>>) -> Result<Text<'a>, Fault> {
    let Some(json) = member else {
        return Ok(Text::default());
    };
    let read = reader.revisit(json, |reader| match reader.kind()? {
        ValueKind::String => reader.literal(),
        _ => reader.json().map(Json::into_text),
    })?;
    Ok(read.unwrap_or_default())
}

/// The texts of a list of parts, whatever their type.
fn texts<'a>(
    reader: &mut Reader<'a>,
    member: Option<&Json<'a>>,
    name: &'static str,
) -> Result<Vec<Text<'a>>, Fault> {
    let Some(json) = member else {
        return Ok(Vec::new());
    };
    let parts = reader
        .revisit(json, content::read)
        .within(name)?
        .unwrap_or_default();
    let words = |part: Part<'a>| match part.content {
        Content::Text { text, .. } => Some(text),
        _ => None,
    };
    Ok(parts.into_iter().filter_map(words).collect())
}

impl<'a> Item<'a> {
    /// A message needs no type.
    pub fn word(&self) -> String {
        let kind = self.kind.as_ref().map(|kind| kind.get().into_owned());
        kind.unwrap_or_else(|| match self.role {
            Some(_) => "message".to_owned(),
            None => String::new(),
        })
    }

    pub fn phase(&self) -> Option<&Json<'a>> {
        self.phase.as_ref()
    }

    /// # Errors
    /// In a request: what its type needs and it does not say.
    pub fn into_said(self, reader: &mut Reader<'a>) -> Result<Said<'a>, Fault> {
        match self.word().as_str() {
            "message" => self.message(reader),
            "reasoning" => self.reasoning(reader),
            "function_call" => self.call(CallKind::Function, reader),
            "custom_tool_call" => self.call(CallKind::Custom, reader),
            "function_call_output" | "custom_tool_call_output" if reader.is_strict() => self.result(reader),
            "image_generation_call" => self.image(reader),
            "" if reader.is_strict() => Err(Fault::missing("type", "is missing, and so is `role`")),
            _ => Ok(self.native()),
        }
    }

    fn message(self, reader: &mut Reader<'a>) -> Result<Said<'a>, Fault> {
        let role = match self.role.as_ref().map(Text::get).as_deref() {
            Some("assistant") => Role::Assistant,
            Some("user") => Role::User,
            Some("system") => Role::System,
            Some("developer") => Role::Developer,
            _ if !reader.is_strict() => Role::Assistant,
            Some(_) => {
                let why = "is none of `system`, `developer`, `user` and `assistant`";
                return Err(Fault::invalid("role", why));
            }
            None => return Err(Fault::missing("role", "is missing: every message has one")),
        };
        let mut parts = match &self.content {
            Some(json) => reader
                .revisit(json, content::read)
                .within("content")?
                .unwrap_or_default(),
            None if reader.is_strict() => return Err(Fault::missing("content", "is missing")),
            None => Vec::new(),
        };
        if role != Role::Assistant {
            let extras = self.extras;
            return Ok(Said::Message { role, parts, extras });
        }
        // what the message says besides stands at its parts: one turn of a model may be several items
        for part in &mut parts {
            part.extras.extend(self.phase.iter().map(|phase| Extra {
                name: Text::plain("phase"),
                value: phase.clone(),
            }));
        }
        if let Some(first) = parts.first_mut() {
            first.extras.extend(self.extras);
        }
        Ok(Said::Assistant(parts))
    }

    fn reasoning(self, reader: &mut Reader<'a>) -> Result<Said<'a>, Fault> {
        let thoughts = Thoughts {
            id: text_of(reader, self.id.as_ref(), "id")?.filter(|id| !id.is_empty()),
            summaries: texts(reader, self.summary.as_ref(), "summary")?,
            words: texts(reader, self.content.as_ref(), "content")?,
            encrypted: text_of(reader, self.encrypted.as_ref(), "encrypted_content")?,
        };
        let id = thoughts.id.clone().filter(|_| reader.is_strict());
        let (mut parts, signature) = thoughts.into_parts();
        if let Some(signature) = signature {
            return Ok(Said::Signature(signature));
        }
        // its provider keeps the rest, and knows it by its id
        if let Some(id) = id.filter(|_| parts.is_empty()) {
            let mut thought = Reasoning::text(Text::default(), Some(Maker::OpenAi));
            (thought.form, thought.id) = (ReasoningForm::Summary, Some(id));
            parts.push(Part::new(Content::Reasoning(thought)));
        }
        Ok(Said::Assistant(parts))
    }

    fn call(self, kind: CallKind, reader: &mut Reader<'a>) -> Result<Said<'a>, Fault> {
        let strict = reader.is_strict();
        let id = text_of(reader, self.call_id.as_ref(), "call_id")?.filter(|id| !id.is_empty());
        let name = text_of(reader, self.name.as_ref(), "name")?.filter(|name| !name.is_empty());
        let said = match kind {
            CallKind::Function => self.arguments.as_ref(),
            CallKind::Custom => self.input.as_ref(),
        };
        let arguments = json_text(reader, said)?;
        if strict && name.is_none() {
            return Err(Fault::missing("name", "is missing: say which tool was called"));
        }
        if strict && id.is_none() {
            return Err(Fault::missing("call_id", "is missing: results are told by it"));
        }
        if strict && kind == CallKind::Function && !is_object(&arguments.get()) {
            return Err(broken_arguments(id.as_ref()));
        }
        let mut part = Part::new(Content::ToolCall(ToolCall {
            id: id.unwrap_or_default(),
            name: name.unwrap_or_default(),
            arguments,
            kind,
        }));
        part.extras = self.extras;
        Ok(Said::Assistant(vec![part]))
    }

    fn result(self, reader: &mut Reader<'a>) -> Result<Said<'a>, Fault> {
        let Some(call_id) = text_of(reader, self.call_id.as_ref(), "call_id")? else {
            let why = "is missing: say which call this is the result of";
            return Err(Fault::missing("call_id", why));
        };
        let parts = match &self.output {
            Some(json) if matches!(json.get().as_bytes().first(), Some(b'"' | b'[')) => reader
                .revisit(json, content::read)
                .within("output")?
                .unwrap_or_default(),
            Some(json) => vec![Part::text(json.clone().into_text())],
            None => return Err(Fault::missing("output", "is missing")),
        };
        Ok(Said::Result(ToolResult::new(call_id, parts), self.extras))
    }

    /// An image that the model made; what came of it before there is one is the provider's own.
    fn image(self, reader: &mut Reader<'a>) -> Result<Said<'a>, Fault> {
        let Some(data) = text_of(reader, self.result.as_ref(), "result")?.filter(|data| !data.is_empty())
        else {
            return Ok(self.native());
        };
        let mut part = Part::new(Content::Media(Media {
            media_type: self.image_type(),
            ..Media::new(MediaKind::Image, Source::Base64(data))
        }));
        part.extras = self.extras;
        Ok(Said::Assistant(vec![part]))
    }

    fn image_type(&self) -> Option<Text<'a>> {
        let format = crate::model::extra(&self.extras, "output_format")?.as_text()?;
        Some(Text::plain(format!("image/{}", format.get())))
    }

    fn native(self) -> Said<'a> {
        let native = Native {
            dialect: Dialect::OpenAiResponses,
            kind: self.kind.unwrap_or_default(),
            json: self.whole.unwrap_or_else(|| Json::checked("{}")),
        };
        Said::Assistant(vec![Part::new(Content::Native(native))])
    }
}

/// A conversation that is being put together: what a model said in several items is one turn.
#[derive(Default)]
pub(super) struct Turn<'a> {
    pub parts: Vec<Part<'a>>,
    /// For the next part.
    signature: Option<Signature<'a>>,
}

impl<'a> Turn<'a> {
    pub fn push(&mut self, mut parts: Vec<Part<'a>>) {
        if let Some(first) = parts.first_mut() {
            first.signature = self.signature.take().or(first.signature.take());
        }
        self.parts.extend(parts);
    }

    pub fn sign_next(&mut self, signature: Signature<'a>) {
        self.signature = Some(signature);
    }

    /// The turn is over.
    pub fn take(&mut self) -> Vec<Part<'a>> {
        self.signature = None;
        std::mem::take(&mut self.parts)
    }
}
