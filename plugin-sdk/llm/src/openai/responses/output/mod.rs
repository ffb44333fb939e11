//! The output of a response, item by item: what a stream tells piece by piece, and what a whole answer holds in the end,
//! by the same rules, so that both say the same.

mod call;
mod message;
mod thought;

use crate::model::{Content, Delta, Dialect, Json, Losses, Media, MediaKind, Part, Source, Text};
use crate::write::{Object, object, typed_event};

use super::{NO_SUCH, ONLY_OWN};
use call::Call;
use message::Message;
use thought::Thought;

/// Most bytes of an answer: a stream's last event holds all of it once more.
const MAX_KEPT: usize = 32 << 20;
/// What an item counts as at least.
const ITEM_COST: usize = 1 << 10;

/// The output so far.
pub(super) struct Output {
    /// Letters of the answer's id, for its items' ids.
    stem: String,
    /// The number of the next event; none where nothing is streamed.
    sequence: Option<u64>,
    /// Extras of parts are this dialect's.
    own: bool,
    /// Whole items; empty for one that is open.
    items: Vec<Vec<u8>>,
    open: Open,
    kept: usize,
    pub losses: Losses,
}

enum Open {
    Nothing,
    Message(Message),
    Thought(Box<Thought>),
    Calls(Vec<Call>),
}

impl Output {
    pub fn new(id: &str, streamed: bool, own: bool) -> Output {
        Output {
            stem: id.chars().filter(char::is_ascii_alphanumeric).take(48).collect(),
            sequence: streamed.then_some(0),
            own,
            items: Vec::new(),
            open: Open::Nothing,
            kept: 0,
            losses: Losses::default(),
        }
    }

    /// There is more than may be kept.
    pub fn is_full(&self) -> bool {
        self.kept > MAX_KEPT
    }

    pub fn has_calls(&self) -> bool {
        let kind: &[u8] = b"{\"type\":\"function_call\"";
        let custom: &[u8] = b"{\"type\":\"custom_tool_call\"";
        let open = matches!(&self.open, Open::Calls(_));
        open || self
            .items
            .iter()
            .any(|item| item.starts_with(kind) || item.starts_with(custom))
    }

    /// Writes an event, if there is a stream.
    pub fn event(&mut self, kind: &str, out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
        let Some(sequence) = &mut self.sequence else {
            return;
        };
        let number = *sequence;
        *sequence = number.saturating_add(1);
        typed_event(kind, out, |object| {
            object.count("sequence_number", number);
            write(object);
        });
    }

    /// All items, with commas between them. What is open is not in it.
    pub fn joined(&self) -> Vec<u8> {
        let whole: Vec<&[u8]> = self
            .items
            .iter()
            .filter(|item| !item.is_empty())
            .map(Vec::as_slice)
            .collect();
        whole.join(&b',')
    }

    fn begin(&mut self) -> usize {
        self.kept = self.kept.saturating_add(ITEM_COST);
        self.items.push(Vec::new());
        self.items.len().saturating_sub(1)
    }

    fn id(&self, kind: &str, index: usize) -> String {
        format!("{kind}_{}_{index}", self.stem)
    }

    fn added(&mut self, index: usize, out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
        self.event("response.output_item.added", out, |event| {
            event.count("output_index", index as u64);
            event.object("item", write);
        });
    }

    fn done(&mut self, index: usize, item: Vec<u8>, out: &mut Vec<u8>) {
        self.event("response.output_item.done", out, |event| {
            event.count("output_index", index as u64);
            event.value("item").extend_from_slice(&item);
        });
        if let Some(place) = self.items.get_mut(index) {
            *place = item;
        }
    }

    /// A part begins, with what it says at once.
    pub fn part_start(&mut self, part: u32, content: &Part<'_>, out: &mut Vec<u8>) {
        self.unsaid(part, content);
        match &content.content {
            Content::Text { text, citations } => {
                let nothing = text.is_empty() && citations.is_empty() && content.signature.is_none();
                if !nothing {
                    self.sign(content, out);
                    self.words_start(part, content, false, out);
                    self.say(part, text, out);
                    citations
                        .iter()
                        .for_each(|citation| self.cite(part, citation, out));
                }
            }
            Content::Refusal(text) if text.is_empty() => {}
            Content::Refusal(text) => {
                self.words_start(part, content, true, out);
                self.say(part, text, out);
            }
            Content::Reasoning(thought) => {
                self.thought(part, thought, out);
                self.think(&thought.text, out);
                if let (Open::Thought(open), Some(signature)) = (&mut self.open, &content.signature) {
                    open.signature = Some(signature.clone().into_owned());
                }
            }
            Content::ToolCall(call) => {
                self.sign(content, out);
                self.call(part, call, content, out);
            }
            Content::Media(media) => self.media(part, media, content, out),
            Content::Native(native) if native.dialect == Dialect::OpenAiResponses => {
                self.whole(&native.json, out);
            }
            Content::Native(_) => self.losses.dropped(format!("content[{part}]"), ONLY_OWN),
            Content::ToolResult(_) | Content::SearchResult(_) => {
                self.losses.dropped(format!("content[{part}]"), NO_SUCH);
            }
        }
    }

