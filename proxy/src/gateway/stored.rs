//! Files, batches and answers: passed to the provider that keeps them, with the credential that they were made with, for
//! the caller whose they are. Another key's ids are not found.

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use penstock_llm::model::Dialect;
use penstock_llm::openai::Operation;

use super::{Ended, Gateway, Told};
use crate::accept::stored;
use crate::admit::caller;
use crate::dispatch::attempt::Failed;
use crate::dispatch::outgoing::{Outgoing, OutgoingBody};
use crate::dispatch::plan::Step;
use crate::dispatch::upstream::Upstream;
use crate::exchange::{Exchange, Kind, Stored, Terms};
use crate::fault::{Fault, Result};
use crate::relay::downstream::Downstream;
use crate::relay::guard;
use crate::relay::reworded::{Part, Reworded};
use crate::relay::stored::{ids, kept, usage};
use crate::state::answer::Source;
use crate::state::owners::Owner;
use crate::state::snapshot::{Caller, Credential, Model, Provider, Snapshot};
use crate::state::unkept;

/// Pages of a list that are looked through for the caller's own, where the first have none.
const MOST_PAGES: usize = 20;

impl Gateway {
    /// Stages 2 to 4 of such a request.
    pub(super) async fn stored(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        read: stored::Read,
    ) -> Ended {
        let snapshot = exchange.snapshot.clone();
        let caller = exchange.caller()?;
        let (provider, owner) = self.keeper(&snapshot, &caller, &read)?;
        let page = exchange.accepted.raw_path.take().unwrap_or_default();
        exchange.accepted.raw_path = Some(provider.pages.plain_path(&provider.base_path, &page));
        exchange.admitted.owner = owner;
        exchange.accepted.stored = Some(read.stored);
        let model = Model::via(&provider, "");
        if read.streamed {
            exchange.admitted.streamed = true;
            down.keep_alive(snapshot.keep_alive);
            guard::check_streamable(&snapshot.chain)?;
        }
        exchange.admit_raw(model.name.clone(), read.body);
        self.unread(down, exchange, &model).await
    }

    /// The provider that keeps what the request is about, and how it is known there.
    fn keeper(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        read: &stored::Read,
    ) -> Result<(Arc<Provider>, Option<Owner>)> {
        let Some(id) = &read.id else {
            let provider = chosen(snapshot, read.provider.as_deref())?;
            caller::permit_raw(caller, &provider, &[] as &[&str])?;
            return Ok((provider, None));
        };
        let owner = self.state.owners.find(&caller.name, id);
        let found = owner.and_then(|owner| Some((snapshot.providers.get(&owner.provider)?.clone(), owner)));
        let (provider, owner) = found.ok_or_else(|| not_found(&read.stored))?;
        // who may ask the model that gave an answer may come back to it
        if read.stored.kind() != Kind::Responses {
            caller::permit_raw(caller, &provider, &[] as &[&str])?;
        }
        Ok((provider, Some(owner)))
    }

    /// Stage 4: what the answer says is remembered, and a list holds the caller's own.
    pub(super) async fn relay_stored(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        step: &Step,
        first: Box<Upstream>,
        outgoing: &Outgoing,
        terms: Terms,
    ) -> std::result::Result<Option<Failed>, Told> {
        let waited = Instant::now();
        let limits = &exchange.snapshot.limits;
        let (most_bytes, memory) = (limits.decompressed_bytes, limits.body_memory_bytes);
        let part = {
            let part = pin!(self.own_part(exchange, step, first, outgoing, (most_bytes, memory)));
            down.wait(part).await?
        };
        exchange.relayed.upstream_wait += waited.elapsed();
        match part {
            Ok(part) => {
                let used = self.remember(exchange, step, &part);
                let answer = Reworded::as_it_is(part, used);
                self.relay(down, exchange, step, answer, terms).await
            }
            Err(failed) => Ok(Some(failed)),
        }
    }

    /// The answer; of lists the first page that has something of the caller's, as far as it is looked for.
    async fn own_part(
        &self,
        exchange: &Exchange,
        step: &Step,
        first: Box<Upstream>,
        outgoing: &Outgoing,
        most: (usize, usize),
    ) -> std::result::Result<Part, Failed> {
        let mut part = self.part(step, first, most).await?;
        let Some(caller) = exchange.admitted.caller.as_ref().filter(|_| is_list(exchange)) else {
            return Ok(part);
        };
        for _ in 1..MOST_PAGES {
            let is_own = |id: &str| self.state.owners.find(&caller.name, id).is_some();
            let Some(own) = kept(part.body(), is_own) else {
                break;
            };
            part.replace(own.body);
            let Some(next) = own.next.filter(|_| own.is_empty) else {
                break;
            };
            let mut page = Outgoing {
                path: behind(&outgoing.path, &next),
                ..again(outgoing)
            };
            part = self.further(step, &mut page, most).await?;
        }
        let is_own = |id: &str| self.state.owners.find(&caller.name, id).is_some();
        if let Some(own) = kept(part.body(), is_own) {
            part.replace(own.body);
        }
        Ok(part)
    }

