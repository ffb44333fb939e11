//! Usage: Converse counts tokens read from a cache and written to one beside the input (APIS.md 9.8, PAIN J01, E08).

use crate::fault::Fault;
use crate::model::{Extras, Usage, sum_of};
use crate::read::Reader;
use crate::write::Object;

const NUMBER: &str = "a count is not a number";

/// Reads `usage`. What else it says is put into `rest`: the same counts under their older names are left out, and so is
/// what is empty.
pub(super) fn read<'a>(reader: &mut Reader<'a>, rest: &mut Extras<'a>) -> Result<Option<Usage>, Fault> {
    let Some(mut members) = reader.object("`usage` is not an object")? else {
        return Ok(None);
    };
    let (mut usage, mut uncached) = (Usage::default(), None);
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"inputTokens" => uncached = reader.whole_number(NUMBER)?,
            b"outputTokens" => usage.output = reader.whole_number(NUMBER)?,
            b"totalTokens" => usage.total = reader.whole_number(NUMBER)?,
            b"cacheReadInputTokens" => usage.cache_read = reader.whole_number(NUMBER)?,
            b"cacheWriteInputTokens" => usage.cache_write = reader.whole_number(NUMBER)?,
            b"cacheDetails" => details(reader, &mut usage)?,
            b"cacheReadInputTokenCount" | b"cacheWriteInputTokenCount" => reader.pass()?,
            _ => reader.extra(key, rest)?,
        }
    }
    rest.retain(|extra| !matches!(extra.value.get(), "{}" | "null"));
    if uncached.is_some() {
        usage.input = sum_of(&[uncached, usage.cache_read, usage.cache_write]);
    }
    Ok((!usage.is_empty()).then_some(usage))
}

/// How long what was written to the cache is kept.
fn details(reader: &mut Reader<'_>, usage: &mut Usage) -> Result<(), Fault> {
    reader.each("`cacheDetails` is not an array", |reader, _| {
        let Some(mut members) = reader.object("a detail is not an object")? else {
            return Ok(());
        };
        let (mut ttl, mut count) = (None, None);
        while let Some(key) = reader.next(&mut members)? {
            match &*key {
                b"ttl" => ttl = reader.text("a `ttl` is not a string")?,
                b"inputTokens" => count = reader.whole_number(NUMBER)?,
                _ => reader.pass()?,
            }
        }
        let place = match ttl {
            Some(ttl) if ttl.is("5m") => &mut usage.cache_write_5m,
            Some(ttl) if ttl.is("1h") => &mut usage.cache_write_1h,
            _ => return Ok(()),
        };
        *place = sum_of(&[*place, count]);
        Ok(())
    })
}

/// Writes the members of `usage`. The first three are demanded.
pub(super) fn write(usage: &Usage, object: &mut Object<'_>) {
    // some count tokens as read and as written; here they stand beside each other, and add up to the input
    let read = usage.cache_read.unwrap_or(0);
    let fits = |write: u64| {
        usage
            .input
            .map_or(write, |input| write.min(input.saturating_sub(read)))
    };
    object.count("inputTokens", usage.uncached_input().unwrap_or(0));
    object.count("outputTokens", usage.output.unwrap_or(0));
    object.count("totalTokens", usage.sum().or(usage.total).unwrap_or(0));
    object.count_if("cacheReadInputTokens", usage.cache_read);
    object.count_if("cacheWriteInputTokens", usage.cache_write.map(fits));
    let kept = [("5m", usage.cache_write_5m), ("1h", usage.cache_write_1h)];
    if kept.iter().all(|(_, count)| count.is_none()) {
        return;
    }
    object.array("cacheDetails", |array| {
        for (ttl, count) in kept {
            let Some(count) = count else { continue };
            array.object(|object| {
                object.str("ttl", ttl);
                object.count("inputTokens", count);
            });
        }
    });
}
