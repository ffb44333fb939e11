//! Stages 3 and 4 of a call: its targets in turn, until one has answered or none is left. How a target is asked and how its
//! answer is relayed are left to `dispatch` and `relay`.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use penstock_llm::model::Dialect;

use super::{Ended, Gateway, Told};
use crate::adapter::Adapted;
use crate::chain;
use crate::dispatch::attempt::{self, Failed};
use crate::dispatch::outgoing::Outgoing;
use crate::dispatch::plan::{self, Plan, Step};
use crate::dispatch::ties::Ties;
use crate::dispatch::upstream::Upstream;
use crate::dispatch::{betas, translate};
use crate::exchange::{Attempt, Exchange, Kind, Origin, Outcome, Served, Stored, Terms};
use crate::fault::Fault;
use crate::relay::downstream::{Downstream, Stop};
use crate::relay::stream::Relay;
use crate::relay::translate::Translated;
use crate::relay::{self, whole};
use crate::state::answer::{Head, Source, Translation};
use crate::state::metrics::OneMore;
use crate::state::owners::Owner;
use crate::state::snapshot::{Credential, Model};

impl Gateway {
    /// Stage 3: targets in turn, until one has answered or none is left.
    pub(super) async fn dispatch(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        model: &Model,
        terms: Terms,
    ) -> Ended {
        let asked = exchange.admitted.model.clone().unwrap_or_default();
        let planned = plan::candidates(model, &asked, &self.state.health);
        let total = planned
            .iter()
            .map(|planned| planned.target.timeouts.total)
            .max()
            .unwrap_or_default();
        down.finish_by(exchange.accepted.at + total);
        let planned = self.order(down, exchange, planned).await?;
        let mut plan = Plan::new(planned, &self.state.health)?;
        exchange.dispatched.ties = Ties::of_call(exchange, &self.state.owners)?;
        exchange.dispatched.ties.bind(&mut plan)?;
        if exchange.accepted.stored.is_some() {
            plan.keep_to(
                exchange.admitted.owner.as_ref(),
                exchange.admitted.caller.as_deref(),
            )?;
        }
        let mut last = None;
        while let Some(step) = plan.take_next() {
            let Some(failed) = self.attempt(down, exchange, &step, terms).await? else {
                return Ok(());
            };
            if exchange.dispatched.ties.take_refused(&failed) {
                plan.again(step);
                continue;
            }
            let may_try_next = failed.fault.may_try_next();
            if failed.gives_up_on_target() {
                plan.give_up_on(&step.planned.target);
            }
            // what a provider said counts more than why another one was not asked
            if last.is_none() || failed.was_asked() {
                last = Some(failed.fault);
            }
            if !may_try_next {
                break;
            }
        }
        let fault = last.unwrap_or_else(|| Fault::ours(503, "no_target", "no target is left for this model"));
        Err(Told::Fault(attempt::last_word(
            fault,
            &exchange.dispatched.attempts,
        )))
    }

    /// One target: stage 3's sending, then stage 4. `None` when the caller has its answer.
    pub(super) async fn attempt(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        step: &Step,
        terms: Terms,
    ) -> std::result::Result<Option<Failed>, Told> {
        let provider = &step.planned.target.provider;
        let adapted = Adapted::of(&exchange.snapshot, provider, terms.dialect);
        let attempted = self
            .attempt_with(down, exchange, step, terms, adapted.as_ref())
            .await;
        if let Some(adapted) = adapted {
            adapted.note(exchange);
        }
        attempted
    }

