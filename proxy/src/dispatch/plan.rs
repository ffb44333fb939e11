//! Which targets a call may go to, and in which order: the model's targets, then what route plugins make of them. Pure
//! but for the health numbers it is handed.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use penstock_plugin_host::{Candidate, Choice};

use crate::dispatch::credentials::{self, Chosen};
use crate::fault::{Fault, Result};
use crate::state::clock;
use crate::state::health::{Health, TargetHealth};
use crate::state::identity::Identity;
use crate::state::owners::Owner;
use crate::state::snapshot::{Caller, Credential, Model, Proof, Target};

/// Tries at one call, over all targets and credentials: enough for any sane list, an end for a mad one.
const MOST_STEPS: usize = 16;

/// One target that a call may go to.
#[derive(Clone, Debug)]
pub struct Planned {
    pub target: Arc<Target>,
    /// The provider's name for the model.
    pub model: Arc<str>,
    pub health: Arc<TargetHealth>,
    pub reason: Option<Box<str>>,
}

/// One try: a target and one of its provider's credentials.
#[derive(Clone, Debug)]
pub struct Step {
    pub planned: Planned,
    pub credential: Chosen,
}

impl Step {
    /// Who the gateway is to the provider, where tokens or signatures say so.
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        match &self.credential.credential.as_ref()?.proof {
            Proof::Identity(identity) => Some(identity),
            Proof::Key(_) => None,
        }
    }

    /// Whether its target answers in the other way than a caller wants that asked for a stream, or not.
    pub fn is_bridged(&self, wants_stream: bool) -> bool {
        self.planned.target.streaming().asks(wants_stream) != wants_stream
    }

    /// What the provider said, without the secrets that this try shows it.
    pub fn scrubbed(&self, said: Bytes) -> Bytes {
        let credential = self.credential.credential.as_ref();
        let position = credential.map_or(0, |credential| credential.position);
        self.planned.target.provider.scrubbed(position, said)
    }
}

/// The tries that are left, best first.
#[derive(Debug, Default)]
pub struct Plan {
    steps: VecDeque<Step>,
}

/// The model's targets in the operator's order; those that asked for a rest come last.
pub fn candidates(model: &Model, asked: &str, health: &Health) -> Vec<Planned> {
    let mut planned: Vec<Planned> = model
        .targets
        .iter()
        .map(|target| Planned {
            model: target.upstream_model(&model.pattern, asked),
            health: target.health.find(health, || target.id.clone()).clone(),
            target: target.clone(),
            reason: None,
        })
        .collect();
    if planned.len() > 1 {
        let now_ms = clock::now_ms();
        planned.sort_by_key(|planned| planned.health.is_resting(now_ms));
    }
    planned
}

/// The same as route plugins see them.
pub fn as_seen(planned: &[Planned]) -> Vec<Candidate> {
    let seen = |planned: &Planned| Candidate {
        provider: planned.target.provider.name.clone(),
        model: planned.model.clone(),
        weight: planned.target.weight,
        input_price: planned.target.price.map(|price| price.input),
        output_price: planned.target.price.map(|price| price.output),
        in_flight: planned.health.in_flight(),
        first_byte_us: planned.health.first_byte_us(),
        failures: planned.health.failures(),
    };
    planned.iter().map(seen).collect()
}

/// What a route plugin chose, in its order and with its reasons. What it left out is not tried; what it named twice
/// counts once.
pub fn chosen(planned: &[Planned], choices: Vec<Choice>) -> Vec<Planned> {
    let mut taken = vec![false; planned.len()];
    let mut chosen = Vec::with_capacity(choices.len());
    for choice in choices {
        let index = choice.candidate as usize;
        let Some(false) = taken.get(index) else { continue };
        taken[index] = true;
        let reason = Some(choice.reason)
            .filter(|reason| !reason.is_empty())
            .map(Into::into);
        chosen.push(Planned {
            reason: reason.or_else(|| planned[index].reason.clone()),
            ..planned[index].clone()
        });
    }
    chosen
}

impl Plan {
    /// Every target with each of its credentials.
    pub fn new(planned: Vec<Planned>, health: &Health) -> Result<Self> {
        let with_credentials = |planned: Planned| {
            let credentials = credentials::in_order(&planned.target.provider, health);
            credentials.into_iter().map(move |credential| Step {
                planned: planned.clone(),
                credential,
            })
        };
        let steps: VecDeque<Step> = planned
            .into_iter()
            .flat_map(with_credentials)
            .take(MOST_STEPS)
            .collect();
        if steps.is_empty() {
            return Err(Fault::ours(
                503,
                "no_target",
                "no target is left for this model after routing",
            ));
        }
        Ok(Self { steps })
    }

    /// Only the tries that `may` be made.
    pub fn keep(&mut self, may: impl Fn(&Step) -> bool) {
        self.steps.retain(may);
    }

    /// Those that `should` come first, in their order, then the others in theirs.
    pub fn prefer(&mut self, should: impl Fn(&Step) -> bool) {
        self.steps.make_contiguous().sort_by_key(|step| !should(step));
    }

    /// One more try of the same, before all others.
    pub fn again(&mut self, step: Step) {
        self.steps.push_front(step);
    }

    /// For what stays at a provider: the credential that has made it, and for what is new always the same one first, so that
    /// a caller finds its things together.
    ///
    /// # Errors
    /// The credential is not configured any more.
    pub fn keep_to(&mut self, owner: Option<&Owner>, caller: Option<&Caller>) -> Result<()> {
        let keeper_of = |step: &Step| step.credential.credential.as_ref().map(Credential::account);
        if let Some(owner) = owner {
            self.steps
                .retain(|step| match (keeper_of(step), &owner.credential) {
                    (Some(one), Some(other)) => one.matches(other),
                    (one, other) => one.is_none() && other.is_none(),
                });
            return match self.steps.is_empty() {
                true => Err(gone()),
                false => Ok(()),
            };
        }
        let place = |step: &Step| step.credential.credential.as_ref().map_or(0, |it| it.position);
        self.steps.make_contiguous().sort_by_key(place);
        let turn = caller.map_or(0, |caller| caller.name.bytes().map(usize::from).sum());
        if !self.steps.is_empty() {
            self.steps.rotate_left(turn % self.steps.len());
        }
        Ok(())
    }

    pub fn take_next(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// Another credential of the same target would not help.
    pub fn give_up_on(&mut self, target: &Arc<Target>) {
        self.steps
            .retain(|step| !Arc::ptr_eq(&step.planned.target, target));
    }

    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

fn gone() -> Box<Fault> {
    let message = "the provider's key that has made it is not configured any more; make it anew";
    Fault::caller(404, "not_found", message)
}
