//! Calls a plugin's hooks: one instance, one lent call, one checked verdict. What the verdict means is left to the gateway.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::bindings::exports::penstock::plugin as wit;
use crate::bindings::penstock::plugin::types;
use crate::call::{AnswerView, Call};
use crate::fault::PluginFault;
use crate::guest::Stage;
use crate::instance::{Exports, Instance, StartError};
use crate::interests::Hook;
use crate::outcome;
use crate::plugin::Plugin;
use crate::resources::{answer_handle, call_handle, kind_to_guest};
use crate::state::PluginState;
use crate::verdict::{
    Candidate, Choice, Delta, Outcome, Ran, Refusal, Reply, RequestVerdict, ResponseVerdict, RouteVerdict,
    Summary, shortened,
};

impl Plugin {
    /// Before a target is chosen: the only hook that may edit the request.
    pub fn on_request(&self, call: &mut Call) -> Ran<RequestVerdict> {
        if !self.interests.wants(Hook::OnRequest) {
            return Ran::without_entering(RequestVerdict::Proceed);
        }
        let lent = Lent::request(call);
        self.run(lent, |instance, exports| {
            let (hook, store) = instance.on_request(exports)?;
            Ok(Ok(request_verdict(hook.call_handle(store, call_handle())?)))
        })
    }

    /// Which targets to try, in which order. Without interest: all of them as they are.
    pub fn on_route(&self, call: &mut Call, candidates: &[Candidate]) -> Ran<RouteVerdict> {
        if !self.interests.wants(Hook::OnRoute) {
            return Ran::without_entering(unchanged_order(candidates.len()));
        }
        self.run(Lent::reading(call), |instance, exports| {
            let shown = candidates_to_guest(candidates);
            let (hook, store) = instance.on_route(exports)?;
            let said = hook.call_handle(store, call_handle(), &shown)?;
            Ok(route_verdict(said, candidates.len()))
        })
    }

    /// A whole answer, before the caller gets any of it.
    pub fn on_response(&self, call: &mut Call, answer: &mut AnswerView) -> Ran<ResponseVerdict> {
        if !self.interests.wants(Hook::OnResponse) {
            return Ran::without_entering(ResponseVerdict::Proceed);
        }
        self.run(Lent::response(call, answer), |instance, exports| {
            let (hook, store) = instance.on_response(exports)?;
            let said = hook.call_handle(store, call_handle(), answer_handle())?;
            Ok(Ok(response_verdict(said)))
        })
    }

    /// An answer while it is produced. `state` is this plugin's of this stream; it is left alone by a fault.
    pub fn on_event(&self, call: &mut Call, delta: Delta<'_>, state: &mut PluginState) -> Ran<Outcome> {
        if !self.interests.wants_kind(delta.kind) {
            return Ran::without_entering(Outcome::default());
        }
        let ran = self.run(Lent::event(call, &delta, state), |instance, exports| {
            let (hook, store) = instance.on_event(exports)?;
            let said = hook.call_handle(store, call_handle(), delta_to_guest(&delta), state.bytes())?;
            Ok(outcome::checked(said, &delta, &self.blueprint.limits))
        });
        remembered(ran, state)
    }

    /// After the last byte, whatever happened.
    pub fn on_complete(&self, call: &mut Call, summary: &Summary) -> Ran<()> {
        if !self.interests.wants(Hook::OnComplete) {
            return Ran::without_entering(());
        }
        self.run(Lent::reading(call), |instance, exports| {
            let (hook, store) = instance.on_complete(exports)?;
            hook.call_handle(store, call_handle(), summary_to_guest(summary))?;
            Ok(Ok(()))
        })
    }

    /// Runs one hook of an adapter, which is shown no call.
    pub(crate) fn run_without_call<T>(
        &self,
        input_bytes: usize,
        hook: impl FnOnce(&mut Instance, &Exports) -> wasmtime::Result<Result<T, PluginFault>>,
    ) -> Ran<T> {
        let lent = Lent {
            stage: Stage::Reading,
            input_bytes,
            call: &mut Call::vacant(),
            answer: None,
        };
        self.run(lent, hook)
    }

