//! The model's records and enums, field by field. A field or variant that is added to the model does not compile until it
//! is here as well, and then [`VERSION`](super::VERSION) has to grow.

use crate::model::{
    Answer, BodyError, BodyErrorKind, CacheMark, CacheMarks, CallKind, Choice, Citation, ClaudeHost, Content,
    Delta, Dialect, Effort, Error, ErrorKind, Event, Extra, Loss, LossKind, Losses, MAX_LOSSES, Maker, Media,
    MediaKind, Message, Native, Part, Place, Reasoning, ReasoningField, ReasoningForm, ReasoningMode,
    ReasoningSupport, ReasoningWish, Request, ResponseFormat, Role, Sampling, SearchResult, Signature,
    Source, Start, Stop, StopReason, Target, Tool, ToolCall, ToolChoice, ToolKind, ToolResult, Usage,
};

use super::{Broken, Input, Wire, record, variants};

variants!(Dialect {
    0 = OpenAiChat,
    1 = OpenAiResponses,
    2 = AnthropicMessages,
    3 = Gemini,
    4 = BedrockConverse,
    5 = Cohere,
});

record!(Request<'a> {
    dialect,
    model,
    messages,
    sampling,
    max_output,
    stop,
    tools,
    tool_choice,
    parallel_calls,
    format,
    reasoning,
    verbosity,
    modalities,
    audio,
    user,
    user_is_safety_identifier,
    metadata,
    cache_key,
    cache,
    service_tier,
    stream,
    stream_usage,
    legacy_functions,
    betas,
    extras,
});
record!(Sampling<'a> {
    temperature,
    top_p,
    top_k,
    min_p,
    frequency_penalty,
    presence_penalty,
    repetition_penalty,
    seed,
    choices,
    logit_bias,
    logprobs,
    top_logprobs,
});
variants!(ResponseFormat<'a> {
    0 = Text,
    1 = Json,
    2 = Schema { name, description, schema, strict },
    3 = Native(json),
});
record!(Target<'a> {
    model,
    stream,
    ask_usage,
    maker,
    max_output,
    default_max_output,
    reasoning,
    reasoning_field,
    fetches_urls,
    system_anywhere,
    structured_output,
    cache_marks,
    cache_points,
    claude_host,
    legacy_max_tokens,
});
variants!(ClaudeHost {
    0 = Anthropic,
    1 = Bedrock,
    2 = Vertex,
});
variants!(CacheMarks {
    0 = None,
    1 = CacheControl,
    2 = Breakpoint,
});
variants!(ReasoningSupport {
    0 = None,
    1 = Effort,
    2 = Budget,
    3 = Adaptive,
});
variants!(ReasoningField {
    0 = None,
    1 = Content,
    2 = Plain,
    3 = Details,
});

record!(Message<'a> { role, place, name, parts, extras });
variants!(Role {
    0 = System,
    1 = Developer,
    2 = User,
    3 = Assistant,
    4 = Tool,
    5 = Other,
});
variants!(Place { 0 = Turn, 1 = Top });

impl<'a> Wire<'a> for Part<'a> {
    fn put(&self, out: &mut Vec<u8>) {
        let Part {
            content,
            cache,
            signature,
            extras,
        } = self;
        content.put(out);
        cache.put(out);
        signature.put(out);
        extras.put(out);
    }

    /// Parts hold parts, and are as deep as they may be.
    fn take(input: &mut Input<'a>) -> Result<Self, Broken> {
        input.nested(|input| {
            Ok(Part {
                content: Wire::take(input)?,
                cache: Wire::take(input)?,
                signature: Wire::take(input)?,
                extras: Wire::take(input)?,
            })
        })
    }
}

