//! What a target needs of a call's media before it can be asked: fetched, or read, once for all attempts. A call without
//! such media does not wait here.

use std::sync::Arc;
use std::time::Instant;

use super::{Gateway, Told};
use crate::adapter::Adapted;
use crate::dispatch::attempt::{self, Failed};
use crate::dispatch::outgoing::{self, Outgoing};
use crate::dispatch::plan::Step;
use crate::exchange::{Exchange, Terms};
use crate::relay::downstream::Downstream;
use crate::state::media::{Want, WantedWords};

/// Rounds of having: bytes first, then the words in them.
const MOST_ROUNDS: usize = 3;

/// The request of one attempt, or why this target cannot have it.
type Made = std::result::Result<(Outgoing, Terms), Failed>;

impl Gateway {
    /// The request for a step, with everything that it needs.
    pub(super) async fn request_for(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        step: &Step,
        terms: Terms,
        adapted: Option<&Arc<Adapted>>,
    ) -> std::result::Result<Made, Told> {
        for _ in 0..MOST_ROUNDS {
            let mut wants = Vec::new();
            let vault = &self.state.signatures;
            match outgoing::for_step(exchange, step, terms, vault, adapted, &mut wants) {
                Ok(Some(made)) => return Ok(Ok(made)),
                Ok(None) => {
                    // Boxed: what is rare must not make every call's state larger.
                    Box::pin(self.get(down, exchange, wants)).await?;
                }
                Err(fault) if fault.may_try_next() => {
                    return Ok(Err(attempt::unsent(fault)));
                }
                Err(fault) => return Err(fault.into()),
            }
        }
        Err(crate::fault::Fault::ours(500, "internal", "the call's media cannot be had").into())
    }

    /// Has what is wanted, while the caller is watched.
    async fn get(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        wants: Vec<Want>,
    ) -> std::result::Result<(), Told> {
        let begun = Instant::now();
        let (mut bytes, mut words) = (Vec::new(), Vec::new());
        for want in wants {
            match want {
                Want::Bytes(wanted) => bytes.push(wanted),
                Want::Words(wanted) => words.push(wanted),
            }
        }
        let snapshot = exchange.snapshot.clone();
        let earlier = exchange.dispatched.media.so_far();
        let fetches = self.fetcher.all(
            bytes,
            earlier,
            &snapshot.fetch,
            &snapshot.limits,
            &self.state.counters,
        );
        let fetched = down.wait(Box::pin(fetches).as_mut()).await;
        exchange.relayed.upstream_wait += begun.elapsed();
        let got = &mut exchange.dispatched.media;
        for outcome in fetched? {
            got.notes.push(outcome.note);
            got.hold(outcome.held);
            got.take_fetched(outcome.wanted.url, outcome.fetched);
        }
        for wanted in words {
            self.read(down, exchange, wanted).await?;
        }
        Ok(())
    }

    async fn read(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        wanted: WantedWords,
    ) -> std::result::Result<(), Told> {
        let (words, note) = down.wait(Box::pin(self.documents.read(&wanted)).as_mut()).await?;
        let got = &mut exchange.dispatched.media;
        got.notes.push(note);
        got.take_words(wanted.field, words);
        Ok(())
    }
}
