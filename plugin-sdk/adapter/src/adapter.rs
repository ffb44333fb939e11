//! What an adapter does. All of it has a default but which dialect it starts from: an adapter overrides where its provider
//! differs.

use std::borrow::Cow;

use penstock_llm::model::{
    Answer, BodyError, Codec, Error, Framing, Read, Request, StreamReader, Target, Written,
};
use serde::de::DeserializeOwned;

/// One provider's dialect. An adapter lives as long as its instance and must keep nothing about the calls it sees: any
/// instance may serve any frame of any stream. What a stream has to remember is in its reader, which is saved and restored
/// between two frames.
pub trait Adapter: Sized + Send + Sync + 'static {
    /// The settings as the operator writes them; `deny_unknown_fields` turns a misspelt name into an error at load.
    type Settings: DeserializeOwned;

    /// Checks the settings. An error names the setting and what it takes.
    fn new(settings: Self::Settings) -> Result<Self, String>;

    /// The dialect that does what the adapter does not do itself.
    fn codec(&self) -> &'static dyn Codec;

    /// What the provider speaks, for the operator: a dialect's name, or one of the adapter's own.
    fn dialect(&self) -> Cow<'_, str> {
        self.codec().dialect().as_str().into()
    }

    /// How the provider's streams are cut into frames.
    fn framing(&self) -> Framing {
        self.codec().framing()
    }

    /// The path of a call under the provider's base path, with the query.
    fn path(&self, target: &Target<'_>, streams: bool) -> String {
        self.codec().dialect().path(target.model, streams)
    }

    /// Headers that the provider's API demands of every call, besides those of the body. Credentials are the gateway's own.
    fn headers(&self) -> Vec<(String, String)> {
        let required = self.codec().dialect().required_header();
        required
            .iter()
            .map(|(name, value)| ((*name).to_string(), (*value).to_string()))
            .collect()
    }

    /// What the adapter knows better of the target than the gateway does.
    fn target<'t>(&self, target: Target<'t>) -> Target<'t> {
        target
    }

    /// Writes the request's body.
    ///
    /// # Errors
    /// What the dialect cannot say and must not be left out, with the field.
    fn write(&self, request: &Request<'_>, target: &Target<'_>) -> Result<Written, BodyError> {
        self.codec().write_request(request, target)
    }

    /// The body as it goes out, where it differs from what [`write`](Adapter::write) wrote.
    fn outgoing(&self, body: Vec<u8>) -> Vec<u8> {
        body
    }

    /// What came in as the readers below shall see it: an answer's body, an error's, or the data of a stream's frame.
    fn incoming<'b>(&self, body: &'b [u8]) -> Cow<'b, [u8]> {
        Cow::Borrowed(body)
    }

    /// Reads a whole answer.
    ///
    /// # Errors
    /// The body is no answer, or an error under a good status.
    fn read_answer<'a>(&self, _status: u16, body: &'a [u8]) -> Result<Read<Answer<'a>>, Box<Error<'a>>> {
        self.codec().read_answer(body)
    }

    /// Reads an error, whatever the body is. `native` is what a header says of its type (`x-amzn-errortype`).
    fn read_error<'a>(&self, status: u16, native: Option<&'a str>, body: &'a [u8]) -> Error<'a> {
        self.codec().read_error(status, native, body)
    }

    /// A reader that goes on where one was saved, and begins where `state` is empty; none where the state is not its own.
    fn stream_reader(&self, state: &[u8]) -> Option<Box<dyn StreamReader>> {
        self.codec().restore(state)
    }
}
