//! What a caller asks for.

use super::{Dialect, Extras, Json, Message, Number, ReasoningWish, Text, Tool, ToolChoice};

/// A request, borrowed from the body that it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Request<'a> {
    /// The dialect that it was read from: whose `extras` these are.
    pub dialect: Dialect,
    /// Empty where the dialect has it in the path and the reader was not told.
    pub model: Text<'a>,
    /// In the order of the conversation, instructions first where the dialect has them apart.
    pub messages: Vec<Message<'a>>,
    pub sampling: Sampling<'a>,
    /// Most tokens of output, thoughts included.
    pub max_output: Option<Number<'a>>,
    pub stop: Vec<Text<'a>>,
    pub tools: Vec<Tool<'a>>,
    pub tool_choice: Option<ToolChoice<'a>>,
    /// Whether several tools may be called at once.
    pub parallel_calls: Option<bool>,
    pub format: Option<ResponseFormat<'a>>,
    pub reasoning: ReasoningWish<'a>,
    /// `low`, `medium`, `high`.
    pub verbosity: Option<Text<'a>>,
    /// `text`, `audio`, `image`, in lower case; empty where nothing was said.
    pub modalities: Vec<Text<'a>>,
    /// How spoken output should sound (OpenAI's `audio`).
    pub audio: Option<Json<'a>>,
    /// The end user: `user`, Anthropic's `metadata.user_id`.
    pub user: Option<Text<'a>>,
    /// `user` was said as `safety_identifier`, its present name at OpenAI.
    pub user_is_safety_identifier: bool,
    pub metadata: Option<Json<'a>>,
    /// Groups requests that share a prefix, for the provider's cache.
    pub cache_key: Option<Text<'a>>,
    /// A mark on the whole request: cache up to the last piece that can be (Anthropic's top-level `cache_control`).
    pub cache: Option<super::CacheMark<'a>>,
    pub service_tier: Option<Text<'a>>,
    pub stream: bool,
    /// The caller wants the usage of a stream. Dialects that always send it have it true.
    pub stream_usage: bool,
    /// The tools came as `functions`, which was their name before; answers then say `function_call`.
    pub legacy_functions: bool,
    /// Features to be switched on by name (`anthropic-beta`), whether they came in a header or in the body.
    pub betas: Vec<Text<'a>>,
    /// What the model has no field for, under its native name.
    pub extras: Extras<'a>,
}

/// How the next token is chosen, each number as it was spelled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampling<'a> {
    pub temperature: Option<Number<'a>>,
    pub top_p: Option<Number<'a>>,
    pub top_k: Option<Number<'a>>,
    pub min_p: Option<Number<'a>>,
    pub frequency_penalty: Option<Number<'a>>,
    pub presence_penalty: Option<Number<'a>>,
    pub repetition_penalty: Option<Number<'a>>,
    pub seed: Option<Number<'a>>,
    /// How many answers.
    pub choices: Option<Number<'a>>,
    pub logit_bias: Option<Json<'a>>,
    pub logprobs: Option<bool>,
    pub top_logprobs: Option<Number<'a>>,
}

/// What the answer has to look like.
#[derive(Clone, Debug, PartialEq)]
pub enum ResponseFormat<'a> {
    Text,
    /// Some JSON object.
    Json,
    Schema {
        /// Anthropic and Gemini have none; a writer that needs one says `response`.
        name: Option<Text<'a>>,
        description: Option<Text<'a>>,
        schema: Json<'a>,
        strict: Option<bool>,
    },
    /// In the dialect's own words (`grammar`).
    Native(Json<'a>),
}

impl<'a> Request<'a> {
    pub fn new(dialect: Dialect, model: Text<'a>) -> Request<'a> {
        Request {
            dialect,
            model,
            messages: Vec::new(),
            sampling: Sampling::default(),
            max_output: None,
            stop: Vec::new(),
            tools: Vec::new(),
            tool_choice: None,
            parallel_calls: None,
            format: None,
            reasoning: ReasoningWish::default(),
            verbosity: None,
            modalities: Vec::new(),
            audio: None,
            user: None,
            user_is_safety_identifier: false,
            metadata: None,
            cache_key: None,
            cache: None,
            service_tier: None,
            stream: false,
            stream_usage: false,
            legacy_functions: false,
            betas: Vec::new(),
            extras: Vec::new(),
        }
    }
}
