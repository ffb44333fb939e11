//! A whole answer into the model.

use crate::model::{
    Answer, Assembled, Assembler, Choice, Content, Dialect, Error, ErrorKind, Events, Losses, Part, Read,
    StreamFrame, StreamReader, extra,
};
use crate::read::Reader;

use super::array::Elements;
use super::chunk::{self, Candidate, Chunk};
use super::usage::Counts;
use super::{error, grounding, stream_read};

/// More than any answer that may be kept.
const MOST_BYTES: usize = 64 << 20;

/// # Errors
/// The bytes are no JSON object, or hold an error, or no candidates.
pub(super) fn read(body: &[u8]) -> Result<Read<Answer<'_>>, Box<Error<'_>>> {
    if body.trim_ascii_start().starts_with(b"[") {
        return read_list(body);
    }
    let mut counts = Counts::default();
    let read = Reader::whole(body, false, |reader| chunk::read(reader, &mut counts));
    let Read { value: chunk, losses } = read.map_err(|why| Box::new(Error::bad_answer(&why)))?;
    if chunk.is_error {
        return Err(Box::new(error::read(200, body)));
    }
    if chunk.candidates.is_empty() && chunk.blocked.is_none() {
        return Err(Box::new(Error::new(
            ErrorKind::BadAnswer,
            "the provider's answer has no candidates in it",
        )));
    }
    Ok(Read {
        value: answer(chunk, &counts),
        losses,
    })
}

fn answer<'a>(chunk: Chunk<'a>, counts: &Counts) -> Answer<'a> {
    let mut answer = Answer {
        id: chunk.id,
        model: chunk.model,
        created: chunk.created,
        usage: counts.usage(),
        service_tier: chunk.tier,
        extras: chunk.extras,
        ..Answer::new(Dialect::Gemini)
    };
    answer.choices = chunk.candidates.into_iter().map(choice).collect();
    answer.choices.sort_by_key(|choice| choice.index);
    let doubled = answer.choices.windows(2).any(|pair| match pair {
        [one, next] => one.index == next.index,
        _ => false,
    });
    if doubled {
        // several with one index: their places count
        for (place, choice) in (0u32..).zip(&mut answer.choices) {
            choice.index = place;
        }
    }
    if let Some(blocked) = chunk.blocked {
        match answer.choices.first_mut() {
            Some(first) => {
                first.stop.get_or_insert(blocked);
            }
            None => answer.choices.push(Choice {
                stop: Some(blocked),
                ..Choice::new(0)
            }),
        }
    }
    answer
}

fn choice(candidate: Candidate<'_>) -> Choice<'_> {
    let mut parts: Vec<Part<'_>> = candidate.pieces.into_iter().map(|piece| piece.part).collect();
    let metadata = |name| extra(&candidate.extras, name);
    let mut cited = metadata("groundingMetadata")
        .map(grounding::of_grounding)
        .unwrap_or_default();
    cited.extend(
        metadata("citationMetadata")
            .map(grounding::of_sources)
            .unwrap_or_default(),
    );
    grounding::hang(cited, &mut parts);
    let any_calls = parts
        .iter()
        .any(|part| matches!(part.content, Content::ToolCall(_)));
    Choice {
        index: candidate.index,
        parts,
        stop: candidate.stop.map(|stop| stop.with_calls(any_calls)),
        logprobs: candidate.logprobs,
        extras: candidate.extras,
    }
}

/// A stream that came as a list, whole, or an error in a list of one.
fn read_list(body: &[u8]) -> Result<Read<Answer<'_>>, Box<Error<'_>>> {
    if let Some(error) = error::find(200, body) {
        return Err(Box::new(error));
    }
    let (mut elements, mut reader) = (Elements::new(MOST_BYTES), stream_read::Reader::default());
    let mut assembler = Assembler::new(Dialect::Gemini, MOST_BYTES);
    elements.push(body);
    while let Ok(Some(element)) = elements.next() {
        let mut events = Events::new();
        reader.read(StreamFrame::data(&element), &mut events);
        events.iter().for_each(|event| assembler.push(event));
    }
    let mut events = Events::new();
    reader.end(&mut events);
    events.iter().for_each(|event| assembler.push(event));
    let losses: Losses = reader.take_losses();
    match assembler.finish() {
        Assembled::Whole(value) => Ok(Read { value, losses }),
        Assembled::Broken(_, error) => Err(Box::new(error)),
    }
}
