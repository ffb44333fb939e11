//! A Messages request into the model (APIS.md 3.1, 3.5).

use crate::fault::{BodyError, Fault, Within};
use crate::json::ValueKind;
use crate::model::{
    Asked, Content, Dialect, Extra, Extras, Message, Place, Read, Request, Role, Text, orphan_result,
};
use crate::read::Reader;

use super::{block_read, thinking, tools};

const TEXT: &str = "must be a string";
const NUMBER: &str = "must be a number";
const ARRAY: &str = "must be an array";

/// What a body is for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Answer,
    /// Its tokens are to be counted: no limit of the output is needed.
    Count,
}

/// # Errors
/// The field that is missing, double, of the wrong type or that nobody knows the meaning of.
pub(super) fn read<'a>(
    body: &'a [u8],
    asked: &Asked<'a>,
    purpose: Purpose,
) -> Result<Read<Request<'a>>, BodyError> {
    Reader::whole(body, true, |reader| request(reader, asked, purpose))
}

fn request<'a>(reader: &mut Reader<'a>, asked: &Asked<'a>, purpose: Purpose) -> Result<Request<'a>, Fault> {
    let mut request = Request::new(Dialect::AnthropicMessages, Text::default());
    // usage is part of every stream
    request.stream_usage = true;
    request.betas = asked.betas.iter().map(|beta| Text::plain(*beta)).collect();
    let Some(mut members) = reader.object("the body must be a JSON object")? else {
        return Ok(request);
    };
    let (mut system, mut messages) = (None, None);
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"system" => system = Some(block_read::content(reader).within("system")?),
            b"messages" => messages = Some(read_messages(reader).within("messages")?),
            _ if member(reader, &key, &mut request)? => {}
            _ => reader.extra(key, &mut request.extras)?,
        }
    }
    if let Some(model) = asked.model {
        request.model = Text::plain(model);
    }
    if request.model.is_empty() {
        return Err(Fault::missing("model", "is missing: name the model to ask"));
    }
    request.stream = asked.stream.unwrap_or(request.stream);
    let messages =
        messages.ok_or_else(|| Fault::missing("messages", "is missing: send an array of messages"))?;
    if messages.is_empty() {
        return Err(Fault::new(
            crate::fault::BodyErrorKind::Empty,
            "messages",
            "is empty: send at least one message",
        ));
    }
    if request.max_output.is_none() && purpose == Purpose::Answer {
        return Err(Fault::missing(
            "max_tokens",
            "is missing: say how many tokens the answer may have",
        ));
    }
    let top = system.filter(|parts| !parts.is_empty()).map(|parts| Message {
        place: Place::Top,
        ..Message::new(Role::System, parts)
    });
    request.messages = top.into_iter().chain(messages).collect();
    refuse_orphans(&request.messages)?;
    Ok(request)
}

