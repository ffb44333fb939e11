//! Calls an adapter: a neutral call in and a provider's request out, a provider's bytes in and neutral answers out. When
//! one is asked, and what its failure means for the call, is left to the gateway.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use penstock_llm::model::{
    Answer, BodyError, Dialect, Error, Events, Losses, Names, Read, Request, StreamFrame, Target,
};
use penstock_llm::wire;

use crate::bindings::exports::penstock::plugin as wit;
use crate::error::LoadProblem;
use crate::fault::PluginFault;
use crate::plugin::Plugin;
use crate::state::PluginState;
use crate::verdict::{Ran, shortened};

pub use penstock_llm::model::Framing;

/// The version of the encoding in which calls, answers and events cross.
pub const ENCODING: u32 = wire::VERSION as u32;

/// A loaded plugin that stands between the model and what one provider speaks.
#[derive(Clone, Debug)]
pub struct Adapter(Arc<Plugin>);

/// What an adapter says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// What the provider speaks, by the name of a dialect or of the adapter's own; at most 64 bytes.
    pub dialect: Box<str>,
    /// How its streams are cut.
    pub framing: Framing,
}

/// A call in a provider's dialect. Already checked: the path stays under the provider's base path, and no header is one of
/// the gateway's own.
#[derive(Clone, Debug)]
pub struct Encoded {
    pub body: Vec<u8>,
    /// Under the provider's base path, with the query.
    pub path: String,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Of tools that go by another name.
    pub names: Names,
    /// What is not in the body.
    pub losses: Losses,
}

impl Description {
    /// The dialect, where it is one that is known here.
    pub fn known(&self) -> Option<Dialect> {
        Dialect::named(&self.dialect)
    }
}

impl Adapter {
    /// None where the plugin is no adapter.
    pub fn of(plugin: &Arc<Plugin>) -> Option<Adapter> {
        plugin.description.is_some().then(|| Adapter(plugin.clone()))
    }

    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.0
    }

    pub fn description(&self) -> &Description {
        self.0
            .description
            .as_ref()
            .expect("`of` takes plugins with a description only")
    }

    /// A call for a provider; or what its dialect cannot say and must not be left out.
    pub fn encode(&self, request: &Request<'_>, target: &Target<'_>) -> Ran<Result<Encoded, BodyError>> {
        let mut call = Vec::new();
        wire::write_request(request, target, &mut call);
        let ran = self.0.run_without_call(call.len(), |instance, exports| {
            let (hook, store) = instance.encode(exports)?;
            Ok(Ok(hook.call_request(store, &call)?))
        });
        ran.and_then(|said| match said {
            Ok(encoded) => checked(encoded).map(Ok),
            Err(refusal) => wire::read_refusal(&refusal).map(Err).map_err(unreadable),
        })
    }

    /// Shows `then` a whole answer, of a status below 400; or the error that stands in its place.
    pub fn answer<T>(
        &self,
        status: u16,
        body: &[u8],
        then: impl FnOnce(Result<Read<Answer<'_>>, Box<Error<'_>>>) -> T,
    ) -> Ran<T> {
        let ran = self.0.run_without_call(body.len(), |instance, exports| {
            let (hook, store) = instance.decode(exports)?;
            Ok(Ok(hook.call_answer(store, status, body)?))
        });
        ran.and_then(|said| match said {
            Ok(answer) => {
                let (value, losses) = wire::read_answer(&answer).map_err(unreadable)?;
                Ok(then(Ok(Read { value, losses })))
            }
            Err(error) => {
                let error = wire::read_error(&error).map_err(unreadable)?;
                Ok(then(Err(Box::new(error))))
            }
        })
    }

    /// Shows `then` an error. `native` is what a header says of its type.
    pub fn error<T>(
        &self,
        status: u16,
        native: Option<&str>,
        body: &[u8],
        then: impl FnOnce(Error<'_>) -> T,
    ) -> Ran<T> {
        let ran = self.0.run_without_call(body.len(), |instance, exports| {
            let (hook, store) = instance.decode(exports)?;
            Ok(Ok(hook.call_error(store, status, native, body)?))
        });
        ran.and_then(|said| Ok(then(wire::read_error(&said).map_err(unreadable)?)))
    }

    /// Shows `then` what the next frames of a stream give. `state` is the adapter's of this stream, empty at its
    /// beginning; it is left alone by a fault. `last` says that the provider closed the stream.
    pub fn stream<T>(
        &self,
        state: &mut PluginState,
        frames: &[StreamFrame<'_>],
        last: bool,
        then: impl FnOnce(Events<'_>, Losses) -> T,
    ) -> Ran<T> {
        let bytes: usize = frames.iter().map(|frame| frame.data.len()).sum();
        let most_state = self.0.limits().state_bytes as usize;
        let ran = self
            .0
            .run_without_call(bytes.saturating_add(state.len()), |instance, exports| {
                let shown: Vec<_> = frames.iter().map(frame_to_guest).collect();
                let (hook, store) = instance.decode(exports)?;
                let step = hook.call_stream(store, state.bytes(), &shown, last)?;
                Ok(match step.state.len() > most_state {
                    true => Err(PluginFault::OutputTooLarge),
                    false => Ok(step),
                })
            });
        ran.and_then(|step| {
            let mut events = Events::new();
            let losses = wire::read_events(&step.events, &mut events).map_err(unreadable)?;
            state.replace(step.state);
            Ok(then(events, losses))
        })
    }
}

/// What a plugin says of itself as an adapter; asked once, when it is loaded.
pub fn described(plugin: &Plugin) -> Result<Description, LoadProblem> {
    let ran = plugin.run_without_call(0, |instance, exports| {
        let (adapter, store) = instance.adapter(exports)?;
        Ok(Ok(adapter.call_describe(store)?))
    });
    let said = ran.result.map_err(LoadProblem::Start)?;
    if said.encoding != ENCODING {
        return Err(LoadProblem::Encoding { found: said.encoding });
    }
    Ok(Description {
        dialect: shortened(said.dialect, LONGEST_DIALECT).into(),
        framing: match said.framing {
            wit::adapter::Framing::Sse => Framing::Sse,
            wit::adapter::Framing::AwsEventStream => Framing::AwsEventStream,
        },
    })
}

/// It ends up in tables.
const LONGEST_DIALECT: usize = 64;
/// Longer ones are refused by servers.
const LONGEST_PATH: usize = 8 << 10;
const MOST_HEADERS: usize = 32;

fn frame_to_guest<'a>(frame: &StreamFrame<'a>) -> wit::decode::Frame<'a> {
    wit::decode::Frame {
        name: frame.name,
        data: frame.data,
        exception: frame.exception,
    }
}

