//! Which path a page has at a provider: where the API has it, or where this provider does. What goes there is `outgoing`'s.

use penstock_llm::embed;
use penstock_llm::model::Dialect;
use penstock_llm::openai::Operation;

use crate::accept::{count, route};
use crate::dispatch::outgoing::{operation_path, percent_encoded};
use crate::dispatch::reword;
use crate::fault::{Fault, Result};
use crate::state::snapshot::Provider;

/// The page that realtime sessions are opened at.
pub const REALTIME: &str = "/realtime";

/// A dialect's page as its documentation has it, `{model}` where the path names the model, without a query.
pub fn of_dialect(dialect: Dialect, streams: bool) -> &'static str {
    match (dialect, streams) {
        (Dialect::OpenAiChat, _) => "/chat/completions",
        (Dialect::OpenAiResponses, _) => "/responses",
        (Dialect::AnthropicMessages, _) => "/messages",
        (Dialect::Cohere, _) => "/chat",
        (Dialect::Gemini, false) => "/models/{model}:generateContent",
        (Dialect::Gemini, true) => "/models/{model}:streamGenerateContent",
        (Dialect::BedrockConverse, false) => "/model/{model}/converse",
        (Dialect::BedrockConverse, true) => "/model/{model}/converse-stream",
    }
}

/// Every page that a provider may have elsewhere.
pub fn known() -> Vec<&'static str> {
    let dialects = Dialect::ALL
        .iter()
        .flat_map(|dialect| [of_dialect(*dialect, false), of_dialect(*dialect, true)]);
    let operations = [
        Operation::Completions,
        Operation::Embeddings,
        Operation::Moderations,
    ]
    .map(operation_path);
    let embeddings = embed::CODECS
        .iter()
        .map(|codec| reword::embeddings_page(codec.dialect()));
    let mut known: Vec<&str> = dialects
        .chain(operations)
        .chain(route::named_pages())
        .chain(embeddings)
        .chain([count::PAGE, reword::RANKING, REALTIME])
        .collect();
    known.sort_unstable();
    known.dedup();
    known
}

/// Path and query of a page. `page` is one of `known`, `usual` the same with the model in it and a query.
///
/// # Errors
/// The model's name would leave its place in the path.
pub fn path(provider: &Provider, page: &str, streams: bool, usual: &str, model: &str) -> Result<String> {
    let template = provider.pages.find(page, streams);
    let model = match template {
        Some(template) if template.has_model() => part(model)?,
        _ => String::new(),
    };
    Ok(provider.pages.path(&provider.base_path, template, usual, &model))
}

/// A model's name as one part of a path: ARNs hold slashes and colons.
pub fn whole_part(model: &str) -> String {
    percent_encoded(model).replace('/', "%2F").replace(':', "%3A")
}

/// The same where the part stands between slashes: servers take `.` and `..` for a way to somewhere else, escaped or not.
fn part(model: &str) -> Result<String> {
    match model {
        "" | "." | ".." => {
            let message = "this model's name cannot stand in the provider's path";
            Err(Fault::caller(400, "invalid_model", message).with_param("model"))
        }
        // Vertex has versions behind an @, which may stand in a path as it is
        _ => Ok(whole_part(model).replace("%40", "@")),
    }
}
