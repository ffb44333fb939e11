//! What every stage that asks an adapter does alike: long bodies are worked on off the worker, its time and its failures
//! are kept account of, and a failure is the gateway's own, after which another target may be tried.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use penstock_llm::model::{Answer, Dialect, Error, Events, Losses, Read, Request, StreamFrame, Target};
use penstock_plugin_host::{Adapter, Encoded, Hook, PluginFault, PluginState, Ran};

use crate::chain::off_worker;
use crate::exchange::{Exchange, Verdict};
use crate::fault::{Fault, Result};
use crate::state::snapshot::{Provider, Snapshot};

/// The adapter of one attempt, with account of what it did. It stays the one that the call's generation began with,
/// whatever is swapped meanwhile.
#[derive(Debug)]
pub struct Adapted {
    adapter: Adapter,
    encode: Tally,
    decode: Tally,
}

/// What was asked of an adapter at one hook.
#[derive(Debug, Default)]
struct Tally {
    calls: AtomicU32,
    micros: AtomicU64,
    failed: AtomicBool,
}

impl Adapted {
    /// For a provider with an adapter, unless it takes the caller's own dialect as it is.
    pub fn of(snapshot: &Snapshot, provider: &Provider, caller: Dialect) -> Option<Arc<Self>> {
        let name = provider.adapter.as_ref()?;
        if provider.dialects.contains(&caller) {
            return None;
        }
        let plugin = snapshot.chain.iter().find(|plugin| plugin.name() == name)?;
        let adapter = Adapter::of(plugin)?;
        Some(Arc::new(Self {
            adapter,
            encode: Tally::default(),
            decode: Tally::default(),
        }))
    }

    /// What the provider speaks, where that is a dialect that is known here.
    pub fn dialect(&self) -> Option<Dialect> {
        self.adapter.description().known()
    }

    pub fn name(&self) -> &Arc<str> {
        self.adapter.plugin().name()
    }

    /// The call as the provider wants it.
    ///
    /// # Errors
    /// What cannot be said there and must not be left out, the caller's fault; or that the adapter failed.
    pub fn encode(&self, request: &Request<'_>, target: &Target<'_>, bytes: usize) -> Result<Encoded> {
        let ran = off_worker(bytes, || self.adapter.encode(request, target));
        match self.encode.noted(ran) {
            Ok(said) => Ok(said?),
            Err(why) => Err(Fault::adapter_failed(self.name(), &why)),
        }
    }

    /// Shows `then` a whole answer, or the error in its place.
    pub fn answer<T>(
        &self,
        status: u16,
        body: &[u8],
        then: impl FnOnce(std::result::Result<Read<Answer<'_>>, Box<Error<'_>>>) -> T,
    ) -> std::result::Result<T, PluginFault> {
        let ran = off_worker(body.len(), || self.adapter.answer(status, body, then));
        self.decode.noted(ran)
    }

    /// Shows `then` an error; none where the adapter failed.
    pub fn error<T>(
        &self,
        status: u16,
        native: Option<&str>,
        body: &[u8],
        then: impl FnOnce(Error<'_>) -> T,
    ) -> Option<T> {
        let ran = self.adapter.error(status, native, body, then);
        let told = self.decode.noted(ran);
        told.map_err(|why| log::warn!("adapter {} failed: {why}", self.name()))
            .ok()
    }

    /// Shows `then` what the next frames of a stream give.
    pub fn stream<T>(
        &self,
        state: &mut PluginState,
        frames: &[StreamFrame<'_>],
        last: bool,
        then: impl FnOnce(Events<'_>, Losses) -> T,
    ) -> std::result::Result<T, PluginFault> {
        let bytes = frames.iter().map(|frame| frame.data.len()).sum();
        let ran = off_worker(bytes, || self.adapter.stream(state, frames, last, then));
        self.decode.noted(ran)
    }

    /// Puts what it did into the call's account.
    pub fn note(&self, exchange: &mut Exchange) {
        for (hook, tally) in [(Hook::Encode, &self.encode), (Hook::Decode, &self.decode)] {
            let calls = tally.calls.swap(0, Ordering::Relaxed);
            if calls == 0 {
                continue;
            }
            let took = Duration::from_micros(tally.micros.swap(0, Ordering::Relaxed));
            let verdict = match tally.failed.load(Ordering::Relaxed) {
                true => Verdict::Fault,
                false => Verdict::Proceed,
            };
            exchange.note_runs(self.adapter.plugin(), hook, verdict, calls, took);
        }
    }
}

impl Tally {
    fn noted<T>(&self, ran: Ran<T>) -> std::result::Result<T, PluginFault> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(ran.micros.into(), Ordering::Relaxed);
        if ran.result.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        ran.result
    }
}
