//! Capability `tokenizer`: how many tokens a text has for a model. Which model a call goes to is left to the plugin.
//!
//! OpenAI's encodings are counted exactly; every other model's text is counted in OpenAI's newest one and said to be an
//! estimate. An encoding is tens of megabytes of tables: they are made when the first plugin that uses this is loaded,
//! never while a request waits.
//!
//! A text may be one that a caller made to be slow: a run of 1 MiB of dashes takes fifty times as long as prose. So the
//! count never takes more than the hook's work time; what is left by then is estimated, which is said too.

use std::borrow::Cow;
use std::time::Instant;

use bpe_openai::Tokenizer;
use wasmtime::component::Resource;

use crate::bindings::penstock::plugin::tokenizer as wit;
use crate::guest::Guest;
use crate::resources::CallHandle;

/// Makes the tables, once in a process: a tenth of a second and 100 MB.
pub fn load() {
    for encoding in [Encoding::O200k, Encoding::Cl100k] {
        encoding.tokenizer();
    }
}

/// How many tokens a text has.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    pub tokens: u64,
    pub exact: bool,
}

/// Counts until `until` at the latest and estimates the rest.
pub fn count(text: &str, model: &str, until: Instant) -> Tally {
    let known = Encoding::of(model);
    let tokenizer = known.unwrap_or(Encoding::O200k).tokenizer();
    let counted = counted(text, tokenizer, until);
    Tally {
        exact: counted.exact && known.is_some(),
        ..counted
    }
}

/// OpenAI's encodings that models still use.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Encoding {
    O200k,
    Cl100k,
}

/// The models of each encoding, as OpenAI's own library has them; a name may go on with `-` or `:` (a date, a size).
const MODELS: [(&str, Encoding); 20] = [
    ("gpt-5", Encoding::O200k),
    ("gpt-4.5", Encoding::O200k),
    ("gpt-4.1", Encoding::O200k),
    ("gpt-4o", Encoding::O200k),
    ("chatgpt-4o", Encoding::O200k),
    ("gpt-oss", Encoding::O200k),
    ("o1", Encoding::O200k),
    ("o3", Encoding::O200k),
    ("o4-mini", Encoding::O200k),
    ("gpt-4", Encoding::Cl100k),
    ("gpt-3.5-turbo", Encoding::Cl100k),
    ("gpt-3.5", Encoding::Cl100k),
    // as Azure spells it
    ("gpt-35-turbo", Encoding::Cl100k),
    ("text-embedding-3-small", Encoding::Cl100k),
    ("text-embedding-3-large", Encoding::Cl100k),
    ("text-embedding-ada-002", Encoding::Cl100k),
    ("davinci-002", Encoding::Cl100k),
    ("babbage-002", Encoding::Cl100k),
    ("o200k_base", Encoding::O200k),
    ("cl100k_base", Encoding::Cl100k),
];

impl Encoding {
    /// The encoding of a model, with or without a provider before it; none for a model of another family.
    fn of(model: &str) -> Option<Encoding> {
        let name = model.rsplit('/').next().unwrap_or(model);
        let name = name.strip_prefix("ft:").unwrap_or(name);
        let is_model = |known: &str| {
            name.strip_prefix(known)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', ':']))
        };
        let found = MODELS.iter().find(|(known, _)| is_model(known));
        found.map(|(_, encoding)| *encoding)
    }

    fn tokenizer(self) -> &'static Tokenizer {
        match self {
            Encoding::O200k => bpe_openai::o200k_base(),
            Encoding::Cl100k => bpe_openai::cl100k_base(),
        }
    }
}

/// So many bytes are counted between two looks at the clock: a millisecond and a half at the worst, 30 us of prose.
const STRIDE: usize = 1024;
/// What a rest that there was no time for has at least, in bytes per token: half as much again as prose.
const MOST_BYTES_PER_TOKEN: u64 = 3;

fn counted(text: &str, tokenizer: &Tokenizer, until: Instant) -> Tally {
    let mut tokens = 0_u64;
    let (mut done, mut looked, mut exact) = (0, 0, true);
    for word in tokenizer.split(text) {
        // a word longer than that is none, and is counted in pieces: off by a token for each cut at most
        exact &= word.len() <= STRIDE;
        for piece in word.as_bytes().chunks(STRIDE) {
            tokens += tokenizer.bpe.count(piece) as u64;
            done += piece.len();
            if done - looked < STRIDE {
                continue;
            }
            looked = done;
            if Instant::now() >= until {
                let rest = with_rest(tokens, done as u64, (text.len() - done) as u64);
                let exact = exact && done == text.len();
                return Tally { tokens: rest, exact };
            }
        }
    }
    Tally { tokens, exact }
}

