//! What must hold of any bytes in any dialect: shared by the property tests and the fuzzer. Nothing panics, what is
//! written is JSON or whole frames, and a stream has one end.

use penstock_llm::model::{
    Asked, Assembled, CODECS, CacheMarks, Codec, ReasoningField, Request, Target, segments_of_answer,
    segments_of_request,
};
use serde::de::IgnoredAny;

use super::streams::{ENVELOPE, assembled, replayed, translated};

/// A target that takes whatever there is to say.
pub fn generous(model: &str) -> Target<'_> {
    Target {
        reasoning_field: ReasoningField::Details,
        cache_marks: CacheMarks::CacheControl,
        ..Target::new(model)
    }
}

pub fn request(body: &[u8], from: &dyn Codec) {
    let Ok(read) = from.read_request(
        body,
        &Asked {
            model: Some("m"),
            ..Asked::default()
        },
    ) else {
        return;
    };
    let request: Request<'_> = read.value;
    for segment in segments_of_request(&request, body) {
        assert!(segment.span.end <= body.len());
        assert_eq!(
            segment.text(body).map_or(0, |text| text.len()),
            segment.length as usize
        );
    }
    for &to in CODECS {
        let Ok(written) = to.write_request(&request, &generous("m")) else {
            continue;
        };
        is_json(&written.bytes);
    }
}

/// Halves of characters and numbers that no float holds are passed on as they came: JSON allows what serde_json only reads
/// where it need not say the value.
fn is_json(bytes: &[u8]) {
    let read = serde_json::from_slice::<IgnoredAny>(bytes);
    assert!(read.is_ok(), "{read:?}: {}", String::from_utf8_lossy(bytes));
}

pub fn answer(body: &[u8], from: &dyn Codec) {
    let _ = from.read_error(500, Some("x"), body);
    let Ok(read) = from.read_answer(body) else { return };
    for segment in segments_of_answer(&read.value, body) {
        assert_eq!(
            segment.text(body).map_or(0, |text| text.len()),
            segment.length as usize
        );
    }
    for &to in CODECS {
        let written = to.write_answer(&read.value, &ENVELOPE);
        is_json(&written.bytes);
        let stream = replayed(&read.value, to, &ENVELOPE);
        assert!(
            matches!(assembled(to, &stream), Assembled::Whole(_)),
            "a whole answer streams as a whole one"
        );
    }
}

pub fn stream(bytes: &[u8], from: &dyn Codec) {
    for &to in CODECS.iter().filter(|to| to.framing() == from.framing()) {
        let run = translated(from, to, &ENVELOPE, [bytes]);
        let read = assembled(to, &run.written);
        let same_end =
            matches!(run.assembled, Assembled::Broken(..)) == matches!(read, Assembled::Broken(..));
        assert!(
            same_end,
            "{} ends otherwise as {}",
            String::from_utf8_lossy(bytes),
            to.dialect().as_str()
        );
    }
}
