//! WebSocket frames read while they pass (RFC 6455, server to client): whole text messages come out, nothing is changed.
//! Which messages matter, and what they mean, is the meter's business.

use bytes::{Bytes, BytesMut};

/// The longest head of an unmasked frame: two bytes and a 64-bit length.
const LONGEST_HEAD: usize = 10;

/// The longest payload of a control frame (5.5).
const MOST_CONTROL_BYTES: u64 = 125;

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// What has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A whole text message, however it was fragmented. Its UTF-8 is not checked.
    Text(Bytes),
    /// A text message that was longer than is kept.
    TooLong,
    /// The provider's goodbye.
    Close,
}

/// Reads the frames of one direction. It keeps one message at a time, and at most `most_bytes` of it.
#[derive(Debug)]
pub struct Reader {
    most_bytes: usize,
    place: Place,
    /// The frame's head as far as it has come.
    head: Vec<u8>,
    frame: Frame,
    message: Gathered,
}

/// Where in a frame the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Head,
    Payload {
        left: u64,
    },
    /// What came is not WebSocket, or not in the clear: nothing after it can be told apart.
    Lost,
}

#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    opcode: u8,
    is_last: bool,
    length: u64,
}

impl Frame {
    fn is_control(self) -> bool {
        self.opcode & 8 != 0
    }
}

/// The data message under way.
#[derive(Debug)]
enum Gathered {
    Nothing,
    /// Binary, or text that is too long.
    Skipped {
        is_text: bool,
    },
    /// Lies within one chunk so far: not copied.
    Whole(Bytes),
    Joined(BytesMut),
}

impl Reader {
    pub fn new(most_bytes: usize) -> Self {
        Self {
            most_bytes,
            place: Place::Head,
            head: Vec::with_capacity(LONGEST_HEAD),
            frame: Frame::default(),
            message: Gathered::Nothing,
        }
    }

    /// Takes the bytes that passed and hands each message to `each` when its last byte is there.
    pub fn read(&mut self, mut chunk: Bytes, mut each: impl FnMut(Message)) {
        while !chunk.is_empty() {
            match self.place {
                Place::Lost => return,
                Place::Head => {
                    self.head.push(chunk[0]);
                    chunk = chunk.slice(1..);
                    self.maybe_begin();
                }
                Place::Payload { left } => {
                    let here = usize::try_from(left).map_or(chunk.len(), |left| left.min(chunk.len()));
                    self.keep(chunk.split_to(here));
                    self.place = Place::Payload {
                        left: left - here as u64,
                    };
                }
            }
            if self.place == (Place::Payload { left: 0 }) {
                self.end(&mut each);
            }
        }
    }

    /// Whether what passes can no longer be understood.
    pub fn is_lost(&self) -> bool {
        self.place == Place::Lost
    }

    /// Starts the frame once its head is whole.
    fn maybe_begin(&mut self) {
        let Some(frame) = parse(&self.head) else {
            return;
        };
        self.head.clear();
        match frame.filter(|frame| self.may_follow(*frame)) {
            None => self.lose(),
            Some(frame) => {
                self.frame = frame;
                self.place = Place::Payload { left: frame.length };
                match frame.opcode {
                    TEXT => self.message = Gathered::Whole(Bytes::new()),
                    BINARY => self.message = Gathered::Skipped { is_text: false },
                    _ => {}
                }
            }
        }
    }

    /// A message's first frame names its kind, the others continue it; control frames may stand in between, whole.
    fn may_follow(&self, frame: Frame) -> bool {
        let is_open = !matches!(self.message, Gathered::Nothing);
        match frame.opcode {
            0 => is_open,
            TEXT | BINARY => !is_open,
            CLOSE | PING | PONG => frame.is_last && frame.length <= MOST_CONTROL_BYTES,
            _ => false,
        }
    }

    fn keep(&mut self, piece: Bytes) {
        let kept = match &self.message {
            Gathered::Whole(kept) => kept.len(),
            Gathered::Joined(kept) => kept.len(),
            Gathered::Nothing | Gathered::Skipped { .. } => return,
        };
        if self.frame.is_control() {
            return;
        }
        if piece.len() > self.most_bytes - kept {
            self.message = Gathered::Skipped { is_text: true };
            return;
        }
        match &mut self.message {
            Gathered::Whole(kept) if kept.is_empty() => *kept = piece,
            Gathered::Whole(kept) => {
                let mut joined = BytesMut::with_capacity(kept.len() + piece.len());
                joined.extend_from_slice(kept);
                joined.extend_from_slice(&piece);
                self.message = Gathered::Joined(joined);
            }
            Gathered::Joined(kept) => kept.extend_from_slice(&piece),
            Gathered::Nothing | Gathered::Skipped { .. } => {}
        }
    }

    fn end(&mut self, each: &mut impl FnMut(Message)) {
        self.place = Place::Head;
        if self.frame.opcode == CLOSE {
            return each(Message::Close);
        }
        if self.frame.is_control() || !self.frame.is_last {
            return;
        }
        match std::mem::replace(&mut self.message, Gathered::Nothing) {
            Gathered::Whole(text) => each(Message::Text(text)),
            Gathered::Joined(text) => each(Message::Text(text.freeze())),
            Gathered::Skipped { is_text: true } => each(Message::TooLong),
            Gathered::Skipped { is_text: false } | Gathered::Nothing => {}
        }
    }

    fn lose(&mut self) {
        self.place = Place::Lost;
        self.message = Gathered::Nothing;
    }
}

