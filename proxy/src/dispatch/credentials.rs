//! Which of a provider's credentials an attempt uses: in turn, leaving out those that asked for a rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::state::clock;
use crate::state::health::{Health, TargetHealth};
use crate::state::snapshot::{Credential, Provider};

/// How long a credential that the provider refused is left alone: long enough to spare the provider, short enough that
/// a mended account is noticed.
pub const REFUSED_REST: Duration = Duration::from_secs(30);

/// A credential and how it has been doing.
#[derive(Clone, Debug)]
pub struct Chosen {
    pub credential: Option<Credential>,
    pub health: Arc<TargetHealth>,
}

/// The credentials of one attempt, best first: in turn, those at rest last. A provider without any has one empty choice.
pub fn in_order(provider: &Provider, health: &Health) -> Vec<Chosen> {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let count = provider.credentials.len();
    if count <= 1 {
        let credential = provider.credentials.first().cloned();
        return vec![Chosen {
            credential,
            health: health.of(&health_id(provider, 0)),
        }];
    }
    let start = TURN.fetch_add(1, Ordering::Relaxed);
    let turn = (0..count).map(|step| &provider.credentials[start.wrapping_add(step) % count]);
    let mut all: Vec<Chosen> = turn
        .map(|credential| Chosen {
            credential: Some(credential.clone()),
            health: health.of(&health_id(provider, credential.position)),
        })
        .collect();
    let now_ms = clock::now_ms();
    all.sort_by_key(|chosen| chosen.health.is_resting(now_ms));
    all
}

fn health_id(provider: &Provider, position: u32) -> Arc<str> {
    format!("credential {}#{position}", provider.name).into()
}
