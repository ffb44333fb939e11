//! What one event of a stream says (APIS.md 3.3).

use crate::fault::{BodyError, Fault, Within};
use crate::json::ValueKind;
use crate::model::{
    Citation, Content, Extra, Extras, Json, Losses, Part, Read, Signature, Start, Text, extra,
};
use crate::read::Reader;

use super::answer_read::rest_of_usage;
use super::block_read;
use super::usage::Counts;

const TEXT: &str = "a member of an event is not a string";
const OBJECT: &str = "an event is not a JSON object";

pub(super) enum Said<'a> {
    Start(Box<Start<'a>>),
    BlockStart { index: u64, part: Box<Part<'a>> },
    BlockDelta { index: u64, delta: BlockDelta<'a> },
    BlockStop { index: u64 },
    Whole(Box<Whole<'a>>),
    Stop,
    Ping,
    Error,
    Unknown,
}

pub(super) enum BlockDelta<'a> {
    Text(Text<'a>),
    Thinking(Text<'a>),
    Signature(Signature<'a>),
    Json(Text<'a>),
    Citation(Box<Citation<'a>>),
    Unknown,
}

/// A `message_delta`.
#[derive(Default)]
pub(super) struct Whole<'a> {
    pub reason: Option<Text<'a>>,
    pub sequence: Option<Text<'a>>,
    pub details: Option<Json<'a>>,
    pub any_usage: bool,
    pub extras: Extras<'a>,
}

/// An event's members; its type may stand behind them.
#[derive(Default)]
struct Members<'a> {
    kind: Option<Text<'a>>,
    index: u64,
    message: Option<Json<'a>>,
    block: Option<Json<'a>>,
    delta: Option<Json<'a>>,
    usage: Option<Json<'a>>,
    is_error: bool,
    extras: Extras<'a>,
}

/// Reads an event's data, its counts on top of those before.
///
/// # Errors
/// The data is no JSON object.
pub(super) fn read<'a>(
    data: &'a [u8],
    counts: &mut Counts,
    losses: &mut Losses,
) -> Result<Said<'a>, BodyError> {
    let Read { value, losses: lost } = Reader::whole(data, false, |reader| said(reader, counts))?;
    losses.append(lost);
    Ok(value)
}

fn said<'a>(reader: &mut Reader<'a>, counts: &mut Counts) -> Result<Said<'a>, Fault> {
    if reader.kind()? != ValueKind::Object {
        return Err(Fault::wrong_type("", OBJECT));
    }
    let mut found = Members::default();
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(Said::Unknown);
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"type" => found.kind = reader.text(TEXT)?,
            b"index" => found.index = reader.whole_number("`index` is not a number")?.unwrap_or(0),
            b"message" => found.message = reader.json_or_null()?,
            b"content_block" => found.block = reader.json_or_null()?,
            b"delta" => found.delta = reader.json_or_null()?,
            b"usage" => found.usage = reader.json_or_null()?,
            b"error" => found.is_error = reader.json_or_null()?.is_some(),
            _ => reader.extra(key, &mut found.extras)?,
        }
    }
    found.settle(reader, counts)
}