    fn unsaid(&mut self, part: u32, content: &Part<'_>) {
        if self.own {
            return;
        }
        for extra in content.extras.iter().filter(|extra| !extra.name.is("phase")) {
            self.losses
                .dropped(format!("content[{part}].{}", extra.name.get()), NO_SUCH);
        }
    }

    pub fn delta(&mut self, part: u32, delta: &Delta<'_>, out: &mut Vec<u8>) {
        match delta {
            Delta::Text(text) => self.say_on(part, text, false, out),
            Delta::Refusal(text) => self.say_on(part, text, true, out),
            Delta::Reasoning(text) => {
                if self.is_thinking(part) {
                    self.think(text, out);
                }
            }
            Delta::Arguments(text) => self.arguments(part, text, out),
            Delta::Signature(signature) => self.signature(part, signature),
            Delta::Data(data) => match &mut self.open {
                Open::Thought(thought) if thought.part == part => {
                    self.kept = self.kept.saturating_add(data.len());
                    if let Some(secret) = &mut thought.secret {
                        secret.data.get_or_insert_default().push(data);
                    }
                }
                _ => self.losses.dropped(format!("content[{part}]"), NO_SUCH),
            },
            Delta::Citation(citation) => {
                self.say_on(part, &Text::default(), false, out);
                self.cite(part, citation, out);
            }
            Delta::Transcript(_) => self.losses.dropped(format!("content[{part}]"), NO_SUCH),
            Delta::Logprobs(_) => self
                .losses
                .dropped("logprobs", "its form differs from dialect to dialect"),
            Delta::Native(_) => self.losses.dropped(format!("content[{part}]"), ONLY_OWN),
        }
    }

    pub fn part_stop(&mut self, part: u32, out: &mut Vec<u8>) {
        match &mut self.open {
            Open::Message(message) if message.words.as_ref().is_some_and(|words| words.part == part) => {
                self.words_done(out);
            }
            Open::Thought(thought) if thought.part == part => self.thought_pause(out),
            Open::Calls(calls) => {
                if let Some(at) = calls.iter().position(|call| call.part == part) {
                    let call = calls.remove(at);
                    self.call_done(call, out);
                }
            }
            _ => {}
        }
    }

    /// Ends whatever is open.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        self.words_done(out);
        self.thought_pause(out);
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => {}
            Open::Message(message) => self.message_done(message, out),
            Open::Thought(thought) => self.thought_done(*thought, out),
            Open::Calls(calls) => calls.into_iter().for_each(|call| self.call_done(call, out)),
        }
    }

    fn media(&mut self, part: u32, media: &Media<'_>, content: &Part<'_>, out: &mut Vec<u8>) {
        let (MediaKind::Image, Source::Base64(data)) = (media.kind, &media.source) else {
            return self.losses.dropped(format!("content[{part}]"), NO_SUCH);
        };
        let id = self.id("ig", self.items.len());
        let mut item = Vec::new();
        object(&mut item, |object| {
            object.str("type", "image_generation_call");
            object.str("id", &id);
            object.str("status", "completed");
            object.text("result", data);
            if self.own {
                object.extras(&content.extras);
            }
        });
        self.whole(&Json::checked(String::from_utf8_lossy(&item).into_owned()), out);
    }

    /// An item that comes in one piece.
    fn whole(&mut self, json: &Json<'_>, out: &mut Vec<u8>) {
        self.close(out);
        let index = self.begin();
        self.kept = self.kept.saturating_add(json.get().len());
        self.event("response.output_item.added", out, |event| {
            event.count("output_index", index as u64);
            event.json("item", json);
        });
        self.done(index, json.get().as_bytes().to_vec(), out);
    }
}

fn push_listed(list: &mut Vec<u8>, element: &[u8]) {
    if !list.is_empty() {
        list.push(b',');
    }
    list.extend_from_slice(element);
}

fn write_list(elements: &[u8], out: &mut Vec<u8>) {
    out.push(b'[');
    out.extend_from_slice(elements);
    out.push(b']');
}

fn write_quoted(inner: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(inner);
    out.push(b'"');
}
