//! Events as a stream of `GenerateContentResponse`, in server-sent events or in a JSON list.

use crate::model::{
    Content, Delta, Dialect, Envelope, Error, ErrorKind, Event, Extra, Extras, Json, Losses, Media, Part,
    Reasoning, ReasoningForm, Signature, Source, Start, Stop, StopReason, StreamWriter, Text, ToolCall,
    Usage,
};
use crate::write::{Object, object};

use super::answer_write::{feedback_of, write_call, write_stop};
use super::grounding::Grounding;
use super::{NO_SUCH, USAGE, error, foreign, logprobs, part_write, time, usage};

/// More choices than any request may ask for, and more open parts than any stream has.
const MAX_OPEN: usize = 1024;
/// Calls go whole, so their arguments are kept until they are: no more than this of all together.
const MOST_KEPT_BYTES: usize = 16 << 20;

/// How the stream is cut.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Sse,
    /// One JSON list, which grows.
    List,
}

pub(super) struct Writer {
    form: Form,
    id: String,
    model: String,
    created: Option<u64>,
    /// `,"modelVersion":..}` as every event ends.
    tail: Vec<u8>,
    any: bool,
    choices: Vec<ChoiceState>,
    kept_bytes: usize,
    usage: Option<Usage>,
    tier: Option<Text<'static>>,
    /// Of the whole answer, as they go out with its last event.
    extras: Extras<'static>,
    over: bool,
    losses: Losses,
}

struct ChoiceState {
    index: u32,
    open: Vec<Open>,
    /// How much was said, which places of citations count in.
    bytes: u64,
    chars: u64,
    grounding: Grounding,
    extras: Extras<'static>,
    said_anything: bool,
    stop: Option<Stop<'static>>,
}

/// A part that is not over.
struct Open {
    part: u32,
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
    pub fn new(envelope: &Envelope<'_>, form: Form) -> Writer {
        Writer {
            form,
            id: envelope.id.to_owned(),
            model: envelope.model.to_owned(),
            created: None,
            tail: Vec::new(),
            any: false,
            choices: Vec::new(),
            kept_bytes: 0,
            usage: None,
            tier: None,
            extras: Extras::new(),
            over: false,
            losses: Losses::default(),
        }
    }
}

impl StreamWriter for Writer {
    fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        match event {
            Event::Start(start) => self.start(start),
            Event::PartStart {
                choice,
                part,
                content,
            } => self.part_start(*choice, *part, content, out),
            Event::Delta { choice, part, delta } => self.delta(*choice, *part, delta, out),
            Event::PartStop { choice, part } => self.part_stop(*choice, *part, out),
            Event::Usage(usage) => self.usage = Some(self.usage.unwrap_or_default().updated_by(usage)),
            Event::Stop { choice, stop } => self.stop(*choice, stop, out),
            Event::Extra { choice, extras } => self.keep_extras(*choice, extras),
            Event::Error(error) => self.error(error, out),
            Event::Ping => self.keep_alive(out),
            Event::Done => self.done(out),
        }
    }

    /// A blank line: Google's own client takes a comment for an error's beginning.
    fn keep_alive(&self, out: &mut Vec<u8>) {
        out.push(b'\n');
    }

    fn take_losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }
}

impl Writer {
    fn start(&mut self, start: &Start<'_>) {
        if !self.tail.is_empty() {
            return;
        }
        self.usage = start.usage.or(self.usage);
        self.tier = start.service_tier.clone().map(Text::into_owned);
        self.created = start.created;
        self.make_tail(start);
        self.keep_extras(None, &start.extras);
    }

    fn make_tail(&mut self, start: &Start<'_>) {
        let mut tail = Vec::with_capacity(128);
        object(&mut tail, |object| {
            match &start.model {
                Some(model) => object.text("modelVersion", model),
                None => object.str("modelVersion", &self.model),
            }
            if let Some(created) = self.created {
                object.str("createTime", &time::write(created));
            }
            match &start.id {
                Some(id) => object.text("responseId", id),
                None => object.str("responseId", &self.id),
            }
        });
        if let Some(first) = tail.first_mut() {
            *first = b',';
        }
        self.tail = tail;
    }

