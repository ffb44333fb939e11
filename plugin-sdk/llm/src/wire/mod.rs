//! The model as bytes, for adapters that run as WebAssembly components: what crosses between them and the host is one of
//! these messages, not the model field by field. How a component is called is left to the host.
//!
//! - A message begins with the version of the encoding ([`VERSION`]). A side that speaks another one says so
//!   ([`Broken::Version`]) instead of guessing.
//! - Behind it the fields of the model stand in their order: whole numbers as LEB128, lists and texts behind their
//!   length, one byte for a variant or for whether something is there. Texts, JSON and numbers cross as they were
//!   spelled, so that nothing is unescaped, parsed or rounded on the way, and what is read borrows from the bytes.
//! - Readers are total: whatever the bytes are, what they give keeps the model's promises (a text's spelling is one, JSON
//!   is JSON, an error's status is one), is at most so deep and has at most so many pieces. Nothing may follow the end.
//! - What a stream's reader knows between two frames crosses the same way ([`MAX_STATE_BYTES`]), with its dialect in
//!   front: see [`StreamReader::save`](crate::model::StreamReader::save).
//!
//! The encoding is written out by hand instead of derived: the model's texts have forms that no serializer knows, the
//! readers' bounds have to hold while they recurse, and guests carry the code of one small macro.

mod bytes;
mod messages;
mod model;
mod raw;
mod state;

pub(crate) use bytes::{Input, Wire, record, variants};
pub use messages::{
    read_answer, read_error, read_events, read_losses, read_names, read_refusal, read_request, write_answer,
    write_error, write_events, write_losses, write_names, write_refusal, write_request,
};
pub use state::MAX_STATE_BYTES;
pub(crate) use state::{restore, save};

use std::fmt;

/// Of every message and state. It grows with each change of the model that these bytes show.
pub const VERSION: u8 = 1;

/// Why bytes are no message of this encoding. Holds nothing of the bytes themselves.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It is of another version of the encoding.
    Version(u8),
    /// It ends before it is whole.
    Short,
    /// It goes on behind its end.
    Long,
    /// Something in it is not what its type allows; the type's name.
    Wrong(&'static str),
    /// Pieces inside pieces, deeper than any dialect has them.
    TooDeep,
    /// More pieces than any dialect's reader gives.
    TooMany,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Version(version) => write!(
                f,
                "it is of version {version} of the encoding, and this side speaks version {VERSION}: build both against \
                 the same release"
            ),
            Broken::Short => f.write_str("it ends before it is whole"),
            Broken::Long => f.write_str("it goes on behind its end"),
            Broken::Wrong(what) => write!(f, "a value of the type {what} is none"),
            Broken::TooDeep => f.write_str("its pieces are nested too deeply"),
            Broken::TooMany => f.write_str("it has too many pieces"),
        }
    }
}

impl std::error::Error for Broken {}
