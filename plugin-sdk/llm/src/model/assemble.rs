//! A stream put together to the answer that it would have been unstreamed.

use super::{
    Answer, Choice, Content, Delta, Dialect, Error, Event, Json, Media, Part, Source, Stop, Text, Usage,
};
use crate::write;

/// More than any request may ask for: events may come from an adapter, which is not bound to what its provider sends.
const MAX_CHOICES: usize = 1024;

/// Collects a stream's events. Bounded by `max_bytes` of texts and pieces.
#[derive(Debug)]
pub struct Assembler {
    answer: Answer<'static>,
    usage: Option<Usage>,
    error: Option<Error<'static>>,
    done: bool,
    left: usize,
    /// What native pieces were given, by choice and part, until they are whole.
    inputs: Vec<(u32, u32, Text<'static>)>,
}

/// What became of a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Assembled {
    Whole(Answer<'static>),
    /// It broke: what there was until then, and why.
    Broken(Answer<'static>, Error<'static>),
}

impl Assembler {
    pub fn new(dialect: Dialect, max_bytes: usize) -> Assembler {
        Assembler {
            answer: Answer::new(dialect),
            usage: None,
            error: None,
            done: false,
            left: max_bytes,
            inputs: Vec::new(),
        }
    }

    pub fn push(&mut self, event: &Event<'_>) {
        if self.error.is_some() {
            return;
        }
        match event {
            Event::Start(start) => self.start(start),
            Event::PartStart { choice, content, .. } => self.part_start(*choice, content),
            Event::Delta { choice, part, delta } => self.delta(*choice, *part, delta),
            Event::Usage(usage) => {
                self.usage = Some(self.usage.unwrap_or_default().updated_by(usage));
            }
            Event::Stop { choice, stop } => {
                let stop: Stop<'static> = Stop::clone(stop).into_owned();
                self.choice(*choice).stop = Some(stop);
            }
            Event::Extra { choice, extras } => self.extra(*choice, extras),
            Event::Error(error) => self.error = Some(Error::clone(error).into_owned()),
            Event::Done => self.done = true,
            Event::PartStop { choice, part } => self.part_stop(*choice, *part),
            Event::Ping => {}
        }
    }

    pub fn finish(mut self) -> Assembled {
        self.answer.usage = self.usage;
        self.answer.choices.sort_by_key(|choice| choice.index);
        match self.error {
            Some(error) => Assembled::Broken(self.answer, error),
            None if self.done => Assembled::Whole(self.answer),
            None => Assembled::Broken(self.answer, Error::cut_off()),
        }
    }

    fn start(&mut self, start: &super::Start<'_>) {
        let start = start.clone();
        self.usage = start.usage.or(self.usage);
        self.answer.id = start.id.map(Text::into_owned);
        self.answer.model = start.model.map(Text::into_owned);
        self.answer.created = start.created;
        self.answer.service_tier = start.service_tier.map(Text::into_owned);
        self.answer.extras = super::raw::own_extras(start.extras);
    }

    fn part_start(&mut self, choice: u32, content: &Part<'_>) {
        // a piece costs its own size even when it is empty
        if !self.take(size_of::<Part<'_>>()) {
            return;
        }
        let content = content.clone().into_owned();
        // indexes count from 0 without a gap; who breaks this, as an adapter may, loses nothing but the number
        self.choice(choice).parts.push(content);
    }

    /// A native piece's input came in pieces of JSON: now it is whole.
    fn part_stop(&mut self, choice: u32, part: u32) {
        let Some(at) = self
            .inputs
            .iter()
            .position(|input| (input.0, input.1) == (choice, part))
        else {
            return;
        };
        let (_, _, input) = self.inputs.swap_remove(at);
        if let Some(part) = self.choice(choice).parts.get_mut(part as usize)
            && let Content::Native(native) = &mut part.content
        {
            native.set_input(&input.get());
        }
    }

