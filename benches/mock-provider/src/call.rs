//! Which operation a request is, and what the operations share. Reads the body once; answers are the operations' own.

use serde::Deserialize;
use serde_json::Value;

use crate::chat::ChatRequest;
use crate::completions::CompletionRequest;
use crate::controls::{Controls, UsageMode};
use crate::embeddings::EmbeddingRequest;
use crate::errors::Refusal;
use crate::moderations::ModerationRequest;
use crate::reply::Answer;

/// What a path, with or without `/v1`, stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    Chat,
    Completions,
    Embeddings,
    Moderations,
    Models,
    Model(&'a str),
    /// answers with the body it got: for gateways that pass paths through that they do not know
    Raw,
    /// the list of what was received
    Requests,
    /// is it there
    Health,
    Unknown,
}

impl Route<'_> {
    pub fn of(path: &str) -> Route<'_> {
        let path = path.split('?').next().unwrap_or(path);
        match path
            .strip_prefix("/v1")
            .filter(|rest| rest.starts_with('/'))
            .unwrap_or(path)
        {
            "/chat/completions" => Route::Chat,
            "/completions" => Route::Completions,
            "/embeddings" => Route::Embeddings,
            "/moderations" => Route::Moderations,
            "/models" => Route::Models,
            "/__mock/requests" => Route::Requests,
            "/__mock/health" => Route::Health,
            other => match (other.strip_prefix("/models/"), other.starts_with("/raw/")) {
                (Some(name), _) if !name.is_empty() => Route::Model(name),
                (_, true) => Route::Raw,
                _ => Route::Unknown,
            },
        }
    }
}

/// What an answer needs besides the request's own fields.
pub struct Parsed<'a> {
    pub controls: &'a Controls,
    /// the model's name without the controls in it, as the answer tells it
    pub model: &'a str,
    /// the request's number, for ids
    pub number: u64,
    /// seconds since 1970
    pub created: u64,
}

impl Parsed<'_> {
    pub fn id(&self, kind: &str) -> String {
        format!("{kind}-mock{:08}", self.number)
    }

    /// Unstreamed answers carry usage unless a control takes it away.
    pub fn tells_usage(&self) -> bool {
        self.controls.usage != UsageMode::Never
    }
}

/// A request body of any operation.
pub enum Call<'a> {
    Chat(ChatRequest<'a>),
    Completions(CompletionRequest<'a>),
    Embeddings(EmbeddingRequest<'a>),
    Moderations(ModerationRequest<'a>),
}

impl<'a> Call<'a> {
    /// None: the route takes no JSON body.
    pub fn read(route: Route<'_>, body: &'a [u8]) -> Option<Result<Call<'a>, Refusal>> {
        let read = match route {
            Route::Chat => serde_json::from_slice(body).map(Call::Chat),
            Route::Completions => serde_json::from_slice(body).map(Call::Completions),
            Route::Embeddings => serde_json::from_slice(body).map(Call::Embeddings),
            Route::Moderations => serde_json::from_slice(body).map(Call::Moderations),
            _ => return None,
        };
        Some(
            read.map_err(|error| {
                Refusal::invalid(format!("We could not parse the JSON body: {error}"), None)
            }),
        )
    }

    pub fn model(&self) -> &str {
        match self {
            Call::Chat(request) => &request.model,
            Call::Completions(request) => &request.model,
            Call::Embeddings(request) => &request.model,
            Call::Moderations(request) => request.model(),
        }
    }

    pub fn answer(&self, parsed: &Parsed<'_>) -> Result<Answer, Refusal> {
        match self {
            Call::Chat(request) => request.answer(parsed),
            Call::Completions(request) => request.answer(parsed),
            Call::Embeddings(request) => request.answer(parsed),
            Call::Moderations(request) => request.answer(parsed),
        }
    }
}

#[derive(Deserialize)]
pub struct StreamOptions {
    include_usage: Option<bool>,
}

impl StreamOptions {
    pub fn asks_usage(&self) -> bool {
        self.include_usage == Some(true)
    }
}

/// `stop` is one text or a list of them.
pub fn stop_texts(stop: Option<&Value>) -> Vec<String> {
    match stop {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::Route;

    #[test]
    fn every_route_is_served_with_and_without_v1() {
        let routes = [
            ("/chat/completions", Route::Chat),
            ("/models/a/b", Route::Model("a/b")),
            ("/raw/x", Route::Raw),
        ];
        for (path, route) in routes {
            assert_eq!(Route::of(path), route);
            assert_eq!(Route::of(&format!("/v1{path}?x=1")), route);
        }
        assert_eq!(Route::of("/v1"), Route::Unknown);
        assert_eq!(Route::of("/models/"), Route::Unknown);
    }
}
