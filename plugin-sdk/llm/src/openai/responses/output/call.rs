//! Calls of tools in an output, which may be told side by side.

use crate::model::{CallKind, Extra, Part, Text, ToolCall, made_id};
use crate::write::{Object, object};

use super::{Open, Output, write_quoted};

pub(super) struct Call {
    pub(super) part: u32,
    index: usize,
    id: String,
    call: ToolCall<'static>,
    /// As they stand between quotes.
    arguments: Vec<u8>,
    extras: Vec<Extra<'static>>,
}

impl Output {
    pub(super) fn call(&mut self, part: u32, said: &ToolCall<'_>, content: &Part<'_>, out: &mut Vec<u8>) {
        if !matches!(self.open, Open::Calls(_)) {
            self.close(out);
        }
        let index = self.begin();
        let mut call = ToolCall {
            arguments: Text::default(),
            ..said.clone().into_owned()
        };
        if call.id.is_empty() {
            call.id = Text::plain(made_id(&self.stem, 0, index));
            let why = "the provider gave the call no id";
            self.losses.added(format!("tool_calls[{index}].id"), why);
        }
        let extras = content.extras.iter().filter(|_| self.own).map(|extra| Extra {
            name: extra.name.clone().into_owned(),
            value: extra.value.clone().into_owned(),
        });
        let call = Call {
            part,
            index,
            id: self.id("fc", index),
            call,
            arguments: Vec::new(),
            extras: extras.collect(),
        };
        self.added(index, out, |item| call.write("in_progress", item));
        match &mut self.open {
            Open::Calls(calls) => calls.push(call),
            open => *open = Open::Calls(vec![call]),
        }
        self.arguments(part, &said.arguments, out);
    }

    pub(super) fn arguments(&mut self, part: u32, text: &Text<'_>, out: &mut Vec<u8>) {
        let Open::Calls(calls) = &mut self.open else {
            return;
        };
        let Some(call) = calls
            .iter_mut()
            .find(|call| call.part == part && !text.is_empty())
        else {
            return;
        };
        let before = call.arguments.len();
        text.write_inner(&mut call.arguments);
        self.kept = self
            .kept
            .saturating_add(call.arguments.len().saturating_sub(before));
        let (index, id, kind) = (call.index, call.id.clone(), call.event("delta"));
        self.event(kind, out, |event| {
            event.str("item_id", &id);
            event.count("output_index", index as u64);
            event.text("delta", text);
        });
    }

    pub(super) fn call_done(&mut self, mut call: Call, out: &mut Vec<u8>) {
        // a call that came without arguments has none: `{}` for clients that parse them
        if call.arguments.is_empty() && call.call.kind == CallKind::Function {
            call.arguments.extend_from_slice(b"{}");
        }
        self.event(call.event("done"), out, |event| {
            event.str("item_id", &call.id);
            event.count("output_index", call.index as u64);
            event.text("name", &call.call.name);
            write_quoted(&call.arguments, event.value(call.member()));
        });
        let mut item = Vec::new();
        object(&mut item, |object| call.write("completed", object));
        self.done(call.index, item, out);
        if matches!(&self.open, Open::Calls(calls) if calls.is_empty()) {
            self.open = Open::Nothing;
        }
    }
}

impl Call {
    fn event(&self, what: &str) -> &'static str {
        match (self.call.kind, what) {
            (CallKind::Function, "delta") => "response.function_call_arguments.delta",
            (CallKind::Function, _) => "response.function_call_arguments.done",
            (CallKind::Custom, "delta") => "response.custom_tool_call_input.delta",
            (CallKind::Custom, _) => "response.custom_tool_call_input.done",
        }
    }

    fn member(&self) -> &'static str {
        match self.call.kind {
            CallKind::Function => "arguments",
            CallKind::Custom => "input",
        }
    }

    fn write(&self, status: &str, object: &mut Object<'_>) {
        let kind = match self.call.kind {
            CallKind::Function => "function_call",
            CallKind::Custom => "custom_tool_call",
        };
        object.str("type", kind);
        object.str("id", &self.id);
        object.text("call_id", &self.call.id);
        object.text("name", &self.call.name);
        write_quoted(&self.arguments, object.value(self.member()));
        object.str("status", status);
        object.extras(&self.extras);
    }
}
