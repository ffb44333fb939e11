//! Which of a caller's `anthropic-beta` values a target gets, and which it has refused (PAIN I02).

use http::{HeaderName, HeaderValue};

use crate::dispatch::attempt::Failed;
use crate::dispatch::outgoing::Outgoing;
use crate::state::snapshot::Betas;

const HEADER: HeaderName = HeaderName::from_static("anthropic-beta");

/// Takes away what the target does not take, and names it.
pub fn limit(outgoing: &mut Outgoing, betas: &Betas) {
    if let Betas::Only(names) = betas {
        keep(outgoing, |beta| names.iter().any(|name| **name == *beta));
    }
}

/// Takes away what a provider has refused: the values that it names, or all of them where it names none. False where
/// nothing was refused, or nothing is left to take away.
pub fn take_refused(outgoing: &mut Outgoing, failed: &Failed) -> bool {
    let Some(said) = refusal(failed) else {
        return false;
    };
    let before = outgoing.dropped.len();
    let names_any = values(outgoing).any(|beta| said.contains(&beta.to_ascii_lowercase()));
    keep(outgoing, |beta| {
        names_any && !said.contains(&beta.to_ascii_lowercase())
    });
    outgoing.dropped.len() > before
}

/// The words of a 400 that is about a beta, in lower case.
fn refusal(failed: &Failed) -> Option<String> {
    if failed.status != Some(400) {
        return None;
    }
    let said = match &failed.fault.verbatim {
        Some(verbatim) => String::from_utf8_lossy(&verbatim.body).to_ascii_lowercase(),
        None => failed.fault.message.to_ascii_lowercase(),
    };
    let is_about_it = said.contains("beta");
    let refuses = ["invalid", "unexpected", "unsupported", "not supported", "unknown"];
    (is_about_it && refuses.iter().any(|word| said.contains(word))).then_some(said)
}

fn values(outgoing: &Outgoing) -> impl Iterator<Item = &str> {
    outgoing
        .headers
        .iter()
        .filter(|(name, _)| *name == HEADER)
        .filter_map(|(_, value)| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|beta| !beta.is_empty())
}

fn keep(outgoing: &mut Outgoing, stays: impl Fn(&str) -> bool) {
    let (kept, gone): (Vec<String>, Vec<String>) =
        values(outgoing).map(str::to_owned).partition(|beta| stays(beta));
    if gone.is_empty() {
        return;
    }
    outgoing.headers.retain(|(name, _)| *name != HEADER);
    if let Some(value) = Some(kept.join(","))
        .filter(|joined| !joined.is_empty())
        .and_then(|joined| HeaderValue::from_str(&joined).ok())
    {
        outgoing.headers.push((HEADER, value));
    }
    let named = gone.iter().map(|beta| format!("anthropic-beta: {beta}").into());
    outgoing.dropped.extend(named);
}
