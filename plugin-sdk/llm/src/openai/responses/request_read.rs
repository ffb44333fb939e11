//! A Responses request into the model.

use crate::fault::{BodyError, Fault, Within};
use crate::json::ValueKind;
use crate::model::{
    Asked, Content, Dialect, Effort, Extra, Extras, Message, Part, Place, Read, Request, Role, Text,
};
use crate::read::Reader;

use super::item::{self, Said, Turn};
use super::tools_read as tools;

const TEXT: &str = "must be a string";
const NUMBER: &str = "must be a number";
const BOOL: &str = "must be true or false";
const ARRAY: &str = "must be an array";
const OBJECT: &str = "must be an object";

/// What `include` says to ask for log probabilities.
pub(super) const LOGPROBS: &str = "message.output_text.logprobs";

/// # Errors
/// The field that is missing, double, of the wrong type or that nobody knows the meaning of.
pub(super) fn read<'a>(body: &'a [u8], asked: &Asked<'a>) -> Result<Read<Request<'a>>, BodyError> {
    Reader::whole(body, true, |reader| request(reader, asked))
}

/// Members that are put together when all are known.
#[derive(Default)]
struct Pending<'a> {
    instructions: Option<Text<'a>>,
    input: Option<Vec<Message<'a>>>,
    safety_identifier: Option<Text<'a>>,
}

fn request<'a>(reader: &mut Reader<'a>, asked: &Asked<'a>) -> Result<Request<'a>, Fault> {
    let mut request = Request::new(Dialect::OpenAiResponses, Text::default());
    // a stream ends with its usage whether it was asked for or not
    request.stream_usage = true;
    let mut pending = Pending::default();
    let Some(mut members) = reader.object("the body must be a JSON object")? else {
        return Ok(request);
    };
    while let Some(key) = reader.next(&mut members)? {
        if !member(reader, &key, &mut request, &mut pending)? && !option(reader, &key, &mut request)? {
            reader.extra(key, &mut request.extras)?;
        }
    }
    request.extras.retain(|extra| !extra.value.is_null());
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
        b"input" => pending.input = Some(input(reader).within("input")?),
        b"instructions" => pending.instructions = reader.text(TEXT).within("instructions")?,
        b"tools" => {
            let tools = &mut request.tools;
            reader
                .each(ARRAY, |reader, _| {
                    tools.extend(tools::tool(reader)?);
                    Ok(())
                })
                .within("tools")?;
        }
        b"tool_choice" => request.tool_choice = tools::choice(reader).within("tool_choice")?,
        b"parallel_tool_calls" => request.parallel_calls = reader.bool(BOOL).within("parallel_tool_calls")?,
        b"text" => text_options(reader, request).within("text")?,
        b"reasoning" => reasoning(reader, request).within("reasoning")?,
        b"include" => include(reader, request).within("include")?,
        b"safety_identifier" => pending.safety_identifier = reader.text(TEXT).within("safety_identifier")?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn option<'a>(reader: &mut Reader<'a>, key: &[u8], request: &mut Request<'a>) -> Result<bool, Fault> {
    match key {
        b"max_output_tokens" => request.max_output = reader.number(NUMBER).within("max_output_tokens")?,
        b"temperature" => request.sampling.temperature = reader.number(NUMBER).within("temperature")?,
        b"top_p" => request.sampling.top_p = reader.number(NUMBER).within("top_p")?,
        b"top_logprobs" => request.sampling.top_logprobs = reader.number(NUMBER).within("top_logprobs")?,
        b"user" => request.user = reader.text(TEXT).within("user")?,
        b"metadata" => request.metadata = reader.json_or_null()?,
        b"prompt_cache_key" => request.cache_key = reader.text(TEXT).within("prompt_cache_key")?,
        b"service_tier" => request.service_tier = reader.text(TEXT).within("service_tier")?,
        b"stream" => request.stream = reader.bool(BOOL).within("stream")?.unwrap_or(false),
        _ => return Ok(false),
    }
    Ok(true)
}

