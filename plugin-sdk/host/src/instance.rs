//! One running copy of a component: how it is started, and how a call is lent to it for one hook.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use wasmtime::component::{ComponentExportIndex, InstancePre};
use wasmtime::{AsContextMut, Store, StoreContextMut, UpdateDeadline};

use crate::bindings::exports::penstock::plugin as wit;
use crate::call::{AnswerView, Call};
use crate::capabilities::http::Waiting;
use crate::capabilities::{Compiled, Granted, OnTerms};
use crate::fault::PluginFault;
use crate::guest::{Guest, Meter, Stage};
use crate::interests::{Hook, Interests};
use crate::limits::{Limits, ticks};
use crate::set::Member;
use crate::ticker::Ticker;
use crate::waiting::{self, at_once};

/// Everything that instances of one plugin are made from.
pub struct Blueprint {
    pub pre: InstancePre<Guest>,
    pub exports: Exports,
    pub settings: Settings,
    pub limits: Limits,
    pub granted: Arc<Granted>,
    pub ticker: Arc<Ticker>,
    pub compiled: Arc<Compiled>,
    pub terms: Arc<OnTerms>,
    /// Counts the instances that exist, of all plugins.
    pub instances: Arc<AtomicUsize>,
}

/// How an instance comes by its settings.
#[derive(Clone)]
pub enum Settings {
    /// It is given them when it starts.
    Given(String),
    /// It starts with them in its memory, and wants to be called for this: the component is a snapshot. `configure` is
    /// still exported and must not be called again.
    Within(Interests),
}

/// Where a component's exported interfaces are; the hooks that it has not are none.
pub struct Exports {
    pub lifecycle: wit::lifecycle::GuestIndices,
    pub on_request: Option<wit::on_request::GuestIndices>,
    pub on_route: Option<wit::on_route::GuestIndices>,
    pub on_response: Option<wit::on_response::GuestIndices>,
    pub on_event: Option<wit::on_event::GuestIndices>,
    pub on_complete: Option<wit::on_complete::GuestIndices>,
    pub adapter: Option<wit::adapter::GuestIndices>,
    pub encode: Option<wit::encode::GuestIndices>,
    pub decode: Option<wit::decode::GuestIndices>,
    /// The same as plain functions, for a plugin that waits.
    pub waiting: Option<WaitingExports>,
}

/// Where the functions of a plugin that waits are.
pub struct WaitingExports {
    pub configure: ComponentExportIndex,
    /// By the hook's place.
    pub hooks: [Option<ComponentExportIndex>; Hook::ALL.len()],
}

/// A component's instance with its store. Lost after a fault, else used again.
pub struct Instance {
    pub(crate) store: Store<Guest>,
    pub(crate) instance: wasmtime::component::Instance,
    funcs: Funcs,
    /// Hooks that it was lent to.
    pub uses: u32,
    /// When its last hook ended.
    pub idle_since: Instant,
    _counted: Counted,
}

/// The functions of one instance, looked up when first needed: a fresh instance needs only one.
#[derive(Default)]
struct Funcs {
    on_request: Option<wit::on_request::Guest>,
    on_route: Option<wit::on_route::Guest>,
    on_response: Option<wit::on_response::Guest>,
    on_event: Option<wit::on_event::Guest>,
    on_complete: Option<wit::on_complete::Guest>,
    adapter: Option<wit::adapter::Guest>,
    encode: Option<wit::encode::Guest>,
    decode: Option<wit::decode::Guest>,
}

/// Why there is no instance.
pub enum StartError {
    /// All the engine's slots are taken; not this plugin's fault.
    NoRoom,
    Fault(PluginFault),
    /// What the plugin itself said about its settings.
    Settings(String),
}

/// One more of something that exists, until dropped.
pub struct Counted(Arc<AtomicUsize>);