    /// One event, whose first members `write` writes.
    fn event(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
        if self.tail.is_empty() {
            self.make_tail(&Start::default());
        }
        self.begin(out);
        let start = out.len();
        object(out, write);
        out.pop();
        out.extend_from_slice(&self.tail);
        on_one_line(out, start);
        self.finish(out);
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        let first = !std::mem::replace(&mut self.any, true);
        out.extend_from_slice(match (self.form, first) {
            (Form::Sse, _) => b"data: ".as_slice(),
            (Form::List, true) => b"[",
            (Form::List, false) => b",\r\n",
        });
    }

    fn finish(&self, out: &mut Vec<u8>) {
        match self.form {
            Form::Sse => out.extend_from_slice(b"\n\n"),
            Form::List => {}
        }
    }

    /// The choice's place among the choices; none once it is over.
    fn choice(&mut self, index: u32) -> Option<usize> {
        let at = match self.choices.iter().position(|choice| choice.index == index) {
            Some(at) => at,
            None if self.choices.len() >= MAX_OPEN => return None,
            None => {
                self.choices.push(ChoiceState {
                    index,
                    open: Vec::new(),
                    bytes: 0,
                    chars: 0,
                    grounding: Grounding::default(),
                    extras: Extras::new(),
                    said_anything: false,
                    stop: None,
                });
                self.choices.len().saturating_sub(1)
            }
        };
        let over = self.choices.get(at).is_none_or(|choice| choice.stop.is_some());
        (!over).then_some(at)
    }

    /// One part of a candidate.
    fn part(&mut self, at: usize, out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
        let Some(choice) = self.choices.get_mut(at) else {
            return;
        };
        choice.said_anything = true;
        let index = choice.index;
        self.event(out, |object| {
            object.array("candidates", |array| {
                array.object(|candidate| {
                    candidate.object("content", |content| {
                        content.array("parts", |array| array.object(write));
                        content.str("role", "model");
                    });
                    candidate.count("index", index.into());
                });
            });
        });
    }