    fn extra(&mut self, choice: Option<u32>, extras: &[super::Extra<'_>]) {
        let size: usize = extras.iter().map(|extra| extra.value.get().len()).sum();
        if !self.take(size) {
            return;
        }
        let extras = super::raw::own_extras(extras.to_vec());
        let place = match choice {
            Some(choice) => &mut self.choice(choice).extras,
            None => &mut self.answer.extras,
        };
        for extra in extras {
            // each event repeats the same: the last one counts
            place.retain(|there| there.name != extra.name);
            place.push(extra);
        }
    }

    fn delta(&mut self, choice: u32, part: u32, delta: &Delta<'_>) {
        if !self.take(size_of_delta(delta)) {
            return;
        }
        match delta {
            Delta::Native(more) => self.native_input(choice, part, more),
            Delta::Logprobs(logprobs) => {
                let choice = self.choice(choice);
                choice.logprobs = Some(joined(choice.logprobs.take(), logprobs));
            }
            _ => {
                if let Some(part) = self.choice(choice).parts.get_mut(part as usize) {
                    extend_part(part, delta);
                }
            }
        }
    }

    fn native_input(&mut self, choice: u32, part: u32, more: &Text<'_>) {
        match self
            .inputs
            .iter_mut()
            .find(|input| (input.0, input.1) == (choice, part))
        {
            Some((_, _, input)) => input.push(more),
            None => self.inputs.push((choice, part, more.clone().into_owned())),
        }
    }

    fn choice(&mut self, index: u32) -> &mut Choice<'static> {
        let choices = &mut self.answer.choices;
        let at = match choices.iter().position(|choice| choice.index == index) {
            Some(at) => at,
            None if choices.len() >= MAX_CHOICES => {
                let many = "the provider's answer has too many choices";
                let many = Error::new(super::ErrorKind::BadAnswer, many);
                self.error.get_or_insert(many);
                choices.len() - 1
            }
            None => {
                choices.push(Choice::new(index));
                choices.len() - 1
            }
        };
        &mut choices[at]
    }

    fn take(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                self.error.get_or_insert_with(|| {
                    Error::new(
                        super::ErrorKind::BadAnswer,
                        "the provider's answer is longer than may be kept",
                    )
                });
                false
            }
        }
    }
}

pub(crate) fn size_of_delta(delta: &Delta<'_>) -> usize {
    match delta {
        Delta::Text(text)
        | Delta::Reasoning(text)
        | Delta::Refusal(text)
        | Delta::Arguments(text)
        | Delta::Data(text)
        | Delta::Transcript(text)
        | Delta::Native(text) => text.len(),
        Delta::Signature(signature) => signature.data.len(),
        Delta::Citation(citation) => size_of_val(&**citation).saturating_add(citation.native.get().len()),
        Delta::Logprobs(json) => json.get().len(),
    }
}

/// Adds a delta to the part that it belongs to; one that fits no part of its kind is left out.
pub(crate) fn extend_part(part: &mut Part<'static>, delta: &Delta<'_>) {
    match (&mut part.content, delta) {
        (Content::Text { text, .. }, Delta::Text(more)) => text.push(more),
        (Content::Reasoning(reasoning), Delta::Reasoning(more)) => reasoning.text.push(more),
        (Content::Reasoning(reasoning), Delta::Data(more)) => {
            reasoning.data.get_or_insert_default().push(more);
        }
        (Content::Refusal(text), Delta::Refusal(more)) => text.push(more),
        (Content::ToolCall(call), Delta::Arguments(more)) => call.arguments.push(more),
        (Content::Text { citations, .. }, Delta::Citation(citation)) => {
            citations.push(citation.as_ref().clone().into_owned());
        }
        (Content::Media(media), Delta::Data(more)) => extend_media(media, more),
        (Content::Media(media), Delta::Transcript(more)) => {
            media.transcript.get_or_insert_default().push(more);
        }
        (_, Delta::Signature(more)) => match &mut part.signature {
            Some(signature) => signature.data.push(&more.data),
            None => part.signature = Some(more.clone().into_owned()),
        },
        _ => {}
    }
}

fn extend_media(media: &mut Media<'static>, more: &Text<'_>) {
    match &mut media.source {
        Source::Base64(data) => data.push(more),
        other => *other = Source::Base64(more.clone().into_owned()),
    }
}

/// Two objects of arrays (log probabilities of two pieces of one text) as one; of anything else the later one.
fn joined(earlier: Option<Json<'static>>, later: &Json<'_>) -> Json<'static> {
    let Some(earlier) = earlier.filter(|earlier| earlier.is_object() && later.is_object()) else {
        return later.clone().into_owned();
    };
    let mut out = Vec::with_capacity(earlier.get().len() + later.get().len());
    write::object(&mut out, |object| {
        for (name, value) in later.members() {
            let pointer = format!("/{}", name.get().replace('~', "~0").replace('/', "~1"));
            let before = earlier.pointer(&pointer).filter(|before| !before.is_null());
            match before {
                Some(before) if value.is_null() => object.member(&name, &before),
                Some(before) => object.member(&name, &concatenated(&before, &value)),
                None => object.member(&name, &value),
            }
        }
    });
    Json::checked(String::from_utf8_lossy(&out).into_owned())
}

fn concatenated(first: &Json<'_>, second: &Json<'_>) -> Json<'static> {
    let inner = |json: &Json<'_>| {
        let inner = json.get().trim().strip_prefix('[')?.strip_suffix(']')?;
        Some(inner.trim().to_owned())
    };
    let text = match (inner(first), inner(second)) {
        (Some(first), Some(second)) if first.is_empty() || second.is_empty() => format!("[{first}{second}]"),
        (Some(first), Some(second)) => format!("[{first},{second}]"),
        _ => second.get().to_owned(),
    };
    Json::checked(text)
}