impl<'a> Members<'a> {
    fn settle(self, reader: &mut Reader<'a>, counts: &mut Counts) -> Result<Said<'a>, Fault> {
        let index = self.index;
        let kind = self.kind.as_ref().map(Text::get);
        Ok(match kind.as_deref() {
            Some("content_block_delta") => match self.delta {
                Some(delta) => {
                    let delta = reader
                        .revisit(&delta, block_delta)?
                        .unwrap_or(BlockDelta::Unknown);
                    Said::BlockDelta { index, delta }
                }
                None => Said::Unknown,
            },
            Some("content_block_start") => match self.block {
                Some(block) => {
                    let part = reader.revisit(&block, block_read::block)?.flatten();
                    let part = part.map(opened);
                    part.map_or(Said::Unknown, |part| Said::BlockStart {
                        index,
                        part: Box::new(part),
                    })
                }
                None => Said::Unknown,
            },
            Some("content_block_stop") => Said::BlockStop { index },
            Some("message_start") => {
                let start = match self.message {
                    Some(message) => reader.revisit(&message, |reader| start(reader, counts))?,
                    None => None,
                };
                Said::Start(Box::new(start.unwrap_or_default()))
            }
            Some("message_delta") => self.whole(reader, counts)?,
            Some("message_stop") => Said::Stop,
            Some("ping") => Said::Ping,
            Some("error") => Said::Error,
            _ if self.is_error => Said::Error,
            _ => Said::Unknown,
        })
    }

    fn whole(self, reader: &mut Reader<'a>, counts: &mut Counts) -> Result<Said<'a>, Fault> {
        let mut whole = match &self.delta {
            Some(delta) => reader.revisit(delta, message_delta)?.unwrap_or_default(),
            None => Whole::default(),
        };
        if let Some(usage) = &self.usage {
            reader.revisit(usage, |reader| counts.read(reader))?;
            whole.any_usage = true;
        }
        whole.extras.extend(self.extras);
        Ok(Said::Whole(Box::new(whole)))
    }
}

/// A block as it begins: a call's input is `{}` until its JSON comes.
fn opened(mut part: Part<'_>) -> Part<'_> {
    if let Content::ToolCall(call) = &mut part.content
        && call
            .arguments
            .get()
            .trim()
            .trim_matches(['{', '}'])
            .trim()
            .is_empty()
    {
        call.arguments = Text::default();
    }
    part
}

fn block_delta<'a>(reader: &mut Reader<'a>) -> Result<BlockDelta<'a>, Fault> {
    let Some(mut members) = reader.object("`delta` is not an object")? else {
        return Ok(BlockDelta::Unknown);
    };
    let mut delta = BlockDelta::Unknown;
    while let Some(key) = reader.next(&mut members)? {
        let text: fn(Text<'a>) -> BlockDelta<'a> = match &*key {
            b"text" => BlockDelta::Text,
            b"thinking" => BlockDelta::Thinking,
            b"partial_json" => BlockDelta::Json,
            b"signature" => |data| BlockDelta::Signature(block_read::signature(data)),
            b"citation" => {
                let citation = block_read::citation(reader).within("citation")?;
                delta = citation.map_or(delta, |citation| BlockDelta::Citation(Box::new(citation)));
                continue;
            }
            // each type has a member of its own
            _ => {
                reader.pass()?;
                continue;
            }
        };
        delta = reader.text(TEXT)?.map_or(delta, text);
    }
    Ok(delta)
}

fn start<'a>(reader: &mut Reader<'a>, counts: &mut Counts) -> Result<Start<'a>, Fault> {
    let mut start = Start::default();
    let Some(mut members) = reader.object("`message` is not an object")? else {
        return Ok(start);
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"id" => start.id = reader.text(TEXT)?,
            b"model" => start.model = reader.text(TEXT)?,
            b"usage" => {
                let json = reader.json()?;
                reader.revisit(&json, |reader| counts.read(reader))?;
                usage_extras(reader, &json, &mut start)?;
            }
            b"type" | b"role" | b"content" | b"stop_reason" | b"stop_sequence" | b"stop_details" => {
                reader.pass()?
            }
            _ => reader.extra(key, &mut start.extras)?,
        }
    }
    Ok(start)
}

fn usage_extras<'a>(reader: &mut Reader<'a>, json: &Json<'a>, start: &mut Start<'a>) -> Result<(), Fault> {
    let mut others = Extras::new();
    rest_of_usage(reader, json, &mut others)?;
    if let Some(tier) = extra(&others, "service_tier") {
        start.service_tier = reader.revisit(tier, |reader| reader.text(TEXT))?.flatten();
    }
    let others = others.into_iter().filter(|extra| !extra.name.is("service_tier"));
    start.extras.extend(others.map(|extra| Extra {
        name: Text::plain(format!("usage.{}", extra.name.get())),
        value: extra.value,
    }));
    Ok(())
}

fn message_delta<'a>(reader: &mut Reader<'a>) -> Result<Whole<'a>, Fault> {
    let mut whole = Whole::default();
    let Some(mut members) = reader.object("`delta` is not an object")? else {
        return Ok(whole);
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"stop_reason" => whole.reason = reader.text(TEXT)?,
            b"stop_sequence" => whole.sequence = reader.text(TEXT)?,
            b"stop_details" => whole.details = reader.json_or_null()?,
            _ => reader.extra(key, &mut whole.extras)?,
        }
    }
    Ok(whole)
}