/// The rest has as many tokens for its bytes as what was counted, or as prose if that is more.
fn with_rest(tokens: u64, done: u64, rest: u64) -> u64 {
    let like_before = u128::from(rest) * u128::from(tokens) / u128::from(done.max(1));
    let like_before = u64::try_from(like_before).unwrap_or(u64::MAX);
    tokens.saturating_add(like_before.max(rest / MOST_BYTES_PER_TOKEN))
}

impl wit::Host for Guest {
    fn count(&mut self, text: String, model: String) -> wasmtime::Result<wit::Tally> {
        self.charge(0)?;
        let tally = self.meter.work(|until| count(&text, &model, until));
        Ok(to_guest(tally))
    }

    fn count_segment(
        &mut self,
        handle: Resource<CallHandle>,
        segment: u32,
        model: String,
    ) -> wasmtime::Result<Option<wit::Tally>> {
        self.call(&handle, 0)?;
        let (call, meter) = (&self.call, &mut self.meter);
        let counted = |text: Cow<'_, str>| meter.work(|until| count(&text, &model, until));
        Ok(call.body.text(segment).map(counted).map(to_guest))
    }
}

fn to_guest(tally: Tally) -> wit::Tally {
    wit::Tally {
        tokens: tally.tokens,
        exact: tally.exact,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(600)
    }

    #[test]
    fn openais_models_are_counted_as_openai_counts_them() {
        // counted with OpenAI's own tiktoken
        let cases = [
            ("gpt-4o", "hello world", 2),
            ("gpt-4", "hello world", 2),
            ("gpt-4o", "tiktoken is great!", 6),
            ("gpt-4", "tiktoken is great!", 6),
            ("gpt-4", "antidisestablishmentarianism", 6),
            ("gpt-4o", "お誕生日おめでとう", 8),
            ("gpt-4", "お誕生日おめでとう", 9),
            ("gpt-4o", "2 + 2 = 4", 7),
            ("gpt-4", "", 0),
            // what is a mark to the model is text where a caller writes it
            ("gpt-4", "<|endoftext|>", 7),
        ];
        for (model, text, tokens) in cases {
            let expected = Tally { tokens, exact: true };
            assert_eq!(count(text, model, later()), expected, "{model}: {text}");
        }
    }

    #[test]
    fn a_model_is_known_by_its_name_with_date_size_tuning_or_provider() {
        use Encoding::{Cl100k, O200k};
        let cases = [
            ("gpt-4o-mini-2024-07-18", Some(O200k)),
            ("openai/gpt-5-nano", Some(O200k)),
            ("ft:gpt-4o:acme::id", Some(O200k)),
            ("ft:gpt-3.5-turbo-0125:acme::id", Some(Cl100k)),
            ("azure/gpt-35-turbo", Some(Cl100k)),
            ("gpt-4.1-mini", Some(O200k)),
            ("gpt-4-turbo", Some(Cl100k)),
            ("o1", Some(O200k)),
            ("text-embedding-3-small", Some(Cl100k)),
            ("gpt-4.2", None),
            ("gpt-42", None),
            ("o1x", None),
            ("claude-sonnet-4", None),
            ("gemini-2.5-pro", None),
            ("", None),
        ];
        for (model, encoding) in cases {
            assert_eq!(Encoding::of(model), encoding, "{model}");
        }
    }

    #[test]
    fn another_familys_text_is_estimated_and_says_so() {
        let text = "The pump in hall 3 was serviced on Tuesday.";
        let tally = count(text, "claude-sonnet-4", later());
        assert!(!tally.exact && (8..16).contains(&tally.tokens), "{tally:?}");
    }

    #[test]
    fn a_word_of_no_language_is_counted_in_pieces_close_to_the_truth() {
        for text in ["a".repeat(100_000), "-".repeat(100_000), "ab".repeat(50_000)] {
            let true_count = Encoding::O200k.tokenizer().count(text.as_str()) as u64;
            let tally = count(&text, "gpt-4o", later());
            assert!(!tally.exact);
            let cuts = (text.len() / STRIDE) as u64;
            assert!(
                tally.tokens.abs_diff(true_count) <= cuts,
                "{tally:?} {true_count}"
            );
        }
    }

    #[test]
    fn when_the_time_is_over_the_rest_is_estimated_from_what_was_counted() {
        let text = "The pump in hall 3 was serviced on Tuesday; its seal is fine. ".repeat(20_000);
        let whole = count(&text, "gpt-4o", later());
        assert!(whole.exact);
        let hurried = count(&text, "gpt-4o", Instant::now());
        assert!(!hurried.exact);
        assert!(hurried.tokens >= whole.tokens, "{hurried:?} {whole:?}");
        assert!(hurried.tokens <= text.len() as u64);
        // dense at its end, where nothing was counted
        let spaces = " ".repeat(1 << 20);
        assert!(count(&spaces, "gpt-4o", Instant::now()).tokens >= (1 << 20) / 3 - STRIDE as u64);
    }
}
