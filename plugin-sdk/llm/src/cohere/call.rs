//! Calls of tools in messages and events.

use crate::fault::{Fault, Within};
use crate::json::ValueKind;
use crate::model::{CallKind, Content, Extras, Json, Part, Text, ToolCall};
use crate::read::Reader;
use crate::write::Object;

const TEXT: &str = "must be a string";
const OBJECT: &str = "must be an object";

/// A call, or what an event says of one.
#[derive(Debug, Default)]
pub(super) struct Call<'a> {
    pub id: Option<Text<'a>>,
    pub name: Option<Text<'a>>,
    pub arguments: Option<Text<'a>>,
    pub extras: Extras<'a>,
}

pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<Option<Call<'a>>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let mut call = Call::default();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"id" => call.id = reader.text(TEXT).within("id")?,
            b"type" => drop(reader.text(TEXT).within("type")?),
            b"function" => function(reader, &mut call).within("function")?,
            _ => reader.extra(key, &mut call.extras)?,
        }
    }
    Ok(Some(call))
}

fn function<'a>(reader: &mut Reader<'a>, call: &mut Call<'a>) -> Result<(), Fault> {
    if reader.kind()? == ValueKind::Null {
        return reader.pass();
    }
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(());
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"name" => call.name = reader.text(TEXT).within("name")?,
            b"arguments" => call.arguments = arguments(reader)?,
            _ => reader.pass()?,
        }
    }
    Ok(())
}

fn arguments<'a>(reader: &mut Reader<'a>) -> Result<Option<Text<'a>>, Fault> {
    match reader.kind()? {
        ValueKind::String => reader.literal().map(Some),
        ValueKind::Null => reader.pass().map(|()| None),
        _ => reader.json().map(Json::into_text).map(Some),
    }
}

impl<'a> Call<'a> {
    /// The call as a part of a whole message. The text `null` stands for no arguments (APIS.md 8).
    pub fn into_part(self) -> Part<'a> {
        let arguments = self.arguments.filter(|arguments| !is_none(arguments));
        let mut part = Part::new(Content::ToolCall(ToolCall::function(
            self.id.unwrap_or_default(),
            self.name.unwrap_or_default(),
            arguments.unwrap_or_else(|| Text::plain("{}")),
        )));
        part.extras = self.extras;
        part
    }
}

/// Nothing, or the word for it.
pub(super) fn is_none(arguments: &Text<'_>) -> bool {
    matches!(arguments.get().trim(), "" | "null")
}

/// Writes a call's members but its id.
pub(super) fn write(call: &ToolCall<'_>, object: &mut Object<'_>) {
    object.str("type", "function");
    object.object("function", |function| {
        function.text("name", &call.name);
        match call.arguments_object() {
            Some(wrapped) if call.kind == CallKind::Custom => {
                function.text("arguments", &wrapped.into_text());
            }
            _ if is_none(&call.arguments) => function.str("arguments", "{}"),
            _ => function.text("arguments", &call.arguments),
        }
    });
}
