//! Tool calls in a message or delta: which call, and with which arguments.

use super::Kind;
use super::message::Reader;
use crate::fault::Fault;
use crate::json::ValueKind;
use crate::keys::Keys;

impl Reader<'_, '_> {
    /// A message's `tool_calls`.
    pub fn tool_calls(&mut self) -> Result<(), Fault> {
        if !matches!(self.cursor.kind()?, ValueKind::Array | ValueKind::Null) {
            return self.refuse("", "must be an array");
        }
        let mut place = 0;
        self.each(|reader| {
            reader.tool_call(place)?;
            place += 1;
            Ok(())
        })
    }

    /// One tool call. Its `index` may stand behind its arguments; where there is none its place counts (xAI).
    fn tool_call(&mut self, place: u32) -> Result<(), Fault> {
        if self.cursor.kind()? != ValueKind::Object {
            return self.refuse("", "must be an object");
        }
        let first = self.found.segments.len();
        let mut index = place;
        let mut keys = Keys::new(self.strict);
        let mut members = self.cursor.begin_object()?;
        while let Some(key) = self.cursor.next_member(&mut members)? {
            match &*keys.take(self.cursor, &key)? {
                b"index" => index = self.index()?.unwrap_or(index),
                b"function" => self.function("function")?,
                b"custom" => self.function("custom")?,
                _ => self.pass()?,
            }
        }
        for segment in &mut self.found.segments[first..] {
            segment.tool = index;
        }
        Ok(())
    }

    /// What is called, and with what: `arguments` of a function, `input` of a custom tool.
    pub fn function(&mut self, name: &'static str) -> Result<(), Fault> {
        match self.cursor.kind()? {
            ValueKind::Object => {}
            // a legacy message may say null for no call
            ValueKind::Null => return self.pass(),
            _ => return self.refuse(name, "must be an object"),
        }
        let mut keys = Keys::new(self.strict);
        let mut members = self.cursor.begin_object()?;
        while let Some(key) = self.cursor.next_member(&mut members)? {
            match &*keys.take(self.cursor, &key).map_err(|fault| fault.within(name))? {
                b"arguments" | b"input" => self.arguments()?,
                b"name" => self.tool_name()?,
                _ => self.pass()?,
            }
        }
        Ok(())
    }

    /// JSON in a string, or as such (Mistral).
    fn arguments(&mut self) -> Result<(), Fault> {
        match self.cursor.kind()? {
            ValueKind::String => self.text(Kind::ToolArguments),
            ValueKind::Null => self.pass(),
            _ => {
                let span = self.cursor.skip()?;
                Ok(self.found.push(Kind::ToolArguments, span, span.len(), true)?)
            }
        }
    }

    fn tool_name(&mut self) -> Result<(), Fault> {
        let named = self.string_if_any()?.is_some_and(|name| name.length > 0);
        self.found.wordless_content |= named;
        Ok(())
    }
}
