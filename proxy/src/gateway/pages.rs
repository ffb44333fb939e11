//! Calls of which only the model is read, and pages that the gateway answers by itself.

use std::time::Duration;

use bytes::Bytes;
use penstock_llm::model::Dialect;
use penstock_llm::usage::TokenCount;

use super::{Ended, Gateway, Told};
use crate::accept::{count, named, raw};
use crate::admit::caller;
use crate::admit::guard::Admission;
use crate::exchange::{Ending, Exchange, Terms};
use crate::fault::Fault;
use crate::relay::catalogue;
use crate::relay::downstream::Downstream;
use crate::state::answer::Head;
use crate::state::snapshot::Model;

impl Gateway {
    /// A call of which only the model is read has the model's targets, and the same plugins as any other.
    pub(super) async fn named(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        read: named::Read,
    ) -> Ended {
        let snapshot = exchange.snapshot.clone();
        let caller = exchange.caller()?;
        exchange.ask_for(&read.model);
        let model = caller::permit(&snapshot, &caller, &read.model)?;
        exchange.admit_raw(read.model.into(), read.body);
        self.unread(down, exchange, &model).await
    }

    /// Asks one of the model's targets that can count; where there is none, the caller gets an estimate that says so.
    pub(super) async fn count(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        read: count::Read,
    ) -> Ended {
        let snapshot = exchange.snapshot.clone();
        let caller = exchange.caller()?;
        exchange.ask_for(&read.model);
        let model = caller::permit(&snapshot, &caller, &read.model)?;
        exchange.admit_raw(read.model.into(), read.body);
        let Some(counting) = model.speaking(Dialect::AnthropicMessages) else {
            return estimate(down, exchange, read.estimate).await;
        };
        exchange.accepted.page = Some(count::PAGE);
        self.unread(down, exchange, &counting).await
    }

    /// A raw call has one target, and the same plugins as any other.
    pub(super) async fn raw(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        read: raw::Read,
    ) -> Ended {
        let caller = exchange.caller()?;
        if let Some(model) = read.models.first() {
            exchange.ask_for(model);
        }
        caller::permit_raw(&caller, &read.provider, &read.models)?;
        let model = Model::via(&read.provider, read.models.first().map_or("", String::as_str));
        exchange.admit_raw(model.name.clone(), read.body);
        self.unread(down, exchange, &model).await
    }

    /// What is the same for all bodies that are not read.
    pub(super) async fn unread(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        model: &Model,
    ) -> Ended {
        let most_bytes = exchange.snapshot.limits.decompressed_bytes;
        let terms = Terms {
            operation: None,
            dialect: Dialect::OpenAiChat,
            hide_usage: false,
            most_bytes,
        };
        match self.guard(down, exchange, model).await? {
            Admission::Proceed => self.dispatch(down, exchange, model, terms).await,
            Admission::Answer(_) => Err(Told::Fault(no_dialect())),
        }
    }
}

pub(super) async fn list_models(down: &mut Downstream<'_>, exchange: &mut Exchange) -> Ended {
    let snapshot = exchange.snapshot.clone();
    let Some(caller) = exchange.admitted.caller.clone() else {
        return Ok(());
    };
    let body = catalogue::list(caller::visible(&snapshot, &caller));
    page(down, exchange, body).await
}

pub(super) async fn show_model(down: &mut Downstream<'_>, exchange: &mut Exchange, name: &str) -> Ended {
    let snapshot = exchange.snapshot.clone();
    let Some(caller) = exchange.admitted.caller.clone() else {
        return Ok(());
    };
    exchange.ask_for(name);
    let model = caller::permit(&snapshot, &caller, name)?;
    page(down, exchange, catalogue::single(&model, name)).await
}

/// A page that the gateway answers by itself.
async fn page(down: &mut Downstream<'_>, exchange: &mut Exchange, body: Vec<u8>) -> Ended {
    exchange.relayed.ending = Ending::Complete;
    down.head(&Head::new(200, "application/json", Some(body.len() as u64)))
        .await?;
    Ok(down.end(body.into()).await?)
}

/// The answer to a count that no provider can make.
async fn estimate(down: &mut Downstream<'_>, exchange: &mut Exchange, tokens: TokenCount) -> Ended {
    let body = format!(r#"{{"input_tokens":{tokens}}}"#).into_bytes();
    exchange.relayed.ending = Ending::Complete;
    let mut head = Head::new(200, "application/json", Some(body.len() as u64));
    head.estimated();
    down.head(&head).await?;
    Ok(down.end(body.into()).await?)
}

pub(super) async fn preflight(down: &mut Downstream<'_>, exchange: &mut Exchange) -> Ended {
    exchange.relayed.ending = Ending::Complete;
    let max_age = exchange
        .snapshot
        .cors
        .as_ref()
        .map_or(Duration::ZERO, |cors| cors.max_age);
    down.head(&Head::preflight(&exchange.accepted.headers.0, max_age))
        .await?;
    Ok(down.end(Bytes::new()).await?)
}

fn no_dialect() -> Box<Fault> {
    Fault::ours(
        500,
        "plugin_answer",
        "a plugin answered a call whose dialect the gateway does not write",
    )
}
