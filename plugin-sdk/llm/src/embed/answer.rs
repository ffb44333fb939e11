//! Embeddings as they came back.

use smallvec::SmallVec;

use super::vector::{Encoding, Vector};
use super::{Dialect, Envelope, NO_SUCH};
use crate::model::{Extras, Json, Losses, Text, Usage, sum_of};
use crate::write::Object;

/// An answer, borrowed from the body that it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<'a> {
    /// The dialect that it was read from: whose `extras` these are.
    pub dialect: Dialect,
    pub id: Option<Text<'a>>,
    pub model: Option<Text<'a>>,
    /// In the order of the inputs.
    pub embeddings: Vec<Embedding<'a>>,
    pub usage: Option<Usage>,
    /// The member that the usage was read from, with what else it says.
    pub native_usage: Option<Json<'a>>,
    pub extras: Extras<'a>,
}

/// What came of one input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embedding<'a> {
    /// One for each form that was asked for, at least one.
    pub vectors: SmallVec<[Vector<'a>; 1]>,
    /// Tokens of this input, where the provider counts them one by one.
    pub tokens: Option<u64>,
    /// Whether the input was cut.
    pub truncated: Option<bool>,
}

impl<'a> Answer<'a> {
    pub fn new(dialect: Dialect) -> Answer<'a> {
        Answer {
            dialect,
            id: None,
            model: None,
            embeddings: Vec::new(),
            usage: None,
            native_usage: None,
            extras: Vec::new(),
        }
    }

    /// One answer of several, in the order of [`Request::chunks`](super::Request::chunks): what they used is added up.
    pub fn join(answers: impl IntoIterator<Item = Answer<'a>>) -> Option<Answer<'a>> {
        let mut answers = answers.into_iter();
        let mut joined = answers.next()?;
        for more in answers {
            joined.embeddings.extend(more.embeddings);
            joined.usage = added(joined.usage, more.usage);
            // it is of one of them
            joined.native_usage = None;
            joined.extras.clear();
        }
        Some(joined)
    }

    pub(super) fn write_extras(&self, to: Dialect, body: &mut Object<'_>, losses: &mut Losses) {
        // what repeats the request, or names the form of the answer, is nobody's loss
        const ECHOES: [&str; 4] = ["texts", "images", "response_type", "object"];
        for extra in &self.extras {
            if to == self.dialect {
                body.member(&extra.name, &extra.value);
            } else if !ECHOES.iter().any(|echo| extra.name.is(echo)) {
                losses.dropped(extra.name.get().into_owned(), NO_SUCH);
            }
        }
    }

    /// The usage as it came, where it came from this dialect.
    pub(super) fn own_usage(&self, to: Dialect) -> Option<&Json<'a>> {
        self.native_usage.as_ref().filter(|_| to == self.dialect)
    }
}

fn added(one: Option<Usage>, other: Option<Usage>) -> Option<Usage> {
    let (Some(one), Some(other)) = (one, other) else {
        return one.or(other);
    };
    let sum = |of: fn(&Usage) -> Option<u64>| sum_of(&[of(&one), of(&other)]);
    Some(Usage {
        input: sum(|usage| usage.input),
        total: sum(|usage| usage.total),
        input_image: sum(|usage| usage.input_image),
        input_text: sum(|usage| usage.input_text),
        billed_input: sum(|usage| usage.billed_input),
        ..Usage::default()
    })
}

impl<'a> Embedding<'a> {
    pub fn new(vector: Vector<'a>) -> Embedding<'a> {
        Embedding {
            vectors: SmallVec::from_iter([vector]),
            tokens: None,
            truncated: None,
        }
    }

    /// The vector to give to a caller whose dialect has one: the first form that was asked for and is there.
    pub(super) fn best(
        &self,
        envelope: &Envelope<'_>,
        losses: &mut Losses,
    ) -> Option<(&Vector<'a>, Encoding)> {
        let asked = &envelope.request.encodings;
        let wanted = asked.first().copied().unwrap_or_default();
        let found = self.vectors.iter().find(|vector| vector.kind == wanted.kind);
        let vector = found.or(self.vectors.first())?;
        if self.vectors.len() > 1 {
            losses.dropped("embeddings", "the caller's dialect has one form of each");
        }
        if vector.kind != wanted.kind {
            losses.changed("embeddings", "are not of the kind that was asked for");
        }
        Some((vector, wanted))
    }

    /// Writes the best vector; an empty list where there is none.
    pub(super) fn write_best(
        &self,
        floats: bool,
        envelope: &Envelope<'_>,
        losses: &mut Losses,
        out: &mut Vec<u8>,
    ) {
        match self.best(envelope, losses) {
            Some((vector, wanted)) => write(vector, wanted.base64 && !floats, losses, out),
            None => out.extend_from_slice(b"[]"),
        }
    }
}

pub(super) fn write(vector: &Vector<'_>, base64: bool, losses: &mut Losses, out: &mut Vec<u8>) {
    if !vector.write(base64, out) {
        losses.changed(
            "embeddings",
            "hold numbers that cannot be said in the form that was asked for",
        );
    }
}
