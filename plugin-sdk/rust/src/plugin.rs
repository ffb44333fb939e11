//! The traits that a plugin implements: one for its settings, one per hook, and one that covers all text in answers.

use serde::de::DeserializeOwned;

use crate::{
    Answer, Call, Candidate, Choice, Delta, Interests, Outcome, Refusal, RequestVerdict, ResponseVerdict,
};
use crate::{Summary, TextWindow};

/// A configured plugin. It lives as long as its instance and must keep nothing about the calls it sees: any instance may
/// serve any event. What a stream needs to remember goes into [`TextWindow::set_state`].
pub trait Plugin: Sized + Send + Sync + 'static {
    /// The settings as the operator writes them; `deny_unknown_fields` turns a misspelt name into an error at load.
    type Settings: DeserializeOwned;

    /// Checks the settings. An error names the setting and what it takes.
    fn new(settings: Self::Settings) -> Result<(Self, Interests), String>;
}

/// Sees the request before a target is chosen; may edit it, answer it or refuse it.
pub trait OnRequest: Plugin {
    /// Edits made through `call` are seen by the plugins after this one and by the provider.
    fn on_request(&self, call: &Call) -> RequestVerdict;
}

/// Chooses which targets are tried, in which order.
pub trait OnRoute: Plugin {
    /// Candidates that are not in the answer are not tried; an empty answer refuses the call.
    fn on_route(&self, call: &Call, candidates: &[Candidate]) -> Result<Vec<Choice>, Refusal>;
}

/// Sees a whole answer before the caller gets any of it.
pub trait OnResponse: Plugin {
    /// Edits made through `answer` are what the caller gets.
    fn on_response(&self, call: &Call, answer: &Answer) -> ResponseVerdict;
}

/// Sees an answer while it is produced. [`TextGuard`] is the easier way.
pub trait OnEvent: Plugin {
    /// One delta of one channel, with what this plugin held back before.
    fn on_event(&self, call: &Call, delta: Delta, state: Vec<u8>) -> Outcome;
}

/// Called after the last byte, whatever happened.
pub trait OnComplete: Plugin {
    /// Nothing can be changed any more.
    fn on_complete(&self, call: &Call, summary: Summary);
}

/// A guard over all text in answers, streamed or not: one hook that drives both, so that neither can be forgotten.
///
/// A streamed channel arrives as a row of windows, a whole answer as one window per segment with
/// [`last`](TextWindow::last) set. A guard must make the same text of both.
pub trait TextGuard: Plugin {
    /// Looks at the window; replaces and holds back through it.
    fn text(&self, window: &mut TextWindow) -> TextVerdict;
}

/// What a [`TextGuard`] decides about one window.
#[derive(Clone, Debug, PartialEq)]
pub enum TextVerdict {
    /// The window goes on, with its replacements, up to what is held.
    Pass,
    /// The answer ends with this error; nothing of the window goes out.
    End(Refusal),
}

/// A refusal in one line; `status` is clamped to 400..=599 by the host.
pub fn refuse(status: u16, code: impl Into<String>, message: impl Into<String>) -> Refusal {
    Refusal {
        status,
        code: code.into(),
        message: message.into(),
    }
}