    /// Runs one hook: the verdict, or a fault after which call and answer are as they were before.
    fn run<T>(
        &self,
        lent: Lent<'_>,
        hook: impl FnOnce(&mut Instance, &Exports) -> wasmtime::Result<Result<T, PluginFault>>,
    ) -> Ran<T> {
        if self.breaker.is_open() {
            return Ran::without_verdict(PluginFault::Tripped);
        }
        if self.waits() {
            return Ran::without_verdict(PluginFault::Trap("was called where it cannot wait"));
        }
        let start = Instant::now();
        let (result, edited, instance) = match self.instance() {
            Ok(instance) => self.run_in(instance, lent, hook),
            Err(fault) => (Err(fault), false, None),
        };
        let end = Instant::now();
        if let Some(instance) = instance {
            self.pool.give_back(instance, end);
        }
        let micros = u32::try_from(end.duration_since(start).as_micros()).unwrap_or(u32::MAX);
        Ran {
            result,
            micros,
            edited,
        }
    }

    /// The last part of what it returns is the instance, where it can be used again.
    fn run_in<T>(
        &self,
        mut instance: Box<Instance>,
        lent: Lent<'_>,
        hook: impl FnOnce(&mut Instance, &Exports) -> wasmtime::Result<Result<T, PluginFault>>,
    ) -> (Result<T, PluginFault>, bool, Option<Box<Instance>>) {
        let Lent {
            stage,
            input_bytes,
            call,
            mut answer,
        } = lent;
        let blueprint = &self.blueprint;
        instance.lend(blueprint, stage, input_bytes, call, answer.as_deref_mut());
        // a panic here would be a bug of the host's; it must not take the caller's request with it
        let said = catch_unwind(AssertUnwindSafe(|| hook(&mut instance, &blueprint.exports)));
        let result = match said {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(error)) => Err(PluginFault::of(&error, instance.memory_refused())),
            Err(_) => Err(PluginFault::Trap("the host failed while serving it")),
        };
        let edited = instance.take_back(call, answer, result.is_ok());
        match &result {
            Err(fault) if !fault.leaves_instance_sound() => {
                self.count_failure();
                (result, edited, None)
            }
            _ => (result, edited, Some(instance)),
        }
    }

    /// An idle instance, or a new one.
    pub(crate) fn instance(&self) -> Result<Box<Instance>, PluginFault> {
        if let Some(instance) = self.pool.take() {
            return Ok(instance);
        }
        match Instance::start(&self.blueprint) {
            Ok((instance, interests)) if interests == self.interests => Ok(instance),
            Err(StartError::NoRoom) => Err(PluginFault::Instantiate),
            // settings that were accepted at load must be accepted, and mean the same, ever after
            Ok(_) | Err(StartError::Fault(_) | StartError::Settings(_)) => {
                self.count_failure();
                Err(PluginFault::Instantiate)
            }
        }
    }

    pub(crate) fn count_failure(&self) {
        if self.breaker.count_failure() {
            log::warn!(
                "plugin {} fails too often and is not called for a while",
                self.name()
            );
        }
    }
}

/// What a hook is lent.
pub(crate) struct Lent<'a> {
    pub stage: Stage,
    /// What the hook may have to read, in bytes.
    pub input_bytes: usize,
    pub call: &'a mut Call,
    pub answer: Option<&'a mut AnswerView>,
}

impl<'a> Lent<'a> {
    pub fn request(call: &'a mut Call) -> Lent<'a> {
        Lent {
            stage: Stage::Request,
            ..Lent::reading(call)
        }
    }

    pub fn reading(call: &'a mut Call) -> Lent<'a> {
        Lent {
            stage: Stage::Reading,
            input_bytes: call.body.bytes().len(),
            call,
            answer: None,
        }
    }

    pub fn response(call: &'a mut Call, answer: &'a mut AnswerView) -> Lent<'a> {
        Lent {
            stage: Stage::Response,
            input_bytes: answer.length(),
            call,
            answer: Some(answer),
        }
    }

    pub fn event(call: &'a mut Call, delta: &Delta<'_>, state: &PluginState) -> Lent<'a> {
        Lent {
            stage: Stage::Reading,
            input_bytes: delta.window.len().saturating_add(state.len()),
            call,
            answer: None,
        }
    }
}

