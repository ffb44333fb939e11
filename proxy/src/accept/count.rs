//! A request of which only the tokens are to be counted, in Anthropic's dialect: its model, and what is known of its
//! length when no provider can be asked.

use bytes::Bytes;
use penstock_llm::anthropic::read_count_request;
use penstock_llm::model::{Asked, segments_of_request};
use penstock_llm::usage::TokenCount;

use crate::fault::{Fault, Result};

/// The page under the base path of a provider that counts.
pub const PAGE: &str = "/messages/count_tokens";

/// A request as it was read.
#[derive(Debug)]
pub struct Read {
    pub model: String,
    pub body: Bytes,
    pub estimate: TokenCount,
}

/// Reads a request, with the rules of one that is to be answered.
pub fn read(body: Bytes) -> Result<Read> {
    let request = read_count_request(&body, &Asked::default())?.value;
    let model = request.model.get().into_owned();
    if model.is_empty() {
        let message = "`model` is missing: name a model";
        return Err(Fault::caller(400, "missing_required_parameter", message).with_param("model"));
    }
    let segments = segments_of_request(&request, &body);
    let bytes = segments.iter().map(|segment| u64::from(segment.length)).sum();
    Ok(Read {
        model,
        estimate: TokenCount::estimated(bytes),
        body,
    })
}
