//! What a plugin may be granted beyond the call: one file for each capability. Who grants it is left to the operator.

pub mod cache;
pub mod catalogue;
pub mod clock;
pub mod counters;
pub mod expr;
pub mod http;
mod interned;
pub mod kv;
pub mod log;
pub mod matching;
pub mod metrics;
pub mod random;
mod store;
pub mod tokenizer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use wasmtime::component::{HasSelf, Linker};

use crate::bindings::penstock::plugin as wit;
use crate::capability::{Capabilities, Capability};
use crate::clock::Clock;
use crate::guest::Guest;
use crate::outbound::HttpTerms;
use crate::pool::unpoisoned;

/// What all instances of one plugin share: everything a capability remembers.
///
/// It belongs to the plugin's name and not to its component, so it survives a hot swap.
pub struct Granted {
    pub name: Arc<str>,
    pub clock: Clock,
    pub log: log::Lines,
    pub metrics: metrics::Counted,
    pub kv: kv::Entries,
    pub counters: counters::Windows,
}

impl Granted {
    pub fn new(name: &Arc<str>, clock: &Clock, sink: &log::LogSink) -> Granted {
        Granted {
            name: name.clone(),
            clock: clock.clone(),
            log: log::Lines::new(name, clock, sink),
            metrics: metrics::Counted::default(),
            kv: kv::Entries::new(clock),
            counters: counters::Windows::new(clock),
        }
    }
}

/// What the instances of one loaded plugin compile in `configure` and share. It belongs to the component with its settings,
/// so it goes with them at a hot swap.
pub struct Compiled {
    pub expressions: expr::Expressions,
    pub sets: matching::Sets,
}

impl Compiled {
    pub fn new() -> Compiled {
        Compiled {
            expressions: expr::Expressions::new(),
            sets: matching::Sets::new(),
        }
    }

    /// The first instance is configured: what it asked for is made ready, and nothing is compiled any more. An error is for
    /// the operator.
    pub fn seal(&self) -> Result<(), String> {
        self.expressions.seal(|_, _| Ok(()))?;
        self.sets.seal(matching::Words::build)
    }
}

/// What an operator says about the capabilities that need more than a yes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CapabilityTerms {
    pub cache: cache::CacheTerms,
    pub http: HttpTerms,
}

/// What the instances of one plugin may use on such terms; none for what it does not import.
#[derive(Clone, Default)]
pub struct OnTerms {
    pub cache: Option<cache::Granted>,
    pub http: Option<http::Granted>,
}

/// Finds what the plugins of one name share. A name is forgotten with its last plugin, so there are never more entries
/// than loaded plugins.
#[derive(Default)]
pub struct Registry {
    granted: Mutex<HashMap<Arc<str>, Weak<Granted>>>,
    /// A cache cannot be resized: one of another size is another one.
    caches: Mutex<HashMap<NameAndBytes, Weak<cache::Entries>>>,
}

type NameAndBytes = (Arc<str>, u64);

impl Registry {
    pub fn of(&self, name: &Arc<str>, clock: &Clock, sink: &log::LogSink) -> Arc<Granted> {
        let mut names = unpoisoned(&self.granted);
        if let Some(granted) = names.get(name).and_then(Weak::upgrade) {
            return granted;
        }
        names.retain(|_, granted| granted.strong_count() > 0);
        let granted = Arc::new(Granted::new(name, clock, sink));
        names.insert(name.clone(), Arc::downgrade(&granted));
        granted
    }

    /// The cache of this name and size. Empty after a change of its size.
    pub fn cache(&self, name: &Arc<str>, bytes: u64, clock: &Clock) -> Arc<cache::Entries> {
        let mut caches = unpoisoned(&self.caches);
        let key = (name.clone(), bytes);
        if let Some(entries) = caches.get(&key).and_then(Weak::upgrade) {
            return entries;
        }
        caches.retain(|_, entries| entries.strong_count() > 0);
        let entries = Arc::new(cache::Entries::new(clock, bytes));
        caches.insert(key, Arc::downgrade(&entries));
        entries
    }
}

/// Links exactly these capabilities, and what every plugin has.
pub fn link(linker: &mut Linker<Guest>, capabilities: Capabilities) -> wasmtime::Result<()> {
    wit::types::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    for capability in capabilities.iter() {
        match capability {
            Capability::Log => wit::log::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?,
            Capability::Metrics => wit::metrics::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?,
            Capability::Clock => wit::clock::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?,
            Capability::Random => wit::random::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?,
            Capability::Kv => wit::kv::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?,
            Capability::Counters => wit::counters::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?,
            Capability::Catalogue => wit::catalogue::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?,
            Capability::Tokenizer => wit::tokenizer::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?,
            Capability::Expr => wit::expr::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?,
            Capability::Match => wit::match_::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?,
            Capability::Cache => wit::cache::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?,
            Capability::Http => wit::http::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?,
        }
    }
    Ok(())
}
