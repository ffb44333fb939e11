//! Runs a text guard the way the host does, natively: for a plugin's own unit tests. The real host, with its limits, runs
//! the cases of `tests/cases.yaml` (`penstock plugin test`).

use crate::guard::{on_event, whole_text};
use crate::{Delta, Kind, Plugin, Refusal, TextGuard};

/// A plugin from settings as JSON text, as the host configures it.
pub fn configure<P: Plugin>(settings: &str) -> Result<P, String> {
    let settings = crate::settings::read(settings)?;
    P::new(settings).map(|(plugin, _)| plugin)
}

/// The text that a caller gets of a whole answer.
pub fn whole<G: TextGuard>(guard: &G, kind: Kind, text: &str) -> Result<String, Refusal> {
    Ok(whole_text(guard, kind, 0, text.to_string())?.unwrap_or_else(|| text.to_string()))
}

/// The texts that a caller gets, one per delta and one for the end of the channel.
pub fn stream<G: TextGuard>(guard: &G, kind: Kind, deltas: &[&str]) -> Result<Vec<String>, Refusal> {
    let (mut held, mut state, mut out) = (String::new(), Vec::new(), Vec::new());
    let arrivals = deltas
        .iter()
        .map(|text| (*text, false))
        .chain(std::iter::once(("", true)));
    for (text, last) in arrivals {
        let fresh = held.len() as u32;
        let window = std::mem::take(&mut held) + text;
        let delta = Delta {
            channel: 0,
            choice: 0,
            kind,
            window: window.clone(),
            fresh,
            last,
        };
        let outcome = on_event(guard, delta, state.clone());
        if let Some(refusal) = outcome.end {
            return Err(refusal);
        }
        let kept = window.len() - outcome.hold as usize;
        let mut sent = String::new();
        let mut from = 0;
        for edit in outcome.edits {
            sent.push_str(&window[from..edit.start as usize]);
            sent.push_str(&edit.text);
            from = edit.end as usize;
        }
        sent.push_str(&window[from..kept]);
        held = window[kept..].to_string();
        state = outcome.state.unwrap_or(state);
        out.push(sent);
    }
    Ok(out)
}
