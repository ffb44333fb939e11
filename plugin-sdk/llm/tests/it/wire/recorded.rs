//! Recorded traffic as bytes: the same comes out on the other side.

use super::judge;
use crate::translate::table::{asked, recorded};

#[test]
fn recorded_requests_cross_as_bytes() {
    for (recording, from) in recorded() {
        judge::request_crosses(&recording.request, from, &asked(&recording));
    }
}

#[test]
fn recorded_answers_and_errors_cross_as_bytes() {
    for (recording, from) in recorded() {
        if recording.status >= 400 {
            let status = u16::try_from(recording.status).expect("a status");
            let native = recording.header("x-amzn-errortype");
            judge::error_crosses(&from.read_error(status, native, &recording.response));
        } else if recording.is_json() {
            judge::answer_crosses(&recording.response, from);
        }
    }
}

#[test]
fn recorded_streams_are_read_by_a_new_reader_for_each_frame() {
    let mut streams = 0;
    for (recording, from) in recorded() {
        if recording.is_stream() && recording.status < 400 {
            let frames = judge::stream_crosses(&recording.response, from);
            assert!(frames > 0, "{}", recording.name);
            streams += 1;
        }
    }
    println!("{streams} streams");
}