    /// Remembers the ids of an answer; gives what a batch that is over has used.
    fn remember(&self, exchange: &Exchange, step: &Step, part: &Part) -> Option<penstock_llm::usage::Usage> {
        let (caller, stored) = (
            exchange.admitted.caller.as_ref()?,
            exchange.accepted.stored.as_ref()?,
        );
        if stored.is_list() || part.status() >= 400 {
            return None;
        }
        if let Stored::DeleteFile(id) = stored {
            self.state.owners.forget(&caller.name, id);
            return None;
        }
        let credential = step.credential.credential.as_ref();
        let owner = Owner {
            provider: step.planned.target.provider.name.clone(),
            credential: credential.map(Credential::account),
            accounted: false,
        };
        for id in ids(part.body()).iter().filter(|id| Some(&***id) != stored.id()) {
            self.state.owners.remember(&caller.name, id, owner.clone());
        }
        usage(part.body())
    }

    /// Stage 4 of an answer that is looked at again: the response plugins see it as if it were given now. What is deleted
    /// there is gone here too.
    pub(super) async fn relay_answer(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        step: &Step,
        upstream: Box<Upstream>,
        terms: Terms,
    ) -> std::result::Result<Option<Failed>, Told> {
        let is_good = upstream.status() < 400;
        let (stored, caller) = (&exchange.accepted.stored, &exchange.admitted.caller);
        if let (Some(Stored::DeleteResponse(id)), Some(caller)) = (stored, caller)
            && is_good
        {
            self.state.owners.forget(&caller.name, id);
        }
        let is_read = is_good && stored.as_ref().is_some_and(Stored::is_answer);
        let terms = Terms {
            operation: is_read.then_some(Operation::Chat),
            dialect: Dialect::OpenAiResponses,
            ..terms
        };
        self.relay(down, exchange, step, upstream, terms).await
    }
}

fn is_list(exchange: &Exchange) -> bool {
    exchange.accepted.stored.as_ref().is_some_and(Stored::is_list)
}

/// The same request once more.
fn again(outgoing: &Outgoing) -> Outgoing {
    Outgoing {
        method: outgoing.method.clone(),
        path: outgoing.path.clone(),
        key: outgoing.key.clone(),
        headers: outgoing.headers.clone(),
        body: OutgoingBody::Plain(outgoing.body.to_bytes()),
        is_raw: outgoing.is_raw,
        translation: None,
        rewording: None,
        more: Vec::new(),
        dropped: Vec::new(),
    }
}

/// A list's path, from behind an element on.
fn behind(path: &str, id: &str) -> String {
    let (page, query) = path.split_once('?').unwrap_or((path, ""));
    let mut pairs: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("after="))
        .map(str::to_owned)
        .collect();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let id: String = id.chars().filter(|c| is_plain(*c)).collect();
    pairs.push(format!("after={id}"));
    format!("{page}?{}", pairs.join("&"))
}

/// The provider that the caller names, else the configuration's, else the only one that has an API for it.
fn chosen(snapshot: &Snapshot, named: Option<&str>) -> Result<Arc<Provider>> {
    if let Some(name) = named {
        let found = snapshot.providers.get(name).cloned();
        return found.ok_or_else(|| {
            let message = "there is no such provider here: name another in `x-penstock-provider`, or none";
            Fault::caller(404, "provider_not_found", message).with_param("x-penstock-provider")
        });
    }
    if let Some(name) = &snapshot.files.provider
        && let Some(provider) = snapshot.providers.get(name)
    {
        return Ok(provider.clone());
    }
    let mut all = snapshot
        .providers
        .values()
        .filter(|provider| provider.keeps_files());
    match (all.next(), all.next()) {
        (Some(only), None) => Ok(only.clone()),
        _ => {
            let message = "name the provider to ask in the header `x-penstock-provider`; the gateway has no `files.provider`";
            Err(Fault::caller(400, "missing_provider", message).with_param("x-penstock-provider"))
        }
    }
}

/// In one sentence whether it never was, is another key's, or was too long ago: nobody learns which.
fn not_found(stored: &Stored) -> Box<Fault> {
    if stored.id().is_some_and(unkept::is_marked) {
        return not_kept();
    }
    let (what, param) = match stored {
        Stored::CreateBatch => ("file", "input_file_id"),
        Stored::Batch(_) | Stored::CancelBatch(_) => ("batch", "batch_id"),
        _ if stored.kind() == Kind::Responses => ("response", "response_id"),
        _ => ("file", "file_id"),
    };
    let message = format!("there is no such {what} of this API key here");
    Fault::caller(404, "not_found", message).with_param(param)
}

fn not_kept() -> Box<Fault> {
    let message = "the answer was not kept: the provider of its model has no Responses API, so there is nothing to come \
        back to; send the conversation again, or ask a model whose provider keeps answers";
    Fault::caller(404, "response_not_kept", message).with_param("response_id")
}