    async fn attempt_with(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        step: &Step,
        terms: Terms,
        adapted: Option<&Arc<Adapted>>,
    ) -> std::result::Result<Option<Failed>, Told> {
        let (mut outgoing, terms) = match self.request_for(down, exchange, step, terms, adapted).await? {
            Ok(made) => made,
            Err(failed) => {
                note_unsent(exchange, step, &failed);
                return Ok(Some(failed));
            }
        };
        exchange.dispatched.dropped = std::mem::take(&mut outgoing.dropped);
        let begun = Instant::now();
        let under_way = step.planned.health.begin();
        exchange.dispatched.attempts.push(step.attempt());
        let sent = self.sent(down, exchange, step, &mut outgoing, begun).await;
        exchange.relayed.upstream_wait += begun.elapsed();
        let relayed = match sent {
            Ok(Ok(upstream)) => {
                step.planned.health.succeeded(begun.elapsed());
                exchange.dispatched.note_status(upstream.status());
                self.relay_of(down, exchange, step, upstream, outgoing, terms)
                    .await
            }
            Ok(Err(failed)) => Ok(Some(failed)),
            Err(stop) => Err(stop.into()),
        };
        drop(under_way);
        note_ended(exchange, begun, &relayed);
        relayed
    }

    /// Asks the target; once more, and without what it refused, where it refused values of `anthropic-beta`.
    async fn sent(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        step: &Step,
        outgoing: &mut Outgoing,
        begun: Instant,
    ) -> std::result::Result<std::result::Result<Box<Upstream>, Failed>, Stop> {
        let sent = {
            let sent = pin!(attempt::send(&self.upstreams, &self.identities, step, outgoing));
            down.wait(sent).await?
        };
        match sent {
            Err(failed) if betas::take_refused(outgoing, &failed) => {
                self.state.metrics.betas_refused.inc();
                let ended = (failed.outcome, failed.status);
                exchange.dispatched.note(begun.elapsed(), Some(ended));
                exchange.dispatched.attempts.push(step.attempt());
                exchange.dispatched.dropped.append(&mut outgoing.dropped);
                // Boxed: what is rare must not make every call's state larger.
                let again = attempt::send(&self.upstreams, &self.identities, step, outgoing);
                down.wait(Box::pin(again).as_mut()).await
            }
            sent => Ok(sent),
        }
    }

    /// Stage 4, by what was asked. Boxed but for the usual way: what is rare must not make every call's state larger.
    async fn relay_of(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        step: &Step,
        upstream: Box<Upstream>,
        mut outgoing: Outgoing,
        terms: Terms,
    ) -> std::result::Result<Option<Failed>, Told> {
        if let Some(translation) = outgoing.translation.take() {
            let relayed = self.relay_translated(down, exchange, step, upstream, terms, *translation);
            return Box::pin(relayed).await;
        }
        if let Some(rewording) = &outgoing.rewording {
            let both = (std::mem::take(&mut outgoing.more), &**rewording);
            return Box::pin(self.relay_reworded(down, exchange, step, upstream, both, terms)).await;
        }
        if exchange.accepted.kind == Kind::Responses {
            return Box::pin(self.relay_answer(down, exchange, step, upstream, terms)).await;
        }
        let stored = exchange.accepted.stored.as_ref();
        if stored.is_some_and(|it| !it.is_content()) {
            return Box::pin(self.relay_stored(down, exchange, step, upstream, &outgoing, terms)).await;
        }
        self.relay(down, exchange, step, upstream, terms).await
    }

    /// Stage 4 for a provider that speaks another dialect than the caller.
    async fn relay_translated(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        step: &Step,
        upstream: Box<Upstream>,
        terms: Terms,
        translation: Translation,
    ) -> std::result::Result<Option<Failed>, Told> {
        let Some(translated) = Translated::new(upstream, translation) else {
            let message = "the provider's Content-Encoding is not known";
            let fault = Fault::provider(502, "upstream_invalid", message);
            return Ok(Some(attempt::failed_in_stream(step, fault, Outcome::Broken)));
        };
        self.relay(down, exchange, step, translated, terms).await
    }

    /// The account that answers a step, where its answers have what only that account knows.
    fn origin(&self, exchange: &Exchange, step: &Step, terms: Terms) -> Option<Origin> {
        let provider = &step.planned.target.provider;
        let speaks = translate::spoken_to(provider, terms.dialect);
        if terms.operation.is_none() || speaks != Dialect::OpenAiResponses {
            return None;
        }
        Some(Origin {
            state: self.state.clone(),
            owner: Owner {
                provider: provider.name.clone(),
                credential: step.credential.credential.as_ref().map(Credential::account),
                accounted: true,
            },
            keeps: terms.dialect == speaks && exchange.accepted.stored.is_none(),
            goes_on: exchange.is_in_background(),
            answer: None,
        })
    }