/// A result of a call that nobody made is refused by every provider; here it is named.
fn refuse_orphans(messages: &[Message<'_>]) -> Result<(), Fault> {
    let Some((placed, _)) = orphan_result(messages) else {
        return Ok(());
    };
    let top = messages
        .first()
        .is_some_and(|message| message.place == Place::Top);
    let at = placed.message.saturating_sub(usize::from(top));
    let path = format!("messages[{at}].content[{}].tool_use_id", placed.index);
    Err(Fault::invalid(
        &path,
        "names a call that is in no message before it",
    ))
}

fn member<'a>(reader: &mut Reader<'a>, key: &[u8], request: &mut Request<'a>) -> Result<bool, Fault> {
    match key {
        b"model" => request.model = reader.text(TEXT).within("model")?.unwrap_or_default(),
        b"max_tokens" => request.max_output = reader.number(NUMBER).within("max_tokens")?,
        b"temperature" => request.sampling.temperature = reader.number(NUMBER).within("temperature")?,
        b"top_p" => request.sampling.top_p = reader.number(NUMBER).within("top_p")?,
        b"top_k" => request.sampling.top_k = reader.number(NUMBER).within("top_k")?,
        b"stop_sequences" => request.stop = reader.texts().within("stop_sequences")?,
        b"stream" => {
            let stream = reader.bool("must be true or false").within("stream")?;
            request.stream = stream.unwrap_or(false);
        }
        b"cache_control" => request.cache = block_read::cache_control(reader).within("cache_control")?,
        b"thinking" => thinking::read(reader, &mut request.reasoning).within("thinking")?,
        b"output_config" => thinking::read_output_config(reader, request).within("output_config")?,
        b"output_format" => request.format = thinking::read_format(reader).within("output_format")?,
        b"tools" => {
            let tools = &mut request.tools;
            reader
                .each(ARRAY, |reader, _| {
                    tools.extend(tools::tool(reader)?);
                    Ok(())
                })
                .within("tools")?;
        }
        b"tool_choice" => tools::choice(reader, request).within("tool_choice")?,
        b"metadata" => metadata(reader, request).within("metadata")?,
        b"service_tier" => request.service_tier = reader.text(TEXT).within("service_tier")?,
        // where there is no header for them (Bedrock)
        b"anthropic_beta" | b"betas" => {
            for beta in reader.texts().within("anthropic_beta")? {
                if !request.betas.contains(&beta) {
                    request.betas.push(beta);
                }
            }
        }
        // the version of this dialect, for hosts without the header
        b"anthropic_version" => reader.pass()?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn metadata<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), Fault> {
    if reader.kind()? == ValueKind::Null {
        return reader.pass();
    }
    let Some(mut members) = reader.object("must be an object")? else {
        return Ok(());
    };
    let mut others = Extras::new();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"user_id" => request.user = reader.text("must be a string or null").within("user_id")?,
            _ => reader.extra(key, &mut others)?,
        }
    }
    if !others.is_empty() {
        request.metadata = Some(reader.walked(&members));
    }
    Ok(())
}

fn read_messages<'a>(reader: &mut Reader<'a>) -> Result<Vec<Message<'a>>, Fault> {
    let mut messages = Vec::new();
    reader.each("must be an array of messages", |reader, _| {
        messages.extend(message(reader)?);
        Ok(())
    })?;
    Ok(messages)
}

fn message<'a>(reader: &mut Reader<'a>) -> Result<Option<Message<'a>>, Fault> {
    let Some(mut members) = reader.object("must be an object with `role` and `content`")? else {
        return Ok(None);
    };
    let (mut role, mut content, mut extras) = (None, None, Extras::new());
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"role" => role = reader.text(TEXT).within("role")?,
            b"content" => content = Some(block_read::content(reader).within("content")?),
            _ => reader.extra(key, &mut extras)?,
        }
    }
    let role = role.ok_or_else(|| Fault::missing("role", "is missing: every message has one"))?;
    let role = match &*role.get() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => {
            return Err(Fault::invalid(
                "role",
                "is none of `user`, `assistant` and `system`",
            ));
        }
    };
    let parts = content.ok_or_else(|| Fault::missing("content", "is missing: every message has one"))?;
    let misplaced = parts.iter().position(|part| match part.content {
        Content::ToolCall(_) => role != Role::Assistant,
        Content::ToolResult(_) => role != Role::User,
        _ => false,
    });
    if let Some(at) = misplaced {
        return Err(
            Fault::invalid("type", "does not belong into a message of this role")
                .within_element(at)
                .within("content"),
        );
    }
    Ok(Some(Message {
        extras,
        ..Message::new(role, parts)
    }))
}

/// What came of an object of which some members are known: the others, as an extra of that name.
pub(super) fn keep_rest<'a>(name: &'static str, rest: Extras<'a>, request: &mut Request<'a>) {
    if rest.is_empty() {
        return;
    }
    let mut json = Vec::new();
    crate::write::object(&mut json, |object| object.extras(&rest));
    let value = crate::model::Json::checked(String::from_utf8_lossy(&json).into_owned());
    request.extras.push(Extra {
        name: Text::plain(name),
        value,
    });
}
