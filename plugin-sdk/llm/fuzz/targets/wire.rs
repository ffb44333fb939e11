//! Any bytes as the model in bytes, and anything that a dialect reads on its way through them: the kind, and the
//! dialect, are told by the first byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use penstock_llm::model::{Asked, CODECS, Framing, StreamFrame};
use penstock_llm::wire::VERSION;

#[path = "../../tests/it/wire/judge.rs"]
mod judge;
#[path = "../../tests/it/translate/streams.rs"]
mod streams;

const KINDS: usize = 6;

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else {
        return;
    };
    let which = usize::from(*first);
    let Some(from) = CODECS.get(which / KINDS % CODECS.len()) else {
        return;
    };
    match which % KINDS {
        0 => judge::message(&[&[VERSION], data].concat()),
        1 => {
            // the second byte says where the state ends
            let Some((split, data)) = data.split_first() else {
                return;
            };
            let (state, frames) = data.split_at(data.len().min(usize::from(*split)));
            judge::state(&[&[VERSION], state].concat(), &lines(frames));
        }
        2 => {
            let asked = Asked {
                model: Some("m"),
                ..Asked::default()
            };
            judge::request_crosses(data, *from, &asked);
        }
        3 => judge::answer_crosses(data, *from),
        4 if from.framing() == Framing::Sse => drop(judge::stream_crosses(data, *from)),
        _ => judge::frames_cross(&lines(data), *from),
    }
});

/// A frame a line, its name before a tab.
fn lines(data: &[u8]) -> Vec<StreamFrame<'_>> {
    let frame = |line| match <[u8]>::iter(line).position(|byte| *byte == b'\t') {
        Some(tab) => StreamFrame {
            name: Some(&line[..tab]),
            data: &line[tab + 1..],
            exception: false,
        },
        None => StreamFrame::data(line),
    };
    data.split(|byte| *byte == b'\n').map(frame).collect()
}
