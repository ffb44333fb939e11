//! Tokens for providers in clouds: got and renewed beside the calls, one fetch for all who wait, and put on a request.
//! How a cloud gives them is each cloud's module; when it is time, the lease's.

pub mod assertion;
mod aws;
mod azure;
mod endpoint;
mod google;
mod oauth;
mod sigv4;
mod smithy;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, header};
use prometheus::IntCounterVec;

use crate::dispatch::outgoing::Outgoing;
use crate::dispatch::upstream::Upstreams;
use crate::state::identity::{Cloud, Identity, Token};
use crate::state::lease::{Errand, Found, Leased, Unavailable};
use crate::state::metrics::Metrics;

/// A token as it is kept.
pub type Held = Arc<Leased<Token>>;

/// Gets tokens, by the connections that providers are reached by.
pub struct Identities {
    upstreams: Arc<Upstreams>,
    renewals: IntCounterVec,
}

impl Identities {
    pub fn new(upstreams: &Arc<Upstreams>, metrics: &Metrics) -> Self {
        Self {
            upstreams: upstreams.clone(),
            renewals: metrics.credential_renewals.clone(),
        }
    }

    /// The token of the moment. Waits only where none is valid, and no longer than `patience`.
    pub async fn token(
        self: &Arc<Self>,
        identity: &Arc<Identity>,
        patience: Duration,
    ) -> Result<Held, Unavailable> {
        let (found, errand) = identity.lease.look(identity.clock.now_ms());
        if let Some(errand) = errand {
            self.run(identity.clone(), errand);
        }
        match found {
            Found::Valid(token) => Ok(token),
            Found::Rests(why) => Err(why),
            Found::Wait(waiting) => tokio::time::timeout(patience, waiting.outcome())
                .await
                .unwrap_or_else(|_| Err(Unavailable::new("no token came in time"))),
        }
    }

    /// Fetches in a task of its own, which no caller that leaves can end, and again before the token expires if it was
    /// used meanwhile. A configuration that is gone, with its last call, is not fetched for any more.
    fn run(self: &Arc<Self>, identity: Arc<Identity>, errand: Errand<Token>) {
        let this = self.clone();
        tokio::spawn(async move {
            let fetched =
                tokio::time::timeout(endpoint::LONGEST_FETCH, issue(&this.upstreams, &identity)).await;
            let outcome =
                fetched.unwrap_or_else(|_| Err(Unavailable::new("no token within the 30 s of a fetch")));
            this.note(&identity, &outcome);
            let due = identity.lease.settle(errand, outcome, identity.clock.now_ms());
            let (this, identity) = (Arc::downgrade(&this), Arc::downgrade(&identity));
            tokio::time::sleep(due).await;
            if let (Some(this), Some(identity)) = (this.upgrade(), identity.upgrade())
                && identity.lease.is_used()
                && let Some(errand) = identity.lease.renew(identity.clock.now_ms())
            {
                this.run(identity, errand);
            }
        });
    }

    fn note(&self, identity: &Identity, outcome: &Result<Leased<Token>, Unavailable>) {
        let settings = &identity.settings;
        let (provider, position, cloud) = (&settings.provider, settings.position, settings.cloud.name());
        let label = match outcome {
            Ok(_) => "renewed",
            Err(Unavailable(why)) => {
                log::warn!("provider {provider}, credential {position} ({cloud}): no token: {why}");
                "failed"
            }
        };
        self.renewals
            .with_label_values(&[&**provider, cloud, label])
            .inc();
    }
}

async fn issue(upstreams: &Arc<Upstreams>, identity: &Identity) -> Result<Leased<Token>, Unavailable> {
    let settings = &identity.settings;
    let way = endpoint::Way::new(upstreams, settings, &identity.clock);
    let leased = match &settings.cloud {
        Cloud::Aws(aws) => aws::keys(&way, aws).await,
        Cloud::Google(google) => google::token(&way, google).await,
        Cloud::Azure(azure) => azure::token(&way, azure).await,
    }?;
    // every call would fetch one of its own
    match leased.expires_ms > identity.clock.now_ms() {
        true => Ok(leased),
        false => Err(Unavailable::new(
            "the token that came has expired; is this machine's clock right?",
        )),
    }
}

/// Puts a token on a request that is otherwise ready to be sent, in place of an earlier one. `false` if the request
/// cannot be signed.
pub fn authorize(identity: &Identity, token: &Token, outgoing: &mut Outgoing) -> bool {
    match (token, &identity.settings.cloud) {
        (Token::Bearer { token, headers }, _) => {
            let Ok(mut value) = HeaderValue::try_from(format!("Bearer {}", token.expose())) else {
                return false;
            };
            value.set_sensitive(true);
            let is_own = |name: &HeaderName| {
                name == header::AUTHORIZATION || headers.iter().any(|(own, _)| own == name)
            };
            outgoing.headers.retain(|(name, _)| !is_own(name));
            outgoing.headers.push((header::AUTHORIZATION, value));
            outgoing.headers.extend(headers.iter().cloned());
            true
        }
        (Token::Aws(keys), Cloud::Aws(aws)) => {
            sigv4::sign(aws, keys, identity.clock.now_ms(), outgoing).is_some()
        }
        (Token::Aws(_), _) => false,
    }
}
