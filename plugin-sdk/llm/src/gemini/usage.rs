//! `usageMetadata`, whose thoughts and tool input stand beside the other counts (APIS.md 4.2, 9.8).

use crate::fault::{Fault, Within};
use crate::model::{Extras, Losses, Text, Usage, sum_of};
use crate::read::Reader;
use crate::wire::record;
use crate::write::Object;

use super::USAGE;
use super::spelling::{each, next, object, word};

const COUNT: &str = "must be a whole number";

/// Counts as they stand.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    prompt: Option<u64>,
    candidates: Option<u64>,
    thoughts: Option<u64>,
    tool: Option<u64>,
    cached: Option<u64>,
    total: Option<u64>,
    input: Modalities,
    output: Modalities,
}

/// By kind of content.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
struct Modalities {
    text: Option<u64>,
    image: Option<u64>,
    audio: Option<u64>,
    video: Option<u64>,
    document: Option<u64>,
}

record!(Counts {
    prompt,
    candidates,
    thoughts,
    tool,
    cached,
    total,
    input,
    output
});
record!(Modalities {
    text,
    image,
    audio,
    video,
    document
});

/// Reads the value into `counts`, which later reports of a stream update; what is no count goes to `extras`. The tier
/// that served it, where it says one.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    counts: &mut Counts,
    extras: &mut Extras<'a>,
) -> Result<Option<Text<'a>>, Fault> {
    let Some(mut members) = object(reader)? else {
        return Ok(None);
    };
    let mut tier = None;
    while let Some(key) = next(reader, &mut members)? {
        let place = match &*key {
            b"promptTokenCount" => &mut counts.prompt,
            // the second is the name in other answers of the same family
            b"candidatesTokenCount" | b"responseTokenCount" => &mut counts.candidates,
            b"thoughtsTokenCount" => &mut counts.thoughts,
            b"toolUsePromptTokenCount" => &mut counts.tool,
            b"cachedContentTokenCount" => &mut counts.cached,
            b"totalTokenCount" => &mut counts.total,
            b"promptTokensDetails" => {
                details(reader, &mut counts.input).within("promptTokensDetails")?;
                continue;
            }
            b"candidatesTokensDetails" | b"responseTokensDetails" => {
                details(reader, &mut counts.output).within("candidatesTokensDetails")?;
                continue;
            }
            b"serviceTier" => {
                tier = word(reader)?;
                continue;
            }
            _ => {
                reader.extra(key, extras)?;
                if let Some(extra) = extras.last_mut() {
                    extra.name = Text::plain(format!("{USAGE}{}", extra.name.get()));
                }
                continue;
            }
        };
        *place = reader.whole_number(COUNT)?.or(*place);
    }
    Ok(tier)
}

fn details(reader: &mut Reader<'_>, modalities: &mut Modalities) -> Result<(), Fault> {
    let mut found = Modalities::default();
    each(reader, |reader, _| {
        let Some(mut members) = object(reader)? else {
            return Ok(());
        };
        let (mut modality, mut count) = (None, None);
        while let Some(key) = next(reader, &mut members)? {
            match &*key {
                b"modality" => modality = word(reader)?,
                b"tokenCount" => count = reader.whole_number(COUNT)?,
                _ => reader.pass()?,
            }
        }
        let place = match modality.as_ref().map(Text::get).as_deref() {
            Some("TEXT" | "1") => &mut found.text,
            Some("IMAGE" | "2") => &mut found.image,
            Some("VIDEO" | "3") => &mut found.video,
            Some("AUDIO" | "4") => &mut found.audio,
            Some("DOCUMENT" | "5") => &mut found.document,
            _ => return Ok(()),
        };
        *place = sum_of(&[*place, count]);
        Ok(())
    })?;
    *modalities = found;
    Ok(())
}

impl Counts {
    /// In the model's convention; none where nothing is counted.
    pub fn usage(&self) -> Option<Usage> {
        let usage = Usage {
            input: sum_of(&[self.prompt, self.tool]),
            output: sum_of(&[self.candidates, self.thoughts]),
            total: self.total,
            cache_read: self.cached,
            tool_input: self.tool,
            reasoning: self.thoughts,
            input_text: self.input.text,
            input_image: self.input.image,
            input_audio: self.input.audio,
            input_video: self.input.video,
            input_document: self.input.document,
            output_text: self.output.text,
            output_image: self.output.image,
            output_audio: self.output.audio,
            ..Usage::default()
        };
        (!usage.is_empty()).then_some(usage)
    }
}

/// Writes the members of `usageMetadata`. Every count is a number or absent, never null (PAIN E04).
pub(super) fn write(usage: &Usage, object: &mut Object<'_>, losses: &mut Losses) {
    let tool = usage.tool_input.unwrap_or(0);
    let thoughts = usage.reasoning.unwrap_or(0);
    object.count_if(
        "promptTokenCount",
        usage.input.map(|input| input.saturating_sub(tool)),
    );
    object.count_if(
        "candidatesTokenCount",
        usage.output.map(|output| output.saturating_sub(thoughts)),
    );
    object.count_if("totalTokenCount", usage.sum());
    object.count_if(
        "cachedContentTokenCount",
        usage.cache_read.filter(|count| *count > 0),
    );
    object.count_if("thoughtsTokenCount", usage.reasoning.filter(|count| *count > 0));
    object.count_if(
        "toolUsePromptTokenCount",
        usage.tool_input.filter(|count| *count > 0),
    );
    let input = [
        ("TEXT", usage.input_text),
        ("IMAGE", usage.input_image),
        ("AUDIO", usage.input_audio),
        ("VIDEO", usage.input_video),
        ("DOCUMENT", usage.input_document),
    ];
    write_details("promptTokensDetails", &input, object);
    let output = [
        ("TEXT", usage.output_text),
        ("IMAGE", usage.output_image),
        ("AUDIO", usage.output_audio),
    ];
    write_details("candidatesTokensDetails", &output, object);
    let unsaid = [
        ("usage.cache_write", usage.cache_write),
        ("usage.accepted_prediction", usage.accepted_prediction),
        ("usage.rejected_prediction", usage.rejected_prediction),
        ("usage.web_searches", usage.web_searches),
        ("usage.web_fetches", usage.web_fetches),
        ("usage.search_units", usage.search_units),
    ];
    for (name, _) in unsaid
        .iter()
        .filter(|(_, count)| count.is_some_and(|count| count > 0))
    {
        losses.dropped(*name, super::NO_SUCH);
    }
}

fn write_details(name: &str, counts: &[(&str, Option<u64>)], object: &mut Object<'_>) {
    let said = |(_, count): &&(&str, Option<u64>)| count.is_some_and(|count| count > 0);
    if !counts.iter().any(|count| said(&count)) {
        return;
    }
    object.array(name, |array| {
        for (modality, count) in counts.iter().filter(said) {
            array.object(|object| {
                object.str("modality", modality);
                object.count_if("tokenCount", *count);
            });
        }
    });
}
