//! Any bytes as an AWS event stream, and as headers and payload of a message whose checksums are right: however they are
//! cut the same comes out, and what is read is written as it was.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use penstock_llm::eventstream::{EventStreamError, EventStreamReader, Message, write_message};

const LONGEST_MESSAGE: usize = 4096;

fuzz_target!(|data: &[u8]| {
    // The first byte says how long the pieces are, the second where headers end.
    let [step, split, stream @ ..] = data else {
        return;
    };
    same_however_cut(stream, usize::from(*step).max(1));
    let (headers, payload) = stream.split_at(usize::from(*split).min(stream.len()));
    let message = framed(headers, payload);
    same_however_cut(&message, usize::from(*step).max(1));
    if message.len() > LONGEST_MESSAGE {
        return;
    }
    let (messages, wrong) = read(&[&message]);
    match (&messages[..], wrong) {
        ([message], None) => written_again(message, payload),
        ([], Some(EventStreamError::Header(_))) => {}
        other => panic!("{other:?}"),
    }
});

fn same_however_cut(stream: &[u8], step: usize) {
    let whole = read(&[stream]);
    let pieces: Vec<&[u8]> = stream.chunks(step).collect();
    assert_eq!(read(&pieces), whole);
}

fn written_again(message: &Message, payload: &[u8]) {
    assert_eq!(message.payload(), payload);
    let headers: Vec<_> = message
        .headers()
        .map(|header| header.expect("read before"))
        .collect();
    let mut again = Vec::new();
    write_message(&headers, payload, &mut again).expect("as long as before");
    assert_eq!(again, message.raw);
    drop(message.frame());
}

fn read(pieces: &[&[u8]]) -> (Vec<Message>, Option<EventStreamError>) {
    let mut reader = EventStreamReader::new(LONGEST_MESSAGE);
    let mut messages = Vec::new();
    for piece in pieces {
        reader.push(Bytes::copy_from_slice(piece));
        loop {
            match reader.next() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(wrong) => return (messages, Some(wrong)),
            }
        }
        assert!(reader.pending() <= LONGEST_MESSAGE);
    }
    (messages, None)
}

/// A message with right lengths and checksums around anything.
fn framed(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let total = 16 + headers.len() + payload.len();
    let mut out = [(total as u32).to_be_bytes(), (headers.len() as u32).to_be_bytes()].concat();
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out.extend(headers);
    out.extend(payload);
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out
}
