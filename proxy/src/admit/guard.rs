//! The request plugins of one call, in the chain's order; each sees what those before it left.

use penstock_plugin_host::{Call, Hook, Plugin, Ran, Reply, RequestVerdict};

use crate::chain::{after_failure, micros, off_worker, off_worker_waiting};
use crate::exchange::{Exchange, Verdict};
use crate::fault::{Fault, Result};

/// What the request plugins came to.
#[derive(Debug)]
pub enum Admission {
    Proceed,
    /// A plugin answers in a provider's place.
    Answer(Reply),
}

/// Runs `on-request` of every plugin that wants it.
pub async fn request(exchange: &mut Exchange) -> Result<Admission> {
    let snapshot = exchange.snapshot.clone();
    for plugin in snapshot
        .chain
        .iter()
        .filter(|plugin| plugin.interests().wants(Hook::OnRequest))
    {
        let Some(call) = &mut exchange.admitted.call else {
            break;
        };
        let ran = on_request(plugin, call).await;
        let took = micros(ran.micros);
        let (verdict, outcome) = match ran.result {
            Ok(RequestVerdict::Proceed) if ran.edited => (Verdict::Edit, Ok(Admission::Proceed)),
            Ok(RequestVerdict::Proceed) => (Verdict::Proceed, Ok(Admission::Proceed)),
            Ok(RequestVerdict::Answer(reply)) => (Verdict::Answer, Ok(Admission::Answer(reply))),
            Ok(RequestVerdict::Refuse(refusal)) => {
                (Verdict::Refuse, Err(Fault::refused(plugin.name(), refusal)))
            }
            Err(fault) => {
                let (verdict, skipped) = after_failure(plugin, &fault);
                (verdict, skipped.map(|()| Admission::Proceed))
            }
        };
        exchange.note_runs(plugin, Hook::OnRequest, verdict, 1, took);
        match outcome? {
            Admission::Proceed => {}
            answer @ Admission::Answer(_) => return Ok(answer),
        }
    }
    Ok(Admission::Proceed)
}

async fn on_request(plugin: &Plugin, call: &mut Call) -> Ran<RequestVerdict> {
    let length = call.body.bytes().len();
    if plugin.waits() {
        // Boxed: what is rare must not make every call's state larger.
        return Box::pin(off_worker_waiting(length, plugin.on_request_waiting(call))).await;
    }
    off_worker(length, || plugin.on_request(call))
}
