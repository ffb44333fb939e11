//! A Converse request into the model.

use crate::fault::{BodyError, Fault, Within};
use crate::json::ValueKind;
use crate::model::{
    Asked, Dialect, Effort, Extras, Json, Message, Place, Read, Request, ResponseFormat, Role, Text,
};
use crate::read::Reader;

use super::block_read::{Speaker, blocks};
use super::{family, fields, rest, tools_read};

const TEXT: &str = "must be a string";
const NUMBER: &str = "must be a number";
const OBJECT: &str = "must be an object";

/// # Errors
/// The field that is missing, double, of the wrong type or that nobody knows the meaning of.
pub(super) fn read<'a>(body: &'a [u8], asked: &Asked<'a>) -> Result<Read<Request<'a>>, BodyError> {
    Reader::whole(body, true, |reader| request(reader, asked))
}

fn request<'a>(reader: &mut Reader<'a>, asked: &Asked<'a>) -> Result<Request<'a>, Fault> {
    let model = asked.model.unwrap_or_default();
    let mut request = Request::new(Dialect::BedrockConverse, Text::plain(model));
    request.stream = asked.stream.unwrap_or(false);
    request.stream_usage = true;
    request.betas = asked.betas.iter().map(|beta| Text::plain(*beta)).collect();
    let Some(mut members) = reader.object("the body must be a JSON object")? else {
        return Ok(request);
    };
    let speaker = Speaker {
        maker: family::of_model(model),
        assistant: false,
    };
    let (mut system, mut messages) = (None, None);
    while let Some(key) = reader.next(&mut members)? {
        if reader.kind()? == ValueKind::Null {
            reader.pass()?;
            continue;
        }
        match &*key {
            b"system" => system = Some(blocks(reader, speaker).within("system")?),
            b"messages" => messages = Some(read_messages(reader, speaker).within("messages")?),
            b"inferenceConfig" => inference(reader, &mut request).within("inferenceConfig")?,
            b"toolConfig" => tools_read::read(reader, &mut request).within("toolConfig")?,
            b"additionalModelRequestFields" => {
                fields::read(reader, speaker.maker, &mut request).within(fields::NAME)?;
            }
            b"outputConfig" => output(reader, &mut request).within("outputConfig")?,
            b"serviceTier" => tier(reader, &mut request).within("serviceTier")?,
            b"requestMetadata" => request.metadata = reader.json_or_null()?,
            // in the path; some clients say it again
            b"modelId" => reader.pass()?,
            _ => reader.extra(key, &mut request.extras)?,
        }
    }
    let messages =
        messages.ok_or_else(|| Fault::missing("messages", "is missing: send an array of messages"))?;
    if let Some(parts) = system.filter(|parts| !parts.is_empty()) {
        let mut top = Message::new(Role::System, parts);
        top.place = Place::Top;
        request.messages.push(top);
    }
    request.messages.extend(messages);
    Ok(request)
}

fn read_messages<'a>(reader: &mut Reader<'a>, speaker: Speaker) -> Result<Vec<Message<'a>>, Fault> {
    let mut messages = Vec::new();
    reader.each("must be an array of messages", |reader, _| {
        messages.extend(message(reader, speaker)?);
        Ok(())
    })?;
    Ok(messages)
}

fn message<'a>(reader: &mut Reader<'a>, speaker: Speaker) -> Result<Option<Message<'a>>, Fault> {
    let Some(mut members) = reader.object("must be an object with `role` and `content`")? else {
        return Ok(None);
    };
    let (mut role, mut content, mut extras) = (None, None, Extras::new());
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"role" => role = reader.text(TEXT).within("role")?,
            b"content" => content = Some(reader.json()?),
            _ => reader.extra(key, &mut extras)?,
        }
    }
    let role = match role.as_ref().map(Text::get).as_deref() {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system") => Role::System,
        Some(_) => {
            return Err(Fault::invalid(
                "role",
                "is none of `user`, `assistant` and `system`",
            ));
        }
        None => return Err(Fault::missing("role", "is missing: every message has one")),
    };
    let speaker = Speaker {
        assistant: role == Role::Assistant,
        ..speaker
    };
    // what a result means hangs on the role, which may stand behind it
    let content = content.ok_or_else(|| Fault::missing("content", "is missing: every message has one"))?;
    let parts = reader
        .revisit(&content, |reader| blocks(reader, speaker))
        .within("content")?;
    let mut message = Message::new(role, parts.unwrap_or_default());
    message.extras = extras;
    Ok(Some(message))
}

fn inference<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(());
    };
    let mut others = Extras::new();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"maxTokens" => request.max_output = reader.number(NUMBER).within("maxTokens")?,
            b"temperature" => request.sampling.temperature = reader.number(NUMBER).within("temperature")?,
            b"topP" => request.sampling.top_p = reader.number(NUMBER).within("topP")?,
            b"stopSequences" => request.stop = reader.texts().within("stopSequences")?,
            _ => reader.extra(key, &mut others)?,
        }
    }
    rest::keep("inferenceConfig", &others, &mut request.extras);
    Ok(())
}

fn output<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(());
    };
    let mut others = Extras::new();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"textFormat" => request.format = reader.json_or_null()?.map(format),
            b"effort" => {
                let effort = reader.text(TEXT).within("effort")?;
                if let Some(effort) = &effort {
                    others.push(crate::model::Extra::text("effort", effort));
                }
                request.reasoning.effort = effort.map(Effort::named);
            }
            _ => reader.extra(key, &mut others)?,
        }
    }
    rest::keep("outputConfig", &others, &mut request.extras);
    Ok(())
}

/// The schema is JSON inside a string; anything that is not quite that stays in its own words.
fn format(whole: Json<'_>) -> ResponseFormat<'_> {
    let text = |pointer: &str| whole.pointer(pointer)?.as_text().map(Text::into_owned);
    let known = text("/type").is_some_and(|kind| kind.is("json_schema"));
    let schema = text("/structure/jsonSchema/schema").and_then(|schema| Json::new(schema.into_string()));
    match schema.filter(|_| known) {
        Some(schema) => ResponseFormat::Schema {
            name: text("/structure/jsonSchema/name"),
            description: text("/structure/jsonSchema/description"),
            schema,
            strict: None,
        },
        None => ResponseFormat::Native(whole),
    }
}

fn tier<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(());
    };
    let mut others = Extras::new();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"type" => request.service_tier = reader.text(TEXT).within("type")?,
            _ => reader.extra(key, &mut others)?,
        }
    }
    rest::keep("serviceTier", &others, &mut request.extras);
    Ok(())
}
