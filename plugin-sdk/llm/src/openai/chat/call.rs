//! Tool calls in messages and deltas (APIS.md 1.4, 1.6).

use smallvec::SmallVec;

use crate::fault::{Fault, Within};
use crate::json::ValueKind;
use crate::model::{
    CallKind, Content, Extra, Extras, Json, Maker, Part, Signature, Text, ToolCall, is_object,
};
use crate::read::Reader;

const TEXT: &str = "must be a string";
const OBJECT: &str = "must be an object";

/// A call, or what a delta says of one.
#[derive(Debug, Default)]
pub(super) struct Call<'a> {
    pub index: Option<u64>,
    pub id: Option<Text<'a>>,
    pub name: Option<Text<'a>>,
    pub arguments: Option<Text<'a>>,
    pub custom: bool,
    pub signature: Option<Signature<'a>>,
    pub extras: Extras<'a>,
}

pub(super) type Calls<'a> = SmallVec<[Call<'a>; 1]>;

/// Reads `tool_calls`.
pub(super) fn read_all<'a>(reader: &mut Reader<'a>) -> Result<Calls<'a>, Fault> {
    let mut calls = Calls::new();
    reader.each("must be an array", |reader, _| {
        calls.extend(read(reader)?);
        Ok(())
    })?;
    Ok(calls)
}

fn read<'a>(reader: &mut Reader<'a>) -> Result<Option<Call<'a>>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let mut call = Call::default();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"index" => call.index = reader.whole_number("must be a number").within("index")?,
            b"id" => call.id = reader.text(TEXT).within("id")?,
            b"type" => drop(reader.text(TEXT).within("type")?),
            b"function" => function(reader, &mut call).within("function")?,
            b"custom" => {
                call.custom = true;
                function(reader, &mut call).within("custom")?;
            }
            b"extra_content" => {
                let value = reader.json()?;
                keep_signature(value, &mut call);
            }
            _ => reader.extra(key, &mut call.extras)?,
        }
    }
    Ok(Some(call))
}

/// What is called and with what: `arguments` of a function, `input` of a custom tool.
pub(super) fn function<'a>(reader: &mut Reader<'a>, call: &mut Call<'a>) -> Result<(), Fault> {
    if reader.kind()? == ValueKind::Null {
        return reader.pass();
    }
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(());
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"name" => call.name = reader.text(TEXT).within("name")?,
            b"arguments" | b"input" => call.arguments = arguments(reader)?,
            _ => reader.pass()?,
        }
    }
    Ok(())
}

/// JSON in a string, or as such (Mistral).
fn arguments<'a>(reader: &mut Reader<'a>) -> Result<Option<Text<'a>>, Fault> {
    match reader.kind()? {
        ValueKind::String => reader.literal().map(Some),
        ValueKind::Null => reader.pass().map(|()| None),
        _ => reader.json().map(Json::into_text).map(Some),
    }
}

/// Gemini's signature, where its OpenAI-like surface puts it.
fn keep_signature<'a>(extra_content: Json<'a>, call: &mut Call<'a>) {
    let found = extra_content.pointer("/google/thought_signature");
    let signature = found.as_ref().and_then(Json::as_text);
    if let Some(data) = signature.map(Text::into_owned) {
        call.signature = Some(Signature {
            maker: Some(Maker::Google),
            data,
        });
        return;
    }
    call.extras.push(Extra {
        name: Text::plain("extra_content"),
        value: extra_content,
    });
}

impl<'a> Call<'a> {
    /// The arguments of a function are a JSON object, or nothing at all.
    pub fn has_object(&self) -> bool {
        let arguments = self.arguments.as_ref().map(Text::get).unwrap_or_default();
        self.custom || is_object(&arguments)
    }

    /// The call as a part of a whole message.
    pub fn into_part(self) -> Part<'a> {
        let kind = if self.custom {
            CallKind::Custom
        } else {
            CallKind::Function
        };
        let mut part = Part::new(Content::ToolCall(ToolCall {
            id: self.id.unwrap_or_default(),
            name: self.name.unwrap_or_default(),
            arguments: self.arguments.unwrap_or_default(),
            kind,
        }));
        part.signature = self.signature;
        part.extras = self.extras;
        part
    }
}
