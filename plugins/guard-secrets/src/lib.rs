//! Finds API keys, tokens and private keys in requests and in answers, and redacts or blocks them. What a secret looks
//! like is in `rules`, how text is searched in `scan`; this file joins them to the hooks.

mod blocks;
mod charset;
mod matching;
mod pem;
mod prefilter;
mod quick;
mod raw;
mod rules;
mod scan;
mod settings;
#[cfg(test)]
mod tests;
mod view;

use penstock_plugin::prelude::*;

use quick::Quick;
use scan::{Found, Scanner, State};
use settings::{Action, Settings, Side};

/// Shorter than any secret that a rule knows: not worth a call to the host.
const SHORTEST_SECRET: u32 = settings::SHORTEST_CUSTOM as u32;

struct GuardSecrets {
    scanner: Scanner,
    quick: Option<Quick>,
    block: bool,
    kinds: Kinds,
}

impl Plugin for GuardSecrets {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<(GuardSecrets, Interests), String> {
        let rules = settings.rules()?;
        let kinds = settings.kinds()?;
        let mut hooks = Hooks::empty();
        if settings.scan.contains(&Side::Requests) {
            hooks |= Hooks::ON_REQUEST;
        }
        if settings.scan.contains(&Side::Answers) {
            hooks |= Hooks::ON_EVENT | Hooks::ON_RESPONSE;
        }
        let block = settings.action == Action::Block;
        let quick = Quick::new(&rules);
        let scanner = Scanner::new(rules, &settings.replacement)?;
        Ok((
            GuardSecrets {
                scanner,
                quick,
                block,
                kinds,
            },
            Interests::only(hooks).kinds(kinds),
        ))
    }
}

impl OnRequest for GuardSecrets {
    fn on_request(&self, call: &Call) -> RequestVerdict {
        if call.operation() == Operation::Raw {
            return self.raw_request(call);
        }
        // one look at the whole body, as it stands: most have nothing that needs a second one
        if let Some(quick) = &self.quick
            && !quick.may_hold(|offset, length| call.read(offset, length))
        {
            return RequestVerdict::Proceed;
        }
        for segment in call.segments() {
            if segment.length < SHORTEST_SECRET || !self.kinds.contains(segment.kind.into()) {
                continue;
            }
            if let Err(refusal) = self.request_segment(call, segment) {
                return RequestVerdict::Refuse(refusal);
            }
        }
        RequestVerdict::Proceed
    }
}

impl TextGuard for GuardSecrets {
    fn text(&self, window: &mut TextWindow) -> TextVerdict {
        let state = State::read(window.state());
        let found = self.scanner.scan(window.text(), window.last(), state);
        if let Some(refusal) = self.refusal(&found, "answer") {
            return TextVerdict::End(refusal);
        }
        for hit in &found.hits {
            let with = self
                .scanner
                .replacement(hit, window.kind() == Kind::ToolArguments);
            window.replace(hit.range.clone(), with);
        }
        if let Some(offset) = found.hold_from {
            window.hold_from(offset);
        }
        window.set_state(found.state.written().as_ref().map_or(&[], |bytes| bytes));
        TextVerdict::Pass
    }
}

impl GuardSecrets {
    fn request_segment(&self, call: &Call, segment: Segment) -> Result<(), Refusal> {
        let Some(text) = call.text(segment.index) else {
            return Ok(());
        };
        let found = self.scanner.scan(&text, true, State::default());
        if let Some(refusal) = self.refusal(&found, "request") {
            return Err(refusal);
        }
        if found.hits.is_empty() {
            return Ok(());
        }
        let mut window = TextWindow::whole(segment.kind, segment.choice, text);
        for hit in &found.hits {
            window.replace(
                hit.range.clone(),
                self.scanner.replacement(hit, segment.kind == Kind::ToolArguments),
            );
        }
        let edited = window.edited().expect("there are hits");
        // an edit that is not made must not let the secret through
        call.replace_text(segment.index, &edited).map_err(|error| {
            refuse(
                400,
                "guard_failed",
                format!("a secret in the request could not be redacted: {error:?}"),
            )
        })
    }

    /// A body that is only passed on cannot be edited, so a secret in it is refused whatever the action.
    fn raw_request(&self, call: &Call) -> RequestVerdict {
        match raw::first_secret(&self.scanner, call.length(), |offset, length| {
            call.read(offset, length)
        }) {
            Some(rule) => RequestVerdict::Refuse(refuse(
                400,
                "secret_detected",
                format!(
                    "the request contains a secret (rule {rule}), and a body that is passed on is not redacted"
                ),
            )),
            None => RequestVerdict::Proceed,
        }
    }

    /// Names the rule, never the secret.
    fn refusal(&self, found: &Found, place: &str) -> Option<Refusal> {
        let hit = found.hits.first().filter(|_| self.block)?;
        let rule = self.scanner.rule_name(hit);
        Some(refuse(
            400,
            "secret_detected",
            format!("the {place} contains a secret (rule {rule})"),
        ))
    }
}

penstock_plugin::export!(GuardSecrets: on_request, text_guard);
