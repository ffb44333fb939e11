//! Orders the targets of a call by one strategy, with a reason for each place. The logic is in `order`, the settings in
//! `settings`; this file joins them to the hook.

mod hash;
mod order;
mod settings;

use penstock_plugin::prelude::*;

use settings::{Settings, StickyBy, Strategy};

struct RouteBalance {
    settings: Settings,
}

impl Plugin for RouteBalance {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<(RouteBalance, Interests), String> {
        settings.check()?;
        Ok((RouteBalance { settings }, Interests::everything()))
    }
}

impl OnRoute for RouteBalance {
    fn on_route(&self, call: &Call, candidates: &[Candidate]) -> Result<Vec<Choice>, Refusal> {
        let key = self.key(call, candidates.len());
        Ok(order::order(&self.settings, &key, candidates))
    }
}

impl RouteBalance {
    /// What the order hangs on besides the candidates. Nothing is asked of the host that the strategy does not use, and
    /// nothing at all for a single candidate.
    fn key(&self, call: &Call, candidates: usize) -> String {
        if candidates < 2 {
            return String::new();
        }
        match (self.settings.strategy, &self.settings.sticky_by) {
            (Strategy::Sticky, StickyBy::Caller) => call.caller(),
            (Strategy::Sticky, StickyBy::Header(name)) => call.header(name).unwrap_or_else(|| call.caller()),
            (Strategy::Sticky, StickyBy::Conversation) => {
                first_user_text(call).unwrap_or_else(|| call.caller())
            }
            (Strategy::Cheapest | Strategy::Fastest, _) => String::new(),
            (Strategy::Weighted | Strategy::LeastLoaded, _) => call.id(),
        }
    }
}

/// A conversation keeps its first user message from turn to turn, so that names it.
fn first_user_text(call: &Call) -> Option<String> {
    let segment = call
        .segments()
        .into_iter()
        .find(|it| it.role == Role::User && it.kind == Kind::Text)?;
    call.text(segment.index)
}

penstock_plugin::export!(RouteBalance: on_route);
