//! What a reader or a writer has to be told because no body says it.

use super::{Losses, Maker, Names};

/// What a caller said outside of the body: some dialects have the model and the stream in the path.
#[derive(Copy, Clone, Debug, Default)]
pub struct Asked<'a> {
    /// Wins over the body's, where the dialect has it in the path.
    pub model: Option<&'a str>,
    pub stream: Option<bool>,
    /// The values of `anthropic-beta`, one each.
    pub betas: &'a [&'a str],
}

/// What is known of the model that a request goes to.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// Its name there.
    pub model: &'a str,
    /// Whether to ask for a stream, whatever the caller did; none: as the caller did.
    pub stream: Option<bool>,
    /// Ask for the usage of a stream, where that has to be asked for.
    pub ask_usage: bool,
    /// Whose thoughts and signatures the model takes back; none where nobody knows, and then none are sent.
    pub maker: Option<Maker>,
    /// Most tokens of output that the model gives.
    pub max_output: Option<u64>,
    /// For dialects that demand a limit of the output where the caller set none. Never 0.
    pub default_max_output: u64,
    pub reasoning: ReasoningSupport,
    /// The name under which an OpenAI-like provider wants earlier reasoning back.
    pub reasoning_field: ReasoningField,
    /// The provider fetches images and documents by URL.
    pub fetches_urls: bool,
    /// System messages may stand among the others.
    pub system_anywhere: bool,
    /// The dialect's own structured output is understood; otherwise it is asked for in other ways.
    pub structured_output: bool,
    /// How marks for the prompt cache are spelled for an OpenAI-like provider.
    pub cache_marks: CacheMarks,
    /// Converse's cache points are taken: a model without a prompt cache refuses them (PAIN E07).
    pub cache_points: bool,
    /// Where Claude is hosted, which decides on the body's edges.
    pub claude_host: ClaudeHost,
    /// `max_tokens` instead of `max_completion_tokens` (older OpenAI-like providers).
    pub legacy_max_tokens: bool,
}

impl<'a> Target<'a> {
    /// Nothing is known but the name: what is most common is assumed.
    pub fn new(model: &'a str) -> Target<'a> {
        Target {
            model,
            stream: None,
            ask_usage: true,
            maker: None,
            max_output: None,
            default_max_output: 4096,
            reasoning: ReasoningSupport::Effort,
            reasoning_field: ReasoningField::None,
            fetches_urls: true,
            system_anywhere: false,
            structured_output: true,
            cache_marks: CacheMarks::None,
            cache_points: true,
            claude_host: ClaudeHost::Anthropic,
            legacy_max_tokens: false,
        }
    }
}

/// Where a Claude is asked (APIS.md 3.8).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum ClaudeHost {
    /// Anthropic itself, Azure Foundry, and whoever speaks `/v1/messages`.
    Anthropic,
    /// `InvokeModel`: model and stream are in the path, betas in the body.
    Bedrock,
    /// `rawPredict`: the model is in the path.
    Vertex,
}

/// How marks for the prompt cache are spelled in OpenAI's dialect.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum CacheMarks {
    /// The provider caches by itself, or not at all.
    None,
    /// `cache_control` (OpenRouter, Alibaba).
    CacheControl,
    /// `prompt_cache_breakpoint` (OpenAI).
    Breakpoint,
}

/// How the model is told how much to think.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum ReasoningSupport {
    /// It does not think, or cannot be told.
    None,
    /// By a word.
    Effort,
    /// By a number of tokens.
    Budget,
    /// It decides itself, with a word as a hint (`adaptive`).
    Adaptive,
}

/// Under which name OpenAI-like providers take reasoning back.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum ReasoningField {
    /// Not at all.
    None,
    /// `reasoning_content` (DeepSeek, Moonshot, vLLM).
    Content,
    /// `reasoning` (Groq, Cerebras).
    Plain,
    /// `reasoning` and `reasoning_details` (OpenRouter).
    Details,
}

/// What an answer needs that its provider may not have said. The crate has no clock and makes no ids.
#[derive(Copy, Clone, Debug)]
pub struct Envelope<'a> {
    /// For dialects whose answers have one, where the provider gave none.
    pub id: &'a str,
    /// Seconds since 1970, where the provider did not say.
    pub created: u64,
    /// The model that the caller asked for, where the provider did not say which one answered.
    pub model: &'a str,
    /// The caller wants the usage of a stream.
    pub usage_asked: bool,
    /// Tokens of the request, as far as they can be told before the provider does: for dialects that say them first.
    pub input_estimate: Option<u64>,
    /// The caller knows `functions`, not `tools` ([`Request::legacy_functions`](super::Request::legacy_functions)).
    pub legacy_functions: bool,
    /// What the caller's dialect repeats of his request in its answers: a JSON object, as
    /// [`Codec::repeated`](super::Codec::repeated) gave it.
    pub repeated: Option<&'a str>,
}

/// What was read, and what of it could not be.
#[derive(Clone, Debug)]
pub struct Read<T> {
    pub value: T,
    pub losses: Losses,
}

/// What was written, and what is not in it.
#[derive(Clone, Debug, Default)]
pub struct Written {
    pub bytes: Vec<u8>,
    /// Headers that belong to the body, such as `anthropic-beta`.
    pub headers: Vec<(&'static str, String)>,
    /// Of tools that go by another name: for what comes back.
    pub names: Names,
    pub losses: Losses,
}
