//! A call from its `Idempotency-Key` to the plugins that see it first: stage 2. Targets are left to `dispatch`.

use std::sync::Arc;

use penstock_plugin_host::Hook;

use super::{Ended, Gateway, Told};
use crate::accept::call;
use crate::admit::guard::Admission;
use crate::admit::{self, caller};
use crate::chain;
use crate::dispatch::plan::Planned;
use crate::dispatch::route as routing;
use crate::exchange::{Ending, Exchange};
use crate::fault::Fault;
use crate::relay::downstream::Downstream;
use crate::relay::{self, whole};
use crate::state::State;
use crate::state::idempotency::{Claim, Recording};
use crate::state::snapshot::Model;

impl Gateway {
    pub(super) async fn call(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        read: call::Read,
    ) -> Ended {
        let is_kept = !exchange.snapshot.idempotency.window.is_zero();
        let Some(key) = read.idempotency_key.clone().filter(|_| is_kept) else {
            return self.work(down, exchange, read).await;
        };
        let caller = exchange
            .admitted
            .caller
            .as_ref()
            .map(|caller| caller.name.clone())
            .unwrap_or_default();
        match self.state.repeats.claim(&caller, &key, read.fingerprint) {
            Claim::Mismatch => Err(Told::Fault(another_call())),
            Claim::Repeat(recording) => Ok(relay::replay::relay(down, exchange, recording.reader()).await?),
            Claim::First(recording) => {
                down.record_into(recording.clone());
                let claim = Claimed {
                    state: self.state.clone(),
                    caller,
                    key,
                    recording,
                    keep: false,
                };
                Box::pin(self.first(down, exchange, read, claim)).await
            }
        }
    }

    /// The first call of its `Idempotency-Key`: its answer is kept if a repeat should get the same.
    async fn first(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        read: call::Read,
        mut claim: Claimed,
    ) -> Ended {
        let mut ended = self.work(down, exchange, read).await;
        if let Err(Told::Fault(fault)) = ended {
            let keep = matches!(fault.status, 400 | 404 | 422);
            ended = whole::refuse(down, exchange, &fault).await.map_err(Told::Stop);
            claim.keep = keep && ended.is_ok();
            return ended;
        }
        claim.keep = exchange.relayed.ending == Ending::Complete;
        ended
    }

    /// Stage 2, then 3 and 4.
    async fn work(&self, down: &mut Downstream<'_>, exchange: &mut Exchange, read: call::Read) -> Ended {
        let snapshot = exchange.snapshot.clone();
        let caller = exchange.caller()?;
        exchange.ask_for(read.request.model());
        let model = match &read.via {
            Some(provider) => caller::permit_via(&caller, provider, read.request.model())?,
            None => caller::permit(&snapshot, &caller, read.request.model())?,
        };
        let terms = read.terms(&snapshot);
        exchange.admit(read.request);
        if exchange.admitted.streamed {
            down.keep_alive(snapshot.keep_alive);
            relay::guard::check_streamable(&snapshot.chain)?;
        }
        match self.guard(down, exchange, &model).await? {
            Admission::Proceed => self.dispatch(down, exchange, &model, terms).await,
            Admission::Answer(reply) => Ok(relay::reply::relay(down, exchange, terms, &reply.text).await?),
        }
    }

    /// The request plugins. While one of them waits, the caller is watched.
    pub(super) async fn guard(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        model: &Model,
    ) -> std::result::Result<Admission, Told> {
        if !chain::waits(&exchange.snapshot.chain, &[Hook::OnRequest]) {
            return Ok(admit::guard::request(exchange).await?);
        }
        let totals = model.targets.iter().map(|target| target.timeouts.total);
        down.finish_by(exchange.accepted.at + totals.max().unwrap_or_default());
        Ok(down
            .wait(Box::pin(admit::guard::request(exchange)).as_mut())
            .await??)
    }

    /// The route plugins, likewise.
    pub(super) async fn order(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        planned: Vec<Planned>,
    ) -> std::result::Result<Vec<Planned>, Told> {
        if !chain::waits(&exchange.snapshot.chain, &[Hook::OnRoute]) {
            return Ok(routing::order(exchange, planned).await?);
        }
        Ok(down
            .wait(Box::pin(routing::order(exchange, planned)).as_mut())
            .await??)
    }
}

/// A claim on an `Idempotency-Key`, given up or kept when the call is over, however it ends.
struct Claimed {
    state: Arc<State>,
    caller: Arc<str>,
    key: Box<str>,
    recording: Arc<Recording>,
    keep: bool,
}

impl Drop for Claimed {
    fn drop(&mut self) {
        self.state
            .repeats
            .finish(&self.caller, &self.key, &self.recording, self.keep);
    }
}

fn another_call() -> Box<Fault> {
    let message = "the Idempotency-Key was used for another call; use a new one for each call";
    Fault::caller(422, "idempotency_key_reused", message)
}
