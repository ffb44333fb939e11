//! Names that had to change on the way to a provider, and their way back: what callers call a tool is what they get
//! called.

use std::borrow::Cow;
use std::fmt::Write;

use super::{CallKind, Content, Delta, Event, Events, Json, Part, Text};
use crate::wire::record;

/// More of a custom tool's text than is kept until it is whole.
const MOST_KEPT: usize = 8 << 20;

/// What a provider's names stand for. Made by a writer of requests, used on what comes back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    renamed: Vec<(String, String)>,
    /// Custom tools that went as functions with one argument, `input`; by the provider's name.
    custom: Vec<String>,
}

record!(Names { renamed, custom });

impl Names {
    pub fn is_empty(&self) -> bool {
        self.renamed.is_empty() && self.custom.is_empty()
    }

    /// The name to send: the caller's own where the provider takes it, one made of it otherwise. The same name always
    /// gives the same one, so that histories and definitions agree.
    pub fn sent<'t>(&mut self, name: &'t Text<'_>, longest: usize, takes: fn(char) -> bool) -> Cow<'t, str> {
        let name = name.get();
        if !name.is_empty() && name.len() <= longest && name.chars().all(takes) {
            return name;
        }
        let sent = tamed(&name, longest, takes);
        if !self.renamed.iter().any(|(known, _)| *known == sent) {
            self.renamed.push((sent.clone(), name.into_owned()));
        }
        Cow::Owned(sent)
    }

    /// A custom tool goes as a function: its calls come back as custom ones.
    pub fn custom(&mut self, sent: &str) {
        if !self.custom.iter().any(|known| known == sent) {
            self.custom.push(sent.to_owned());
        }
    }

    /// Gives a whole call its own name and form back.
    pub fn restore(&self, part: &mut Part<'_>) {
        let Content::ToolCall(call) = &mut part.content else {
            return;
        };
        let name = call.name.get().into_owned();
        if self.custom.contains(&name) {
            let input = call.arguments_object();
            let input = input.as_ref().and_then(|object| object.pointer("/input"));
            if let Some(text) = input.as_ref().and_then(Json::as_text).map(Text::into_owned) {
                call.arguments = text;
                call.kind = CallKind::Custom;
            }
        }
        if let Some((_, own)) = self.renamed.iter().find(|(sent, _)| *sent == name) {
            call.name = Text::plain(own.clone());
        }
    }
}

/// Gives the calls of a stream their names and forms back. A custom tool's text comes in one piece, as it is not known
/// before its JSON is whole.
#[derive(Debug, Default)]
pub struct Restorer {
    names: Names,
    kept: Vec<(u32, u32, Part<'static>)>,
}

impl Restorer {
    pub fn new(names: Names) -> Restorer {
        Restorer {
            names,
            kept: Vec::new(),
        }
    }

    /// What stands for an event.
    pub fn restore<'a>(&mut self, event: Event<'a>) -> Events<'a> {
        let mut events = Events::new();
        match event {
            Event::PartStart {
                choice,
                part,
                content,
            } if self.is_custom(&content) => {
                self.kept.push((choice, part, content.into_owned()));
            }
            Event::PartStart {
                choice,
                part,
                mut content,
            } => {
                self.names.restore(&mut content);
                events.push(Event::PartStart {
                    choice,
                    part,
                    content,
                });
            }
            Event::Delta {
                choice,
                part,
                delta: Delta::Arguments(more),
            } => match self.kept_part(choice, part) {
                Some(Content::ToolCall(call)) if call.arguments.len() < MOST_KEPT => {
                    call.arguments.push(&more)
                }
                Some(_) => {}
                None => events.push(Event::Delta {
                    choice,
                    part,
                    delta: Delta::Arguments(more),
                }),
            },
            Event::PartStop { choice, part } => {
                if let Some(at) = self
                    .kept
                    .iter()
                    .position(|(of, at, _)| (*of, *at) == (choice, part))
                {
                    let (.., mut content) = self.kept.remove(at);
                    self.names.restore(&mut content);
                    events.push(Event::PartStart {
                        choice,
                        part,
                        content: Box::new(content),
                    });
                }
                events.push(Event::PartStop { choice, part });
            }
            other => events.push(other),
        }
        events
    }

    fn is_custom(&self, part: &Part<'_>) -> bool {
        matches!(&part.content, Content::ToolCall(call) if self.names.custom.iter().any(|name| call.name.is(name)))
    }

    fn kept_part(&mut self, choice: u32, part: u32) -> Option<&mut Content<'static>> {
        let kept = self
            .kept
            .iter_mut()
            .find(|(of, at, _)| (*of, *at) == (choice, part));
        kept.map(|(.., part)| &mut part.content)
    }
}

/// An identifier made of another: what cannot stand there is `_`, and a hash keeps two of them apart.
pub(crate) fn tamed(name: &str, longest: usize, takes: fn(char) -> bool) -> String {
    const HASH: usize = 17;
    let room = longest.saturating_sub(HASH);
    let mut tame: String = name
        .chars()
        .map(|c| if takes(c) { c } else { '_' })
        .take(room)
        .collect();
    // infallible for strings
    let _ = write!(tame, "_{:016x}", hash(name));
    tame
}

/// FNV-1a.
pub(crate) fn hash(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}
