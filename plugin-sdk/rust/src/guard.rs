//! Drives a text guard from both hooks: `on-event` with windows of a stream, `on-response` with every text of a whole
//! answer. Keeps the guard's state per channel within the one blob that the host keeps per stream.

use crate::{Answer, Delta, Kind, Kinds, Outcome, Refusal, ResponseVerdict, Segment};
use crate::{TextGuard, TextVerdict, TextWindow, refuse};

/// One delta of a stream.
pub fn on_event<G: TextGuard>(guard: &G, delta: Delta, state: Vec<u8>) -> Outcome {
    let own = channel_state(&state, delta.channel);
    let mut window = TextWindow::new(
        delta.kind,
        delta.choice,
        delta.window,
        delta.fresh as usize,
        delta.last,
        own,
    );
    if let TextVerdict::End(refusal) = guard.text(&mut window) {
        return Outcome {
            edits: Vec::new(),
            hold: 0,
            state: None,
            end: Some(refusal),
        };
    }
    let next = match window.changed_state() {
        _ if delta.last && !own.is_empty() => Some(with_channel_state(&state, delta.channel, &[])),
        Some(changed) if !delta.last => Some(with_channel_state(&state, delta.channel, &changed)),
        _ => None,
    };
    let (edits, hold) = window.outcome();
    Outcome {
        edits,
        hold,
        state: next,
        end: None,
    }
}

/// Every text segment of a whole answer, of the kinds that the guard declared.
pub fn on_response<G: TextGuard>(guard: &G, answer: &Answer, kinds: Kinds) -> ResponseVerdict {
    for segment in answer.segments() {
        if let Err(refusal) = whole_segment(guard, answer, segment, kinds) {
            return ResponseVerdict::Refuse(refusal);
        }
    }
    ResponseVerdict::Proceed
}

fn whole_segment<G: TextGuard>(
    guard: &G,
    answer: &Answer,
    segment: Segment,
    kinds: Kinds,
) -> Result<(), Refusal> {
    if !kinds.contains(segment.kind.into()) {
        return Ok(());
    }
    let Some(text) = answer.text(segment.index) else {
        return Ok(());
    };
    let Some(edited) = whole_text(guard, segment.kind, segment.choice, text)? else {
        return Ok(());
    };
    // an edit that is not made must not let the text through
    answer.replace_text(segment.index, &edited).map_err(|error| {
        refuse(
            502,
            "guard_failed",
            format!("the answer could not be edited: {error:?}"),
        )
    })
}

/// The text as the guard wants it; `None` where it stays.
pub(crate) fn whole_text<G: TextGuard>(
    guard: &G,
    kind: Kind,
    choice: u32,
    text: String,
) -> Result<Option<String>, Refusal> {
    let mut window = TextWindow::whole(kind, choice, text);
    match guard.text(&mut window) {
        TextVerdict::End(refusal) => Err(refusal),
        TextVerdict::Pass => Ok(window.edited()),
    }
}

/// Channels are kept one after another: channel, length (both u32, little endian), bytes.
fn channel_state(blob: &[u8], channel: u32) -> &[u8] {
    channels(blob)
        .find(|(number, _)| *number == channel)
        .map_or(&[], |(_, state)| state)
}

/// The blob with this channel's state replaced; an empty state takes no room.
fn with_channel_state(blob: &[u8], channel: u32, state: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(blob.len() + 8 + state.len());
    let others = channels(blob).filter(|(number, _)| *number != channel);
    for (number, bytes) in others.chain(std::iter::once((channel, state))) {
        if !bytes.is_empty() {
            next.extend_from_slice(&number.to_le_bytes());
            next.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
            next.extend_from_slice(bytes);
        }
    }
    next
}

/// Walks the blob; what is not well formed ends it, and the host only ever returns what this file wrote.
fn channels(blob: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let mut rest = blob;
    std::iter::from_fn(move || {
        let (channel, after) = rest.split_first_chunk::<4>()?;
        let (length, after) = after.split_first_chunk::<4>()?;
        let (state, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        rest = after;
        Some((u32::from_le_bytes(*channel), state))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_of_a_stream_keeps_its_own_state() {
        let one = with_channel_state(&[], 7, b"seven");
        let two = with_channel_state(&one, 0, b"zero");
        let three = with_channel_state(&two, 7, b"7");
        assert_eq!(channel_state(&three, 7), b"7");
        assert_eq!(channel_state(&three, 0), b"zero");
        assert_eq!(channel_state(&three, 1), b"");
        assert_eq!(
            with_channel_state(&with_channel_state(&three, 7, b""), 0, b""),
            b""
        );
    }

    #[test]
    fn a_broken_state_blob_is_an_empty_one() {
        assert_eq!(channel_state(&[1, 0, 0, 0, 255, 255, 255, 255, 9], 1), b"");
        assert_eq!(channel_state(&[1, 0], 1), b"");
    }
}
