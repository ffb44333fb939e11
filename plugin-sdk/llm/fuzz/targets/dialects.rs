//! Any bytes in any dialect, from it and to every other: a request, an answer or a stream, told by the first byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use penstock_llm::model::{CODECS, Framing};

#[path = "../../tests/it/translate/judge.rs"]
mod judge;
#[path = "../../tests/it/translate/streams.rs"]
mod streams;

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else {
        return;
    };
    let which = usize::from(*first);
    let Some(from) = CODECS.get(which / 3 % CODECS.len()) else {
        return;
    };
    match which % 3 {
        0 => judge::request(data, *from),
        1 => judge::answer(data, *from),
        _ if from.framing() == Framing::Sse => judge::stream(data, *from),
        _ => {}
    }
});
