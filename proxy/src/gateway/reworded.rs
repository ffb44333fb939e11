//! Embeddings and reranking by a provider that speaks another dialect than the caller: all of its answers are in before
//! the caller gets any.

use std::pin::pin;
use std::time::Instant;

use futures::{StreamExt, TryStreamExt, stream};

use super::{Gateway, Told};
use crate::dispatch::attempt::{self, Failed};
use crate::dispatch::outgoing::Outgoing;
use crate::dispatch::plan::Step;
use crate::dispatch::upstream::Upstream;
use crate::exchange::{Exchange, Terms};
use crate::relay::downstream::Downstream;
use crate::relay::reworded::{Part, Reworded};
use crate::state::answer::Rewording;

/// Requests of one call that are under way at the same time.
const AT_ONCE: usize = 8;

impl Gateway {
    /// Stage 4 for such a call, with the requests that are still to be made.
    pub(super) async fn relay_reworded(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        step: &Step,
        first: Box<Upstream>,
        (more, rewording): (Vec<Outgoing>, &Rewording),
        terms: Terms,
    ) -> std::result::Result<Option<Failed>, Told> {
        let waited = Instant::now();
        let memory = exchange.snapshot.limits.body_memory_bytes;
        let parts = down
            .wait(pin!(self.parts(step, first, more, rewording, memory)))
            .await?;
        exchange.relayed.upstream_wait += waited.elapsed();
        let parts = match parts {
            Ok(parts) => parts,
            Err(failed) => return Ok(Some(failed)),
        };
        match Reworded::new(parts, rewording) {
            Ok(mut reworded) => {
                exchange.dispatched.dropped.extend(reworded.take_losses().names());
                self.relay(down, exchange, step, reworded, terms).await
            }
            Err((fault, outcome)) => Ok(Some(attempt::failed_in_stream(step, fault, outcome))),
        }
    }

    /// The answers in the order of their requests; with the first that fails the call does.
    async fn parts(
        &self,
        step: &Step,
        first: Box<Upstream>,
        more: Vec<Outgoing>,
        rewording: &Rewording,
        memory: usize,
    ) -> std::result::Result<Vec<Part>, Failed> {
        let most = (rewording.most_bytes, memory);
        let mut parts = vec![self.part(step, first, most).await?];
        // made first: what borrows from an element of a stream cannot be sent between threads
        let more: Vec<_> = more
            .into_iter()
            .map(|one| self.one_more(step, one, most))
            .collect();
        let more = stream::iter(more).buffered(AT_ONCE);
        parts.extend(more.try_collect::<Vec<Part>>().await?);
        Ok(parts)
    }

    async fn one_more(
        &self,
        step: &Step,
        mut outgoing: Outgoing,
        most: (usize, usize),
    ) -> std::result::Result<Part, Failed> {
        self.further(step, &mut outgoing, most).await
    }

    /// One more request of a call.
    pub(super) async fn further(
        &self,
        step: &Step,
        outgoing: &mut Outgoing,
        most: (usize, usize),
    ) -> std::result::Result<Part, Failed> {
        let upstream = attempt::send(&self.upstreams, &self.identities, step, outgoing).await?;
        self.part(step, upstream, most).await
    }

    /// A whole answer, within the bytes of one and of all.
    pub(super) async fn part(
        &self,
        step: &Step,
        upstream: Box<Upstream>,
        (most_bytes, memory): (usize, usize),
    ) -> std::result::Result<Part, Failed> {
        let part = Part::read(upstream, most_bytes, &self.state.counters, memory).await;
        part.map_err(|(fault, outcome)| attempt::failed_in_stream(step, fault, outcome))
    }
}
