//! Turns a component and its settings into a component that starts with the settings in its memory, so that an instance
//! for a single hook costs no `configure`. When that is worth doing is left to `plugin`.
//!
//! Wizer does it in three steps: it adds functions to the component that show its memories and globals; here such a
//! component is started and configured under the plugin's own limits, as any instance is; and what it then shows becomes
//! the initial state of the snapshot.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use wasmtime::component::{ComponentNamedList, Instance as Running, Lift, WasmList};
use wasmtime::{Store, format_err};
use wasmtime_wizer::{ComponentContext, ComponentInstanceState, Wizer};

use crate::engine::Parts;
use crate::error::LoadProblem;
use crate::fault::PluginFault;
use crate::guest::Guest;
use crate::inspect::{Digest, Inspection};
use crate::instance::{Blueprint, Instance, Settings, StartError};
use crate::interests::Interests;
use crate::limits::Limits;
use crate::plugin::linked_blueprint;

/// Why a plugin's fresh instances are configured one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoSnapshot {
    /// `configure` asked a capability for something, which may be true for one instance and at one moment only.
    Asks,
    /// Its hooks may wait for a service.
    Waits,
    /// `configure` gave another answer when it was called again.
    Moody,
    /// Wizer cannot make a snapshot of a component like this, for this reason.
    Form(String),
    /// More memory than a snapshot may have, in bytes.
    Memory(usize),
    /// It did not start with what Wizer adds to it, or as a snapshot.
    Start(PluginFault),
    /// No room for another instance while it was made.
    NoRoom,
}

/// Largest memory of a snapshot, in bytes: JavaScript guests have 18 MB. While a snapshot is made, memory that is built to
/// be hard to describe takes ten times its size.
const MOST_MEMORY: usize = 32 << 20;

/// What the instances of `plain` are once they are configured, as something that they can start as; and the digest of
/// that component. `bytes` and `tables` are the component that `plain` is made from, `first` an instance of it, new, and what
/// it answered to its settings.
pub fn of(
    engine: &Parts,
    bytes: &[u8],
    tables: &Inspection,
    plain: &Blueprint,
    (first, interests): (Box<Instance>, Interests),
) -> Result<(Blueprint, Digest), NoSnapshot> {
    // a hook that waits has its own way of starting
    if plain.exports.waiting.is_some() {
        return Err(NoSnapshot::Waits);
    }
    // what asks for nothing does the same every time: its memory depends on its settings alone
    if first.has_asked() {
        return Err(NoSnapshot::Asks);
    }
    // its slot may be the last one
    drop(first);
    let wizer = wizer();
    let (context, shown) = contained(|| wizer.instrument_component(bytes))?;
    let component = engine.compiled(&shown, &Digest::of(&shown)).map_err(no_form)?;
    let open = Blueprint {
        // it has been configured before: nobody has to hear it twice
        granted: engine.granted_unseen(&plain.granted.name),
        ..linked_blueprint(&component, tables, plain).map_err(no_form)?
    };
    let (mut instance, said) = Instance::start(&open).map_err(no_start)?;
    if said != interests {
        return Err(NoSnapshot::Moody);
    }
    plain.ticker.keep_ticking(plain.limits.start_ticks());
    let snapshot = taken(&wizer, &context, &mut instance, &plain.limits)?;
    // as above
    drop(instance);
    let component = engine.compiled_in_memory(&snapshot).map_err(no_form)?;
    let blueprint = Blueprint {
        settings: Settings::Within(interests),
        ..linked_blueprint(&component, tables, plain).map_err(no_form)?
    };
    // what does not start here would not start for a caller
    Instance::start(&blueprint).map_err(no_start)?;
    Ok((blueprint, Digest::of(&snapshot)))
}

fn wizer() -> Wizer {
    let mut wizer = Wizer::new();
    // the contract's functions stay, all of them: the snapshot has the exports of the component
    wizer.keep_init_func(true);
    wizer
}

fn taken(
    wizer: &Wizer,
    context: &ComponentContext<'_>,
    instance: &mut Instance,
    limits: &Limits,
) -> Result<Vec<u8>, NoSnapshot> {
    let (store, running) = instance.laid_open(limits);
    let mut state = State {
        store,
        running,
        memories: HashMap::new(),
        failed: None,
    };
    let taken = contained(|| at_once(wizer.snapshot_component(context, &mut state)));
    // first: after a failure Wizer has worked with what is not there
    match state.failed {
        Some(failed) => Err(failed),
        None => taken,
    }
}

