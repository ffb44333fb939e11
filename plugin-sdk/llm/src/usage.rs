//! Token usage as providers report it, in one shape. What it costs is left to the gateway.

use std::fmt;

use crate::json::{Cursor, JsonError, JsonLimits, Literal, Span, ValueKind};

/// A number of tokens.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenCount(pub u64);

/// English text has about this many bytes in a token with today's tokenizers; other languages have fewer.
const BYTES_PER_TOKEN: u64 = 4;

impl TokenCount {
    /// What a text of so many bytes roughly has. For seeing where usage is missing, not for billing (PAIN C08).
    pub fn estimated(bytes: u64) -> TokenCount {
        TokenCount(bytes.div_ceil(BYTES_PER_TOKEN))
    }
}

impl fmt::Display for TokenCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a provider reported; none where it did not, or reported no count (a negative or broken number, a string).
/// Sums and subsets are as the provider means them: nothing is added up here.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub prompt: Option<TokenCount>,
    pub completion: Option<TokenCount>,
    pub total: Option<TokenCount>,
    /// Read from the provider's prompt cache.
    pub cached: Option<TokenCount>,
    /// Written to the provider's prompt cache.
    pub cache_write: Option<TokenCount>,
    pub reasoning: Option<TokenCount>,
    pub audio_in: Option<TokenCount>,
    pub audio_out: Option<TokenCount>,
}

impl Usage {
    /// Reads a `usage` object; none where the bytes are no JSON object or name no count at all.
    pub fn read(object: &[u8]) -> Option<Usage> {
        let mut cursor = Cursor::new(object, &JsonLimits::default()).ok()?;
        let usage = Usage::read_at(&mut cursor, object).ok()?;
        cursor.end().ok()?;
        usage
    }

    /// Reads the value at the cursor, which may be anything.
    pub(crate) fn read_at(cursor: &mut Cursor<'_>, bytes: &[u8]) -> Result<Option<Usage>, JsonError> {
        if cursor.kind()? != ValueKind::Object {
            cursor.skip()?;
            return Ok(None);
        }
        let mut found = Spellings::default();
        let mut members = cursor.begin_object()?;
        while let Some(key) = cursor.next_member(&mut members)? {
            found.member(cursor, bytes, &key)?;
        }
        let usage = found.settle();
        Ok((usage != Usage::default()).then_some(usage))
    }
}

/// The counts by where they stood; `usage` holds OpenAI's own places, which win over the others.
#[derive(Default)]
struct Spellings {
    usage: Usage,
    elsewhere: Usage,
}

impl Spellings {
    fn member(&mut self, cursor: &mut Cursor<'_>, bytes: &[u8], key: &Literal) -> Result<(), JsonError> {
        let place = match &*cursor.text(key) {
            b"prompt_tokens" => &mut self.usage.prompt,
            b"completion_tokens" => &mut self.usage.completion,
            b"total_tokens" => &mut self.usage.total,
            b"input_tokens" => &mut self.elsewhere.prompt,
            b"output_tokens" => &mut self.elsewhere.completion,
            // DeepSeek, Mistral, Moonshot
            b"prompt_cache_hit_tokens" | b"num_cached_tokens" | b"cached_tokens" => {
                &mut self.elsewhere.cached
            }
            b"cache_creation_input_tokens" => &mut self.elsewhere.cache_write,
            // Perplexity
            b"reasoning_tokens" => &mut self.elsewhere.reasoning,
            // the others are of OpenAI's responses and realtime sessions
            b"prompt_tokens_details" | b"input_tokens_details" | b"input_token_details" => {
                return self.details(cursor, bytes, true);
            }
            b"completion_tokens_details" | b"output_tokens_details" | b"output_token_details" => {
                return self.details(cursor, bytes, false);
            }
            _ => return cursor.skip().map(drop),
        };
        if let Some(count) = count(cursor, bytes)? {
            *place = Some(count);
        }
        Ok(())
    }

    fn details(&mut self, cursor: &mut Cursor<'_>, bytes: &[u8], prompt: bool) -> Result<(), JsonError> {
        if cursor.kind()? != ValueKind::Object {
            return cursor.skip().map(drop);
        }
        let mut members = cursor.begin_object()?;
        while let Some(key) = cursor.next_member(&mut members)? {
            let place = match (&*cursor.text(&key), prompt) {
                (b"cached_tokens", true) => &mut self.usage.cached,
                (b"cache_write_tokens", true) => &mut self.usage.cache_write,
                // Alibaba
                (b"cache_creation_input_tokens", true) => &mut self.elsewhere.cache_write,
                (b"audio_tokens", true) => &mut self.usage.audio_in,
                (b"audio_tokens", false) => &mut self.usage.audio_out,
                (b"reasoning_tokens", false) => &mut self.usage.reasoning,
                _ => {
                    cursor.skip()?;
                    continue;
                }
            };
            if let Some(count) = count(cursor, bytes)? {
                *place = Some(count);
            }
        }
        Ok(())
    }

    fn settle(self) -> Usage {
        let Spellings { usage, elsewhere } = self;
        Usage {
            prompt: usage.prompt.or(elsewhere.prompt),
            completion: usage.completion.or(elsewhere.completion),
            cached: usage.cached.or(elsewhere.cached),
            cache_write: usage.cache_write.or(elsewhere.cache_write),
            reasoning: usage.reasoning.or(elsewhere.reasoning),
            ..usage
        }
    }
}

fn count(cursor: &mut Cursor<'_>, bytes: &[u8]) -> Result<Option<TokenCount>, JsonError> {
    let number = cursor.kind()? == ValueKind::Number;
    let span = cursor.skip()?;
    Ok(if number {
        whole(span, bytes).map(TokenCount)
    } else {
        None
    })
}

/// A number's value if it is a whole one and not negative: `12`, `12.0`, `1.2e1`.
pub(crate) fn whole(number: Span, bytes: &[u8]) -> Option<u64> {
    /// Above this, doubles skip whole numbers.
    const EXACT: f64 = (1u64 << 53) as f64;
    let text = std::str::from_utf8(number.of(bytes)).ok()?;
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    let value: f64 = text.parse().ok()?;
    let exact = (0.0..=EXACT).contains(&value) && value.fract() == 0.0;
    exact.then_some(value as u64)
}
