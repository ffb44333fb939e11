//! The Rust SDK for Penstock plugins: traits for the hooks, safe windows onto streamed text, and the macro that makes a
//! component of them. It leaves building, testing and loading to the `penstock plugin` commands.
//!
//! ```no_run
//! use penstock_plugin::prelude::*;
//!
//! #[derive(Deserialize, Default)]
//! #[serde(deny_unknown_fields, default)]
//! struct Settings {
//!     word: String,
//! }
//!
//! struct Mute {
//!     word: String,
//! }
//!
//! impl Plugin for Mute {
//!     type Settings = Settings;
//!
//!     fn new(settings: Settings) -> Result<(Mute, Interests), String> {
//!         if settings.word.is_empty() {
//!             return Err("word: expected the word to mute".to_string());
//!         }
//!         Ok((Mute { word: settings.word }, Interests::everything()))
//!     }
//! }
//!
//! impl TextGuard for Mute {
//!     fn text(&self, window: &mut TextWindow) -> TextVerdict {
//!         let found: Vec<usize> = window.text().match_indices(&self.word).map(|(at, _)| at).collect();
//!         for at in found {
//!             window.replace(at..at + self.word.len(), "***");
//!         }
//!         // the word may be cut by the end of the window: keep what could be its beginning
//!         window.hold_from(window.text().len().saturating_sub(self.word.len() - 1));
//!         TextVerdict::Pass
//!     }
//! }
//!
//! penstock_plugin::export!(Mute: text_guard);
//! # fn main() {}
//! ```

#[cfg(target_arch = "wasm32")]
mod arena;
#[doc(hidden)]
pub mod bindings;
pub mod cache;
mod export;
mod guard;
pub mod http;
mod interests;
mod plugin;
mod settings;
pub mod testing;
mod window;

pub use bindings::capabilities::penstock::plugin::types::{
    Answer, Call, EditError, Kind, Operation, Provenance, Refusal, Reply, Role, Segment,
};
pub use bindings::capabilities::penstock::plugin::{
    catalogue, clock, counters, expr, kv, log, match_ as matching, metrics, random, tokenizer,
};
pub use bindings::on_complete::exports::penstock::plugin::on_complete::Summary;
pub use bindings::on_event::exports::penstock::plugin::on_event::{Delta, Edit, Outcome};
pub use bindings::on_request::exports::penstock::plugin::on_request::Verdict as RequestVerdict;
pub use bindings::on_response::exports::penstock::plugin::on_response::Verdict as ResponseVerdict;
pub use bindings::on_route::exports::penstock::plugin::on_route::{Candidate, Choice};
pub use interests::{Hooks, Interests, Kinds};
pub use plugin::{
    OnComplete, OnEvent, OnRequest, OnResponse, OnRoute, Plugin, TextGuard, TextVerdict, refuse,
};
pub use window::TextWindow;

#[doc(hidden)]
pub mod private {
    //! What the [`export!`](crate::export!) macro expands to; not for use by hand.
    pub use crate::export::Instance;
    pub use crate::guard::{on_event, on_response};
    pub use crate::settings::read as settings;
}

pub mod prelude {
    //! Everything that a plugin usually names.
    pub use crate::{
        Answer, Call, Candidate, Choice, Delta, Edit, EditError, Hooks, Interests, Kind, Kinds, OnComplete,
        OnEvent, OnRequest, OnResponse, OnRoute, Operation, Outcome, Plugin, Provenance, Refusal, Reply,
        RequestVerdict, ResponseVerdict, Role, Segment, Summary, TextGuard, TextVerdict, TextWindow, refuse,
    };
    pub use serde::Deserialize;
}

#[doc(hidden)]
pub use serde;
/// For plugins that read JSON: it is in every component already, for the settings.
pub use serde_json;
