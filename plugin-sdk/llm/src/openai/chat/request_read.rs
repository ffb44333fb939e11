//! A chat completion request into the model.

use crate::fault::{BodyError, Fault, Within};
use crate::json::ValueKind;
use crate::model::{
    Asked, Content, Dialect, Effort, Extra, Extras, Message, Number, Part, Place, Read, ReasoningMode,
    Request, Role, Text, ToolResult, broken_arguments,
};
use crate::read::Reader;

use super::call::Call;
use super::message_read::{self, Fields};
use super::{content, reasoning, tools};

const TEXT: &str = "must be a string";
const NUMBER: &str = "must be a number";
const BOOL: &str = "must be true or false";
const ARRAY: &str = "must be an array";

/// # Errors
/// The field that is missing, double, of the wrong type or that nobody knows the meaning of.
pub(super) fn read<'a>(body: &'a [u8], asked: &Asked<'a>) -> Result<Read<Request<'a>>, BodyError> {
    Reader::whole(body, true, |reader| request(reader, asked))
}

/// Members that are put together when all are known.
#[derive(Default)]
struct Pending<'a> {
    messages: Option<Vec<Message<'a>>>,
    max_tokens: Option<Number<'a>>,
    max_completion_tokens: Option<Number<'a>>,
    safety_identifier: Option<Text<'a>>,
    include_reasoning: Option<bool>,
}

fn request<'a>(reader: &mut Reader<'a>, asked: &Asked<'a>) -> Result<Request<'a>, Fault> {
    let mut request = Request::new(Dialect::OpenAiChat, Text::default());
    let mut pending = Pending::default();
    let Some(mut members) = reader.object("the body must be a JSON object")? else {
        return Ok(request);
    };
    while let Some(key) = reader.next(&mut members)? {
        if !member(reader, &key, &mut request, &mut pending)? && !sampling(reader, &key, &mut request)? {
            reader.extra(key, &mut request.extras)?;
        }
    }
    settle(&mut request, pending, asked)?;
    Ok(request)
}

