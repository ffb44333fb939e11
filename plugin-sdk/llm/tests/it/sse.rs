use bytes::Bytes;
use penstock_llm::sse::{DEFAULT_MAX_EVENT_BYTES, Frame, FrameError, SseReader, is_blank, write_frame};
use proptest::prelude::*;

use crate::make::{Dice, cases};

/// Frames and the unterminated rest, with the input pushed in these pieces.
pub fn frames<'t>(pieces: impl IntoIterator<Item = &'t [u8]>) -> (Vec<Frame>, Vec<u8>) {
    let mut reader = SseReader::new(DEFAULT_MAX_EVENT_BYTES);
    let mut frames = Vec::new();
    for piece in pieces {
        reader.push(Bytes::copy_from_slice(piece));
        while let Some(frame) = reader.next().expect("within the limit") {
            frames.push(frame);
        }
    }
    let rest = reader.finish().unwrap_or_default().to_vec();
    assert_eq!(reader.pending(), 0);
    (frames, rest)
}

/// The data of each frame, and whether it is a comment.
fn told(input: &str) -> Vec<String> {
    let (frames, rest) = frames([input.as_bytes()]);
    assert!(is_blank(&rest), "{rest:?}");
    let text = |frame: &Frame| String::from_utf8_lossy(&frame.data()).into_owned();
    frames
        .iter()
        .map(|frame| {
            if frame.is_comment_only() {
                "#".to_owned()
            } else {
                text(frame)
            }
        })
        .collect()
}

#[test]
fn every_legal_spelling_is_read() {
    assert_eq!(told("data: a\n\ndata: b\n\n"), ["a", "b"]);
    assert_eq!(told("data:a\r\n\r\ndata:b\r\n\r\n"), ["a", "b"]);
    assert_eq!(told("data: a\r\rdata: b\r\r"), ["a", "b"]);
    assert_eq!(told("\u{feff}data: a\n\n"), ["a"]);
    assert_eq!(told("data:  a\n\n"), [" a"]);
    assert_eq!(told("data: a\ndata:\ndata: b\n\n"), ["a\n\nb"]);
    assert_eq!(told("data\n\n"), [""]);
    assert_eq!(told(": keep-alive\n\ndata: a\n\n:\n\n"), ["#", "a", "#"]);
    assert_eq!(told(": comment\ndata: a\nid: 1\nretry: 10\n\n"), ["a"]);
    assert_eq!(told("\n\n\ndata: a\n\n\n\n\r\n"), ["a"]);
    assert_eq!(told("data: a\n\r\ndata: b\r\n\n"), ["a", "b"]);
    assert_eq!(told(" data: no\ndatax: no\n\n"), [""]);
    assert_eq!(told("data: \u{feff}a\n\n"), ["\u{feff}a"]);
}

#[test]
fn an_events_name_and_data_have_places() {
    let (frames, _) = frames([&b"event: ping\ndata: {}\n\n"[..], b"data: a\ndata: b\n\n"]);
    assert_eq!(frames[0].event_name(), Some(&b"ping"[..]));
    assert_eq!(
        frames[0].data_span().map(|span| span.of(&frames[0].raw)),
        Some(&b"{}"[..])
    );
    assert_eq!((frames[1].event_name(), frames[1].data_span()), (None, None));
    assert!(frames[1].has_data());
}

#[test]
fn a_frame_within_a_chunk_is_not_copied() {
    let chunk = Bytes::from_static(b"data: a\n\ndata: b\n\ndata: half");
    let mut reader = SseReader::new(100);
    reader.push(chunk.clone());
    for at in [0, 9] {
        let frame = reader.next().expect("short").expect("whole");
        assert_eq!(frame.raw.as_ptr(), chunk[at..].as_ptr());
    }
    assert_eq!(reader.next(), Ok(None));
    assert_eq!(reader.pending(), 10);
}

#[test]
fn streams_of_lone_crs_are_not_held_back_and_crlfs_are_not_torn() {
    let mut reader = SseReader::new(100);
    reader.push(Bytes::from_static(b"data: a\r\r"));
    assert_eq!(&*reader.next().expect("short").expect("whole").data(), b"a");
    reader.push(Bytes::from_static(b"data: b\r\n\r"));
    assert_eq!(reader.next(), Ok(None));
    reader.push(Bytes::from_static(b"\n"));
    assert_eq!(
        &*reader.next().expect("short").expect("whole").raw,
        b"data: b\r\n\r\n"
    );
    assert_eq!(reader.finish(), None);
}

