//! Usage, whose counts of input stand beside each other here (APIS.md 3.2, 9.8).

use crate::fault::Fault;
use crate::json::ValueKind;
use crate::model::{Usage, sum_of};
use crate::read::Reader;
use crate::wire::record;
use crate::write::Object;

/// Counts as they stand. In a stream later ones come on top of earlier ones, field by field, and only then add up.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Counts {
    input: Option<u64>,
    output: Option<u64>,
    read: Option<u64>,
    write: Option<u64>,
    write_5m: Option<u64>,
    write_1h: Option<u64>,
    thinking: Option<u64>,
    searches: Option<u64>,
    fetches: Option<u64>,
}

record!(Counts {
    input,
    output,
    read,
    write,
    write_5m,
    write_1h,
    thinking,
    searches,
    fetches
});

impl Counts {
    /// Reads the value at the reader on top of what is known; anything but an object passes.
    pub fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        if reader.kind()? != ValueKind::Object {
            return reader.pass();
        }
        let Some(mut members) = reader.object("")? else {
            return Ok(());
        };
        while let Some(key) = reader.next(&mut members)? {
            match &*key {
                b"input_tokens" => count(reader, &mut self.input)?,
                b"output_tokens" => count(reader, &mut self.output)?,
                b"cache_read_input_tokens" => count(reader, &mut self.read)?,
                b"cache_creation_input_tokens" => count(reader, &mut self.write)?,
                b"cache_creation" | b"output_tokens_details" | b"server_tool_use" => self.details(reader)?,
                _ => reader.pass()?,
            }
        }
        Ok(())
    }

    fn details(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        if reader.kind()? != ValueKind::Object {
            return reader.pass();
        }
        let Some(mut members) = reader.object("")? else {
            return Ok(());
        };
        while let Some(key) = reader.next(&mut members)? {
            match &*key {
                b"ephemeral_5m_input_tokens" => count(reader, &mut self.write_5m)?,
                b"ephemeral_1h_input_tokens" => count(reader, &mut self.write_1h)?,
                b"thinking_tokens" => count(reader, &mut self.thinking)?,
                b"web_search_requests" => count(reader, &mut self.searches)?,
                b"web_fetch_requests" => count(reader, &mut self.fetches)?,
                _ => reader.pass()?,
            }
        }
        Ok(())
    }

    /// In the model's convention; none where nothing was counted.
    pub fn usage(&self) -> Option<Usage> {
        let write = self.write.or(sum_of(&[self.write_5m, self.write_1h]));
        let usage = Usage {
            input: sum_of(&[self.input, self.read, write]),
            output: self.output,
            cache_read: self.read,
            cache_write: write,
            cache_write_5m: self.write_5m,
            cache_write_1h: self.write_1h,
            reasoning: self.thinking,
            web_searches: self.searches,
            web_fetches: self.fetches,
            ..Usage::default()
        };
        (!usage.is_empty()).then_some(usage)
    }
}

fn count(reader: &mut Reader<'_>, place: &mut Option<u64>) -> Result<(), Fault> {
    let counted = reader.whole_number("a count of `usage` is not a number")?;
    *place = counted.or(*place);
    Ok(())
}

/// Writes the members of a `usage` object. Every count is a number, never null (PAIN E04); tokens from a cache are not
/// in `input_tokens` (PAIN H04).
pub(super) fn write(usage: &Usage, object: &mut Object<'_>) {
    // some count tokens as read and as written; here they stand beside each other, and add up to the input
    let read = usage.cache_read.unwrap_or(0);
    let write = usage.cache_write.unwrap_or(0);
    let write = usage
        .input
        .map_or(write, |input| write.min(input.saturating_sub(read)));
    object.count("input_tokens", usage.uncached_input().unwrap_or(0));
    object.count("cache_creation_input_tokens", write);
    object.count("cache_read_input_tokens", read);
    if usage.cache_write_5m.is_some() || usage.cache_write_1h.is_some() {
        object.object("cache_creation", |object| {
            object.count("ephemeral_5m_input_tokens", usage.cache_write_5m.unwrap_or(0));
            object.count("ephemeral_1h_input_tokens", usage.cache_write_1h.unwrap_or(0));
        });
    }
    object.count("output_tokens", usage.output.unwrap_or(0));
    if let Some(thinking) = usage.reasoning {
        object.object("output_tokens_details", |object| {
            object.count("thinking_tokens", thinking)
        });
    }
    if usage.web_searches.is_some() || usage.web_fetches.is_some() {
        object.object("server_tool_use", |object| {
            object.count("web_search_requests", usage.web_searches.unwrap_or(0));
            object.count("web_fetch_requests", usage.web_fetches.unwrap_or(0));
        });
    }
}
