//! What an answer used, in one convention for all dialects. What it costs is left to the gateway.

use crate::usage::{TokenCount, Usage as Reported};

/// Tokens and calls that an answer used; none where nobody said, which is not zero.
///
/// The convention is inclusive: `input` counts every token that went in, whether read from a cache, written to one or
/// neither, and those of tools that the provider ran; `output` counts every token that came out, thoughts too. All other
/// counts of tokens are parts of one of the two. Dialects whose counts stand beside each other (Anthropic, Converse,
/// Gemini's thoughts) are added up by their reader and taken apart by their writer (APIS.md 9.8).
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub input: Option<u64>,
    pub output: Option<u64>,
    /// As the provider reports it. Never used to count: providers disagree on what is in it.
    pub total: Option<u64>,

    /// Of `input`.
    pub cache_read: Option<u64>,
    /// Of `input`, for however long.
    pub cache_write: Option<u64>,
    /// Of `cache_write`.
    pub cache_write_5m: Option<u64>,
    /// Of `cache_write`.
    pub cache_write_1h: Option<u64>,
    /// Of `input`.
    pub input_audio: Option<u64>,
    /// Of `input`.
    pub input_image: Option<u64>,
    /// Of `input`.
    pub input_video: Option<u64>,
    /// Of `input`: pages of documents, where they are counted apart.
    pub input_document: Option<u64>,
    /// Of `input`, where it is broken down.
    pub input_text: Option<u64>,
    /// Of `input`: what the provider's own tools fed to the model.
    pub tool_input: Option<u64>,

    /// Of `output`.
    pub reasoning: Option<u64>,
    /// Of `output`.
    pub output_audio: Option<u64>,
    /// Of `output`.
    pub output_image: Option<u64>,
    /// Of `output`, where it is broken down.
    pub output_text: Option<u64>,
    /// Of `output`.
    pub accepted_prediction: Option<u64>,
    /// Of `output`.
    pub rejected_prediction: Option<u64>,

    /// Calls of the provider's own tools.
    pub web_searches: Option<u64>,
    pub web_fetches: Option<u64>,
    /// Units that are billed instead of tokens (Cohere's `search_units`).
    pub search_units: Option<u64>,
    /// What is billed of `input`, where that is not all of it: Cohere does not bill its own instructions.
    pub billed_input: Option<u64>,
    /// What is billed of `output`, where that is not all of it.
    pub billed_output: Option<u64>,
}

impl Usage {
    /// `self` with what `later` says in its place: reports of a stream are cumulative, and some leave out what an
    /// earlier one said.
    pub fn updated_by(self, later: &Usage) -> Usage {
        Usage {
            input: later.input.or(self.input),
            output: later.output.or(self.output),
            total: later.total.or(self.total),
            cache_read: later.cache_read.or(self.cache_read),
            cache_write: later.cache_write.or(self.cache_write),
            cache_write_5m: later.cache_write_5m.or(self.cache_write_5m),
            cache_write_1h: later.cache_write_1h.or(self.cache_write_1h),
            input_audio: later.input_audio.or(self.input_audio),
            input_image: later.input_image.or(self.input_image),
            input_video: later.input_video.or(self.input_video),
            input_document: later.input_document.or(self.input_document),
            input_text: later.input_text.or(self.input_text),
            tool_input: later.tool_input.or(self.tool_input),
            reasoning: later.reasoning.or(self.reasoning),
            output_audio: later.output_audio.or(self.output_audio),
            output_image: later.output_image.or(self.output_image),
            output_text: later.output_text.or(self.output_text),
            accepted_prediction: later.accepted_prediction.or(self.accepted_prediction),
            rejected_prediction: later.rejected_prediction.or(self.rejected_prediction),
            web_searches: later.web_searches.or(self.web_searches),
            web_fetches: later.web_fetches.or(self.web_fetches),
            search_units: later.search_units.or(self.search_units),
            billed_input: later.billed_input.or(self.billed_input),
            billed_output: later.billed_output.or(self.billed_output),
        }
    }

    /// What went in and is in no cache, as additive dialects have it; none where `input` is.
    pub fn uncached_input(&self) -> Option<u64> {
        let cached = self
            .cache_read
            .unwrap_or(0)
            .saturating_add(self.cache_write.unwrap_or(0));
        Some(self.input?.saturating_sub(cached))
    }

    /// Input and output together, for dialects that report a total; none where neither is known.
    pub fn sum(&self) -> Option<u64> {
        match (self.input, self.output) {
            (None, None) => None,
            (input, output) => Some(input.unwrap_or(0).saturating_add(output.unwrap_or(0))),
        }
    }

    pub fn is_empty(&self) -> bool {
        *self == Usage::default()
    }
}

/// For accounting, whose counts are inclusive as well. What is billed counts, where that is less than what was used; a
/// part that is larger than what is billed of the whole has no price of its own (APIS.md 9.8).
impl From<&Usage> for Reported {
    fn from(usage: &Usage) -> Reported {
        let count = |count: Option<u64>| count.map(TokenCount);
        let within = |part: Option<u64>, billed: Option<u64>| match billed {
            Some(billed) => part.filter(|part| *part <= billed),
            None => part,
        };
        let total = match usage.billed_input.or(usage.billed_output) {
            Some(_) => sum_of(&[usage.billed_input, usage.billed_output]),
            None => usage.total.or_else(|| usage.sum()),
        };
        Reported {
            prompt: count(usage.billed_input.or(usage.input)),
            completion: count(usage.billed_output.or(usage.output)),
            total: count(total),
            cached: count(within(usage.cache_read, usage.billed_input)),
            cache_write: count(within(usage.cache_write, usage.billed_input)),
            reasoning: count(within(usage.reasoning, usage.billed_output)),
            audio_in: count(usage.input_audio),
            audio_out: count(usage.output_audio),
        }
    }
}

/// The sum of what is known; none where nothing is.
pub fn sum_of(counts: &[Option<u64>]) -> Option<u64> {
    counts.iter().flatten().fold(None, |sum: Option<u64>, count| {
        Some(sum.unwrap_or(0).saturating_add(*count))
    })
}
