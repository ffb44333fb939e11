//! Calls of tools in a stream, which may be told side by side.

use crate::model::{Content, Delta, Event, Events, Part, Text};

use super::{Open, Reader};

impl Reader {
    pub(super) fn call_done<'a>(&mut self, at: usize, parts: Vec<Part<'a>>, events: &mut Events<'a>) {
        for part in parts {
            match (self.state(at).call, part.content) {
                (Some(_), Content::ToolCall(call)) => self.arguments_rest(at, Some(call.arguments), events),
                (_, content) => self.call(at, Part { content, ..part }, events),
            }
        }
        let state = self.state(at);
        if let Some(part) = state
            .call
            .filter(|_| std::mem::replace(&mut state.call_is_open, false))
        {
            events.push(Event::PartStop { choice: 0, part });
        }
    }

    /// A call begins, beside those that are open.
    pub(super) fn call<'a>(&mut self, at: usize, part: Part<'a>, events: &mut Events<'a>) {
        if self.state(at).call.is_some() {
            return;
        }
        if self.open != Open::Calls {
            self.close(events);
        }
        let said = matches!(&part.content, Content::ToolCall(call) if !call.arguments.is_empty());
        let index = self.push_start(part, events);
        let state = self.state(at);
        (state.call, state.call_is_open, state.any_arguments) = (Some(index), true, said);
        self.open = Open::Calls;
        self.any_calls = true;
    }

    pub(super) fn arguments<'a>(&mut self, at: usize, text: Text<'a>, events: &mut Events<'a>) {
        let state = self.state(at);
        // nothing belongs to a call that is whole
        let Some(part) = state.call.filter(|_| state.call_is_open && !text.is_empty()) else {
            return;
        };
        state.any_arguments = true;
        self.delta(part, Delta::Arguments(text), events);
    }

    pub(super) fn arguments_rest<'a>(&mut self, at: usize, whole: Option<Text<'a>>, events: &mut Events<'a>) {
        if let Some(whole) = whole.filter(|_| !self.state(at).any_arguments) {
            self.arguments(at, whole, events);
        }
    }
}