fn unreadable(_: wire::Broken) -> PluginFault {
    PluginFault::BadOutcome("its bytes are not in the encoding of adapters")
}

fn checked(said: wit::encode::Encoded) -> Result<Encoded, PluginFault> {
    if !stays_below(&said.path) {
        return Err(PluginFault::BadOutcome(
            "a path is visible ASCII, begins with one `/` and has no part `..`",
        ));
    }
    if said.headers.len() > MOST_HEADERS {
        return Err(PluginFault::BadOutcome("there are more headers than can be sent"));
    }
    let headers = said.headers.iter().map(|(name, value)| header(name, value));
    let headers = headers.collect::<Result<_, _>>()?;
    let names = or_none(&said.names, wire::read_names)?;
    let losses = or_none(&said.losses, wire::read_losses)?;
    Ok(Encoded {
        body: said.body,
        path: said.path,
        headers,
        names,
        losses,
    })
}

/// What an adapter may leave out by giving no bytes.
fn or_none<T: Default>(bytes: &[u8], read: fn(&[u8]) -> Result<T, wire::Broken>) -> Result<T, PluginFault> {
    match bytes.is_empty() {
        true => Ok(T::default()),
        false => read(bytes).map_err(unreadable),
    }
}

/// Whether a path, put behind a base path, can lead nowhere else.
fn stays_below(path: &str) -> bool {
    let place = path.split('?').next().unwrap_or("");
    path.len() <= LONGEST_PATH
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
        && path.starts_with('/')
        && !path.starts_with("//")
        && !place.split('/').any(climbs)
}

/// `..`, however it is spelled.
fn climbs(part: &str) -> bool {
    part.to_ascii_lowercase().replace("%2e", ".") == ".."
}

/// Those that frame a message, say where it goes, or prove who sends it.
const NOT_ITS_OWN: [&str; 15] = [
    "api-key",
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-api-key",
    "x-goog-api-key",
];

/// What signatures of AWS are in.
const SIGNED: &str = "x-amz-";

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), PluginFault> {
    let bad = PluginFault::BadOutcome("a header has a name or a value that cannot be sent");
    let Ok(name) = HeaderName::try_from(name) else {
        return Err(bad);
    };
    if NOT_ITS_OWN.contains(&name.as_str()) || name.as_str().starts_with(SIGNED) {
        return Err(PluginFault::BadOutcome(
            "a header is one of the gateway's own: framing, credentials or signatures",
        ));
    }
    let value = HeaderValue::try_from(value).map_err(|_| bad)?;
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_leave_the_providers_base_path() {
        for good in [
            "/messages",
            "/models/gemini%2F2:generateContent?alt=sse",
            "/a..b/..c?x=/../y",
        ] {
            assert!(stays_below(good), "{good}");
        }
        let long = format!("/{}", "a".repeat(LONGEST_PATH));
        for bad in [
            "",
            "messages",
            "//host/x",
            "/a/../b",
            "/..",
            "/%2e%2E/x",
            "/.%2e",
            "/a b",
            "/a\r\nx: y",
            "/é",
            "/a#b",
            &long,
        ] {
            assert!(!stays_below(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_header_cannot_be_one_of_the_gateways_own() {
        assert!(header("Anthropic-Version", "2023-06-01").is_ok());
        for (name, value) in [
            ("Authorization", "Bearer x"),
            ("HOST", "elsewhere"),
            ("x-amz-security-token", "x"),
            ("transfer-encoding", "chunked"),
            ("x y", "z"),
            ("x-good", "a\r\nb: c"),
        ] {
            assert!(header(name, value).is_err(), "{name}: {value}");
        }
    }
}
