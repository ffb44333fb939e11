//! Puts messages before and after the caller's own, with variables filled in. What a template is stands in `template`, the
//! settings in `settings`; this file joins them to the hook.

mod date;
mod settings;
mod template;

use penstock_plugin::clock;
use penstock_plugin::prelude::*;

use settings::{Message, Settings};
use template::{Values, Variable};

/// A header that goes into a prompt; more is no name, team or locale.
const LONGEST_HEADER: usize = 512;

struct PromptDecorator {
    prepend: Vec<Message>,
    append: Vec<Message>,
}

impl Plugin for PromptDecorator {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<(PromptDecorator, Interests), String> {
        let (prepend, append) = settings.messages()?;
        let nothing = prepend.is_empty() && append.is_empty();
        let interests = if nothing {
            Interests::nothing()
        } else {
            Interests::everything()
        };
        Ok((PromptDecorator { prepend, append }, interests))
    }
}

impl OnRequest for PromptDecorator {
    fn on_request(&self, call: &Call) -> RequestVerdict {
        let done = match call.operation() {
            Operation::Chat => self.chat(call),
            Operation::Completions => self.completions(call),
            _ => Ok(()),
        };
        match done {
            Ok(()) => RequestVerdict::Proceed,
            // without its rules a prompt must not go out
            Err(error) => RequestVerdict::Refuse(refused(error)),
        }
    }
}

impl PromptDecorator {
    fn chat(&self, call: &Call) -> Result<(), EditError> {
        for (place, message) in self.prepend.iter().enumerate() {
            call.add_message(
                place as u32,
                message.role,
                &message.template.filled(&OfCall(call)),
            )?;
        }
        for message in &self.append {
            call.add_message(u32::MAX, message.role, &message.template.filled(&OfCall(call)))?;
        }
        Ok(())
    }

    /// Completions have no roles: the texts stand before and after each prompt, an empty line between.
    fn completions(&self, call: &Call) -> Result<(), EditError> {
        let filled = |messages: &[Message]| -> Vec<String> {
            messages
                .iter()
                .map(|message| message.template.filled(&OfCall(call)))
                .collect()
        };
        let (before, after) = (filled(&self.prepend), filled(&self.append));
        for segment in call.segments() {
            if segment.kind != Kind::Text {
                continue;
            }
            let Some(prompt) = call.text(segment.index) else {
                continue;
            };
            let parts: Vec<&str> = before
                .iter()
                .chain([&prompt])
                .chain(&after)
                .map(String::as_str)
                .collect();
            call.replace_text(segment.index, &parts.join("\n\n"))?;
        }
        Ok(())
    }
}

fn refused(error: EditError) -> Refusal {
    match error {
        EditError::TooLarge => refuse(
            413,
            "prompt_too_large",
            "the request is too large once the prompt is added",
        ),
        other => refuse(
            400,
            "prompt_not_added",
            format!("the prompt could not be added to the request: {other:?}"),
        ),
    }
}

/// Variables as they are for one call.
struct OfCall<'a>(&'a Call);

impl Values for OfCall<'_> {
    fn value(&self, variable: &Variable) -> String {
        match variable {
            Variable::Model => self.0.model(),
            Variable::Caller => self.0.caller(),
            Variable::Generation => self.0.generation().to_string(),
            Variable::RequestId => self.0.id(),
            Variable::Date => date::date(clock::now_ms()),
            Variable::Header(name) => self.0.header(name).map_or_else(String::new, shortened),
        }
    }
}

fn shortened(mut value: String) -> String {
    value.truncate(value.floor_char_boundary(LONGEST_HEADER));
    value
}

penstock_plugin::export!(PromptDecorator: on_request);