    /// Stage 4.
    pub(super) async fn relay(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        step: &Step,
        upstream: impl Source,
        terms: Terms,
    ) -> std::result::Result<Option<Failed>, Told> {
        let (status, theirs) = (upstream.status(), upstream.headers());
        // an error is read whole, whatever it calls itself: it may quote what nobody must see
        let is_error = status >= 400;
        let streams = relay::head::is_event_stream(theirs) && !is_error;
        // a file that no plugin wants to see may be larger than what is held
        let is_file = exchange.accepted.stored.as_ref().is_some_and(Stored::is_content)
            && !chain::wants_answers(&exchange.snapshot.chain);
        let is_opaque = is_file || !relay::head::is_text(theirs);
        let passes = terms.operation.is_none() && !streams && !is_error && is_opaque;
        let mut head = match passes {
            true => Head::of_raw(status, theirs),
            false => Head::of_provider(status, theirs, (!streams).then_some(0)),
        };
        let served = Served {
            target: step.planned.target.clone(),
            model: step.planned.model.clone(),
        };
        head.served_by(
            &served.target.provider.name,
            &served.model,
            exchange.dispatched.attempts.len(),
        );
        head.dropped(&exchange.dispatched.dropped);
        exchange.dispatched.served_by = Some(served);
        exchange.dispatched.origin = self.origin(exchange, step, terms);
        let relayed = if streams {
            let _live = OneMore::of(&self.state.metrics.live_streams);
            Box::pin(relay::stream::relay(down, exchange, upstream, head, terms)).await?
        } else if passes {
            Box::pin(relay::pass::relay(down, exchange, upstream, head)).await?
        } else {
            whole::relay(down, exchange, upstream, head, terms, &self.state.counters).await?
        };
        Ok(match relayed {
            Relay::Ended => None,
            Relay::Broke(outcome) => {
                // a guard's refusal, or an adapter's failure, is no mark against the provider
                if matches!(outcome, Outcome::Broken | Outcome::ErrorEvent) {
                    step.planned.health.failed();
                }
                exchange.dispatched.broke = Some(outcome);
                None
            }
            Relay::NotCommitted(fault, outcome) => {
                exchange.dispatched.served_by = None;
                Some(attempt::failed_in_stream(step, fault, outcome))
            }
        })
    }
}

/// A target that was not asked counts as one that failed where its adapter did.
fn note_unsent(exchange: &mut Exchange, step: &Step, failed: &Failed) {
    if failed.outcome == Outcome::Adapter {
        exchange.dispatched.attempts.push(step.attempt());
        let ended = (failed.outcome, failed.status);
        exchange.dispatched.note(Duration::ZERO, Some(ended));
    }
}

fn note_ended(exchange: &mut Exchange, begun: Instant, relayed: &std::result::Result<Option<Failed>, Told>) {
    match relayed {
        Ok(failed) => {
            let ended = failed.as_ref().map(|failed| (failed.outcome, failed.status));
            exchange.dispatched.note(begun.elapsed(), ended);
        }
        Err(_) if exchange.relayed.has_all => exchange.dispatched.note(begun.elapsed(), None),
        Err(_) => exchange.dispatched.note_left(begun.elapsed()),
    }
}

/// What an attempt is until it has ended otherwise.
impl Step {
    pub(super) fn attempt(&self) -> Attempt {
        Attempt {
            provider: self.planned.target.provider.name.clone(),
            model: self.planned.model.clone(),
            credential: self
                .credential
                .credential
                .as_ref()
                .map_or(0, |credential| credential.position),
            status: None,
            outcome: Outcome::Cancelled,
            took: Duration::ZERO,
            reason: self.planned.reason.clone(),
        }
    }
}