variants!(Content<'a> {
    0 = Text { text, citations },
    1 = Reasoning(reasoning),
    2 = Refusal(text),
    3 = ToolCall(call),
    4 = ToolResult(result),
    5 = Media(media),
    6 = SearchResult(found),
    7 = Native(native),
});
record!(CacheMark<'a> { ttl, extras });
record!(Signature<'a> { maker, data });
record!(Extra<'a> { name, value });
record!(Citation<'a> { dialect, native, url, title, quote, start, end });
record!(SearchResult<'a> { source, title, parts, citations });
record!(Native<'a> { dialect, kind, json });
record!(Media<'a> { kind, source, media_type, detail, title, context, citations, transcript });
variants!(MediaKind {
    0 = Image,
    1 = Audio,
    2 = Video,
    3 = Document,
});
variants!(Source<'a> {
    0 = Base64(data),
    1 = Url(url),
    2 = File { id, maker },
    3 = Text(text),
    4 = Parts(parts),
    5 = Native(json),
});

record!(Reasoning<'a> { form, text, data, id, maker, format });
variants!(ReasoningForm {
    0 = Text,
    1 = Summary,
    2 = Encrypted,
});
variants!(Maker {
    0 = Anthropic,
    1 = OpenAi,
    2 = Google,
    3 = Xai,
    4 = Meta,
    5 = Amazon,
    6 = Cohere,
    7 = DeepSeek,
    8 = Mistral,
});
record!(ReasoningWish<'a> { mode, effort, budget, summary, include, extras });
variants!(ReasoningMode {
    0 = Off,
    1 = On,
    2 = Adaptive,
});
variants!(Effort<'a> {
    0 = None,
    1 = Minimal,
    2 = Low,
    3 = Medium,
    4 = High,
    5 = ExtraHigh,
    6 = Max,
    7 = Other(name),
});

record!(Tool<'a> { kind, cache, extras });
variants!(ToolKind<'a> {
    0 = Function { name, description, parameters, strict },
    1 = Custom { name, description, format },
    2 = Native { dialect, kind, json },
});
variants!(ToolChoice<'a> {
    0 = None,
    1 = Auto,
    2 = Required,
    3 = Named(name),
    4 = Allowed { names, required },
    5 = Native { dialect, json },
});
record!(ToolCall<'a> { id, name, arguments, kind });
variants!(CallKind { 0 = Function, 1 = Custom });
record!(ToolResult<'a> { call_id, name, parts, is_error });

record!(Answer<'a> { dialect, id, model, created, choices, usage, service_tier, extras });
record!(Choice<'a> { index, parts, stop, logprobs, extras });
record!(Stop<'a> { reason, native, sequence, details });
variants!(StopReason {
    0 = End,
    1 = StopSequence,
    2 = Length,
    3 = ContextWindow,
    4 = ToolCalls,
    5 = ContentFilter,
    6 = Refusal,
    7 = Pause,
    8 = MalformedCall,
    9 = Error,
    10 = Other,
});
record!(Usage {
    input,
    output,
    total,
    cache_read,
    cache_write,
    cache_write_5m,
    cache_write_1h,
    input_audio,
    input_image,
    input_video,
    input_document,
    input_text,
    tool_input,
    reasoning,
    output_audio,
    output_image,
    output_text,
    accepted_prediction,
    rejected_prediction,
    web_searches,
    web_fetches,
    search_units,
    billed_input,
    billed_output,
});

variants!(Event<'a> {
    0 = Start(start),
    1 = PartStart { choice, part, content },
    2 = Delta { choice, part, delta },
    3 = PartStop { choice, part },
    4 = Usage(usage),
    5 = Stop { choice, stop },
    6 = Extra { choice, extras },
    7 = Error(error),
    8 = Ping,
    9 = Done,
});
record!(Start<'a> { id, model, created, service_tier, usage, extras });
variants!(Delta<'a> {
    0 = Text(text),
    1 = Reasoning(text),
    2 = Refusal(text),
    3 = Arguments(text),
    4 = Signature(signature),
    5 = Data(text),
    6 = Transcript(text),
    7 = Citation(citation),
    8 = Logprobs(json),
    9 = Native(text),
});

/// The status that a caller may get for an error.
struct Status(u16);

impl<'a> Wire<'a> for Error<'a> {
    fn put(&self, out: &mut Vec<u8>) {
        let Error {
            status,
            kind,
            message,
            code,
            param,
            native,
            request_id,
            retry_after_ms,
        } = self;
        Status(*status).put(out);
        kind.put(out);
        message.put(out);
        code.put(out);
        param.put(out);
        native.put(out);
        request_id.put(out);
        retry_after_ms.put(out);
    }

    fn take(input: &mut Input<'a>) -> Result<Self, Broken> {
        Ok(Error {
            status: Status::take(input)?.0,
            kind: Wire::take(input)?,
            message: Wire::take(input)?,
            code: Wire::take(input)?,
            param: Wire::take(input)?,
            native: Wire::take(input)?,
            request_id: Wire::take(input)?,
            retry_after_ms: Wire::take(input)?,
        })
    }
}

impl<'a> Wire<'a> for Status {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }

    fn take(input: &mut Input<'a>) -> Result<Self, Broken> {
        match u16::take(input)? {
            status @ 400..=599 => Ok(Status(status)),
            _ => Err(Broken::Wrong("Status")),
        }
    }
}

variants!(ErrorKind {
    0 = InvalidRequest,
    1 = ContextLength,
    2 = ContentPolicy,
    3 = Authentication,
    4 = Billing,
    5 = Permission,
    6 = NotFound,
    7 = Conflict,
    8 = TooLarge,
    9 = Unprocessable,
    10 = RateLimit,
    11 = Quota,
    12 = Server,
    13 = Unavailable,
    14 = Overloaded,
    15 = Timeout,
    16 = BadAnswer,
});
record!(BodyError { kind, param, message });
variants!(BodyErrorKind {
    0 = NotJson,
    1 = TooDeep,
    2 = TooLarge,
    3 = TooMany,
    4 = Duplicate,
    5 = Missing,
    6 = Empty,
    7 = WrongType,
    8 = Invalid,
    9 = Unsupported,
});

record!(Loss { at, what, why });
variants!(LossKind {
    0 = Dropped,
    1 = Changed,
    2 = Added,
});

impl<'a> Wire<'a> for Losses {
    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        super::bytes::put_list(self.list(), out);
        self.unlisted().put(out);
    }

    #[inline]
    fn take(input: &mut Input<'a>) -> Result<Self, Broken> {
        let list: Vec<Loss> = Wire::take(input)?;
        if list.len() > MAX_LOSSES {
            return Err(Broken::TooMany);
        }
        Ok(Losses::listed(list, Wire::take(input)?))
    }
}
