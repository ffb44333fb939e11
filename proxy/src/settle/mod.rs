//! Stage 5: account for a request, however it ended: plugins' `on-complete`, metrics, one record.

pub mod json;
pub mod meter;
pub mod record;
pub mod usage;

use std::sync::Arc;

use penstock_plugin_host::{Hook, Plugin, Ran, Summary};
use tokio::runtime::Handle;

use crate::chain::{self, micros, off_worker_waiting};
use crate::exchange::{Exchange, TurnedAway, Verdict};
use crate::state::{State, clock};

/// Settles a request. Called exactly once for each, by the exchange's owner.
pub fn settle(state: &State, exchange: &mut Exchange) {
    once(state, exchange);
    complete(exchange);
    account(state, exchange);
}

/// What was told again is accounted for once, by whoever heard of it first.
fn once(state: &State, exchange: &mut Exchange) {
    let (Some(id), Some(caller)) = (exchange.told_again(), &exchange.admitted.caller) else {
        return;
    };
    if exchange.relayed.usage.is_some() && state.owners.account(&caller.name, id) {
        exchange.relayed.usage = None;
    }
}

/// Whether a plugin may wait before the request is settled.
pub fn waits(exchange: &Exchange) -> bool {
    exchange.admitted.call.is_some() && chain::waits(&exchange.snapshot.chain, &[Hook::OnComplete])
}

/// Settles a request whose plugins may wait, in a task of its own: the caller has had its answer. Until then the request
/// counts with those in flight, which bounds such tasks, and a process that stops waits for them.
pub fn settle_waiting(runtime: &Handle, state: &Arc<State>, mut exchange: Exchange) {
    exchange.relayed.total = Some(exchange.accepted.at.elapsed());
    once(state, &mut exchange);
    let mut unsettled = Unsettled {
        state: state.clone(),
        exchange,
    };
    runtime.spawn(async move { complete_waiting(&mut unsettled.exchange).await });
}

/// Accounted for when it is dropped: when its plugins are done, or with the runtime.
struct Unsettled {
    state: Arc<State>,
    exchange: Exchange,
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        account(&self.state, &mut self.exchange);
    }
}

fn account(state: &State, exchange: &mut Exchange) {
    meter::count(&state.metrics, exchange);
    if state.records.is_wanted() {
        state.records.push(record::line(exchange));
    }
}

/// Accounts for what never became a request: all of it is counted, and as much of it recorded as a disk can take.
pub fn turned_away(state: &State, away: &TurnedAway) {
    let (metrics, fault) = (&state.metrics, &away.fault);
    metrics.turned_away.with_label_values(&[&*fault.code]).inc();
    if let Some(limit) = fault.limit {
        metrics.rejected.with_label_values(&[limit]).inc();
    }
    if state.records.is_wanted()
        && let Some(unrecorded) = state.turned_away.take(clock::now_ms())
    {
        state.records.push(record::turned_away(away, unrecorded));
    }
}

/// Runs `on-complete`. Nothing it does can change what the caller got.
fn complete(exchange: &mut Exchange) {
    let snapshot = exchange.snapshot.clone();
    let mut wanting = wanting(&snapshot.chain).peekable();
    if wanting.peek().is_none() {
        return;
    }
    let Some(mut call) = exchange.admitted.call.take() else {
        return;
    };
    let summary = summary(exchange);
    for plugin in wanting {
        let ran = plugin.on_complete(&mut call, &summary);
        note(exchange, plugin, &ran);
    }
    exchange.admitted.call = Some(call);
}

/// The same for a chain in which some plugin may wait.
async fn complete_waiting(exchange: &mut Exchange) {
    let snapshot = exchange.snapshot.clone();
    let summary = summary(exchange);
    for plugin in wanting(&snapshot.chain) {
        let Some(call) = &mut exchange.admitted.call else {
            break;
        };
        let length = call.body.bytes().len();
        let ran = off_worker_waiting(length, plugin.on_complete_waiting(call, &summary)).await;
        note(exchange, plugin, &ran);
    }
}

fn wanting(chain: &[Arc<Plugin>]) -> impl Iterator<Item = &Arc<Plugin>> {
    chain
        .iter()
        .filter(|plugin| plugin.interests().wants(Hook::OnComplete))
}

fn note(exchange: &mut Exchange, plugin: &Arc<Plugin>, ran: &Ran<()>) {
    let verdict = match &ran.result {
        Ok(()) => Verdict::Proceed,
        Err(_) => Verdict::Skipped,
    };
    exchange.note_runs(plugin, Hook::OnComplete, verdict, 1, micros(ran.micros));
}

fn summary(exchange: &Exchange) -> Summary {
    let served = exchange.dispatched.served_by.as_ref();
    let usage = exchange.relayed.usage.as_ref();
    Summary {
        status: exchange.relayed.status,
        ending: exchange.relayed.ending.label(),
        provider: served.map(|served| served.target.provider.name.to_string()),
        model: served.map(|served| served.model.to_string()),
        attempts: u32::try_from(exchange.dispatched.attempts.len()).unwrap_or(u32::MAX),
        prompt_tokens: usage.and_then(|usage| usage.prompt).map(|count| count.0),
        completion_tokens: usage.and_then(|usage| usage.completion).map(|count| count.0),
        duration_us: u64::try_from(exchange.total().as_micros()).unwrap_or(u64::MAX),
    }
}