    fn part_start(&mut self, choice: u32, part: u32, content: &Part<'_>, out: &mut Vec<u8>) {
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

    fn delta(&mut self, choice: u32, part: u32, delta: &Delta<'_>, out: &mut Vec<u8>) {
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
    fn cite(&mut self, at: usize, part: u32, citation: &crate::model::Citation<'_>) {
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
    fn part_stop(&mut self, choice: u32, part: u32, out: &mut Vec<u8>) {
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

    /// The reason is told at the end, together with the usage, which comes behind it in other dialects.
    fn stop(&mut self, choice: u32, stop: &Stop<'_>, out: &mut Vec<u8>) {
        let Some(at) = self.choice(choice) else { return };
        while let Some(open) = self.choices.get(at).and_then(|state| state.open.first()) {
            let part = open.part;
            self.part_stop(choice, part, out);
        }
        if let Some(state) = self.choices.get_mut(at) {
            state.stop = Some(stop.clone().into_owned());
        }
    }

    /// Members of this dialect go with the last event, each as it was last; others have no place.
    fn keep_extras(&mut self, choice: Option<u32>, extras: &[Extra<'_>]) {
        for extra in extras {
            let known = |name: &str| match choice {
                Some(_) => OF_CANDIDATES.contains(&name),
                None => OF_ANSWERS.contains(&name) || name.starts_with(USAGE),
            };
            if !known(&extra.name.get()) {
                self.losses.dropped(extra.name.get().into_owned(), NO_SUCH);
                continue;
            }
            let place = match choice {
                None => Some(&mut self.extras),
                Some(index) => {
                    let state = self.choices.iter_mut().find(|state| state.index == index);
                    state.map(|state| &mut state.extras)
                }
            };
            let Some(place) = place else { continue };
            place.retain(|there| there.name != extra.name);
            place.push(Extra {
                name: extra.name.clone().into_owned(),
                value: extra.value.clone().into_owned(),
            });
        }
    }

    fn error(&mut self, error: &Error<'_>, out: &mut Vec<u8>) {
        self.begin(out);
        error::write_into(error, out);
        self.finish(out);
        self.close(out);
    }

    fn done(&mut self, out: &mut Vec<u8>) {
        if self.choices.is_empty() {
            // nothing was said: a caller waits for a reason all the same
            let _ = self.choice(0);
        }
        for at in 0..self.choices.len() {
            let open = self
                .choices
                .get(at)
                .filter(|choice| choice.stop.is_none())
                .map(|choice| choice.index);
            if let Some(index) = open {
                self.stop(index, &Stop::new(StopReason::End), out);
            }
        }
        let choices = std::mem::take(&mut self.choices);
        let (extras, usage) = (std::mem::take(&mut self.extras), self.usage);
        let (tier, mut losses) = (self.tier.take(), std::mem::take(&mut self.losses));
        self.event(out, |object| {
            last(&choices, object, &mut losses);
            usage_metadata(usage.as_ref(), tier.as_ref(), &extras, object, &mut losses);
            for extra in extras.iter().filter(|extra| !extra.name.get().starts_with(USAGE)) {
                object.member(&extra.name, &extra.value);
            }
        });
        self.losses = losses;
        self.close(out);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        self.over = true;
        if self.form == Form::List {
            out.push(b']');
        }
    }
}

/// Members that are known of a candidate and of an answer.
const OF_CANDIDATES: [&str; 8] = [
    "groundingMetadata",
    "citationMetadata",
    "safetyRatings",
    "avgLogprobs",
    "tokenCount",
    "urlContextMetadata",
    "groundingAttributions",
    "continuationToken",
];
const OF_ANSWERS: [&str; 2] = ["promptFeedback", "modelStatus"];

/// Why each of the choices is over, or why the prompt was refused.
fn last(choices: &[ChoiceState], object: &mut Object<'_>, losses: &mut Losses) {
    if let [choice] = choices
        && !choice.said_anything
        && let Some(feedback) = choice.stop.as_ref().and_then(feedback_of)
    {
        return object.json("promptFeedback", &feedback);
    }
    object.array("candidates", |array| {
        for choice in choices {
            array.object(|candidate| {
                candidate.object("content", |content| {
                    content.array("parts", |array| array.object(|part| part.str("text", "")));
                    content.str("role", "model");
                });
                if let Some(stop) = &choice.stop {
                    write_stop(stop, candidate, losses);
                }
                candidate.count("index", choice.index.into());
                choice.grounding.write(candidate);
                for extra in &choice.extras {
                    candidate.member(&extra.name, &extra.value);
                }
            });
        }
    });
}

fn usage_metadata(
    counts: Option<&Usage>,
    tier: Option<&Text<'_>>,
    extras: &[Extra<'_>],
    object: &mut Object<'_>,
    losses: &mut Losses,
) {
    let inner: Vec<_> = super::config_read::inside(extras, USAGE).collect();
    if counts.is_none() && inner.is_empty() {
        return;
    }
    object.object("usageMetadata", |object| {
        if let Some(counts) = counts {
            usage::write(counts, object, losses);
        }
        // other dialects have other names for their tiers
        let own = tier.filter(|_| !inner.is_empty());
        object.text_if("serviceTier", own);
        for (name, value) in &inner {
            object.member(name, value);
        }
    });
}

/// JSON that was kept as it came may be spread over lines, which would end an event. Line ends stand between its tokens
/// alone: in texts they are escaped.
fn on_one_line(out: &mut Vec<u8>, start: usize) {
    let written = out.get(start..).unwrap_or_default();
    if memchr::memchr2(b'\n', b'\r', written).is_none() {
        return;
    }
    let mut line = written.to_vec();
    line.retain(|byte| !matches!(byte, b'\n' | b'\r'));
    out.truncate(start);
    out.append(&mut line);
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
