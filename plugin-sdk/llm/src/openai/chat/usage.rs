//! Usage in chat completions, and in the spellings of OpenAI's likes (APIS.md 1.5, 8, 9.8).

use crate::fault::Fault;
use crate::model::{Usage, sum_of};
use crate::read::Reader;
use crate::write::Object;

const COUNT: &str = "must be a whole number";

/// Counts as they stand; what they mean is settled at the end.
#[derive(Default)]
struct Counts {
    usage: Usage,
    /// DeepSeek's two halves of the prompt.
    hit: Option<u64>,
    miss: Option<u64>,
    /// Under names that OpenAI does not use.
    cached: Option<u64>,
    reasoning: Option<u64>,
    input: Option<u64>,
    output: Option<u64>,
}

/// Reads the value at the reader; none where it is no object or counts nothing.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Option<Usage>, Fault> {
    if reader.kind()? == crate::json::ValueKind::Null {
        return reader.pass().map(|()| None);
    }
    let Some(mut members) = reader.object("`usage` is not an object")? else {
        return Ok(None);
    };
    let mut counts = Counts::default();
    while let Some(key) = reader.next(&mut members)? {
        let place = match &*key {
            b"prompt_tokens" => &mut counts.usage.input,
            b"completion_tokens" => &mut counts.usage.output,
            b"total_tokens" => &mut counts.usage.total,
            b"input_tokens" => &mut counts.input,
            b"output_tokens" => &mut counts.output,
            b"prompt_cache_hit_tokens" => &mut counts.hit,
            b"prompt_cache_miss_tokens" => &mut counts.miss,
            // Mistral, Moonshot
            b"num_cached_tokens" | b"cached_tokens" => &mut counts.cached,
            // Perplexity
            b"reasoning_tokens" => &mut counts.reasoning,
            b"num_search_queries" => &mut counts.usage.web_searches,
            b"prompt_tokens_details" => {
                input_details(reader, &mut counts.usage)?;
                continue;
            }
            b"completion_tokens_details" => {
                output_details(reader, &mut counts.usage)?;
                continue;
            }
            b"server_tool_use_details" => {
                server_tools(reader, &mut counts.usage)?;
                continue;
            }
            _ => {
                reader.pass()?;
                continue;
            }
        };
        *place = count(reader)?.or(*place);
    }
    let usage = counts.settle();
    Ok((!usage.is_empty()).then_some(usage))
}

fn input_details(reader: &mut Reader<'_>, usage: &mut Usage) -> Result<(), Fault> {
    reader.counts(usage, |usage, key| {
        Some(match key {
            b"cached_tokens" => &mut usage.cache_read,
            // the second is Alibaba's
            b"cache_write_tokens" | b"cache_creation_input_tokens" => &mut usage.cache_write,
            b"audio_tokens" => &mut usage.input_audio,
            b"image_tokens" => &mut usage.input_image,
            b"video_tokens" => &mut usage.input_video,
            b"text_tokens" => &mut usage.input_text,
            _ => return None,
        })
    })
}

fn output_details(reader: &mut Reader<'_>, usage: &mut Usage) -> Result<(), Fault> {
    reader.counts(usage, |usage, key| {
        Some(match key {
            b"reasoning_tokens" => &mut usage.reasoning,
            b"audio_tokens" => &mut usage.output_audio,
            b"image_tokens" => &mut usage.output_image,
            b"text_tokens" => &mut usage.output_text,
            b"accepted_prediction_tokens" => &mut usage.accepted_prediction,
            b"rejected_prediction_tokens" => &mut usage.rejected_prediction,
            _ => return None,
        })
    })
}

fn server_tools(reader: &mut Reader<'_>, usage: &mut Usage) -> Result<(), Fault> {
    reader.counts(usage, |usage, key| {
        (key == b"web_search_requests").then_some(&mut usage.web_searches)
    })
}

/// A count; none for null and for what is no count (a negative or broken number).
fn count(reader: &mut Reader<'_>) -> Result<Option<u64>, Fault> {
    reader.whole_number(COUNT)
}

impl Counts {
    /// Makes the counts inclusive. Who reports reasoning beside the completion instead of in it, or cached tokens beside
    /// the prompt, is told by the numbers: a part cannot be larger than the whole, and totals add up (xAI, DeepInfra).
    fn settle(self) -> Usage {
        let mut usage = self.usage;
        let halves = sum_of(&[self.hit, self.miss]);
        usage.input = usage.input.or(self.input).or(halves);
        usage.output = usage.output.or(self.output);
        usage.cache_read = usage.cache_read.or(self.hit).or(self.cached);
        usage.reasoning = usage.reasoning.or(self.reasoning);
        if let (Some(output), Some(reasoning)) = (usage.output, usage.reasoning) {
            let input = usage.input.unwrap_or(0);
            let beside = input.saturating_add(output).saturating_add(reasoning);
            if reasoning > output || reasoning > 0 && usage.total == Some(beside) {
                usage.output = Some(output.saturating_add(reasoning));
            }
        }
        if let (Some(input), Some(cached)) = (usage.input, usage.cache_read)
            && cached > input
        {
            usage.input = Some(input.saturating_add(cached));
        }
        usage
    }
}

/// Writes the members of a `usage` object. Every count is a number, never null (PAIN E04).
pub(super) fn write(usage: &Usage, object: &mut Object<'_>) {
    let (input, output) = (usage.input.unwrap_or(0), usage.output.unwrap_or(0));
    object.count("prompt_tokens", input);
    object.count("completion_tokens", output);
    object.count("total_tokens", input.saturating_add(output));
    let details = [
        ("cached_tokens", usage.cache_read),
        ("cache_write_tokens", usage.cache_write),
        ("audio_tokens", usage.input_audio),
        ("image_tokens", usage.input_image),
        ("video_tokens", usage.input_video),
        ("text_tokens", usage.input_text),
    ];
    write_details("prompt_tokens_details", &details, object);
    let details = [
        ("reasoning_tokens", usage.reasoning),
        ("audio_tokens", usage.output_audio),
        ("image_tokens", usage.output_image),
        ("text_tokens", usage.output_text),
        ("accepted_prediction_tokens", usage.accepted_prediction),
        ("rejected_prediction_tokens", usage.rejected_prediction),
    ];
    write_details("completion_tokens_details", &details, object);
    if let Some(searches) = usage.web_searches.filter(|searches| *searches > 0) {
        object.object("server_tool_use_details", |tools| {
            tools.count("web_search_requests", searches)
        });
    }
}

fn write_details(name: &str, details: &[(&str, Option<u64>)], object: &mut Object<'_>) {
    if details.iter().all(|(_, count)| count.is_none()) {
        return;
    }
    object.object(name, |object| {
        for (name, count) in details {
            object.count_if(name, *count);
        }
    });
}
