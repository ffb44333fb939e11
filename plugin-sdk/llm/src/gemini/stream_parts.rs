//! Parts of a stream as they come: words at once, calls and signatures when they are whole. Where a stream begins and
//! ends is left to `stream_write`.

use crate::model::{
    Citation, Content, Delta, Dialect, Error, ErrorKind, Json, Media, Part, Reasoning, ReasoningForm,
    Signature, Source, Text, ToolCall,
};

use super::answer_write::write_call;
use super::stream_write::Writer;
use super::{NO_SUCH, foreign, logprobs, part_write};

/// More open parts than any stream has.
const MAX_OPEN: usize = 1024;
/// Calls go whole, so their arguments are kept until they are: no more than this of all together.
const MOST_KEPT_BYTES: usize = 16 << 20;

/// A part that is not over.
pub(super) struct Open {
    pub part: u32,
    signature: Option<Signature<'static>>,
    kept: Kept,
    /// The first byte of its text.
    start: u64,
}

enum Kept {
    Text,
    Thought,
    Call(Box<ToolCall<'static>>),
    /// What only its maker can read, which may come in pieces.
    Encrypted(Box<Reasoning<'static>>),
    /// The media, and its base64 so far.
    Media(Box<Part<'static>>, String),
    Nothing,
}

impl Writer {
    pub(super) fn part_start(&mut self, choice: u32, part: u32, content: &Part<'_>, out: &mut Vec<u8>) {
        let Some(at) = self.choice(choice) else { return };
        let kept = match &content.content {
            Content::Text { text, .. } => {
                self.words(at, text, false, out);
                Kept::Text
            }
            Content::Refusal(text) => {
                self.losses
                    .changed(format!("content[{part}]"), "a refusal goes as a text");
                self.words(at, text, false, out);
                Kept::Text
            }
            Content::Reasoning(thought) if thought.form == ReasoningForm::Encrypted => {
                self.encrypted_start(thought)
            }
            Content::Reasoning(thought) => {
                self.words(at, &thought.text, true, out);
                Kept::Thought
            }
            Content::ToolCall(call) => {
                self.kept_bytes = self.kept_bytes.saturating_add(call.arguments.len());
                Kept::Call(Box::new(call.clone().into_owned()))
            }
            Content::Media(_) => self.media_start(at, part, content, out),
            Content::Native(native) if native.dialect == Dialect::Gemini => {
                self.native(at, &native.json, out);
                Kept::Nothing
            }
            Content::Native(_) | Content::ToolResult(_) | Content::SearchResult(_) => {
                self.losses
                    .dropped(format!("content[{part}]"), "only its own dialect can say this");
                Kept::Nothing
            }
        };
        let signature = content
            .signature
            .clone()
            .filter(|_| !matches!(kept, Kept::Nothing));
        let text = content.as_text().map_or(0, Text::len) as u64;
        if let Some(choice) = self.choices.get_mut(at)
            && choice.open.len() < MAX_OPEN
        {
            choice.open.push(Open {
                part,
                signature: signature.map(Signature::into_owned),
                kept,
                start: choice.bytes.saturating_sub(text),
            });
        }
        if let Content::Text { citations, .. } = &content.content {
            for citation in citations {
                self.delta(choice, part, &Delta::Citation(Box::new(citation.clone())), out);
            }
        }
    }

    fn encrypted_start(&mut self, thought: &Reasoning<'_>) -> Kept {
        self.kept_bytes = self
            .kept_bytes
            .saturating_add(thought.data.as_ref().map_or(0, Text::len));
        Kept::Encrypted(Box::new(thought.clone().into_owned()))
    }

    fn native(&mut self, at: usize, json: &Json<'_>, out: &mut Vec<u8>) {
        self.part(at, out, |object| {
            for (name, value) in json.members() {
                object.member(&name, &value);
            }
        });
    }

    fn words(&mut self, at: usize, text: &Text<'_>, thought: bool, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if let Some(choice) = self.choices.get_mut(at).filter(|_| !thought) {
            let text = text.get();
            choice.bytes = choice.bytes.saturating_add(text.len() as u64);
            choice.chars = choice.chars.saturating_add(text.chars().count() as u64);
        }
        self.part(at, out, |object| part_write::words(text, thought, None, object));
    }

    /// Media by address go at once, and so do bytes that are there already.
    fn media_start(&mut self, at: usize, part: u32, content: &Part<'_>, out: &mut Vec<u8>) -> Kept {
        let Content::Media(media) = &content.content else {
            return Kept::Nothing;
        };
        match &media.source {
            // more may follow, and pieces have to stand for whole bytes
            Source::Base64(data) => {
                let data = data.get().into_owned();
                Kept::Media(Box::new(without_data(content)), data)
            }
            Source::Url(_) | Source::File { .. } => {
                self.part(at, out, |object| {
                    part_write::media(media, false, object);
                });
                Kept::Nothing
            }
            Source::Text(_) | Source::Parts(_) | Source::Native(_) => {
                self.losses.dropped(format!("content[{part}]"), NO_SUCH);
                Kept::Nothing
            }
        }
    }

    fn media(
        &mut self,
        at: usize,
        of: &Part<'_>,
        data: String,
        signature: Option<&Text<'_>>,
        out: &mut Vec<u8>,
    ) {
        let Content::Media(media) = &of.content else {
            return;
        };
        let media = Media {
            source: Source::Base64(Text::plain(data)),
            ..media.clone()
        };
        self.part(at, out, |object| {
            part_write::media(&media, false, object);
            object.text_if("thoughtSignature", signature);
        });
    }

    pub(super) fn delta(&mut self, choice: u32, part: u32, delta: &Delta<'_>, out: &mut Vec<u8>) {
        let Some(at) = self.choice(choice) else { return };
        match delta {
            Delta::Text(text) | Delta::Refusal(text) => self.words(at, text, false, out),
            Delta::Reasoning(text) => self.words(at, text, true, out),
            Delta::Arguments(more) => self.arguments(at, part, more, out),
            Delta::Signature(more) => {
                if let Some(open) = self.open(at, part) {
                    match &mut open.signature {
                        Some(signature) => signature.data.push(&more.data),
                        None => open.signature = Some(more.clone().into_owned()),
                    }
                }
            }
            Delta::Data(more) => self.data(at, part, more, out),
            Delta::Transcript(_) => self
                .losses
                .dropped(format!("content[{part}].transcript"), NO_SUCH),
            Delta::Citation(citation) => {
                if citation.dialect != Dialect::Gemini {
                    self.cite(at, part, citation);
                }
            }
            Delta::Logprobs(kept) => self.logprobs(at, kept, out),
            Delta::Native(_) => {
                self.losses
                    .dropped(format!("content[{part}]"), "only its own dialect can say this");
            }
        }
    }

    fn open(&mut self, at: usize, part: u32) -> Option<&mut Open> {
        let open = &mut self.choices.get_mut(at)?.open;
        open.iter_mut().find(|open| open.part == part)
    }

    fn arguments(&mut self, at: usize, part: u32, more: &Text<'_>, out: &mut Vec<u8>) {
        if !self.keep(more.len(), out) {
            return;
        }
        if let Some(Open {
            kept: Kept::Call(call),
            ..
        }) = self.open(at, part)
        {
            call.arguments.push(more);
        }
    }

    fn encrypted(&mut self, at: usize, part: u32, more: &Text<'_>, out: &mut Vec<u8>) {
        if !self.keep(more.len(), out) {
            return;
        }
        if let Some(Open {
            kept: Kept::Encrypted(thought),
            ..
        }) = self.open(at, part)
        {
            thought.data.get_or_insert_default().push(more);
        }
    }

    /// Whether there is room for more that goes whole; without any the stream is over.
    fn keep(&mut self, more: usize, out: &mut Vec<u8>) -> bool {
        self.kept_bytes = self.kept_bytes.saturating_add(more);
        if self.kept_bytes > MOST_KEPT_BYTES {
            let long = Error::new(
                ErrorKind::BadAnswer,
                "a part of the answer is longer than may be kept",
            );
            self.error(&long, out);
        }
        !self.over
    }

    fn data(&mut self, at: usize, part: u32, more: &Text<'_>, out: &mut Vec<u8>) {
        if matches!(
            self.open(at, part),
            Some(Open {
                kept: Kept::Encrypted(_),
                ..
            })
        ) {
            return self.encrypted(at, part, more, out);
        }
        let Some(open) = self.open(at, part) else { return };
        let Kept::Media(of, mut rest) = std::mem::replace(&mut open.kept, Kept::Nothing) else {
            return;
        };
        rest.push_str(&more.get());
        let whole = rest.len().saturating_sub(rest.len() % 4);
        if whole > 0 && rest.is_char_boundary(whole) {
            let left = rest.split_off(whole);
            self.media(at, &of, std::mem::replace(&mut rest, left), None, out);
        }
        if let Some(open) = self.open(at, part) {
            open.kept = Kept::Media(of, rest);
        }
    }

    /// Places are in characters, and go in bytes: what came before is not kept, so that they are told in ASCII alone.
    fn cite(&mut self, at: usize, part: u32, citation: &Citation<'_>) {
        let Some(choice) = self.choices.get_mut(at) else {
            return;
        };
        let start = choice
            .open
            .iter()
            .find(|open| open.part == part)
            .map_or(0, |open| open.start);
        let (mut place, ascii) = ((start, choice.bytes), choice.bytes == choice.chars);
        if let (Some(start), Some(end), true) = (citation.start, citation.end, ascii) {
            place = (start, end);
        } else if citation.start.is_some() {
            self.losses
                .changed("citations", "their places are those of the whole part");
        }
        choice
            .grounding
            .push(citation, place.0, place.1, &mut self.losses);
    }

    fn logprobs(&mut self, at: usize, kept: &Json<'_>, out: &mut Vec<u8>) {
        let Some(result) = logprobs::result(kept) else {
            return self
                .losses
                .dropped("logprobs", "its form differs from dialect to dialect");
        };
        let index = self.choices.get(at).map_or(0, |choice| choice.index);
        self.event(out, |object| {
            object.array("candidates", |array| {
                array.object(|candidate| {
                    candidate.count("index", index.into());
                    candidate.json("logprobsResult", &result);
                });
            });
        });
    }

    /// What is whole now goes out: calls, and the signature behind a text.
    pub(super) fn part_stop(&mut self, choice: u32, part: u32, out: &mut Vec<u8>) {
        let Some(at) = self.choice(choice) else { return };
        let Some(state) = self.choices.get_mut(at) else {
            return;
        };
        let Some(place) = state.open.iter().position(|open| open.part == part) else {
            return;
        };
        let open = state.open.remove(place);
        let signature = open.signature.as_ref().map(foreign::signature);
        let signature = signature.as_ref();
        match open.kept {
            Kept::Call(call) => {
                self.kept_bytes = self.kept_bytes.saturating_sub(call.arguments.len());
                let mut losses = std::mem::take(&mut self.losses);
                self.part(at, out, |object| {
                    write_call(&call, part as usize, false, signature, object, &mut losses);
                });
                self.losses = losses;
            }
            Kept::Text | Kept::Thought if signature.is_some() => {
                let thought = matches!(open.kept, Kept::Thought);
                self.part(at, out, |object| {
                    part_write::words(&Text::default(), thought, signature, object);
                });
            }
            Kept::Encrypted(thought) => {
                self.kept_bytes = self
                    .kept_bytes
                    .saturating_sub(thought.data.as_ref().map_or(0, Text::len));
                let data = foreign::thought(&thought);
                self.part(at, out, |object| {
                    part_write::words(&Text::default(), true, data.as_ref(), object);
                });
            }
            Kept::Media(of, rest) if !rest.is_empty() => self.media(at, &of, rest, signature, out),
            _ => {}
        }
    }
}

/// Media of the same description.
fn without_data(part: &Part<'_>) -> Part<'static> {
    let Content::Media(media) = &part.content else {
        return Part::text("");
    };
    let described = Media {
        source: Source::Base64(Text::default()),
        ..media.clone()
    };
    Part::new(Content::Media(described.into_owned()))
}
