//! A chat request into the model.

use crate::fault::{BodyError, Fault, Within};
use crate::json::ValueKind;
use crate::model::{
    Asked, Content, Dialect, Extra, Extras, Json, Message, Part, Read, ReasoningMode, ReasoningWish, Request,
    Role, Text, ToolKind,
};
use crate::read::Reader;

use super::{documents, message_read, tools};

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
    documents: Vec<Part<'a>>,
    strict_tools: Option<bool>,
}

fn request<'a>(reader: &mut Reader<'a>, asked: &Asked<'a>) -> Result<Request<'a>, Fault> {
    let mut request = Request::new(Dialect::Cohere, Text::default());
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
        b"documents" => {
            let documents = &mut pending.documents;
            reader
                .each(ARRAY, |reader, _| {
                    documents.extend(documents::read(reader)?);
                    Ok(())
                })
                .within("documents")?;
        }
        b"max_tokens" => request.max_output = reader.number(NUMBER).within("max_tokens")?,
        b"stop_sequences" => {
            let stop = &mut request.stop;
            reader
                .each(ARRAY, |reader, _| {
                    stop.extend(reader.text(TEXT)?);
                    Ok(())
                })
                .within("stop_sequences")?;
        }
        b"tools" => {
            let tools = &mut request.tools;
            reader
                .each(ARRAY, |reader, _| {
                    tools.extend(tools::read(reader)?);
                    Ok(())
                })
                .within("tools")?;
        }
        b"strict_tools" => pending.strict_tools = reader.bool(BOOL).within("strict_tools")?,
        b"tool_choice" => request.tool_choice = tools::read_choice(reader)?,
        b"response_format" => request.format = tools::read_format(reader).within("response_format")?,
        b"thinking" => thinking(reader, &mut request.reasoning).within("thinking")?,
        b"stream" => request.stream = reader.bool(BOOL).within("stream")?.unwrap_or(false),
        _ => return Ok(false),
    }
    Ok(true)
}

fn sampling<'a>(reader: &mut Reader<'a>, key: &[u8], request: &mut Request<'a>) -> Result<bool, Fault> {
    let sampling = &mut request.sampling;
    let (place, name) = match key {
        b"temperature" => (&mut sampling.temperature, "temperature"),
        b"p" => (&mut sampling.top_p, "p"),
        b"k" => (&mut sampling.top_k, "k"),
        b"frequency_penalty" => (&mut sampling.frequency_penalty, "frequency_penalty"),
        b"presence_penalty" => (&mut sampling.presence_penalty, "presence_penalty"),
        b"seed" => (&mut sampling.seed, "seed"),
        b"logprobs" => {
            sampling.logprobs = reader.bool(BOOL).within("logprobs")?;
            return Ok(true);
        }
        _ => return Ok(false),
    };
    *place = reader.number(NUMBER).within(name)?;
    Ok(true)
}

fn messages<'a>(reader: &mut Reader<'a>) -> Result<Vec<Message<'a>>, Fault> {
    let mut messages = Vec::new();
    reader.each(ARRAY, |reader, _| {
        if let Some(fields) = message_read::read(reader)? {
            messages.push(fields.into_message()?);
        }
        Ok(())
    })?;
    Ok(messages)
}

fn thinking<'a>(reader: &mut Reader<'a>, wish: &mut ReasoningWish<'a>) -> Result<(), Fault> {
    if reader.kind()? == ValueKind::Null {
        return reader.pass();
    }
    let Some(mut members) = reader.object("must be an object with a `type`")? else {
        return Ok(());
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"type" => {
                let kind = reader.text(TEXT).within("type")?;
                match kind.as_ref().map(Text::get).as_deref() {
                    Some("enabled") => wish.mode = Some(ReasoningMode::On),
                    Some("disabled") => wish.mode = Some(ReasoningMode::Off),
                    _ => wish.extras.extend(kind.map(|kind| Extra::text("type", &kind))),
                }
            }
            b"token_budget" => wish.budget = reader.number(NUMBER).within("token_budget")?,
            _ => reader.extra(key, &mut wish.extras)?,
        }
    }
    Ok(())
}

fn settle<'a>(request: &mut Request<'a>, pending: Pending<'a>, asked: &Asked<'a>) -> Result<(), Fault> {
    if let Some(model) = asked.model {
        request.model = Text::plain(model);
    }
    if request.model.is_empty() {
        return Err(Fault::missing("model", "is missing"));
    }
    request.messages = pending
        .messages
        .filter(|messages| !messages.is_empty())
        .ok_or_else(|| Fault::missing("messages", "is missing or empty"))?;
    request.stream = asked.stream.unwrap_or(request.stream);
    request.stream_usage = true;
    if let Some(strict) = pending.strict_tools {
        be_strict(request, strict);
    }
    add_documents(request, pending.documents);
    Ok(())
}

/// The flag is of all tools; without any it is kept as it is.
fn be_strict(request: &mut Request<'_>, all: bool) {
    for tool in &mut request.tools {
        if let ToolKind::Function { strict, .. } = &mut tool.kind {
            *strict = Some(all);
        }
    }
    if request.tools.is_empty() {
        request.extras.push(Extra {
            name: Text::plain("strict_tools"),
            value: Json::checked(if all { "true" } else { "false" }),
        });
    }
}

/// Documents stand in the last user's message, as other dialects have them; there they lead the words.
fn add_documents<'a>(request: &mut Request<'a>, mut documents: Vec<Part<'a>>) {
    if documents.is_empty() {
        return;
    }
    let cited = Some(citations_wanted(&request.extras));
    for part in &mut documents {
        if let Content::Media(media) = &mut part.content {
            media.citations = cited;
        }
    }
    let messages = &mut request.messages;
    match messages
        .iter_mut()
        .rev()
        .find(|message| message.role == Role::User)
    {
        Some(message) => drop(message.parts.splice(0..0, documents)),
        None => messages.push(Message::new(Role::User, documents)),
    }
}

/// Cohere cites unless it is told not to.
fn citations_wanted(extras: &Extras<'_>) -> bool {
    let options = crate::model::extra(extras, "citation_options");
    let mode = options.and_then(|options| options.pointer("/mode"));
    let mode = mode.as_ref().and_then(Json::as_text);
    mode.is_none_or(|mode| !matches!(mode.get().to_ascii_uppercase().as_str(), "OFF" | "DISABLED"))
}
