use bytes::Bytes;
use penstock_llm::eventstream::{
    DEFAULT_MAX_MESSAGE_BYTES, EventStreamError, EventStreamReader, HeaderFault, HeaderValue,
    MAX_HEADERS_BYTES, MAX_PAYLOAD_BYTES, Message, write_event, write_exception, write_message,
};
use penstock_llm::model::{Error, ErrorKind};
use proptest::prelude::*;

use crate::make::cases;

/// The messages of a stream that was pushed in these pieces, what went wrong, and whether it may end there.
pub fn messages<'t>(
    pieces: impl IntoIterator<Item = &'t [u8]>,
) -> (Vec<Message>, Option<EventStreamError>, bool) {
    let mut reader = EventStreamReader::new(DEFAULT_MAX_MESSAGE_BYTES);
    let mut messages = Vec::new();
    let mut wrong = None;
    for piece in pieces {
        reader.push(Bytes::copy_from_slice(piece));
        loop {
            match reader.next() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => {
                    wrong = Some(error);
                    break;
                }
            }
        }
    }
    (messages, wrong, reader.is_whole())
}

fn one(bytes: &[u8]) -> Result<Message, EventStreamError> {
    match messages([bytes]) {
        (messages, None, true) if messages.len() == 1 => Ok(messages[0].clone()),
        (_, Some(wrong), _) => Err(wrong),
        (messages, None, _) => panic!("{} messages", messages.len()),
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(u8::is_ascii_hexdigit)
        .map(|digit| (digit as char).to_digit(16).expect("a digit") as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The lengths, their checksum (right whatever they say), these bytes, and the checksum of it all.
fn framed(total: u32, headers: u32, body: &[u8]) -> Vec<u8> {
    let mut out = [total.to_be_bytes(), headers.to_be_bytes()].concat();
    out.extend(crc32(&out).to_be_bytes());
    out.extend(body);
    out.extend(crc32(&out).to_be_bytes());
    out
}

/// By the book, bit by bit: tells whether the crate's one is the same.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

fn with_headers(headers: &[u8]) -> Vec<u8> {
    framed(16 + headers.len() as u32, headers.len() as u32, headers)
}

#[test]
fn messages_are_the_bytes_that_aws_has_for_them() {
    let empty = hex("00000010 00000000 05c248eb 7d98c8ff");
    let message = one(&empty).expect("a message");
    assert_eq!((message.payload(), message.headers().count()), (&b""[..], 0));

    let payload = hex("0000001d 00000000 fd528c5a 7b27666f6f273a27626172277d c3653936");
    assert_eq!(one(&payload).expect("a message").payload(), b"{'foo':'bar'}");

    let mut written = Vec::new();
    write_message(&[], b"{'foo':'bar'}", &mut written).expect("short");
    assert_eq!(written, payload);
}

#[test]
fn headers_of_all_types_are_read_and_written() {
    let bytes = hex("000000cc000000af0fae64ca0a6576656e742d74797065040000a00c0c636f6e
         74656e742d747970650700106170706c69636174696f6e2f6a736f6e0a626f6f
         6c2066616c73650109626f6f6c207472756500046279746502cf086279746520
         62756606001449276d2061206c6974746c6520746561706f74210974696d6573
         74616d70080000000000845fed05696e74313603002a05696e74363405000000
         00028757b2047575696409 0102030405060708090a0b0c0d0e0f10
         7b27666f6f273a27626172277d aba5f10c");
    let message = one(&bytes).expect("a message");
    let headers: Vec<(&str, HeaderValue<'_>)> =
        message.headers().map(|header| header.expect("read")).collect();
    let uuid = std::array::from_fn(|at| at as u8 + 1);
    assert_eq!(
        headers,
        [
            ("event-type", HeaderValue::Int(40972)),
            ("content-type", HeaderValue::String("application/json")),
            ("bool false", HeaderValue::Bool(false)),
            ("bool true", HeaderValue::Bool(true)),
            ("byte", HeaderValue::Byte(-49)),
            ("byte buf", HeaderValue::Bytes(b"I'm a little teapot!")),
            ("timestamp", HeaderValue::Timestamp(8_675_309)),
            ("int16", HeaderValue::Short(42)),
            ("int64", HeaderValue::Long(42_424_242)),
            ("uuid", HeaderValue::Uuid(uuid)),
        ]
    );
    let mut written = Vec::new();
    write_message(&headers, message.payload(), &mut written).expect("short");
    assert_eq!(written, bytes);
}

#[test]
fn a_message_says_what_frame_it_is() {
    let mut stream = Vec::new();
    write_event("messageStart", b"{}", &mut stream).expect("short");
    write_exception("throttlingException", b"{\"message\":\"slow\"}", &mut stream).expect("short");
    let error = [
        (":message-type", HeaderValue::String("error")),
        (":error-code", HeaderValue::String("InternalFailure")),
        (":error-message", HeaderValue::String("it broke")),
    ];
    write_message(&error, b"", &mut stream).expect("short");
    let (messages, wrong, whole) = messages([&stream[..]]);
    assert_eq!((wrong, whole), (None, true));
    let frames: Vec<(&[u8], &[u8], bool)> = messages
        .iter()
        .map(|message| message.frame())
        .map(|frame| (frame.name.expect("a name"), frame.data, frame.exception))
        .collect();
    assert_eq!(
        frames,
        [
            (&b"messageStart"[..], &b"{}"[..], false),
            (b"throttlingException", b"{\"message\":\"slow\"}", true),
            (b"InternalFailure", b"it broke", true),
        ]
    );
    let edited = messages[0]
        .with_payload(b"{\"role\":\"assistant\"}")
        .expect("short");
    let edited = one(&edited).expect("a message");
    assert_eq!(edited.payload(), b"{\"role\":\"assistant\"}");
    assert_eq!(edited.header(":event-type"), messages[0].header(":event-type"));
}

#[test]
fn pain_e05_a_wrong_checksum_is_named_and_ends_the_stream() {
    let mut stream = Vec::new();
    write_event("a", b"{}", &mut stream).expect("short");
    let length = stream.len();
    write_event("b", b"{}", &mut stream).expect("short");
    write_event("c", b"{}", &mut stream).expect("short");
    for (at, expected) in [
        (length + 1, EventStreamError::PreludeChecksum),
        (length + 6, EventStreamError::PreludeChecksum),
        (length + 9, EventStreamError::PreludeChecksum),
        (length + 20, EventStreamError::MessageChecksum),
        (2 * length - 6, EventStreamError::MessageChecksum),
        (2 * length - 1, EventStreamError::MessageChecksum),
    ] {
        let mut broken = stream.clone();
        broken[at] ^= 0x10;
        let (read, wrong, whole) = messages(broken.chunks(5));
        assert_eq!((read.len(), wrong, whole), (1, Some(expected), false), "{at}");
    }
    let told: Error<'static> = EventStreamError::MessageChecksum.into();
    assert_eq!((told.kind, told.status), (ErrorKind::BadAnswer, 502));
    assert!(
        told.message
            .get()
            .contains("checksum of an event-stream message is wrong")
    );
}

#[test]
fn lengths_that_cannot_be_are_named_before_any_room_is_made() {
    let (most, headers) = (DEFAULT_MAX_MESSAGE_BYTES, MAX_HEADERS_BYTES);
    for (total, of_headers, expected) in [
        (0, 0, EventStreamError::TooShort { length: 0 }),
        (15, 0, EventStreamError::TooShort { length: 15 }),
        (
            u32::MAX,
            0,
            EventStreamError::TooLarge {
                length: u32::MAX as usize,
                limit: most,
            },
        ),
        (
            1 << 20,
            headers as u32 + 1,
            EventStreamError::HeadersTooLarge {
                length: headers + 1,
                limit: headers,
            },
        ),
        (20, 5, EventStreamError::HeadersBeyondMessage),
    ] {
        let bytes = framed(total, of_headers, b"");
        // the lengths are enough to tell
        assert_eq!(messages([&bytes[..12]]).1, Some(expected));
        assert_eq!(messages(bytes.chunks(1)).1, Some(expected));
    }
    let mut reader = EventStreamReader::new(20);
    reader.push(Bytes::from(framed(21, 0, b"12345")));
    assert_eq!(
        reader.next(),
        Err(EventStreamError::TooLarge {
            length: 21,
            limit: 20
        })
    );
    assert_eq!((reader.next().is_err(), reader.pending()), (true, 0));
}

#[test]
fn headers_that_cannot_be_are_named() {
    for (headers, fault) in [
        (&b"\x00\x00"[..], HeaderFault::EmptyName),
        (b"\x01", HeaderFault::CutOff),
        (b"\x05ab", HeaderFault::CutOff),
        (b"\x01a", HeaderFault::CutOff),
        (b"\x01a\x04\x00\x00", HeaderFault::CutOff),
        (b"\x01a\x07\x00\x05ab", HeaderFault::CutOff),
        (b"\x01a\x0a", HeaderFault::UnknownType(10)),
        (b"\x01a\xff", HeaderFault::UnknownType(255)),
        (b"\x01\xff\x00", HeaderFault::NotUtf8),
        (b"\x01a\x07\x00\x01\xff", HeaderFault::NotUtf8),
        (b"\x01a\x00\x01b\x01\x01", HeaderFault::CutOff),
    ] {
        let wrong = one(&with_headers(headers));
        assert_eq!(wrong, Err(EventStreamError::Header(fault)), "{headers:?}");
    }
}

#[test]
fn what_is_too_long_is_not_written() {
    let mut out = b"before".to_vec();
    let long = "x".repeat(65_536);
    let fault = write_message(&[("a", HeaderValue::String(&long))], b"", &mut out);
    assert_eq!(fault, Err(EventStreamError::Header(HeaderFault::TooLong)));
    let fault = write_message(&[(&long[..256], HeaderValue::Bool(true))], b"", &mut out);
    assert_eq!(fault, Err(EventStreamError::Header(HeaderFault::TooLong)));
    let fault = write_message(&[("", HeaderValue::Bool(true))], b"", &mut out);
    assert_eq!(fault, Err(EventStreamError::Header(HeaderFault::EmptyName)));
    let headers: Vec<_> = (0..3).map(|_| ("a", HeaderValue::String(&long[1..]))).collect();
    assert!(matches!(
        write_message(&headers, b"", &mut out),
        Err(EventStreamError::HeadersTooLarge { .. })
    ));
    let payload = vec![b' '; MAX_PAYLOAD_BYTES + 1];
    assert!(matches!(
        write_event("a", &payload, &mut out),
        Err(EventStreamError::TooLarge { .. })
    ));
    assert_eq!(out, b"before");
    write_event("a", &payload[1..], &mut out).expect("the longest");
    assert_eq!(
        one(&out[6..]).expect("a message").payload().len(),
        MAX_PAYLOAD_BYTES
    );
}

#[test]
fn a_message_within_a_chunk_is_not_copied() {
    let mut stream = Vec::new();
    write_event("a", b"{}", &mut stream).expect("short");
    let length = stream.len();
    write_event("b", b"{}", &mut stream).expect("short");
    let chunk = Bytes::from(stream);
    let mut reader = EventStreamReader::new(DEFAULT_MAX_MESSAGE_BYTES);
    reader.push(chunk.slice(..length + 7));
    let message = reader.next().expect("right").expect("whole");
    assert_eq!(message.raw.as_ptr(), chunk.as_ptr());
    assert_eq!(
        (reader.next(), reader.pending(), reader.is_whole()),
        (Ok(None), 7, false)
    );
    reader.push(chunk.slice(length + 7..));
    assert!(reader.next().expect("right").is_some());
    assert!(reader.is_whole());
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn pain_e05_any_split_gives_the_same_messages(
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..6),
        cuts in proptest::collection::vec(1usize..30, 1..40),
    ) {
        let mut stream = Vec::new();
        for (at, payload) in payloads.iter().enumerate() {
            write_event(&format!("event{at}"), payload, &mut stream).expect("short");
        }
        let whole = messages([&stream[..]]);
        prop_assert_eq!(whole.0.len(), payloads.len());
        let mut pieces = Vec::new();
        let (mut rest, mut cuts) = (&stream[..], cuts.iter().cycle());
        while let Some(cut) = cuts.next().filter(|_| !rest.is_empty()) {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        prop_assert_eq!(&messages(pieces), &whole);
        prop_assert_eq!(&messages(stream.chunks(1)), &whole);
        let joined: Vec<u8> = whole.0.iter().flat_map(|message| message.raw.to_vec()).collect();
        prop_assert_eq!(joined, stream);
    }

    #[test]
    fn pain_e05_no_changed_byte_goes_unnoticed(
        payload in proptest::collection::vec(any::<u8>(), 0..60),
        at: proptest::sample::Index,
        flip in 1u8..,
    ) {
        let mut stream = Vec::new();
        write_event("contentBlockDelta", &payload, &mut stream).expect("short");
        let at = at.index(stream.len());
        stream[at] ^= flip;
        let (read, wrong, _) = messages(stream.chunks(7));
        prop_assert!(read.is_empty());
        prop_assert!(wrong.is_some());
    }

    #[test]
    fn no_bytes_make_the_reader_panic_or_grow(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        lengths: (u16, u8),
    ) {
        let (_, _, _) = messages(bytes.chunks(3));
        // right checksums, wrong everything else
        let message = framed(lengths.0.into(), lengths.1.into(), &bytes);
        let mut reader = EventStreamReader::new(1024);
        reader.push(Bytes::from(message.clone()));
        while let Ok(Some(message)) = reader.next() {
            prop_assert!(message.headers().all(|header| header.is_ok()));
        }
        prop_assert!(reader.pending() <= message.len());
        drop(one_or_none(&with_headers(&bytes)));
    }
}

fn one_or_none(bytes: &[u8]) -> Option<Message> {
    messages([bytes]).0.pop()
}
