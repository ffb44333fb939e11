//! Usage: what goes in and comes out, each with the details that are part of it (APIS.md 1.13, 9.8).

use crate::fault::Fault;
use crate::json::ValueKind;
use crate::model::Usage;
use crate::read::Reader;
use crate::write::Object;

const COUNT: &str = "must be a whole number";

/// Reads the value at the reader; none where it is no object or counts nothing.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Option<Usage>, Fault> {
    if reader.kind()? != ValueKind::Object {
        return reader.pass().map(|()| None);
    }
    let mut usage = Usage::default();
    let Some(mut members) = reader.object("`usage` is not an object")? else {
        return Ok(None);
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"input_tokens" => usage.input = reader.whole_number(COUNT)?,
            b"output_tokens" => usage.output = reader.whole_number(COUNT)?,
            b"total_tokens" => usage.total = reader.whole_number(COUNT)?,
            b"input_tokens_details" => reader.counts(&mut usage, input_detail)?,
            b"output_tokens_details" => reader.counts(&mut usage, output_detail)?,
            _ => reader.pass()?,
        }
    }
    Ok((!usage.is_empty()).then_some(usage))
}

fn input_detail<'u>(usage: &'u mut Usage, key: &[u8]) -> Option<&'u mut Option<u64>> {
    Some(match key {
        b"cached_tokens" => &mut usage.cache_read,
        b"cache_write_tokens" => &mut usage.cache_write,
        b"audio_tokens" => &mut usage.input_audio,
        b"image_tokens" => &mut usage.input_image,
        b"text_tokens" => &mut usage.input_text,
        _ => return None,
    })
}

fn output_detail<'u>(usage: &'u mut Usage, key: &[u8]) -> Option<&'u mut Option<u64>> {
    Some(match key {
        b"reasoning_tokens" => &mut usage.reasoning,
        b"audio_tokens" => &mut usage.output_audio,
        b"image_tokens" => &mut usage.output_image,
        b"text_tokens" => &mut usage.output_text,
        _ => return None,
    })
}

/// Writes the members of a `usage` object. Every count is a number, never null, and both details are always there
/// (PAIN E04).
pub(super) fn write(usage: &Usage, object: &mut Object<'_>) {
    let (input, output) = (usage.input.unwrap_or(0), usage.output.unwrap_or(0));
    let cached = usage.cache_read.unwrap_or(0);
    // some count tokens as read and as written; here both are parts of the input
    let written = usage
        .cache_write
        .map(|written| written.min(input.saturating_sub(cached)));
    object.count("input_tokens", input);
    object.object("input_tokens_details", |details| {
        details.count("cached_tokens", cached);
        details.count_if("cache_write_tokens", written);
        details.count_if("audio_tokens", usage.input_audio);
        details.count_if("image_tokens", usage.input_image);
        details.count_if("text_tokens", usage.input_text);
    });
    object.count("output_tokens", output);
    object.object("output_tokens_details", |details| {
        details.count("reasoning_tokens", usage.reasoning.unwrap_or(0));
        details.count_if("audio_tokens", usage.output_audio);
        details.count_if("image_tokens", usage.output_image);
        details.count_if("text_tokens", usage.output_text);
    });
    object.count("total_tokens", input.saturating_add(output));
}
