//! The request plugins of one call, in the chain's order; each sees what those before it left.

use penstock_plugin_host::{Hook, Reply, RequestVerdict};

use crate::chain::{after_failure, micros, off_worker};
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
pub fn request(exchange: &mut Exchange) -> Result<Admission> {
    let snapshot = exchange.snapshot.clone();
    let Some(mut call) = exchange.admitted.call.take() else {
        return Ok(Admission::Proceed);
    };
    let mut result = Ok(Admission::Proceed);
    for plugin in snapshot
        .chain
        .iter()
        .filter(|plugin| plugin.interests().wants(Hook::OnRequest))
    {
        let length = call.body.bytes().len();
        let ran = off_worker(length, || plugin.on_request(&mut call));
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
        result = outcome;
        if !matches!(result, Ok(Admission::Proceed)) {
            break;
        }
    }
    exchange.admitted.call = Some(call);
    result
}
