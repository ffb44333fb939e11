//! Any bytes as a stream, cut into pieces in any way: the same frames come out, and none of the bytes is lost.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use penstock_llm::sse::{Frame, SseReader};

const LONGEST_EVENT: usize = 4096;

fuzz_target!(|data: &[u8]| {
    // The first byte says how long the pieces are: every third is as long, the others are single bytes.
    let Some((step, stream)) = data.split_first() else {
        return;
    };
    let (whole, rest) = frames(&[stream]);
    let mut pieces = Vec::new();
    let mut left = stream;
    while !left.is_empty() {
        let length = if pieces.len() % 3 == 0 {
            usize::from(*step).max(1)
        } else {
            1
        };
        let (piece, more) = left.split_at(length.min(left.len()));
        pieces.push(piece);
        left = more;
    }
    let (cut, cut_rest) = frames(&pieces);
    if let (Some(rest), Some(cut_rest)) = (rest, cut_rest) {
        assert_eq!(whole, cut);
        assert_eq!(rest, cut_rest);
        let joined: Vec<u8> = whole
            .iter()
            .flat_map(|frame| frame.raw.to_vec())
            .chain(rest)
            .collect();
        assert_eq!(joined, stream);
    }
    for frame in &whole {
        assert!(frame.raw.len() <= LONGEST_EVENT);
        assert!(
            frame
                .data_span()
                .is_none_or(|span| span.of(&frame.raw) == &*frame.data())
        );
    }
});

/// The frames, and what is left after the last one; no rest where an event was too long.
fn frames(pieces: &[&[u8]]) -> (Vec<Frame>, Option<Vec<u8>>) {
    let mut reader = SseReader::new(LONGEST_EVENT);
    let mut frames = Vec::new();
    for piece in pieces {
        reader.push(Bytes::copy_from_slice(piece));
        loop {
            match reader.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return (frames, None),
            }
        }
    }
    (frames, Some(reader.finish().unwrap_or_default().to_vec()))
}
