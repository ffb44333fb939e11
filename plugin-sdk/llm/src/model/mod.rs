//! The model that every dialect is read into and written from, so that each needs to know one language besides its own.
//!
//! - It borrows: texts and JSON stay in the bytes that they were read from, spelled as they came ([`Text`], [`Json`],
//!   [`Number`]), and are copied once, into what is written.
//! - It is a union, not a core: what one dialect alone has is kept under its native name (`extras`, `Native`), written
//!   again by that dialect, and named as a loss by the others.
//! - What a reader or writer of a dialect has to do is in [`Codec`]; what it needs to know besides in [`Asked`],
//!   [`Target`] and [`Envelope`]; what it could not carry comes back as [`Losses`].
//! - Plugins see the same segments and deltas of every dialect ([`segments_of_request`], [`deltas_of_events`]), with
//!   their places in the bytes, so that their edits are splices in whatever came in.
//!
//! Which provider is asked, what plugins do and what is fetched is left to the gateway.

mod answer;
mod assemble;
mod cache;
mod citation;
mod dialect;
mod endpoint;
mod error;
mod event;
mod facts;
mod loss;
mod media;
mod message;
mod names;
mod part;
mod raw;
mod reasoning;
mod replay;
mod request;
mod seal;
mod segments;
mod stop;
mod text;
mod tool;
mod turns;
mod usage;

pub use answer::{Answer, Choice};
pub use assemble::{Assembled, Assembler};
pub use cache::CacheMark;
pub use citation::Citation;
pub use dialect::{CODECS, Codec, Dialect, Framing, StreamFrame, StreamReader, StreamWriter};
pub use endpoint::{in_path, part_of_path};
pub use error::{Error, ErrorKind};
pub use event::{Delta, Event, Events, Start};
pub use facts::{
    Asked, CacheMarks, ClaudeHost, Envelope, Read, ReasoningField, ReasoningSupport, Target, Written,
};
pub use loss::{Loss, LossKind, Losses, MAX_LOSSES};
pub use media::{DocumentType, Media, MediaKind, Source, is_base64};
pub use message::{Message, Place};
pub use names::{Names, Restorer};
pub(crate) use names::{hash, tamed};
pub use part::{Content, Native, Part, SearchResult};
pub use raw::{Extra, Extras, Json, Number, extra};
pub use reasoning::{Effort, Maker, Reasoning, ReasoningForm, ReasoningMode, ReasoningWish, Signature};
pub use replay::replay;
pub use request::{Request, ResponseFormat, Sampling};
pub use seal::Seal;
pub use segments::{ToolCounter, deltas_of_events, segments_of_answer, segments_of_request};
pub use stop::{Stop, StopReason};
pub use text::Text;
pub use tool::{CallKind, Tool, ToolCall, ToolChoice, ToolKind, ToolResult};
pub(crate) use tool::{broken_arguments, is_object, made_id};
pub use turns::{Placed, Turn, Turns, name_of_call, orphan_result, turns};
pub use usage::{Usage, sum_of};

pub use crate::fault::{BodyError, BodyErrorKind};
pub use crate::openai::Role;
