//! Stage 5: account for a request, however it ended: plugins' `on-complete`, metrics, one record.

pub mod json;
pub mod meter;
pub mod record;
pub mod usage;

use penstock_plugin_host::{Hook, Summary};

use crate::chain::micros;
use crate::exchange::{Exchange, Verdict};
use crate::state::State;

/// Settles a request. Called exactly once for each, by the exchange's owner.
pub fn settle(state: &State, exchange: &mut Exchange) {
    complete(exchange);
    meter::count(&state.metrics, exchange);
    if state.records.is_wanted() {
        state.records.push(record::line(exchange));
    }
}

/// Runs `on-complete`. Nothing it does can change what the caller got.
fn complete(exchange: &mut Exchange) {
    let snapshot = exchange.snapshot.clone();
    let mut wanting = snapshot
        .chain
        .iter()
        .filter(|plugin| plugin.interests().wants(Hook::OnComplete))
        .peekable();
    if wanting.peek().is_none() {
        return;
    }
    let Some(mut call) = exchange.admitted.call.take() else {
        return;
    };
    let summary = summary(exchange);
    for plugin in wanting {
        let ran = plugin.on_complete(&mut call, &summary);
        let verdict = if ran.result.is_ok() {
            Verdict::Proceed
        } else {
            Verdict::Skipped
        };
        exchange.note_runs(plugin, Hook::OnComplete, verdict, 1, micros(ran.micros));
    }
    exchange.admitted.call = Some(call);
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
        duration_us: u64::try_from(exchange.accepted.at.elapsed().as_micros()).unwrap_or(u64::MAX),
    }
}