/// The frame that a head announces. `None` while it is not whole; `Some(None)` for one that no server may send: masked,
/// with reserved bits (compression, which is never asked for), or longer than can be.
fn parse(head: &[u8]) -> Option<Option<Frame>> {
    let (first, second) = (*head.first()?, *head.get(1)?);
    if first & 0x70 != 0 || second & 0x80 != 0 {
        return Some(None);
    }
    let length = match second {
        126 => u64::from(u16::from_be_bytes(head.get(2..4)?.try_into().ok()?)),
        127 => u64::from_be_bytes(head.get(2..10)?.try_into().ok()?),
        short => u64::from(short),
    };
    let frame = Frame {
        opcode: first & 0x0F,
        is_last: first & 0x80 != 0,
        length,
    };
    Some(Some(frame).filter(|frame| frame.length >> 63 == 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 200;

    fn frame(opcode: u8, is_last: bool, payload: &[u8]) -> Vec<u8> {
        let mut wire = vec![opcode | if is_last { 0x80 } else { 0 }];
        match payload.len() {
            short @ 0..=125 => wire.push(u8::try_from(short).unwrap()),
            middle @ 126..=0xFFFF => {
                wire.push(126);
                wire.extend(u16::try_from(middle).unwrap().to_be_bytes());
            }
            long => {
                wire.push(127);
                wire.extend((long as u64).to_be_bytes());
            }
        }
        wire.extend(payload);
        wire
    }

    fn read_in(pieces: &[&[u8]]) -> (Vec<Message>, bool) {
        let mut reader = Reader::new(LIMIT);
        let mut messages = Vec::new();
        for piece in pieces {
            reader.read(Bytes::copy_from_slice(piece), |message| messages.push(message));
        }
        (messages, reader.is_lost())
    }

    fn text(text: &str) -> Message {
        Message::Text(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn a_fragmented_message_is_one_whatever_comes_in_between() {
        let mut wire = frame(TEXT, false, b"{\"a\":");
        wire.extend(frame(PING, true, b"still there?"));
        wire.extend(frame(0, false, b""));
        wire.extend(frame(0, true, b"1}"));
        wire.extend(frame(BINARY, true, b"\x00\x01"));
        wire.extend(frame(CLOSE, true, b"\x03\xe8bye"));
        assert_eq!(
            read_in(&[&wire]),
            (vec![text("{\"a\":1}"), Message::Close], false)
        );
    }

    #[test]
    fn a_message_over_the_limit_is_skipped_and_said_so() {
        let mut wire = frame(TEXT, true, &[b'x'; LIMIT + 1]);
        wire.extend(frame(TEXT, false, &[b'x'; LIMIT]));
        wire.extend(frame(0, true, b"x"));
        wire.extend(frame(TEXT, true, &[b'y'; LIMIT]));
        let (messages, is_lost) = read_in(&[&wire]);
        assert_eq!(messages[..2], [Message::TooLong, Message::TooLong]);
        assert_eq!(messages[2], text(&"y".repeat(LIMIT)));
        assert!(!is_lost);
    }

    #[test]
    fn what_no_server_may_send_ends_the_reading() {
        let masked = [0x81, 0x81, 1, 2, 3, 4, 5];
        let compressed = [0xC1, 0x01, b'x'];
        let endless = [0x81, 127, 0xFF, 0, 0, 0, 0, 0, 0, 0];
        let unopened = frame(0, true, b"x");
        let mut twice_opened = frame(TEXT, false, b"x");
        twice_opened.extend(frame(TEXT, true, b"x"));
        let long_ping = frame(PING, true, &[0; 126]);
        let split_close = frame(CLOSE, false, b"");
        let reserved = frame(3, true, b"");
        for wire in [
            &masked[..],
            &compressed,
            &endless,
            &unopened,
            &twice_opened,
            &long_ping,
            &split_close,
            &reserved,
        ] {
            assert_eq!(read_in(&[wire, b"\x81\x01x"]), (Vec::new(), true), "{wire:?}");
        }
    }

    /// A message, how it is cut into frames, and whether a ping stands after each.
    fn sent() -> impl Strategy<Value = (Vec<Vec<u8>>, bool)> {
        (
            proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..150), 1..4),
            any::<bool>(),
        )
    }

    proptest! {
        #[test]
        fn any_split_of_the_bytes_gives_the_same_messages(
            sent in proptest::collection::vec(sent(), 0..6),
            cuts in proptest::collection::vec(1usize..80, 1..12),
        ) {
            let (mut wire, mut wanted) = (Vec::new(), Vec::new());
            for (fragments, pinged) in &sent {
                for (index, fragment) in fragments.iter().enumerate() {
                    let opcode = if index == 0 { TEXT } else { 0 };
                    wire.extend(frame(opcode, index + 1 == fragments.len(), fragment));
                    if *pinged {
                        wire.extend(frame(PONG, true, b"here"));
                    }
                }
                let whole = fragments.concat();
                let is_kept = whole.len() <= LIMIT;
                wanted.push(if is_kept { Message::Text(whole.into()) } else { Message::TooLong });
            }
            let mut pieces = Vec::new();
            let (mut rest, mut cuts) = (&wire[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let cut = (*cuts.next().unwrap()).min(rest.len());
                pieces.push(&rest[..cut]);
                rest = &rest[cut..];
            }
            prop_assert_eq!(read_in(&pieces), (wanted, false));
        }

        #[test]
        fn no_bytes_make_it_panic_or_keep_more_than_its_limit(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..20),
        ) {
            let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            for message in read_in(&chunks).0 {
                if let Message::Text(text) = message {
                    prop_assert!(text.len() <= LIMIT);
                }
            }
        }
    }
}
