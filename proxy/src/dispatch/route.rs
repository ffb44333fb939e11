//! The route plugins of one call, in the chain's order; each orders and filters what the one before it left.

use penstock_plugin_host::{Hook, RouteVerdict};

use crate::chain::{after_failure, micros};
use crate::dispatch::plan::{self, Planned};
use crate::exchange::{Exchange, Verdict};
use crate::fault::{Fault, Result};

/// Runs `on-route` of every plugin that wants it.
pub async fn order(exchange: &mut Exchange, mut planned: Vec<Planned>) -> Result<Vec<Planned>> {
    let snapshot = exchange.snapshot.clone();
    for plugin in snapshot
        .chain
        .iter()
        .filter(|plugin| plugin.interests().wants(Hook::OnRoute))
    {
        let Some(call) = &mut exchange.admitted.call else {
            break;
        };
        let seen = plan::as_seen(&planned);
        let ran = if plugin.waits() {
            Box::pin(plugin.on_route_waiting(call, &seen)).await
        } else {
            plugin.on_route(call, &seen)
        };
        let (verdict, outcome) = match ran.result {
            Ok(RouteVerdict::Order(choices)) => (Verdict::Order, Ok(plan::chosen(&planned, choices))),
            Ok(RouteVerdict::Refuse(refusal)) => {
                (Verdict::Refuse, Err(Fault::refused(plugin.name(), refusal)))
            }
            Err(fault) => {
                let (verdict, skipped) = after_failure(plugin, &fault);
                (verdict, skipped.map(|()| planned.clone()))
            }
        };
        exchange.note_runs(plugin, Hook::OnRoute, verdict, 1, micros(ran.micros));
        planned = outcome?;
    }
    Ok(planned)
}