impl Counted {
    pub fn in_(total: &Arc<AtomicUsize>) -> Counted {
        total.fetch_add(1, Ordering::Relaxed);
        Counted(total.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Instance {
    /// Makes an instance and gives it its settings, where it has not got them.
    pub fn start(plan: &Blueprint) -> Result<(Box<Instance>, Interests), StartError> {
        let mut store = Store::new(
            plan.pre.engine(),
            Guest::new(
                plan.granted.clone(),
                plan.compiled.clone(),
                plan.terms.clone(),
                &plan.limits,
            ),
        );
        store.limiter(|guest| &mut guest.memory);
        store.set_hostcall_fuel(plan.limits.output_for(0));
        store.set_max_component_handles(MOST_HANDLES);
        plan.ticker.keep_ticking(plan.limits.start_ticks());
        store.set_epoch_deadline(plan.limits.start_ticks());
        if plan.exports.waiting.is_some() {
            let ticker = plan.ticker.clone();
            store.epoch_deadline_callback(move |mut store| Ok(past_deadline(store.data_mut(), &ticker)));
        }
        match start_in(&mut store, plan) {
            Ok((instance, Ok(interests))) => {
                let instance = Box::new(Instance {
                    store,
                    instance,
                    funcs: Funcs::default(),
                    uses: 0,
                    idle_since: Instant::now(),
                    _counted: Counted::in_(&plan.instances),
                });
                Ok((instance, interests))
            }
            Ok((_, Err(said))) => Err(StartError::Settings(said)),
            Err(error) if error.is::<wasmtime::PoolConcurrencyLimitError>() => Err(StartError::NoRoom),
            Err(error) => Err(StartError::Fault(PluginFault::of(
                &error,
                store.data().memory.refused,
            ))),
        }
    }

    /// Lends the call, and the answer, to the guest for one hook with `input_bytes` to read.
    pub fn lend(
        &mut self,
        plan: &Blueprint,
        stage: Stage,
        input_bytes: usize,
        call: &mut Call,
        answer: Option<&mut AnswerView>,
    ) {
        self.uses += 1;
        let limits = &plan.limits;
        let output = limits.output_for(input_bytes);
        let ticks = limits.hook_ticks(input_bytes);
        plan.ticker.keep_ticking(ticks);
        self.store.set_epoch_deadline(ticks);
        self.store.set_hostcall_fuel(output);
        let guest = self.store.data_mut();
        guest.meter = Meter::new(limits.host_calls, output, limits.hook_work(input_bytes));
        guest.memory.refused = false;
        guest.stage = stage;
        if let Some(http) = &guest.terms.http {
            guest.waiting = Waiting::new(&http.terms, limits.hook_time(input_bytes));
        }
        swap(guest, call, answer);
    }

    /// Takes back what was lent. With `keep` false every edit of the hook is undone. True if the body is another now.
    pub fn take_back(&mut self, call: &mut Call, answer: Option<&mut AnswerView>, keep: bool) -> bool {
        let guest = self.store.data_mut();
        guest.stage = Stage::None;
        let edited = std::mem::take(&mut guest.edited);
        let call_before = guest.call_before.take();
        let answer_before = guest.answer_before.take();
        if !keep {
            if let Some(before) = call_before {
                guest.call.body = before;
            }
            if let Some(before) = answer_before {
                guest.answer.body = before;
            }
        }
        swap(guest, call, answer);
        keep && edited
    }

    pub fn memory_refused(&self) -> bool {
        self.store.data().memory.refused
    }

    /// Whether it has ever asked the host for something.
    pub fn has_asked(&self) -> bool {
        self.store.data().asked
    }

    /// For looking into it from outside of its contract, with time for it as for a start, and no other limit.
    pub fn laid_open(&mut self, limits: &Limits) -> (&mut Store<Guest>, &wasmtime::component::Instance) {
        self.store.set_epoch_deadline(limits.start_ticks());
        self.store.set_hostcall_fuel(usize::MAX);
        self.store.data_mut().memory.lift_limit();
        (&mut self.store, &self.instance)
    }
}

/// Guests own no handles of their own, and are lent two at a time.
const MOST_HANDLES: usize = 64;

fn swap(guest: &mut Guest, call: &mut Call, answer: Option<&mut AnswerView>) {
    std::mem::swap(&mut guest.call, call);
    if let Some(answer) = answer {
        std::mem::swap(&mut guest.answer, answer);
    }
}

type Configured = Result<Interests, String>;

fn start_in(
    store: &mut Store<Guest>,
    plan: &Blueprint,
) -> wasmtime::Result<(wasmtime::component::Instance, Configured)> {
    if let Some(exports) = &plan.exports.waiting {
        return start_waiting(store, plan, exports);
    }
    let instance = plan.pre.instantiate(&mut *store)?;
    let settings = match &plan.settings {
        Settings::Given(settings) => settings,
        Settings::Within(interests) => return Ok((instance, Ok(*interests))),
    };
    let lifecycle = plan.exports.lifecycle.load(&mut *store, &instance)?;
    let configured = lifecycle.call_configure(&mut *store, settings)?;
    Ok((instance, configured.map(Interests::from_guest)))
}

/// The same for a plugin that waits, which it cannot do before its first hook.
fn start_waiting(
    store: &mut Store<Guest>,
    plan: &Blueprint,
    exports: &WaitingExports,
) -> wasmtime::Result<(wasmtime::component::Instance, Configured)> {
    type Said = Result<wit::lifecycle::Interests, String>;
    let Settings::Given(settings) = &plan.settings else {
        wasmtime::bail!("no snapshot is made of a plugin that waits");
    };
    let instance = at_once(plan.pre.instantiate_async(&mut *store))?;
    let configure = waiting::function::<(&str,), (Said,)>(&mut *store, &instance, &exports.configure)?;
    let (configured,) = at_once(configure.call_async(&mut *store, (settings.as_str(),)))?;
    Ok((instance, configured.map(Interests::from_guest)))
}

/// Ticks go on while a hook waits, but only the time that it computes is bounded by them.
fn past_deadline(guest: &Guest, ticker: &Ticker) -> UpdateDeadline {
    let left = guest.waiting.until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return UpdateDeadline::Interrupt;
    }
    let ticks = ticks(left.as_micros());
    ticker.keep_ticking(ticks);
    UpdateDeadline::Continue(ticks)
}

/// A hook's function in this instance, and the store to call it in.
macro_rules! hook_function {
    ($hook:ident) => {
        pub fn $hook(
            &mut self,
            exports: &Exports,
        ) -> wasmtime::Result<(&wit::$hook::Guest, StoreContextMut<'_, Guest>)> {
            if self.funcs.$hook.is_none() {
                let Some(indices) = &exports.$hook else {
                    wasmtime::bail!("the component has no {}", stringify!($hook));
                };
                self.funcs.$hook = Some(indices.load(&mut self.store, &self.instance)?);
            }
            let function = self.funcs.$hook.as_ref().expect("loaded above");
            Ok((function, self.store.as_context_mut()))
        }
    };
}

impl Instance {
    hook_function!(on_request);
    hook_function!(on_route);
    hook_function!(on_response);
    hook_function!(on_event);
    hook_function!(on_complete);
    hook_function!(adapter);
    hook_function!(encode);
    hook_function!(decode);
}