/// The result of a future that waits for nothing.
fn at_once<T>(future: impl Future<Output = wasmtime::Result<T>>) -> wasmtime::Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(format_err!("it waits, where nothing should")),
    }
}

/// Wizer gives up on odd components with an error, and on some with a panic.
fn contained<T>(work: impl FnOnce() -> wasmtime::Result<T>) -> Result<T, NoSnapshot> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|why| NoSnapshot::Form(format!("{why:#}").replace('\n', " "))),
        Err(_) => Err(NoSnapshot::Form(
            "it is put together in an unusual way".to_owned(),
        )),
    }
}

fn no_form(problem: LoadProblem) -> NoSnapshot {
    NoSnapshot::Form(problem.to_string())
}

fn no_start(error: StartError) -> NoSnapshot {
    match error {
        StartError::NoRoom => NoSnapshot::NoRoom,
        StartError::Fault(fault) => NoSnapshot::Start(fault),
        // it has accepted them before
        StartError::Settings(_) => NoSnapshot::Moody,
    }
}

/// A configured instance, as Wizer looks at it.
struct State<'a> {
    store: &'a mut Store<Guest>,
    running: &'a Running,
    /// By the function that shows them. Wizer looks twice, and each look takes the guest another page.
    memories: HashMap<String, Vec<u8>>,
    /// Wizer's trait has no way to say that a look failed.
    failed: Option<NoSnapshot>,
}

impl State<'_> {
    fn value<R>(&mut self, interface: &str, function: &str) -> R
    where
        R: Lift + Default + 'static,
    {
        let called = self.call::<(R,)>(interface, function);
        self.noted(called).map_or_else(R::default, |(value,)| value)
    }

    fn memory(&mut self, interface: &str, function: &str) -> Vec<u8> {
        let called = self.call::<(WasmList<u8>,)>(interface, function);
        let Some((list,)) = self.noted(called) else {
            return Vec::new();
        };
        let bytes = list.as_le_slice(&*self.store);
        let all = self.memories.values().map(Vec::len).sum::<usize>() + bytes.len();
        if all > MOST_MEMORY {
            self.failed = Some(NoSnapshot::Memory(all));
            return Vec::new();
        }
        bytes.to_vec()
    }

    fn call<R>(&mut self, interface: &str, function: &str) -> wasmtime::Result<R>
    where
        R: ComponentNamedList + Lift + 'static,
    {
        let missing = || format_err!("{interface}#{function} is missing");
        let store = &mut *self.store;
        let interface = self.running.get_export_index(&mut *store, None, interface);
        let index = self
            .running
            .get_export_index(&mut *store, Some(&interface.ok_or_else(missing)?), function)
            .ok_or_else(missing)?;
        let function = self.running.get_typed_func::<(), R>(&mut *store, index)?;
        function.call(store, ())
    }

    fn noted<R>(&mut self, called: wasmtime::Result<R>) -> Option<R> {
        match called {
            Ok(value) => Some(value),
            Err(why) => {
                // they put where the answer is into a page of their own
                let reason = format!(
                    "its state cannot be read, as when its memory cannot grow by a page: {}",
                    why.root_cause()
                );
                self.failed.get_or_insert(NoSnapshot::Form(reason));
                None
            }
        }
    }
}

impl ComponentInstanceState for State<'_> {
    async fn call_func_ret_list_u8(
        &mut self,
        instance: &str,
        func: &str,
        contents: impl FnOnce(&[u8]) + Send,
    ) {
        if !self.memories.contains_key(func) {
            let memory = self.memory(instance, func);
            self.memories.insert(func.to_owned(), memory);
        }
        contents(&self.memories[func]);
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.value(instance, func)
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.value(instance, func)
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.value::<f32>(instance, func).to_bits()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.value::<f64>(instance, func).to_bits()
    }
}

impl fmt::Display for NoSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoSnapshot::Asks => f.write_str(
                "its `configure` asks a capability for something, which all instances would have in common",
            ),
            NoSnapshot::Waits => f.write_str("its hooks may wait for a service"),
            NoSnapshot::Moody => {
                f.write_str("its `configure` gave another answer for the same settings the second time")
            }
            NoSnapshot::Form(why) => write!(f, "no snapshot can be made of such a component: {why}"),
            NoSnapshot::Memory(bytes) => write!(
                f,
                "after `configure` it has {bytes} bytes of memory, and a snapshot at most {MOST_MEMORY}"
            ),
            NoSnapshot::Start(fault) => write!(f, "as a snapshot it would not start: it {fault}"),
            NoSnapshot::NoRoom => {
                f.write_str("all instances that the engine can hold were in use when it was loaded")
            }
        }
    }
}
