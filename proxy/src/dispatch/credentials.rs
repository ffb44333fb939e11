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
        return vec![
            provider
                .credentials
                .first()
                .map_or_else(Chosen::none, |first| chosen(provider, first, health)),
        ];
    }
    let start = TURN.fetch_add(1, Ordering::Relaxed);
    let turn = (0..count).map(|step| &provider.credentials[start.wrapping_add(step) % count]);
    let mut all: Vec<Chosen> = turn
        .map(|credential| chosen(provider, credential, health))
        .collect();
    let now_ms = clock::now_ms();
    all.sort_by_key(|chosen| chosen.health.is_resting(now_ms));
    all
}

fn chosen(provider: &Provider, credential: &Credential, health: &Health) -> Chosen {
    let id = || format!("credential {}#{}", provider.name, credential.position).into();
    Chosen {
        credential: Some(credential.clone()),
        health: credential.health.find(health, id).clone(),
    }
}

impl Chosen {
    /// For a provider that asks for no credential.
    fn none() -> Self {
        Self {
            credential: None,
            health: Arc::default(),
        }
    }
}
