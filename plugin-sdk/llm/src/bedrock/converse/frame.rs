//! One event of a stream, and what it says (APIS.md 6.5). What comes of it is left to the reader of the stream.

use crate::fault::{BodyError, Fault, Within};
use crate::model::{Extras, Json, Losses, Text, Usage};
use crate::read::Reader;

use super::answer_read::read_usage;

const TEXT: &str = "a member is not a string";
const OBJECT: &str = "a member is not an object";

/// What an event says.
pub(super) enum Frame<'a> {
    MessageStart,
    BlockStart {
        block: u64,
        start: Option<(String, Json<'a>)>,
    },
    BlockDelta {
        block: u64,
        said: Vec<Said<'a>>,
    },
    BlockStop {
        block: u64,
    },
    MessageStop {
        reason: Option<Text<'a>>,
        fields: Option<Json<'a>>,
    },
    Metadata {
        usage: Option<Box<Usage>>,
        extras: Extras<'a>,
    },
    /// Of a name that is not known.
    Other,
}

/// What a block gets more of.
pub(super) enum Said<'a> {
    Text(Text<'a>),
    Input(Text<'a>),
    Thought(Text<'a>),
    Signature(Text<'a>),
    Redacted(Text<'a>),
    Citation(Json<'a>),
    /// An array of blocks.
    Result(Json<'a>),
    /// Bytes of an image.
    Image(Text<'a>),
    Other,
}

/// # Errors
/// The payload is no JSON.
pub(super) fn read<'a>(name: &[u8], payload: &'a [u8], losses: &mut Losses) -> Result<Frame<'a>, BodyError> {
    let read = Reader::whole(payload, false, |reader| frame(reader, name))?;
    losses.append(read.losses);
    Ok(read.value)
}

/// An event's members, whichever event it is.
#[derive(Default)]
struct Members<'a> {
    block: u64,
    start: Option<(String, Json<'a>)>,
    said: Vec<Said<'a>>,
    reason: Option<Text<'a>>,
    fields: Option<Json<'a>>,
    usage: Option<Usage>,
    extras: Extras<'a>,
}

fn frame<'a>(reader: &mut Reader<'a>, name: &[u8]) -> Result<Frame<'a>, Fault> {
    let all = members(reader)?;
    let block = all.block;
    Ok(match name {
        b"messageStart" => Frame::MessageStart,
        b"contentBlockStart" => Frame::BlockStart {
            block,
            start: all.start,
        },
        b"contentBlockDelta" => Frame::BlockDelta {
            block,
            said: all.said,
        },
        b"contentBlockStop" => Frame::BlockStop { block },
        b"messageStop" => Frame::MessageStop {
            reason: all.reason,
            fields: all.fields,
        },
        b"metadata" => Frame::Metadata {
            usage: all.usage.map(Box::new),
            extras: all.extras,
        },
        _ => Frame::Other,
    })
}

fn members<'a>(reader: &mut Reader<'a>) -> Result<Members<'a>, Fault> {
    let mut all = Members::default();
    let Some(mut members) = reader.object("an event is not an object")? else {
        return Ok(all);
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"contentBlockIndex" => all.block = reader.whole_number("an index is not a number")?.unwrap_or(0),
            b"start" => all.start = start(reader)?,
            b"delta" => delta(reader, &mut all.said).within("delta")?,
            b"stopReason" => all.reason = reader.text(TEXT)?,
            b"additionalModelResponseFields" => all.fields = reader.json_or_null()?,
            b"usage" => all.usage = read_usage(reader, &mut all.extras)?,
            // padding that hides the length; who speaks is known
            b"p" | b"role" => reader.pass()?,
            _ => reader.extra(key, &mut all.extras)?,
        }
    }
    Ok(all)
}

/// The one member of the union.
fn start<'a>(reader: &mut Reader<'a>) -> Result<Option<(String, Json<'a>)>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let mut start = None;
    while let Some(key) = reader.next(&mut members)? {
        let value = reader.json()?;
        if !value.is_null() {
            start = Some((String::from_utf8_lossy(&key).into_owned(), value));
        }
    }
    Ok(start)
}

fn delta<'a>(reader: &mut Reader<'a>, said: &mut Vec<Said<'a>>) -> Result<(), Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(());
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"text" => said.extend(reader.text(TEXT)?.map(Said::Text)),
            b"toolUse" => said.extend(member(reader, b"input")?.map(Said::Input)),
            b"toolResult" => said.extend(reader.json_or_null()?.map(Said::Result)),
            b"reasoningContent" => thought(reader, said)?,
            b"citation" => said.extend(reader.json_or_null()?.map(Said::Citation)),
            b"image" => said.push(image(reader)?),
            _ => {
                reader.pass()?;
                said.push(Said::Other);
            }
        }
    }
    Ok(())
}

/// A string inside an object.
fn member<'a>(reader: &mut Reader<'a>, name: &[u8]) -> Result<Option<Text<'a>>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let mut found = None;
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            key if key == name => found = reader.text(TEXT)?,
            _ => reader.pass()?,
        }
    }
    Ok(found)
}

fn thought<'a>(reader: &mut Reader<'a>, said: &mut Vec<Said<'a>>) -> Result<(), Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(());
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"text" => said.extend(reader.text(TEXT)?.map(Said::Thought)),
            b"signature" => said.extend(reader.text(TEXT)?.map(Said::Signature)),
            b"redactedContent" => said.extend(reader.text(TEXT)?.map(Said::Redacted)),
            _ => {
                reader.pass()?;
                said.push(Said::Other);
            }
        }
    }
    Ok(())
}

fn image<'a>(reader: &mut Reader<'a>) -> Result<Said<'a>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(Said::Other);
    };
    let mut said = Said::Other;
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"source" => {
                if let Some(bytes) = member(reader, b"bytes")? {
                    said = Said::Image(bytes);
                }
            }
            _ => reader.pass()?,
        }
    }
    Ok(said)
}