pub(crate) fn request_verdict(said: wit::on_request::Verdict) -> RequestVerdict {
    use wit::on_request::Verdict;
    match said {
        Verdict::Proceed => RequestVerdict::Proceed,
        Verdict::Answer(reply) => RequestVerdict::Answer(Reply { text: reply.text }),
        Verdict::Refuse(refusal) => RequestVerdict::Refuse(Refusal::from_guest(refusal)),
    }
}

pub(crate) fn route_verdict(
    said: Result<Vec<wit::on_route::Choice>, types::Refusal>,
    candidates: usize,
) -> Result<RouteVerdict, PluginFault> {
    match said {
        Ok(order) => checked_order(order, candidates),
        Err(refusal) => Ok(RouteVerdict::Refuse(Refusal::from_guest(refusal))),
    }
}

pub(crate) fn response_verdict(said: wit::on_response::Verdict) -> ResponseVerdict {
    use wit::on_response::Verdict;
    match said {
        Verdict::Proceed => ResponseVerdict::Proceed,
        Verdict::Refuse(refusal) => ResponseVerdict::Refuse(Refusal::from_guest(refusal)),
    }
}

pub(crate) fn delta_to_guest<'a>(delta: &Delta<'a>) -> wit::on_event::Delta<'a> {
    wit::on_event::Delta {
        channel: delta.channel,
        choice: delta.choice,
        kind: kind_to_guest(delta.kind),
        window: delta.window,
        fresh: delta.fresh,
        last: delta.last,
    }
}

/// The outcome of `on-event`; what the plugin wants to remember goes into its state.
pub(crate) fn remembered(ran: Ran<(Outcome, Option<Vec<u8>>)>, state: &mut PluginState) -> Ran<Outcome> {
    let Ran {
        result,
        micros,
        edited,
    } = ran;
    let result = result.map(|(outcome, new_state)| {
        if let Some(new_state) = new_state {
            state.replace(new_state);
        }
        outcome
    });
    Ran {
        result,
        micros,
        edited,
    }
}

fn unchanged_order(candidates: usize) -> RouteVerdict {
    let all = 0..u32::try_from(candidates).unwrap_or(u32::MAX);
    RouteVerdict::Order(
        all.map(|candidate| Choice {
            candidate,
            reason: String::new(),
        })
        .collect(),
    )
}

fn checked_order(said: Vec<wit::on_route::Choice>, candidates: usize) -> Result<RouteVerdict, PluginFault> {
    let mut seen = vec![false; candidates];
    let mut order = Vec::with_capacity(said.len().min(candidates));
    for choice in said {
        match seen.get_mut(choice.candidate as usize) {
            None => {
                return Err(PluginFault::BadOutcome(
                    "a candidate was chosen that does not exist",
                ));
            }
            Some(true) => return Err(PluginFault::BadOutcome("a candidate was chosen twice")),
            Some(seen) => *seen = true,
        }
        let reason = shortened(choice.reason, Choice::LONGEST_REASON);
        order.push(Choice {
            candidate: choice.candidate,
            reason,
        });
    }
    Ok(RouteVerdict::Order(order))
}

pub(crate) fn candidates_to_guest(candidates: &[Candidate]) -> Vec<wit::on_route::Candidate<'_>> {
    candidates.iter().map(candidate_to_guest).collect()
}

fn candidate_to_guest(candidate: &Candidate) -> wit::on_route::Candidate<'_> {
    wit::on_route::Candidate {
        provider: &candidate.provider,
        model: &candidate.model,
        weight: candidate.weight,
        input_price: candidate.input_price,
        output_price: candidate.output_price,
        in_flight: candidate.in_flight,
        first_byte_us: candidate.first_byte_us,
        failures: candidate.failures,
    }
}

pub(crate) fn summary_to_guest(summary: &Summary) -> wit::on_complete::Summary<'_> {
    wit::on_complete::Summary {
        status: summary.status,
        ending: summary.ending,
        provider: summary.provider.as_deref(),
        model: summary.model.as_deref(),
        attempts: summary.attempts,
        prompt_tokens: summary.prompt_tokens,
        completion_tokens: summary.completion_tokens,
        duration_us: summary.duration_us,
    }
}