fn settle<'a>(request: &mut Request<'a>, pending: Pending<'a>, asked: &Asked<'a>) -> Result<(), Fault> {
    if let Some(model) = asked.model {
        request.model = Text::plain(model);
    }
    let named = |name: &str| crate::model::extra(&request.extras, name).is_some();
    // a stored prompt names its model and may hold all that there is to say
    if request.model.is_empty() && !named("prompt") {
        return Err(Fault::missing("model", "is missing: name the model to ask"));
    }
    let continued = ["previous_response_id", "conversation", "prompt"]
        .into_iter()
        .any(named);
    let input = match pending.input {
        Some(input) => input,
        None if continued => Vec::new(),
        None => {
            return Err(Fault::missing(
                "input",
                "is missing: send a text or an array of items",
            ));
        }
    };
    request.stream = asked.stream.unwrap_or(request.stream);
    request.betas = asked.betas.iter().map(|beta| Text::plain(*beta)).collect();
    request.messages.extend(pending.instructions.map(|text| Message {
        place: Place::Top,
        ..Message::new(Role::System, vec![Part::text(text)])
    }));
    request.messages.extend(input);
    // the new name of `user`; where both are there it is kept as it is
    match (request.user.is_none(), pending.safety_identifier) {
        (true, Some(identifier)) => {
            request.user = Some(identifier);
            request.user_is_safety_identifier = true;
        }
        (false, Some(identifier)) => request.extras.push(Extra::text("safety_identifier", &identifier)),
        (_, None) => {}
    }
    Ok(())
}

/// Reads `input`: a text of the user's, or items.
fn input<'a>(reader: &mut Reader<'a>) -> Result<Vec<Message<'a>>, Fault> {
    if reader.kind()? == ValueKind::String {
        let text = reader.literal()?;
        return Ok(vec![Message::new(Role::User, vec![Part::text(text)])]);
    }
    let mut messages = Vec::new();
    let mut turn = Turn::default();
    reader.each("must be a string or an array of items", |reader, _| {
        if let Some(item) = item::read(reader)? {
            take(item.into_said(reader)?, &mut turn, &mut messages);
        }
        Ok(())
    })?;
    end(&mut turn, &mut messages);
    Ok(messages)
}

fn take<'a>(said: Said<'a>, turn: &mut Turn<'a>, messages: &mut Vec<Message<'a>>) {
    match said {
        Said::Assistant(parts) => turn.push(parts),
        Said::Signature(signature) => turn.sign_next(signature),
        Said::Message { role, parts, extras } => {
            end(turn, messages);
            messages.push(Message {
                extras,
                ..Message::new(role, parts)
            });
        }
        Said::Result(result, extras) => {
            end(turn, messages);
            messages.push(Message {
                extras,
                ..Message::new(Role::Tool, vec![Part::new(Content::ToolResult(result))])
            });
        }
    }
}

fn end<'a>(turn: &mut Turn<'a>, messages: &mut Vec<Message<'a>>) {
    let parts = turn.take();
    if !parts.is_empty() {
        messages.push(Message::new(Role::Assistant, parts));
    }
}

/// Reads `text`: how the answer has to look. What is not known of it is kept under its name.
fn text_options<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), Fault> {
    if reader.kind()? == ValueKind::Null {
        return reader.pass();
    }
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(());
    };
    let mut others = Extras::new();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"format" => request.format = tools::format(reader).within("format")?,
            b"verbosity" => request.verbosity = reader.text(TEXT).within("verbosity")?,
            _ => reader.extra(key, &mut others)?,
        }
    }
    request.extras.extend(others.into_iter().map(|extra| Extra {
        name: Text::plain(format!("text.{}", extra.name.get())),
        value: extra.value,
    }));
    Ok(())
}

fn reasoning<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), Fault> {
    if reader.kind()? == ValueKind::Null {
        return reader.pass();
    }
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(());
    };
    let wish = &mut request.reasoning;
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"effort" => wish.effort = reader.text(TEXT).within("effort")?.map(Effort::named),
            // the second is its name before
            b"summary" | b"generate_summary" => {
                let summary = reader.text(TEXT).within("summary")?;
                wish.summary = summary.or(wish.summary.take());
            }
            _ => reader.extra(key, &mut wish.extras)?,
        }
    }
    wish.extras.retain(|extra| !extra.value.is_null());
    Ok(())
}

/// Reads `include`: what is to be in the answer besides. Log probabilities have a field of their own; the rest is kept.
fn include<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), Fault> {
    let list = reader.json()?;
    let mut others = reader.revisit(&list, Reader::texts)?.unwrap_or_default();
    let named = others.len();
    others.retain(|name| !name.is(LOGPROBS));
    if others.len() < named {
        request.sampling.logprobs = Some(true);
    }
    if others.is_empty() {
        return Ok(());
    }
    let mut value = Vec::new();
    crate::write::array(&mut value, |array| {
        others.iter().for_each(|name| array.text(name))
    });
    request.extras.push(Extra {
        name: Text::plain("include"),
        value: crate::model::Json::checked(String::from_utf8_lossy(&value).into_owned()),
    });
    Ok(())
}
