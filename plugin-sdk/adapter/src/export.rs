//! The `export!` macro, and what stands between the contract's bytes and an [`Adapter`].

use std::sync::OnceLock;

use penstock_llm::model::{self, Events, Losses, StreamFrame, StreamReader};
use penstock_llm::wire;
use penstock_plugin::bindings::lifecycle::exports::penstock::plugin::lifecycle::{Hooks, Interests, Kinds};

use crate::Adapter;
use crate::bindings::exports::penstock::plugin::adapter::{Description, Framing};
use crate::bindings::exports::penstock::plugin::decode::{Frame, Step};
use crate::bindings::exports::penstock::plugin::encode::Encoded;

/// The one adapter of a component, from `configure` on.
pub struct Instance<A>(OnceLock<A>);

impl<A: Adapter> Instance<A> {
    /// Not configured yet.
    pub const fn new() -> Instance<A> {
        Instance(OnceLock::new())
    }

    /// Applies the settings, once. An adapter asks for no hook of the chain.
    pub fn configure(&self, settings: &str) -> Result<Interests, String> {
        let adapter = A::new(penstock_plugin::private::settings(settings)?)?;
        self.0
            .set(adapter)
            .map_err(|_| "configured twice: settings are applied once per instance".to_string())?;
        Ok(Interests {
            hooks: Hooks::empty(),
            kinds: Kinds::empty(),
            buffer: false,
        })
    }

    /// The configured adapter. The host never calls it before `configure` has returned well.
    pub fn adapter(&self) -> &A {
        self.0.get().expect("adapters are called after configure")
    }
}

impl<A: Adapter> Default for Instance<A> {
    fn default() -> Instance<A> {
        Instance::new()
    }
}

/// `adapter.describe`.
pub fn describe(adapter: &impl Adapter) -> Description {
    Description {
        dialect: adapter.dialect().into_owned(),
        framing: match adapter.framing() {
            model::Framing::Sse => Framing::Sse,
            model::Framing::AwsEventStream => Framing::AwsEventStream,
        },
        encoding: wire::VERSION.into(),
    }
}

/// `encode.request`.
pub fn request(adapter: &impl Adapter, call: &[u8]) -> Result<Encoded, Vec<u8>> {
    let (request, target) = wire::read_request(call).expect("the host speaks the encoding");
    let target = adapter.target(target);
    let written = adapter.write(&request, &target).map_err(|refusal| {
        let mut bytes = Vec::new();
        wire::write_refusal(&refusal, &mut bytes);
        bytes
    })?;
    let mut headers = adapter.headers();
    headers.retain(|(name, _)| {
        !written
            .headers
            .iter()
            .any(|(own, _)| own.eq_ignore_ascii_case(name))
    });
    headers.extend(
        written
            .headers
            .into_iter()
            .map(|(name, value)| (name.to_string(), value)),
    );
    let (mut names, mut losses) = (Vec::new(), Vec::new());
    if !written.names.is_empty() {
        wire::write_names(&written.names, &mut names);
    }
    if !written.losses.is_empty() {
        wire::write_losses(&written.losses, &mut losses);
    }
    Ok(Encoded {
        path: adapter.path(&target, target.stream.unwrap_or(request.stream)),
        body: adapter.outgoing(written.bytes),
        headers,
        names,
        losses,
    })
}

/// `decode.answer`.
pub fn answer(adapter: &impl Adapter, status: u16, body: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
    let body = adapter.incoming(body);
    let mut bytes = Vec::with_capacity(body.len());
    match adapter.read_answer(status, &body) {
        Ok(read) => {
            wire::write_answer(&read.value, &read.losses, &mut bytes);
            Ok(bytes)
        }
        Err(error) => {
            wire::write_error(&error, &mut bytes);
            Err(bytes)
        }
    }
}

/// `decode.error`.
pub fn error(adapter: &impl Adapter, status: u16, native: Option<&str>, body: &[u8]) -> Vec<u8> {
    let body = adapter.incoming(body);
    let mut bytes = Vec::new();
    wire::write_error(&adapter.read_error(status, native, &body), &mut bytes);
    bytes
}

/// `decode.stream`.
pub fn stream(adapter: &impl Adapter, state: &[u8], frames: &[Frame], last: bool) -> Step {
    let mut reader = adapter
        .stream_reader(state)
        .expect("the host gives back what it was given");
    // the events borrow from all of it
    let seen: Vec<_> = frames.iter().map(|frame| adapter.incoming(&frame.data)).collect();
    let mut events = Events::new();
    for (frame, data) in frames.iter().zip(&seen) {
        let frame = StreamFrame {
            name: frame.name.as_deref(),
            data,
            exception: frame.exception,
        };
        reader.read(frame, &mut events);
    }
    if last {
        // one by one: a list of them would have to borrow from nothing, too
        for event in due_at_the_end(&mut *reader) {
            events.push(event);
        }
    }
    let (mut next, mut bytes) = (Vec::with_capacity(state.len()), Vec::new());
    let losses: Losses = reader.take_losses();
    reader.save(&mut next);
    wire::write_events(&events, &losses, &mut bytes);
    Step {
        state: next,
        events: bytes,
    }
}

/// Its events borrow from nothing.
fn due_at_the_end(reader: &mut dyn StreamReader) -> Events<'static> {
    let mut due = Events::new();
    reader.end(&mut due);
    due
}

/// Makes the crate a component: `export!(MyAdapter);`
#[macro_export]
macro_rules! export {
    ($adapter:ty) => {
        #[doc(hidden)]
        mod __penstock_component {
            use super::*;
            use $crate::bindings::exports::penstock::plugin::{adapter, decode, encode};
            use $crate::private::lifecycle::exports::penstock::plugin::lifecycle;

            static INSTANCE: $crate::private::Instance<$adapter> = $crate::private::Instance::new();

            struct Component;

            impl lifecycle::Guest for Component {
                fn configure(
                    settings: ::std::string::String,
                ) -> ::std::result::Result<lifecycle::Interests, ::std::string::String> {
                    INSTANCE.configure(&settings)
                }
            }

            impl adapter::Guest for Component {
                fn describe() -> adapter::Description {
                    $crate::private::describe(INSTANCE.adapter())
                }
            }

            impl encode::Guest for Component {
                fn request(
                    call: ::std::vec::Vec<u8>,
                ) -> ::std::result::Result<encode::Encoded, ::std::vec::Vec<u8>> {
                    $crate::private::request(INSTANCE.adapter(), &call)
                }
            }

            impl decode::Guest for Component {
                fn answer(
                    status: u16,
                    body: ::std::vec::Vec<u8>,
                ) -> ::std::result::Result<::std::vec::Vec<u8>, ::std::vec::Vec<u8>> {
                    $crate::private::answer(INSTANCE.adapter(), status, &body)
                }

                fn error(
                    status: u16,
                    native: ::std::option::Option<::std::string::String>,
                    body: ::std::vec::Vec<u8>,
                ) -> ::std::vec::Vec<u8> {
                    $crate::private::error(INSTANCE.adapter(), status, native.as_deref(), &body)
                }

                fn stream(
                    state: ::std::vec::Vec<u8>,
                    frames: ::std::vec::Vec<decode::Frame>,
                    last: bool,
                ) -> decode::Step {
                    $crate::private::stream(INSTANCE.adapter(), &state, &frames, last)
                }
            }

            $crate::private::lifecycle::export!(Component with_types_in $crate::private::lifecycle);
            $crate::bindings::export!(Component with_types_in $crate::bindings);
        }
    };
}
