//! The SDK for adapters: plugins that stand between Penstock and what a provider speaks. An adapter over a dialect that
//! `penstock-llm` has is a few lines, and one that differs from it says only where. What is built, tested and loaded is
//! left to the `penstock plugin` commands.
//!
//! ```no_run
//! use std::borrow::Cow;
//!
//! use penstock_adapter::prelude::*;
//!
//! #[derive(Deserialize, Default)]
//! #[serde(deny_unknown_fields, default)]
//! struct Settings {}
//!
//! /// Chat completions under another path, by a provider who calls its model's thoughts otherwise.
//! struct Acme;
//!
//! impl Adapter for Acme {
//!     type Settings = Settings;
//!
//!     fn new(_: Settings) -> Result<Acme, String> {
//!         Ok(Acme)
//!     }
//!
//!     fn codec(&self) -> &'static dyn Codec {
//!         &OpenAiChat
//!     }
//!
//!     fn path(&self, _: &Target<'_>, _streams: bool) -> String {
//!         "/v3/generate".to_string()
//!     }
//!
//!     fn incoming<'b>(&self, body: &'b [u8]) -> Cow<'b, [u8]> {
//!         let body = renamed(body.into(), "/choices/*/message/thought", "reasoning_content");
//!         renamed(body, "/choices/*/delta/thought", "reasoning_content")
//!     }
//! }
//!
//! penstock_adapter::export!(Acme);
//! # fn main() {}
//! ```

mod adapter;
#[doc(hidden)]
pub mod bindings;
mod export;
mod path;
mod rename;

pub use adapter::Adapter;
pub use path::checked_path;
pub use penstock_llm as llm;
pub use penstock_plugin;
pub use rename::renamed;

#[doc(hidden)]
pub mod private {
    //! What the [`export!`](crate::export!) macro expands to; not for use by hand.
    pub use crate::export::{Instance, answer, describe, error, request, stream};
    pub use penstock_plugin::bindings::lifecycle;
}

pub mod prelude {
    //! Everything that an adapter usually names.
    pub use crate::{Adapter, checked_path, renamed};
    pub use penstock_llm::anthropic::AnthropicMessages;
    pub use penstock_llm::bedrock::converse::BedrockConverse;
    pub use penstock_llm::cohere::Cohere;
    pub use penstock_llm::gemini::Gemini;
    pub use penstock_llm::model::{
        Answer, BodyError, BodyErrorKind, ClaudeHost, Codec, Dialect, Error, ErrorKind, Framing, Read,
        Request, StreamFrame, StreamReader, Target, Written,
    };
    pub use penstock_llm::openai::chat::OpenAiChat;
    pub use penstock_llm::openai::responses::OpenAiResponses;
    pub use serde::Deserialize;
}