fn member<'a>(
    reader: &mut Reader<'a>,
    key: &[u8],
    request: &mut Request<'a>,
    pending: &mut Pending<'a>,
) -> Result<bool, Fault> {
    match key {
        b"model" => request.model = reader.text(TEXT).within("model")?.unwrap_or_default(),
        b"messages" => pending.messages = Some(messages(reader).within("messages")?),
        b"max_tokens" => pending.max_tokens = reader.number(NUMBER).within("max_tokens")?,
        b"max_completion_tokens" => {
            pending.max_completion_tokens = reader.number(NUMBER).within("max_completion_tokens")?;
        }
        b"stop" => request.stop = stop(reader).within("stop")?,
        b"tools" => {
            let tools = &mut request.tools;
            reader
                .each(ARRAY, |reader, _| {
                    tools.extend(tools::tool(reader)?);
                    Ok(())
                })
                .within("tools")?;
        }
        b"functions" => {
            request.legacy_functions = true;
            let tools = &mut request.tools;
            reader
                .each(ARRAY, |reader, _| {
                    tools.extend(tools::legacy_function(reader)?);
                    Ok(())
                })
                .within("functions")?;
        }
        b"tool_choice" => request.tool_choice = tools::choice(reader).within("tool_choice")?,
        b"function_call" => {
            request.legacy_functions = true;
            request.tool_choice = tools::choice(reader).within("function_call")?;
        }
        b"parallel_tool_calls" => request.parallel_calls = reader.bool(BOOL).within("parallel_tool_calls")?,
        b"response_format" => request.format = tools::format(reader).within("response_format")?,
        b"reasoning_effort" => {
            request.reasoning.effort = reader.text(TEXT).within("reasoning_effort")?.map(Effort::named);
        }
        b"reasoning" => reasoning::read_object(reader, &mut request.reasoning).within("reasoning")?,
        b"thinking" => reasoning::read_thinking(reader, &mut request.reasoning).within("thinking")?,
        b"include_reasoning" => {
            pending.include_reasoning = reader.bool(BOOL).within("include_reasoning")?;
        }
        b"verbosity" => request.verbosity = reader.text(TEXT).within("verbosity")?,
        b"modalities" => request.modalities = reader.texts().within("modalities")?,
        b"audio" => request.audio = reader.json_or_null()?,
        b"user" => request.user = reader.text(TEXT).within("user")?,
        b"safety_identifier" => pending.safety_identifier = reader.text(TEXT).within("safety_identifier")?,
        b"metadata" => request.metadata = reader.json_or_null()?,
        b"prompt_cache_key" => request.cache_key = reader.text(TEXT).within("prompt_cache_key")?,
        b"cache_control" => request.cache = content::cache_control(reader).within("cache_control")?,
        b"service_tier" => request.service_tier = reader.text(TEXT).within("service_tier")?,
        b"stream" => request.stream = reader.bool(BOOL).within("stream")?.unwrap_or(false),
        b"stream_options" => stream_options(reader, request).within("stream_options")?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn sampling<'a>(reader: &mut Reader<'a>, key: &[u8], request: &mut Request<'a>) -> Result<bool, Fault> {
    let sampling = &mut request.sampling;
    let (place, name) = match key {
        b"temperature" => (&mut sampling.temperature, "temperature"),
        b"top_p" => (&mut sampling.top_p, "top_p"),
        b"top_k" => (&mut sampling.top_k, "top_k"),
        b"min_p" => (&mut sampling.min_p, "min_p"),
        b"frequency_penalty" => (&mut sampling.frequency_penalty, "frequency_penalty"),
        b"presence_penalty" => (&mut sampling.presence_penalty, "presence_penalty"),
        b"repetition_penalty" => (&mut sampling.repetition_penalty, "repetition_penalty"),
        b"seed" => (&mut sampling.seed, "seed"),
        b"n" => (&mut sampling.choices, "n"),
        b"top_logprobs" => (&mut sampling.top_logprobs, "top_logprobs"),
        b"logit_bias" => {
            sampling.logit_bias = reader.json_or_null()?;
            return Ok(true);
        }
        // Together has a number here, which stays its own
        b"logprobs" if reader.kind()? != ValueKind::Number => {
            sampling.logprobs = reader.bool(BOOL).within("logprobs")?;
            return Ok(true);
        }
        _ => return Ok(false),
    };
    *place = reader.number(NUMBER).within(name)?;
    Ok(true)
}

fn settle<'a>(request: &mut Request<'a>, pending: Pending<'a>, asked: &Asked<'a>) -> Result<(), Fault> {
    if let Some(model) = asked.model {
        request.model = Text::plain(model);
    }
    if request.model.is_empty() {
        return Err(Fault::missing("model", "is missing: name the model to ask"));
    }
    request.stream = asked.stream.unwrap_or(request.stream);
    request.betas = asked.betas.iter().map(|beta| Text::plain(*beta)).collect();
    request.messages = pending
        .messages
        .ok_or_else(|| Fault::missing("messages", "is missing: send an array of messages"))?;
    request.max_output = pending.max_completion_tokens.or(pending.max_tokens);
    if let Some(include) = pending.include_reasoning {
        request.reasoning.include.get_or_insert(include);
        if request.reasoning.mode.is_none() && include && request.reasoning.effort.is_none() {
            request.reasoning.mode = Some(ReasoningMode::On);
        }
    }
    // the new name of `user`; where both are there it is kept as it is
    match (request.user.is_none(), pending.safety_identifier) {
        (true, Some(identifier)) => request.user = Some(identifier),
        (false, Some(identifier)) => request.extras.push(Extra::text("safety_identifier", &identifier)),
        (_, None) => {}
    }
    pair_legacy_calls(&mut request.messages);
    Ok(())
}

fn messages<'a>(reader: &mut Reader<'a>) -> Result<Vec<Message<'a>>, Fault> {
    let mut messages = Vec::new();
    reader.each("must be an array of messages", |reader, _| {
        if let Some(fields) = message_read::read(reader)? {
            messages.push(message(fields)?);
        }
        Ok(())
    })?;
    Ok(messages)
}

