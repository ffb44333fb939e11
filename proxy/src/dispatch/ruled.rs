//! A request under the rules that its target has for single fields. What a rule makes of a body is `penstock_llm::rules`',
//! which rules there are is the snapshot's.

use penstock_llm::model::Dialect;
use penstock_llm::openai::{BodyError, Outbound, Request};

use crate::dispatch::outgoing::{Outgoing, OutgoingBody};
use crate::dispatch::plan::Step;
use crate::exchange::Spoken;
use crate::fault::{Fault, Next, Result};
use crate::state::parameters::Body;

/// A call that goes on in its caller's own dialect, with the fields that do not go as they came.
///
/// # Errors
/// A rule refuses the call; another target may take it.
pub fn spliced(
    request: &Request,
    step: &Step,
    speaks: Dialect,
    ask_usage: bool,
) -> Result<(Outbound, Vec<Box<str>>)> {
    let model = &step.planned.model;
    let body = Body::of(request.operation(), speaks);
    match step.planned.target.parameters.rules(body, model) {
        Some(rules) => request.outbound_under(rules, model, ask_usage).map_err(refused),
        None => Ok((request.outbound(model, ask_usage), Vec::new())),
    }
}

/// A generation that was written anew, in `speaks`.
///
/// # Errors
/// As for [`spliced`].
pub fn written(
    body: &mut Vec<u8>,
    dropped: &mut Vec<Box<str>>,
    step: &Step,
    speaks: Dialect,
    caller: Dialect,
) -> Result<()> {
    let parameters = &step.planned.target.parameters;
    let Some(rules) = parameters.rules(Body::Generation(speaks), &step.planned.model) else {
        return Ok(());
    };
    let told = rules.apply(body).map_err(|error| match speaks == caller {
        true => refused(error),
        false => refused(in_words_of(speaks, error)),
    })?;
    tell(dropped, told);
    Ok(())
}

/// A call of embeddings or reranking, in all its requests.
///
/// # Errors
/// As for [`spliced`].
pub fn whole(mut outgoing: Outgoing, step: &Step, kind: Body) -> Result<Outgoing> {
    let parameters = &step.planned.target.parameters;
    let Some(rules) = parameters.rules(kind, &step.planned.model) else {
        return Ok(outgoing);
    };
    let Outgoing {
        body, more, dropped, ..
    } = &mut outgoing;
    for body in std::iter::once(body).chain(more.iter_mut().map(|one| &mut one.body)) {
        let mut bytes = body.to_bytes().to_vec();
        let told = rules.apply(&mut bytes).map_err(refused)?;
        tell(dropped, told);
        *body = OutgoingBody::Plain(bytes.into());
    }
    Ok(outgoing)
}

pub fn body_of(spoken: &Spoken) -> Body {
    match spoken {
        Spoken::Rerank(_) => Body::Rerank,
        Spoken::Embed { .. } => Body::Embeddings,
    }
}

fn tell(dropped: &mut Vec<Box<str>>, told: Vec<Box<str>>) {
    for field in told {
        if !dropped.contains(&field) {
            dropped.push(field);
        }
    }
}

/// What one target's rules refuse, another target may take: the caller hears of it only where none does.
fn refused(error: BodyError) -> Box<Fault> {
    let mut fault: Box<Fault> = error.into();
    fault.next = Next::TryNextTarget;
    fault
}

/// The caller may know the field by another name.
fn in_words_of(speaks: Dialect, error: BodyError) -> BodyError {
    let message = format!("{} (the field is named as in {})", error.message, speaks.as_str());
    BodyError { message, ..error }
}
