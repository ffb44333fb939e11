//! Calls the hooks of plugins that may wait, as futures: each has an instance of its own until its verdict is there, and
//! no thread while it waits. A future that is dropped takes its instance with it, and gives back what it was lent.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::sync::OwnedSemaphorePermit;
use wasmtime::AsContextMut;
use wasmtime::component::{
    ComponentExportIndex, ComponentNamedList, Instance as Component, Lift, Lower, Resource, TypedFunc,
};

use crate::bindings::exports::penstock::plugin as wit;
use crate::bindings::penstock::plugin::types;
use crate::call::{AnswerView, Call};
use crate::fault::PluginFault;
use crate::hooks::{
    Lent, candidates_to_guest, delta_to_guest, remembered, request_verdict, response_verdict, route_verdict,
    summary_to_guest,
};
use crate::instance::Instance;
use crate::interests::Hook;
use crate::outcome;
use crate::plugin::Plugin;
use crate::resources::{AnswerHandle, CallHandle, answer_handle, call_handle};
use crate::set::Member;
use crate::state::PluginState;
use crate::verdict::{
    Candidate, Delta, Outcome, Ran, RequestVerdict, ResponseVerdict, RouteVerdict, Summary,
};

type OnCall = Resource<CallHandle>;

/// For plugins that [wait](Plugin::waits); others are called as ever, and nothing is waited for.
impl Plugin {
    /// [`Plugin::on_request`].
    pub async fn on_request_waiting(&self, call: &mut Call) -> Ran<RequestVerdict> {
        if !self.enters(Hook::OnRequest) {
            return self.on_request(call);
        }
        let mut loan = match self.lend(Lent::request(call)).await {
            Ok(loan) => loan,
            Err(fault) => return Ran::without_verdict(fault),
        };
        let said = loan
            .call::<(OnCall,), (wit::on_request::Verdict,)>(Hook::OnRequest, (call_handle(),))
            .await;
        loan.end(said, |(verdict,)| Ok(request_verdict(verdict)))
    }

