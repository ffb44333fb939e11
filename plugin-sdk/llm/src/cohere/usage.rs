//! Usage (APIS.md 8, 9.8): `tokens` is what went through the model, `billed_units` what is paid for.

use crate::fault::Fault;
use crate::json::ValueKind;
use crate::model::{Losses, Usage, sum_of};
use crate::read::Reader;
use crate::write::Object;

const COUNT: &str = "a count is not a number";

/// Reads the value at the reader; none where it is no object or counts nothing.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Option<Usage>, Fault> {
    if reader.kind()? == ValueKind::Null {
        return reader.pass().map(|()| None);
    }
    let Some(mut members) = reader.object("`usage` is not an object")? else {
        return Ok(None);
    };
    let mut usage = Usage::default();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"tokens" => reader.counts(&mut usage, token_count)?,
            b"billed_units" => reader.counts(&mut usage, billed_count)?,
            b"cached_tokens" => usage.cache_read = reader.whole_number(COUNT)?,
            _ => reader.pass()?,
        }
    }
    // images stand beside the other tokens, not in them: a prompt with one has more of them than of `input_tokens`
    usage.input = sum_of(&[usage.input, usage.input_image]);
    // a model that bills all that it used does not repeat it
    usage.input = usage.input.or(usage.billed_input);
    usage.output = usage.output.or(usage.billed_output);
    Ok((!usage.is_empty()).then_some(usage))
}

fn token_count<'u>(usage: &'u mut Usage, key: &[u8]) -> Option<&'u mut Option<u64>> {
    Some(match key {
        b"input_tokens" => &mut usage.input,
        b"output_tokens" => &mut usage.output,
        b"reasoning_tokens" => &mut usage.reasoning,
        b"image_tokens" => &mut usage.input_image,
        _ => return None,
    })
}

fn billed_count<'u>(usage: &'u mut Usage, key: &[u8]) -> Option<&'u mut Option<u64>> {
    Some(match key {
        b"input_tokens" => &mut usage.billed_input,
        b"output_tokens" => &mut usage.billed_output,
        b"search_units" => &mut usage.search_units,
        _ => return None,
    })
}

/// Writes the members of a `usage` object. Where a provider bills what it uses, both say the same.
pub(super) fn write(usage: &Usage, object: &mut Object<'_>, losses: &mut Losses) {
    object.object("billed_units", |billed| {
        billed.count_if("input_tokens", usage.billed_input.or(usage.input));
        billed.count_if("output_tokens", usage.billed_output.or(usage.output));
        billed.count_if("search_units", usage.search_units);
    });
    object.object("tokens", |tokens| {
        let beside = usage.input_image.unwrap_or(0);
        tokens.count_if(
            "input_tokens",
            usage.input.map(|input| input.saturating_sub(beside)),
        );
        tokens.count_if("output_tokens", usage.output);
        tokens.count_if("reasoning_tokens", usage.reasoning);
        tokens.count_if("image_tokens", usage.input_image);
    });
    object.count_if("cached_tokens", usage.cache_read);
    let unsaid = [
        ("usage.cache_write", usage.cache_write),
        ("usage.input_audio", usage.input_audio),
        ("usage.input_video", usage.input_video),
        ("usage.tool_input", usage.tool_input),
        ("usage.output_audio", usage.output_audio),
        ("usage.output_image", usage.output_image),
        ("usage.accepted_prediction", usage.accepted_prediction),
        ("usage.rejected_prediction", usage.rejected_prediction),
        ("usage.web_searches", usage.web_searches),
        ("usage.web_fetches", usage.web_fetches),
    ];
    for (name, count) in unsaid {
        if count.is_some_and(|count| count > 0) {
            losses.dropped(name, super::NO_SUCH);
        }
    }
}
