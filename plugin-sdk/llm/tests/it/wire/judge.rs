//! What must hold of the model as bytes: shared by the tests of recorded traffic, the property tests and the fuzzer.

use penstock_llm::json::{HIGHEST_MAX_DEPTH, JsonLimits, validate};
use penstock_llm::model::{
    Asked, Assembler, CODECS, Codec, Dialect, Error, Event, Events, Framing, Losses, Request, StreamFrame,
    StreamReader, Target,
};
use penstock_llm::sse::SseReader;
use penstock_llm::wire::{
    Broken, MAX_STATE_BYTES, read_answer, read_error, read_events, read_losses, read_names, read_refusal,
    read_request, write_answer, write_error, write_events, write_losses, write_names, write_refusal,
    write_request,
};

use super::streams::{ENVELOPE, MOST, each_frame};

/// What `write` writes.
pub fn bytes(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

/// A request that a dialect reads crosses, and is the same on the other side.
pub fn request_crosses(body: &[u8], from: &dyn Codec, asked: &Asked<'_>) {
    let Ok(read) = from.read_request(body, asked) else {
        return;
    };
    crosses(&read.value, &Target::new("m"));
}

/// The request on the other side, written in every dialect, is what it would have been on this one.
pub fn crosses(request: &Request<'_>, target: &Target<'_>) {
    let message = bytes(|out| write_request(request, target, out));
    let (crossed, at) = read_request(&message).expect("what was written");
    assert_eq!(format!("{crossed:?}{at:?}"), format!("{request:?}{target:?}"));
    for to in CODECS {
        match (to.write_request(&crossed, &at), to.write_request(request, target)) {
            (Ok(crossed), Ok(straight)) => {
                assert!(crossed.bytes == straight.bytes, "the same bytes");
                assert_eq!(crossed.headers, straight.headers);
                assert_eq!(crossed.names, straight.names);
                let names = bytes(|out| write_names(&straight.names, out));
                assert_eq!(read_names(&names).as_ref(), Ok(&straight.names));
                let losses = bytes(|out| write_losses(&straight.losses, out));
                assert_eq!(read_losses(&losses).as_ref(), Ok(&straight.losses));
                assert_eq!(crossed.losses, straight.losses);
            }
            (Err(crossed), Err(straight)) => {
                let refusal = bytes(|out| write_refusal(&straight, out));
                assert_eq!(read_refusal(&refusal).as_ref(), Ok(&straight));
                assert_eq!(crossed, straight);
            }
            (crossed, straight) => panic!("{crossed:?} and {straight:?}"),
        }
    }
}

/// The same of an answer, or of the error that is in its place.
pub fn answer_crosses(body: &[u8], from: &dyn Codec) {
    let read = match from.read_answer(body) {
        Ok(read) => read,
        Err(error) => return error_crosses(&error),
    };
    let message = bytes(|out| write_answer(&read.value, &read.losses, out));
    let (crossed, losses) = read_answer(&message).expect("what was written");
    assert_eq!(format!("{crossed:?}"), format!("{:?}", read.value));
    assert_eq!(losses, read.losses);
    for to in CODECS {
        let (crossed, straight) = (
            to.write_answer(&crossed, &ENVELOPE),
            to.write_answer(&read.value, &ENVELOPE),
        );
        assert!(crossed.bytes == straight.bytes, "the same bytes");
    }
}

pub fn error_crosses(error: &Error<'_>) {
    let message = bytes(|out| write_error(error, out));
    assert_eq!(read_error(&message).as_ref(), Ok(error));
}

/// One reader for a whole stream.
struct Run {
    reader: Box<dyn StreamReader>,
    /// What the reader that is made anew for each frame knows.
    state: Vec<u8>,
    frames: usize,
}

/// A stream that is read by a new reader for each frame, out of what the last one saved, gives the same events, and they
/// cross. How many frames there were.
pub fn stream_crosses(stream: &[u8], from: &dyn Codec) -> usize {
    let mut run = Run::new(from);
    each_frame(from.framing(), [stream], |frame| run.frame(from, frame));
    run.end(from);
    run.frames
}

/// The same of frames that nobody framed.
pub fn frames_cross(frames: &[StreamFrame<'_>], from: &dyn Codec) {
    let mut run = Run::new(from);
    for frame in frames {
        run.frame(from, *frame);
    }
    run.end(from);
}

impl Run {
    fn new(from: &dyn Codec) -> Run {
        Run {
            reader: from.stream_reader(),
            state: Vec::new(),
            frames: 0,
        }
    }

    fn frame(&mut self, from: &dyn Codec, frame: StreamFrame<'_>) {
        let mut anew = from.restore(&self.state).expect("a state that was saved");
        let (mut straight, mut resumed) = (Events::new(), Events::new());
        self.reader.read(frame, &mut straight);
        anew.read(frame, &mut resumed);
        self.same(&straight, &resumed, anew);
        self.frames += 1;
    }

    fn end(&mut self, from: &dyn Codec) {
        let mut anew = from.restore(&self.state).expect("a state that was saved");
        let (mut straight, mut resumed) = (Events::new(), Events::new());
        self.reader.end(&mut straight);
        anew.end(&mut resumed);
        self.same(&straight, &resumed, anew);
    }

    fn same(&mut self, straight: &[Event<'_>], resumed: &[Event<'_>], mut anew: Box<dyn StreamReader>) {
        assert_eq!(format!("{resumed:?}"), format!("{straight:?}"));
        let losses = self.reader.take_losses();
        assert_eq!(anew.take_losses(), losses);
        self.state = bytes(|out| anew.save(out));
        assert!(self.state.len() <= MAX_STATE_BYTES, "{}", self.state.len());
        let message = bytes(|out| write_events(straight, &losses, out));
        let mut crossed = Events::new();
        assert_eq!(read_events(&message, &mut crossed).as_ref(), Ok(&losses));
        assert_eq!(format!("{:?}", &crossed[..]), format!("{straight:?}"));
    }
}

/// Any bytes as every kind of message: they are refused, or what they say is written as JSON and as whole frames.
pub fn message(bytes: &[u8]) {
    request(bytes);
    answer(bytes);
    events(bytes);
    small(bytes);
}

/// What was read once is read the same when it is written again.
fn settled(first: Vec<u8>, again: impl Fn(&[u8]) -> Result<Vec<u8>, Broken>) {
    assert_eq!(again(&first), Ok(first));
}

fn request(message: &[u8]) {
    let Ok((request, target)) = read_request(message) else {
        return;
    };
    settled(bytes(|out| write_request(&request, &target, out)), |message| {
        read_request(message).map(|(request, target)| bytes(|out| write_request(&request, &target, out)))
    });
    for to in CODECS {
        if let Ok(written) = to.write_request(&request, &target) {
            is_json(&written.bytes);
        }
    }
}

fn answer(message: &[u8]) {
    let Ok((answer, losses)) = read_answer(message) else {
        return;
    };
    settled(bytes(|out| write_answer(&answer, &losses, out)), |message| {
        read_answer(message).map(|(answer, losses)| bytes(|out| write_answer(&answer, &losses, out)))
    });
    for to in CODECS {
        is_json(&to.write_answer(&answer, &ENVELOPE).bytes);
    }
}

fn events(message: &[u8]) {
    let mut events = Events::new();
    let Ok(losses) = read_events(message, &mut events) else {
        assert!(events.is_empty(), "nothing of a broken message");
        return;
    };
    settled(bytes(|out| write_events(&events, &losses, out)), |message| {
        let mut events = Events::new();
        read_events(message, &mut events).map(|losses| bytes(|out| write_events(&events, &losses, out)))
    });
    let mut assembler = Assembler::new(Dialect::OpenAiChat, MOST);
    events.iter().for_each(|event| assembler.push(event));
    drop(assembler.finish());
    for to in CODECS {
        let mut writer = to.stream_writer(&ENVELOPE);
        let written = bytes(|out| events.iter().for_each(|event| writer.write(event, out)));
        if to.framing() == Framing::Sse {
            whole_frames(written);
        }
    }
}

fn small(message: &[u8]) {
    if let Ok(error) = read_error(message) {
        assert!((400..=599).contains(&error.status), "a status of an error");
        error_crosses(&error);
        CODECS.iter().for_each(|to| is_json(&to.write_error(&error)));
    }
    if let Ok(refusal) = read_refusal(message) {
        let again = bytes(|out| write_refusal(&refusal, out));
        assert_eq!(read_refusal(&again), Ok(refusal));
    }
    if let Ok(losses) = read_losses(message) {
        let again = bytes(|out| write_losses(&losses, out));
        assert_eq!(read_losses(&again), Ok(losses));
    }
    if let Ok(names) = read_names(message) {
        let again = bytes(|out| write_names(&names, out));
        assert_eq!(read_names(&again), Ok(names));
    }
}

/// Any bytes as a reader's state, which is given frames then.
pub fn state(state: &[u8], frames: &[StreamFrame<'_>]) {
    for from in CODECS {
        let Some(mut reader) = from.restore(state) else {
            continue;
        };
        for frame in frames {
            let mut events = Events::new();
            reader.read(*frame, &mut events);
        }
        reader.end(&mut Events::new());
        let _: Losses = reader.take_losses();
    }
}

fn is_json(bytes: &[u8]) {
    let limits = JsonLimits {
        max_depth: HIGHEST_MAX_DEPTH,
    };
    let valid = validate(bytes, &limits);
    assert!(valid.is_ok(), "{valid:?}: {}", String::from_utf8_lossy(bytes));
}

fn whole_frames(written: Vec<u8>) {
    let mut reader = SseReader::new(usize::MAX / 2);
    reader.push(written.into());
    while let Some(frame) = reader.next().expect("within the limit") {
        if frame.has_data() && !penstock_llm::openai::is_done(&frame.data()) {
            is_json(&frame.data());
        }
    }
    let rest = reader.finish().unwrap_or_default();
    assert!(penstock_llm::sse::is_blank(&rest), "whole frames");
}