    /// [`Plugin::on_route`].
    pub async fn on_route_waiting(&self, call: &mut Call, candidates: &[Candidate]) -> Ran<RouteVerdict> {
        type Said = Result<Vec<wit::on_route::Choice>, types::Refusal>;
        if !self.enters(Hook::OnRoute) {
            return self.on_route(call, candidates);
        }
        let mut loan = match self.lend(Lent::reading(call)).await {
            Ok(loan) => loan,
            Err(fault) => return Ran::without_verdict(fault),
        };
        let shown = candidates_to_guest(candidates);
        let said = loan
            .call::<(OnCall, &[wit::on_route::Candidate<'_>]), (Said,)>(
                Hook::OnRoute,
                (call_handle(), &shown),
            )
            .await;
        loan.end(said, |(said,)| route_verdict(said, candidates.len()))
    }

    /// [`Plugin::on_response`].
    pub async fn on_response_waiting(
        &self,
        call: &mut Call,
        answer: &mut AnswerView,
    ) -> Ran<ResponseVerdict> {
        if !self.enters(Hook::OnResponse) {
            return self.on_response(call, answer);
        }
        let mut loan = match self.lend(Lent::response(call, answer)).await {
            Ok(loan) => loan,
            Err(fault) => return Ran::without_verdict(fault),
        };
        let said = loan
            .call::<(OnCall, Resource<AnswerHandle>), (wit::on_response::Verdict,)>(
                Hook::OnResponse,
                (call_handle(), answer_handle()),
            )
            .await;
        loan.end(said, |(verdict,)| Ok(response_verdict(verdict)))
    }

    /// [`Plugin::on_event`].
    pub async fn on_event_waiting(
        &self,
        call: &mut Call,
        delta: Delta<'_>,
        state: &mut PluginState,
    ) -> Ran<Outcome> {
        if !self.enters(Hook::OnEvent) || !self.interests.wants_kind(delta.kind) {
            return self.on_event(call, delta, state);
        }
        let mut loan = match self.lend(Lent::event(call, &delta, state)).await {
            Ok(loan) => loan,
            Err(fault) => return Ran::without_verdict(fault),
        };
        let said = loan
            .call::<(OnCall, wit::on_event::Delta<'_>, &[u8]), (wit::on_event::Outcome,)>(
                Hook::OnEvent,
                (call_handle(), delta_to_guest(&delta), state.bytes()),
            )
            .await;
        let limits = &self.blueprint.limits;
        let ran = loan.end(said, |(said,)| outcome::checked(said, &delta, limits));
        remembered(ran, state)
    }

    /// [`Plugin::on_complete`].
    pub async fn on_complete_waiting(&self, call: &mut Call, summary: &Summary) -> Ran<()> {
        if !self.enters(Hook::OnComplete) {
            return self.on_complete(call, summary);
        }
        let mut loan = match self.lend(Lent::reading(call)).await {
            Ok(loan) => loan,
            Err(fault) => return Ran::without_verdict(fault),
        };
        let shown = summary_to_guest(summary);
        let said = loan
            .call::<(OnCall, wit::on_complete::Summary<'_>), ()>(Hook::OnComplete, (call_handle(), shown))
            .await;
        loan.end(said, |()| Ok(()))
    }

    /// Whether a hook is run here, and not as those that do not wait.
    fn enters(&self, hook: Hook) -> bool {
        self.waits() && self.interests.wants(hook)
    }

    /// An instance with the call in it. Waits for a place while too many others wait.
    async fn lend<'a>(&'a self, lent: Lent<'a>) -> Result<Loan<'a>, PluginFault> {
        if self.breaker.is_open() {
            return Err(PluginFault::Tripped);
        }
        let places = self.blueprint.terms.http.as_ref().map(|http| http.places.clone());
        let start = Instant::now();
        let place = match places {
            // it is never closed
            Some(places) => Some(
                places
                    .acquire_owned()
                    .await
                    .map_err(|_| PluginFault::Instantiate)?,
            ),
            None => None,
        };
        let mut instance = self.instance()?;
        let Lent {
            stage,
            input_bytes,
            call,
            mut answer,
        } = lent;
        instance.lend(&self.blueprint, stage, input_bytes, call, answer.as_deref_mut());
        Ok(Loan {
            plugin: self,
            ticks: self.blueprint.limits.hook_ticks(input_bytes),
            instance: Some(instance),
            call,
            answer,
            start,
            _place: place,
        })
    }
}

/// A call lent to an instance, until its hook has ended or nobody waits for it any more.
struct Loan<'a> {
    plugin: &'a Plugin,
    /// How long the guest may compute at a stretch.
    ticks: u64,
    /// None once it was taken back.
    instance: Option<Box<Instance>>,
    call: &'a mut Call,
    answer: Option<&'a mut AnswerView>,
    start: Instant,
    _place: Option<OwnedSemaphorePermit>,
}

/// What a guest said, or how it failed.
type Said<T> = Result<T, PluginFault>;

impl Loan<'_> {
    async fn call<P, R>(&mut self, hook: Hook, with: P) -> Said<R>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let Some(instance) = &mut self.instance else {
            return Err(PluginFault::Instantiate);
        };
        let index = self
            .plugin
            .blueprint
            .exports
            .waiting
            .as_ref()
            .and_then(|exports| exports.hooks[hook.place() as usize]);
        let Some(index) = index else {
            return Err(PluginFault::Instantiate);
        };
        let said = match function::<P, R>(&mut instance.store, &instance.instance, &index) {
            Ok(function) => {
                let call = pin!(function.call_async(&mut instance.store, with));
                let ticker = &self.plugin.blueprint.ticker;
                Caught {
                    future: call,
                    before: || ticker.keep_ticking(self.ticks),
                }
                .await
            }
            Err(error) => Some(Err(error)),
        };
        match said {
            Some(Ok(said)) => Ok(said),
            Some(Err(error)) => Err(PluginFault::of(&error, instance.memory_refused())),
            None => Err(PluginFault::Trap("the host failed while serving it")),
        }
    }

    /// Takes everything back and gives the verdict.
    fn end<R, T>(mut self, said: Said<R>, verdict: impl FnOnce(R) -> Said<T>) -> Ran<T> {
        let result = said.and_then(verdict);
        let end = Instant::now();
        let mut edited = false;
        if let Some(mut instance) = self.instance.take() {
            edited = instance.take_back(self.call, self.answer.as_deref_mut(), result.is_ok());
            if result
                .as_ref()
                .err()
                .is_none_or(PluginFault::leaves_instance_sound)
            {
                self.plugin.pool.give_back(instance, end);
            }
        }
        if result.as_ref().is_err_and(PluginFault::is_costly) {
            self.plugin.count_failure();
        }
        let micros = end.duration_since(self.start).as_micros();
        Ran {
            result,
            micros: u32::try_from(micros).unwrap_or(u32::MAX),
            edited,
        }
    }
}

impl Drop for Loan<'_> {
    /// Nobody waits for the verdict: the request goes on without it, as it was.
    fn drop(&mut self) {
        if let Some(mut instance) = self.instance.take() {
            instance.take_back(self.call, self.answer.as_deref_mut(), false);
        }
    }
}

/// A function of an instance, its types checked.
pub(crate) fn function<P, R>(
    mut store: impl AsContextMut,
    instance: &Component,
    index: &ComponentExportIndex,
) -> wasmtime::Result<TypedFunc<P, R>>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    let Some(function) = instance.get_func(&mut store, *index) else {
        wasmtime::bail!("the component has no such function");
    };
    function.typed::<P, R>(&store)
}

/// The value of a future that has nothing to wait for.
pub(crate) fn at_once<T>(future: impl Future<Output = wasmtime::Result<T>>) -> wasmtime::Result<T> {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(value) => value,
        Poll::Pending => wasmtime::bail!("it waits where nothing can be waited for"),
    }
}

/// A future that ends in `None` where it would panic: that would be a bug of the host's, and must not take the caller's
/// request with it. Each time before it goes on it does what is to be done before the guest computes.
struct Caught<F, B> {
    future: F,
    before: B,
}

impl<F: Future + Unpin, B: Fn() + Unpin> Future for Caught<F, B> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        (self.before)();
        let poll = || Pin::new(&mut self.future).poll(context);
        match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    }
}
