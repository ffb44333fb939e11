//! A request into the model (APIS.md 4.1).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::fault::{BodyError, BodyErrorKind, Fault, Within};
use crate::json::DEFAULT_MAX_DEPTH;
use crate::model::{Asked, Content, Dialect, Message, Read, Request, Text, extra};
use crate::read::Reader;

use super::spelling::{TEXT, next, word};
use super::{config_read, content, tools};

/// # Errors
/// The field that is missing, double, of the wrong type or that nobody knows the meaning of.
pub(super) fn read<'a>(body: &'a [u8], asked: &Asked<'a>) -> Result<Read<Request<'a>>, BodyError> {
    Reader::whole(body, true, |reader| {
        let mut request = request(reader)?;
        ask(&mut request, asked);
        Ok(request)
    })
}

/// What the path says besides.
pub(super) fn ask<'a>(request: &mut Request<'a>, asked: &Asked<'a>) {
    if let Some(model) = asked.model {
        request.model = Text::plain(model);
    }
    request.stream = asked.stream.unwrap_or(false);
}

pub(super) fn request<'a>(reader: &mut Reader<'a>) -> Result<Request<'a>, Fault> {
    let mut request = Request::new(Dialect::Gemini, Text::default());
    request.stream_usage = true;
    let Some(mut members) = reader.object("the body must be a JSON object")? else {
        return Ok(request);
    };
    let (mut system, mut contents) = (None, None);
    while let Some(key) = next(reader, &mut members)? {
        match &*key {
            b"contents" => contents = Some(content::contents(reader).within("contents")?),
            b"systemInstruction" => system = content::system(reader).within("systemInstruction")?,
            b"tools" => tools::read(reader, &mut request.tools).within("tools")?,
            b"toolConfig" => tools::config(reader, &mut request).within("toolConfig")?,
            b"generationConfig" => config_read::read(reader, &mut request).within("generationConfig")?,
            b"serviceTier" => request.service_tier = word(reader).within("serviceTier")?,
            b"model" => request.model = reader.text(TEXT).within("model")?.unwrap_or_default(),
            _ => reader.extra(key, &mut request.extras)?,
        }
    }
    let contents: Vec<Message<'a>> =
        contents.ok_or_else(|| Fault::missing("contents", "is missing: it holds the conversation"))?;
    if contents.is_empty() {
        return Err(Fault::new(BodyErrorKind::Empty, "contents", "must not be empty"));
    }
    request.messages.extend(system);
    request.messages.extend(contents);
    pair_calls(&mut request.messages);
    Ok(request)
}

/// # Errors
/// A prompt that was cached before is kept by one provider alone, and what is in it nobody else knows.
pub(super) fn check_portable(request: &Request<'_>) -> Result<(), BodyError> {
    match extra(&request.extras, "cachedContent") {
        Some(name) if !name.is_null() => Err(Fault::unsupported(
            "cachedContent",
            "names a prompt that only the provider which cached it knows: send it whole",
        )
        .into_body_error(&[], DEFAULT_MAX_DEPTH)),
        _ => Ok(()),
    }
}

/// Calls need no ids here: each without gets one by its place, and a result without one is of the first open call of its
/// name (APIS.md 9.3).
fn pair_calls(messages: &mut [Message<'_>]) {
    let nameless = |message: &Message<'_>| {
        message.parts.iter().any(|part| match &part.content {
            Content::ToolCall(call) => call.id.is_empty(),
            Content::ToolResult(result) => result.call_id.is_empty(),
            _ => false,
        })
    };
    if !messages.iter().any(nameless) {
        return;
    }
    let mut open = Open::default();
    for (at, message) in messages.iter_mut().enumerate() {
        for (index, part) in message.parts.iter_mut().enumerate() {
            match &mut part.content {
                Content::ToolCall(call) => {
                    if call.id.is_empty() {
                        call.id = Text::plain(made_id(at, index));
                    }
                    open.called(&call.name, &call.id);
                }
                Content::ToolResult(result) if result.call_id.is_empty() => {
                    let name = result.name.as_ref().map(Text::get).unwrap_or_default();
                    result.call_id = open.next(&name).unwrap_or_default();
                }
                Content::ToolResult(result) => open.answered(&result.call_id),
                _ => {}
            }
        }
    }
}

/// Calls that have no result yet, by name.
#[derive(Default)]
struct Open {
    by_name: BTreeMap<String, VecDeque<Text<'static>>>,
    answered: BTreeSet<String>,
}

impl Open {
    fn called(&mut self, name: &Text<'_>, id: &Text<'_>) {
        self.answered.remove(&*id.get());
        let calls = self.by_name.entry(name.get().into_owned()).or_default();
        calls.push_back(id.clone().into_owned());
    }

    fn answered(&mut self, id: &Text<'_>) {
        self.answered.insert(id.get().into_owned());
    }

    fn next(&mut self, name: &str) -> Option<Text<'static>> {
        let calls = self.by_name.get_mut(name)?;
        loop {
            let id = calls.pop_front()?;
            if !self.answered.contains(&*id.get()) {
                return Some(id);
            }
        }
    }
}

const MADE: &str = "gemini_";

fn made_id(message: usize, part: usize) -> String {
    format!("{MADE}{message}_{part}")
}

/// Whether an id was made here, and the caller knows none.
pub(super) fn is_made_id(id: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let numbers = id.strip_prefix(MADE).and_then(|rest| rest.split_once('_'));
    numbers.is_some_and(|(message, part)| number(message) && number(part))
}
