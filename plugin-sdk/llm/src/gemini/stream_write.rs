//! Events as a stream of `GenerateContentResponse`, in server-sent events or in a JSON list.

use crate::model::{
    Envelope, Error, Event, Extra, Extras, Losses, Start, Stop, StopReason, StreamWriter, Text, Usage,
};
use crate::write::{Object, object, on_one_line};

use super::answer_write::{feedback_of, write_stop};
use super::grounding::Grounding;
use super::stream_parts::Open;
use super::{NO_SUCH, USAGE, error, time, usage};

/// More choices than any request may ask for.
const MAX_CHOICES: usize = 1024;

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
    pub(super) choices: Vec<ChoiceState>,
    pub(super) kept_bytes: usize,
    usage: Option<Usage>,
    tier: Option<Text<'static>>,
    /// Of the whole answer, as they go out with its last event.
    extras: Extras<'static>,
    pub(super) over: bool,
    pub(super) losses: Losses,
}

pub(super) struct ChoiceState {
    pub(super) index: u32,
    pub(super) open: Vec<Open>,
    /// How much was said, which places of citations count in.
    pub(super) bytes: u64,
    pub(super) chars: u64,
    pub(super) grounding: Grounding,
    extras: Extras<'static>,
    said_anything: bool,
    stop: Option<Stop<'static>>,
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
    pub(super) fn event(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
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
    pub(super) fn choice(&mut self, index: u32) -> Option<usize> {
        let at = match self.choices.iter().position(|choice| choice.index == index) {
            Some(at) => at,
            None if self.choices.len() >= MAX_CHOICES => return None,
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
    pub(super) fn part(&mut self, at: usize, out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
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

    pub(super) fn error(&mut self, error: &Error<'_>, out: &mut Vec<u8>) {
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