#[test]
fn chunks_pushed_ahead_are_read_in_order() {
    let mut reader = SseReader::new(100);
    for chunk in ["data: a", "\n\nda", "ta: b\n", "\n"] {
        reader.push(Bytes::from(chunk));
    }
    assert_eq!(reader.pending(), 18);
    assert_eq!(&*reader.next().expect("short").expect("whole").data(), b"a");
    assert_eq!(&*reader.next().expect("short").expect("whole").data(), b"b");
    assert_eq!(reader.next(), Ok(None));
}

#[test]
fn lines_over_64_kib_are_read_and_giant_ones_refused() {
    let long = format!("data: {}\n\n", "x".repeat(200_000));
    assert_eq!(told(&long)[0].len(), 200_000);
    let mut reader = SseReader::new(1000);
    reader.push(Bytes::from("data: fine\n\n"));
    assert!(reader.next().is_ok_and(|frame| frame.is_some()));
    for _ in 0..200 {
        reader.push(Bytes::from("data: never ends "));
        if reader.next().is_err() {
            break;
        }
        assert!(reader.pending() <= 1000);
    }
    assert_eq!(reader.next(), Err(FrameError::TooLarge { limit: 1000 }));
    reader.push(Bytes::from("data: more\n\n"));
    assert_eq!(
        (reader.next(), reader.pending()),
        (Err(FrameError::TooLarge { limit: 1000 }), 0)
    );
}

#[test]
fn a_cut_stream_leaves_its_rest() {
    let (frames, rest) = frames([&b"data: a\n\ndata: {\"cho"[..]]);
    assert_eq!((frames.len(), rest), (1, b"data: {\"cho".to_vec()));
}

#[test]
fn written_frames_are_read_back() {
    for data in [&b"{}"[..], b"", b"a\nb", b"a\r\nb\rc", b"\n"] {
        let mut out = Vec::new();
        write_frame(Some(b"x\ny"), data, &mut out);
        let (frames, rest) = frames([&*out]);
        assert_eq!((frames.len(), rest.len()), (1, 0));
        assert_eq!(frames[0].event_name(), Some(&b"xy"[..]));
        let joined = String::from_utf8_lossy(data)
            .replace("\r\n", "\n")
            .replace('\r', "\n");
        assert_eq!(frames[0].data(), joined.as_bytes());
    }
}

/// A second reader, slow and after the standard's letter: the data of all events.
fn by_the_standard(input: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8(input.to_vec()).expect("UTF-8");
    let text = text
        .strip_prefix('\u{feff}')
        .unwrap_or(&text)
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    let mut events = Vec::new();
    let mut data: Option<String> = None;
    for line in text.split_inclusive('\n') {
        let Some(line) = line.strip_suffix('\n') else {
            break;
        };
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        if line.is_empty() {
            events.extend(data.take().map(String::into_bytes));
        } else if name == "data" {
            let value = value.strip_prefix(' ').unwrap_or(value);
            data = Some(data.map_or(value.to_owned(), |data| data + "\n" + value));
        }
    }
    events
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn pain_c11_any_split_gives_the_same_events(seed: u64, cuts in proptest::collection::vec(0usize..4000, 0..12)) {
        let input = Dice::new(seed).stream();
        let (whole, rest) = frames([&*input]);
        let joined: Vec<u8> = whole.iter().flat_map(|frame| frame.raw.to_vec()).chain(rest.clone()).collect();
        prop_assert_eq!(&joined, &input);
        let data: Vec<Vec<u8>> = whole.iter().filter(|frame| frame.has_data()).map(|frame| frame.data().to_vec()).collect();
        // the standard sees an event's end in a CR; so does the reader, unless the stream may go on with its LF
        let standard = by_the_standard(&input);
        prop_assert!(data == standard || input.ends_with(b"\r") && data == standard[..standard.len() - 1]);
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < input.len()).collect();
        cuts.sort_unstable();
        let ends = cuts.iter().copied().chain([input.len()]);
        let pieces: Vec<&[u8]> = [0].into_iter().chain(cuts.iter().copied()).zip(ends).map(|(from, to)| &input[from..to]).collect();
        prop_assert_eq!(&frames(pieces), &(whole.clone(), rest.clone()));
        prop_assert_eq!(frames(input.chunks(1)), (whole, rest));
    }
}