fn message(mut fields: Fields<'_>) -> Result<Message<'_>, Fault> {
    let role = fields
        .role
        .take()
        .ok_or_else(|| Fault::missing("role", "is missing: every message has one"))?;
    let name = fields.name.take();
    let role = role.get().into_owned();
    match &*role {
        "assistant" => {
            for (at, call) in fields.calls.iter().enumerate() {
                check_call(call).map_err(|fault| fault.within_element(at).within("tool_calls"))?;
            }
            let (parts, extras) = fields.into_assistant_parts();
            Ok(Message {
                role: Role::Assistant,
                place: Place::Turn,
                name,
                parts,
                extras,
            })
        }
        "tool" | "function" => tool_message(fields, name, role == "function"),
        "system" => Ok(spoken(Role::System, name, fields)),
        "developer" => Ok(spoken(Role::Developer, name, fields)),
        "user" => Ok(spoken(Role::User, name, fields)),
        _ => Err(Fault::invalid(
            "role",
            "is none of `system`, `developer`, `user`, `assistant` and `tool`",
        )),
    }
}

/// A call has a name, and a function's arguments are a JSON object: else it is refused by its id, not sent on (PAIN D07).
fn check_call(call: &Call<'_>) -> Result<(), Fault> {
    if call.name.as_ref().is_none_or(Text::is_empty) {
        return Err(Fault::missing(
            "function.name",
            "is missing: say which tool was called",
        ));
    }
    match call.has_object() {
        true => Ok(()),
        false => Err(broken_arguments(call.id.as_ref()).within("function")),
    }
}

fn spoken<'a>(role: Role, name: Option<Text<'a>>, fields: Fields<'a>) -> Message<'a> {
    let mut extras = fields.extras;
    // some callers send every field with every message; calls of a user's are nobody's
    extras.retain(|extra| !extra.value.is_null());
    Message {
        role,
        place: Place::Turn,
        name,
        parts: fields.content,
        extras,
    }
}

fn tool_message<'a>(fields: Fields<'a>, name: Option<Text<'a>>, legacy: bool) -> Result<Message<'a>, Fault> {
    let call_id = match fields.tool_call_id {
        Some(id) => id,
        // paired with its call when all messages are known
        None if legacy => Text::default(),
        None => {
            return Err(Fault::missing(
                "tool_call_id",
                "is missing: say which call this is the result of",
            ));
        }
    };
    let result = ToolResult {
        name,
        ..ToolResult::new(call_id, fields.content)
    };
    Ok(Message {
        role: Role::Tool,
        place: Place::Turn,
        name: None,
        parts: vec![Part::new(Content::ToolResult(result))],
        extras: fields.extras,
    })
}

/// Legacy calls have no ids: each gets one, and its result is the next one of the same name.
fn pair_legacy_calls(messages: &mut [Message<'_>]) {
    let mut open: Vec<(String, Text<'static>)> = Vec::new();
    for (at, message) in messages.iter_mut().enumerate() {
        for part in &mut message.parts {
            match &mut part.content {
                Content::ToolCall(call) if call.id.is_empty() => {
                    call.id = Text::plain(format!("call_{at}"));
                    open.push((call.name.get().into_owned(), call.id.clone().into_owned()));
                }
                Content::ToolResult(result) if result.call_id.is_empty() => {
                    let named = |name: &str| result.name.as_ref().is_none_or(|of| of.is(name));
                    if let Some(found) = open.iter().position(|(name, _)| named(name)) {
                        result.call_id = open.swap_remove(found).1;
                    }
                }
                _ => {}
            }
        }
    }
}

fn stop<'a>(reader: &mut Reader<'a>) -> Result<Vec<Text<'a>>, Fault> {
    if reader.kind()? == ValueKind::String {
        let text = reader.literal()?;
        return Ok(vec![text]);
    }
    reader.texts()
}

fn stream_options<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), Fault> {
    if reader.kind()? == ValueKind::Null {
        return reader.pass();
    }
    let Some(mut members) = reader.object("must be an object")? else {
        return Ok(());
    };
    let mut others = Extras::new();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"include_usage" => {
                request.stream_usage = reader.bool(BOOL).within("include_usage")?.unwrap_or(false);
            }
            _ => reader.extra(key, &mut others)?,
        }
    }
    if !others.is_empty() {
        request.extras.push(Extra {
            name: Text::plain("stream_options"),
            value: reader.walked(&members),
        });
    }
    Ok(())
}
