//! A call of embeddings or reranking in the words of the provider that it goes to, in several requests where that takes few
//! inputs at a time. What comes back is put into the caller's words by relay.

use bytes::Bytes;
use penstock_llm::embed::{self, Dialect as Embed};
use penstock_llm::model::{Asked, Dialect, Losses};
use penstock_llm::rerank::Dialect as Rerank;

use crate::dispatch::outgoing::percent_encoded;
use crate::dispatch::page;
use crate::dispatch::plan::Step;
use crate::fault::{Fault, Result};
use crate::state::answer::Pair;
use crate::state::snapshot::Provider;

/// Requests to a provider for one call. With one input at a time this is what a caller would still wait for.
const MOST_REQUESTS: usize = 256;

/// The page of reranking under a provider's base path, in every dialect.
pub const RANKING: &str = "/rerank";

/// A call as its provider gets it.
#[derive(Debug)]
pub struct Said {
    pub pair: Pair,
    /// Under the provider's base path, as the documentation has it, and with the model in it.
    pub page: &'static str,
    pub path: String,
    /// At least one.
    pub bodies: Vec<Bytes>,
    pub dropped: Vec<Box<str>>,
}

/// What a provider is asked for embeddings in: the caller's own dialect where it can, else its own.
pub fn embeddings_of(provider: &Provider, caller: Embed, model: &str) -> Embed {
    match provider.embeddings {
        // who takes batches takes single ones too
        Some(Embed::GeminiBatch) if caller == Embed::Gemini => caller,
        Some(configured) => configured,
        None if provider.dialects.contains(&caller.chat_dialect()) => caller,
        None => match provider.dialects.first() {
            Some(Dialect::Gemini) => Embed::GeminiBatch,
            Some(Dialect::Cohere) => Embed::Cohere,
            Some(Dialect::BedrockConverse) if model.contains("cohere") => Embed::BedrockCohere,
            Some(Dialect::BedrockConverse) => Embed::BedrockTitan,
            _ => Embed::OpenAi,
        },
    }
}

/// The page of embeddings under a provider's base path, as the dialect's documentation has it.
pub fn embeddings_page(dialect: Embed) -> &'static str {
    match dialect {
        Embed::OpenAi | Embed::Voyage => "/embeddings",
        Embed::Cohere => "/embed",
        Embed::Gemini => "/models/{model}:embedContent",
        Embed::GeminiBatch => "/models/{model}:batchEmbedContents",
        Embed::VertexPredict => "/models/{model}:predict",
        Embed::BedrockTitan | Embed::BedrockCohere => "/model/{model}/invoke",
    }
}

/// The same with the model in it.
pub fn embeddings_path(dialect: Embed, model: &str) -> String {
    let model = match dialect {
        Embed::BedrockTitan | Embed::BedrockCohere => page::whole_part(model),
        _ => percent_encoded(model),
    };
    embeddings_page(dialect).replace("{model}", &model)
}

/// A request for embeddings, said anew. `asked` is the model where the caller's path names it.
///
/// # Errors
/// What is wrong with the request, what the provider's dialect cannot say, and more inputs than are asked for at once.
pub fn embeddings(
    step: &Step,
    caller: Embed,
    speaks: Embed,
    asked: Option<&str>,
    body: &[u8],
) -> Result<Said> {
    let asked = Asked {
        model: asked,
        ..Asked::default()
    };
    let read = caller.codec().read_request(body, &asked)?;
    let (codec, model) = (speaks.codec(), &*step.planned.model);
    let most = codec.most_inputs().unwrap_or(usize::MAX);
    let inputs = read.value.inputs.len();
    if inputs.div_ceil(most) > MOST_REQUESTS {
        return Err(too_many_inputs(inputs, most.saturating_mul(MOST_REQUESTS)));
    }
    let target = embed::Target::new(model);
    let mut losses = read.losses;
    let mut bodies = Vec::with_capacity(inputs.div_ceil(most));
    for chunk in read.value.chunks(most) {
        let written = codec.write_request(&chunk, &target)?;
        losses.append(written.losses);
        bodies.push(written.bytes.into());
    }
    Ok(said(
        Pair::Embed {
            from: speaks,
            to: caller,
        },
        (embeddings_page(speaks), embeddings_path(speaks, model)),
        bodies,
        &losses,
    ))
}

/// A request for reranking, said anew.
///
/// # Errors
/// What is wrong with the request, and what the provider's dialect cannot say.
pub fn ranking(step: &Step, caller: Rerank, speaks: Rerank, body: &[u8]) -> Result<Said> {
    let read = caller.read_request(body, &Asked::default())?;
    let written = speaks.write_request(&read.value, &step.planned.model)?;
    let mut losses = read.losses;
    losses.append(written.losses);
    let pair = Pair::Rerank {
        from: speaks,
        to: caller,
    };
    Ok(said(
        pair,
        (RANKING, RANKING.to_owned()),
        vec![written.bytes.into()],
        &losses,
    ))
}

fn said(pair: Pair, (page, path): (&'static str, String), bodies: Vec<Bytes>, losses: &Losses) -> Said {
    Said {
        pair,
        page,
        path,
        bodies,
        dropped: losses.names(),
    }
}

fn too_many_inputs(inputs: usize, most: usize) -> Box<Fault> {
    let message = format!(
        "`input` has {inputs} elements, and of this model's provider at most {most} are asked for at once: send fewer"
    );
    Fault::caller(400, "too_many_inputs", message).with_param("input")
}
