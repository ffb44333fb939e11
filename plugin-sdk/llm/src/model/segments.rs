//! What plugins see of any dialect: the texts of a request, an answer or an event, with their places in the bytes that
//! they were read from, so that an edit is a splice there. In OpenAI's own dialect `openai` finds them without a model.

use smallvec::SmallVec;

use super::{Answer, Content, Delta, Event, Media, MediaKind, Message, Part, Request, Source, Text};
use crate::json::Span;
use crate::openai::{self, Kind, Provenance, Role, Segment};

/// The texts and media of a request, in the order of the conversation. `body` is what the request was read from; what
/// was not read in place there has no segment. A medium's span is where its base64, URL or id stands.
pub fn segments_of_request(request: &Request<'_>, body: &[u8]) -> Vec<Segment> {
    let mut found = Finder::new(body, Provenance::Caller);
    for message in &request.messages {
        found.message(message);
    }
    found.segments
}

/// The same of an answer.
pub fn segments_of_answer(answer: &Answer<'_>, body: &[u8]) -> Vec<Segment> {
    let mut found = Finder::new(body, Provenance::Provider);
    for choice in &answer.choices {
        found.choice = choice.index;
        found.tool = 0;
        found.parts(&choice.parts, Role::Assistant);
    }
    found.segments
}

/// The texts of the events that were read from one frame's data. `tool_of` says which of its choice's tool calls a part
/// is (see [`ToolCounter`]).
pub fn deltas_of_events(
    events: &[Event<'_>],
    data: &[u8],
    tools: &mut ToolCounter,
) -> SmallVec<[openai::Delta; 2]> {
    let mut deltas = SmallVec::new();
    for event in events {
        let (choice, part, kind, text) = match event {
            Event::PartStart {
                choice,
                part,
                content,
            } => {
                tools.started(*choice, *part, content);
                let Some((kind, text)) = words_of(content) else {
                    continue;
                };
                (*choice, *part, kind, text)
            }
            Event::Delta { choice, part, delta } => {
                let Some((kind, text)) = words_of_delta(delta) else {
                    continue;
                };
                (*choice, *part, kind, text)
            }
            _ => continue,
        };
        let Some((literal, raw)) = text.place_in(data) else {
            continue;
        };
        deltas.push(openai::Delta {
            choice,
            kind,
            tool: tools.of(choice, part),
            literal,
            length: length(text),
            raw,
        });
    }
    deltas
}

/// Which of a choice's parts are tool calls, and the how manieth each of them is.
#[derive(Clone, Debug, Default)]
pub struct ToolCounter {
    calls: SmallVec<[(u32, u32); 4]>,
}

impl ToolCounter {
    /// More calls in one answer than any model makes: those beyond count as the first.
    const MOST: usize = 4096;

    pub fn started(&mut self, choice: u32, part: u32, content: &Part<'_>) {
        if matches!(content.content, Content::ToolCall(_)) && self.calls.len() < Self::MOST {
            self.calls.push((choice, part));
        }
    }

    pub fn of(&self, choice: u32, part: u32) -> u32 {
        let mut count = 0;
        for (in_choice, at) in &self.calls {
            if (*in_choice, *at) == (choice, part) {
                return count;
            }
            count += u32::from(*in_choice == choice);
        }
        0
    }
}

fn words_of<'p, 'a>(part: &'p Part<'a>) -> Option<(Kind, &'p Text<'a>)> {
    match &part.content {
        Content::Text { text, .. } => Some((Kind::Text, text)),
        Content::Reasoning(reasoning) => Some((Kind::Reasoning, &reasoning.text)),
        Content::Refusal(text) => Some((Kind::Refusal, text)),
        Content::ToolCall(call) => Some((Kind::ToolArguments, &call.arguments)),
        _ => None,
    }
}

fn words_of_delta<'d, 'a>(delta: &'d Delta<'a>) -> Option<(Kind, &'d Text<'a>)> {
    match delta {
        Delta::Text(text) | Delta::Transcript(text) => Some((Kind::Text, text)),
        Delta::Reasoning(text) => Some((Kind::Reasoning, text)),
        Delta::Refusal(text) => Some((Kind::Refusal, text)),
        Delta::Arguments(text) | Delta::Native(text) => Some((Kind::ToolArguments, text)),
        Delta::Signature(_) | Delta::Data(_) | Delta::Citation(_) | Delta::Logprobs(_) => None,
    }
}

struct Finder<'b> {
    body: &'b [u8],
    provenance: Provenance,
    choice: u32,
    tool: u32,
    segments: Vec<Segment>,
}

impl<'b> Finder<'b> {
    fn new(body: &'b [u8], provenance: Provenance) -> Finder<'b> {
        Finder {
            body,
            provenance,
            choice: 0,
            tool: 0,
            segments: Vec::new(),
        }
    }

    fn message(&mut self, message: &Message<'_>) {
        self.tool = 0;
        self.parts(&message.parts, message.role);
    }

    fn parts(&mut self, parts: &[Part<'_>], role: Role) {
        for part in parts {
            match &part.content {
                Content::ToolCall(call) => {
                    self.text(&call.arguments, Kind::ToolArguments, role);
                    self.tool = self.tool.saturating_add(1);
                }
                Content::ToolResult(result) => self.result(&result.parts),
                Content::Media(media) => self.media(media, role),
                Content::SearchResult(found) => {
                    self.text(&found.title, Kind::ToolResult, role);
                    self.result(&found.parts);
                }
                // a text of a tool's message is what came of it
                Content::Text { text, .. } if role == Role::Tool => self.text(text, Kind::ToolResult, role),
                _ => {
                    if let Some((kind, text)) = words_of(part) {
                        self.text(text, kind, role);
                    }
                }
            }
        }
    }

    fn result(&mut self, parts: &[Part<'_>]) {
        for part in parts {
            match &part.content {
                Content::Text { text, .. } => self.text(text, Kind::ToolResult, Role::Tool),
                _ => self.parts(std::slice::from_ref(part), Role::Tool),
            }
        }
    }

    fn media(&mut self, media: &Media<'_>, role: Role) {
        if let Some(transcript) = &media.transcript {
            self.text(transcript, Kind::Text, role);
        }
        let place = match &media.source {
            Source::Parts(parts) => return self.parts(parts, role),
            Source::Text(text) => return self.text(text, Kind::Text, role),
            Source::Base64(text) | Source::Url(text) | Source::File { id: text, .. } => {
                text.bytes_in(self.body)
            }
            Source::Native(json) => json.place_in(self.body),
        };
        let kind = match media.kind {
            MediaKind::Image => Kind::Image,
            MediaKind::Audio => Kind::Audio,
            MediaKind::Video | MediaKind::Document => Kind::File,
        };
        if let Some(span) = place {
            self.push(kind, span, 0, false, role);
        }
    }

    fn text(&mut self, text: &Text<'_>, kind: Kind, role: Role) {
        if let Some((span, raw)) = text.place_in(self.body) {
            self.push(kind, span, length(text), raw, role);
        }
    }

    fn push(&mut self, kind: Kind, span: Span, length: u32, raw: bool, role: Role) {
        self.segments.push(Segment {
            role,
            kind,
            provenance: self.provenance,
            choice: self.choice,
            tool: if kind == Kind::ToolArguments { self.tool } else { 0 },
            length,
            span,
            raw,
        });
    }
}

fn length(text: &Text<'_>) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}
