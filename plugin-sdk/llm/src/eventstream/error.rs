//! Why an event stream cannot be read on or written: whose fault, which limit, no content.

use std::fmt;

use crate::model::{Error, ErrorKind};

/// What is wrong with a message. The stream cannot be read on: where the next message begins is not known any more.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum EventStreamError {
    /// The checksum of the two lengths: nothing after it can be trusted.
    PreludeChecksum,
    /// The checksum of the whole message.
    MessageChecksum,
    /// The length is less than an empty message has.
    TooShort {
        length: usize,
    },
    /// The message is longer than `limit` bytes.
    TooLarge {
        length: usize,
        limit: usize,
    },
    /// The headers are longer than `limit` bytes.
    HeadersTooLarge {
        length: usize,
        limit: usize,
    },
    /// The headers are longer than the message that they are in.
    HeadersBeyondMessage,
    Header(HeaderFault),
}

/// What is wrong with a header.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum HeaderFault {
    /// It ends behind the headers.
    CutOff,
    EmptyName,
    /// A name, or a string, is not UTF-8.
    NotUtf8,
    /// There is no such type.
    UnknownType(u8),
    /// A name of more than 255 bytes, or a value of more than 65535, which only a writer can ask for.
    TooLong,
}

impl fmt::Display for EventStreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EventStreamError::PreludeChecksum => {
                f.write_str("the checksum of an event-stream message's lengths is wrong")
            }
            EventStreamError::MessageChecksum => {
                f.write_str("the checksum of an event-stream message is wrong")
            }
            EventStreamError::TooShort { length } => {
                write!(
                    f,
                    "an event-stream message says that it is {length} bytes long, less than an empty one"
                )
            }
            EventStreamError::TooLarge { length, limit } => {
                write!(
                    f,
                    "an event-stream message is {length} bytes long, more than {limit}"
                )
            }
            EventStreamError::HeadersTooLarge { length, limit } => {
                write!(
                    f,
                    "an event-stream message has {length} bytes of headers, more than {limit}"
                )
            }
            EventStreamError::HeadersBeyondMessage => {
                f.write_str("the headers of an event-stream message are longer than the message")
            }
            EventStreamError::Header(fault) => {
                write!(f, "a header of an event-stream message {fault}")
            }
        }
    }
}

impl fmt::Display for HeaderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeaderFault::CutOff => f.write_str("ends behind the headers"),
            HeaderFault::EmptyName => f.write_str("has no name"),
            HeaderFault::NotUtf8 => f.write_str("is not UTF-8"),
            HeaderFault::UnknownType(kind) => write!(f, "has the unknown type {kind}"),
            HeaderFault::TooLong => f.write_str("is too long"),
        }
    }
}

impl std::error::Error for EventStreamError {}

impl From<HeaderFault> for EventStreamError {
    fn from(fault: HeaderFault) -> EventStreamError {
        EventStreamError::Header(fault)
    }
}

/// What a caller is told: the provider broke its own protocol.
impl From<EventStreamError> for Error<'static> {
    fn from(error: EventStreamError) -> Error<'static> {
        Error::new(
            ErrorKind::BadAnswer,
            format!("the provider's stream is broken: {error}"),
        )
    }
}
