//! Messages of a conversation, and of an answer, into the model.

use crate::fault::{Fault, Within};
use crate::model::{Content, Extra, Extras, Message, Part, Role, Text, ToolResult};
use crate::read::Reader;

use super::call::{self, Call};
use super::citation::{self, Cited};
use super::content;

const TEXT: &str = "must be a string";
const ARRAY: &str = "must be an array";

/// A message's members, whatever its role.
#[derive(Default)]
pub(super) struct Fields<'a> {
    role: Option<Text<'a>>,
    content: Vec<Part<'a>>,
    plan: Option<Text<'a>>,
    calls: Vec<Call<'a>>,
    cited: Vec<Cited<'a>>,
    call_id: Option<Text<'a>>,
    extras: Extras<'a>,
}

/// None where there is no object.
pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<Option<Fields<'a>>, Fault> {
    let Some(mut members) = reader.object("must be an object")? else {
        return Ok(None);
    };
    let mut fields = Fields::default();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"role" => fields.role = reader.text(TEXT).within("role")?,
            b"content" => fields.content = content::read(reader).within("content")?,
            b"tool_plan" => fields.plan = reader.text(TEXT).within("tool_plan")?,
            b"tool_calls" => calls(reader, &mut fields.calls).within("tool_calls")?,
            b"citations" => cited(reader, &mut fields.cited).within("citations")?,
            b"tool_call_id" => fields.call_id = reader.text(TEXT).within("tool_call_id")?,
            _ => reader.extra(key, &mut fields.extras)?,
        }
    }
    Ok(Some(fields))
}

fn calls<'a>(reader: &mut Reader<'a>, calls: &mut Vec<Call<'a>>) -> Result<(), Fault> {
    reader.each(ARRAY, |reader, _| {
        calls.extend(call::read(reader)?);
        Ok(())
    })
}

fn cited<'a>(reader: &mut Reader<'a>, all: &mut Vec<Cited<'a>>) -> Result<(), Fault> {
    reader.each(ARRAY, |reader, _| {
        all.extend(citation::read(reader)?);
        Ok(())
    })
}

impl<'a> Fields<'a> {
    /// # Errors
    /// No role, or one that nobody knows; a result of no call.
    pub fn into_message(self) -> Result<Message<'a>, Fault> {
        let Some(role) = &self.role else {
            return Err(Fault::missing("role", "is missing"));
        };
        let role = match &*role.get() {
            "system" => Role::System,
            "developer" => Role::Developer,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "tool" => Role::Tool,
            _ => {
                return Err(Fault::invalid(
                    "role",
                    "must be `system`, `user`, `assistant` or `tool`",
                ));
            }
        };
        if role == Role::Tool {
            return self.into_result();
        }
        let (parts, extras) = self.into_parts();
        let mut message = Message::new(role, parts);
        message.extras = extras;
        Ok(message)
    }

    fn into_result(self) -> Result<Message<'a>, Fault> {
        let Some(id) = self.call_id else {
            return Err(Fault::missing(
                "tool_call_id",
                "is missing: a tool's message names its call",
            ));
        };
        let result = Content::ToolResult(ToolResult::new(id, self.content));
        let mut message = Message::new(Role::Tool, vec![Part::new(result)]);
        message.extras = self.extras;
        Ok(message)
    }

    /// Everything that is said, in the order in which it came about: content, plan, calls.
    pub fn into_parts(self) -> (Vec<Part<'a>>, Extras<'a>) {
        let (mut parts, mut extras) = (self.content, self.extras);
        citation::attach(self.cited, &mut parts, &mut extras);
        let plan = self.plan.filter(|plan| !plan.is_empty());
        parts.extend(plan.map(|plan| Part::new(content::plan(plan))));
        parts.extend(self.calls.into_iter().map(Call::into_part));
        if let Some(id) = self.call_id {
            extras.push(Extra::text("tool_call_id", &id));
        }
        (parts, extras)
    }
}
