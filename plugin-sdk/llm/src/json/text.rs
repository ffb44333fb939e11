//! Strings in JSON: escapes read and written. Where strings are is the cursor's business.

use std::borrow::Cow;

use super::{JsonError, JsonErrorKind};

/// The text of a string literal, given with its quotes. Escaped surrogates without a partner, legal in JSON but not in
/// UTF-8, become U+FFFD. Bytes that are no literal give what can be read of them.
pub fn unescape(literal: &[u8]) -> Cow<'_, str> {
    let inner = literal.strip_prefix(b"\"").unwrap_or(literal);
    unescape_inner(inner.strip_suffix(b"\"").unwrap_or(inner))
}

/// The same of what stands between the quotes, which may end with an escaped one.
pub(crate) fn unescape_inner(inner: &[u8]) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'\\', inner) else {
        return lossy(inner);
    };
    let mut text = String::with_capacity(inner.len());
    let (mut at, mut escape) = (0, Some(first));
    while let Some(found) = escape {
        text.push_str(&lossy(&inner[at..found]));
        let (decoded, next) = escape_at(inner, found).unwrap_or((char::REPLACEMENT_CHARACTER, found + 1));
        text.push(decoded);
        at = next;
        escape = memchr::memchr(b'\\', &inner[at..]).map(|further| at + further);
    }
    text.push_str(&lossy(&inner[at..]));
    Cow::Owned(text)
}

/// As `String::from_utf8_lossy`, which looks at each character; this looks at words where all is well.
pub(crate) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

/// Writes `text` as a string literal, with its quotes, escaping only what JSON demands.
pub fn escape_into(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    escape_inner_into(text, out);
    out.push(b'"');
}

/// Writes `text` as it stands between a literal's quotes.
pub(crate) fn escape_inner_into(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        let special = plain_end(bytes, at);
        out.extend_from_slice(&bytes[at..special]);
        let Some(byte) = bytes.get(special) else { return };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(control >> 4)]);
                out.push(HEX[usize::from(control & 15)]);
            }
        }
        at = special + 1;
    }
}

/// Whether `inner` may stand between the quotes of a string.
pub(crate) fn is_literal_inner(inner: &str) -> bool {
    let bytes = inner.as_bytes();
    let mut at = plain_end(bytes, 0);
    while bytes.get(at) == Some(&b'\\') {
        let Ok((_, behind)) = escape_at(bytes, at) else {
            return false;
        };
        at = plain_end(bytes, behind);
    }
    at == bytes.len()
}

/// The first place from `at` on that a string cannot take as it is: a quote, a backslash, a control character, the end.
#[inline]
pub(super) fn plain_end(bytes: &[u8], at: usize) -> usize {
    const WORD: usize = size_of::<u64>();
    const BLOCK: usize = 32;
    let mut at = at;
    // most strings are keys and end within two words; blocks, which the compiler makes vectors of, are for texts
    let blocks_from = at + 2 * WORD;
    while let Some(word) = bytes.get(at..at + WORD) {
        let word = u64::from_le_bytes(word.try_into().expect("the slice is one word long"));
        let special = specials(word);
        if special != 0 {
            return at + (special.trailing_zeros() / 8) as usize;
        }
        at += WORD;
        if at == blocks_from {
            while let Some(block) = bytes.get(at..at + BLOCK)
                && !block.iter().fold(false, |any, byte| any | is_special(*byte))
            {
                at += BLOCK;
            }
        }
    }
    while let Some(byte) = bytes.get(at) {
        if is_special(*byte) {
            break;
        }
        at += 1;
    }
    at
}

#[inline]
fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// Sets the high bit of the bytes that are special; exact for the lowest one, which is the only one asked for
/// ("Determine if a word has a byte less than n", Bit Twiddling Hacks).
#[inline]
fn specials(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES * 0x80;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let found = (quote.wrapping_sub(ONES) & !quote)
        | (backslash.wrapping_sub(ONES) & !backslash)
        | (word.wrapping_sub(ONES * 0x20) & !word);
    found & HIGHS
}

/// The character that the escape at `at` (its backslash) stands for, and where it ends.
pub(super) fn escape_at(bytes: &[u8], at: usize) -> Result<(char, usize), JsonError> {
    let simple = match bytes.get(at + 1) {
        Some(b'u') => return unicode_at(bytes, at),
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(_) => {
            return Err(JsonError {
                offset: at,
                kind: JsonErrorKind::BadEscape,
            });
        }
        None => {
            return Err(JsonError {
                offset: at + 1,
                kind: JsonErrorKind::UnexpectedEnd,
            });
        }
    };
    Ok((simple, at + 2))
}

fn unicode_at(bytes: &[u8], at: usize) -> Result<(char, usize), JsonError> {
    let unit = code_unit(bytes, at)?;
    if !(0xD800..0xE000).contains(&unit) {
        return Ok((
            char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER),
            at + 6,
        ));
    }
    let follows = bytes.get(at + 6..at + 8) == Some(b"\\u");
    if unit < 0xDC00
        && follows
        && let Ok(low) = code_unit(bytes, at + 6)
        && (0xDC00..0xE000).contains(&low)
    {
        let joined = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
        return Ok((
            char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER),
            at + 12,
        ));
    }
    Ok((char::REPLACEMENT_CHARACTER, at + 6))
}

/// The four hexadecimal digits of the escape at `at`.
fn code_unit(bytes: &[u8], at: usize) -> Result<u32, JsonError> {
    let mut unit = 0;
    for digit in at + 2..at + 6 {
        let Some(byte) = bytes.get(digit) else {
            return Err(JsonError {
                offset: digit,
                kind: JsonErrorKind::UnexpectedEnd,
            });
        };
        let Some(value) = char::from(*byte).to_digit(16) else {
            return Err(JsonError {
                offset: at,
                kind: JsonErrorKind::BadEscape,
            });
        };
        unit = unit << 4 | value;
    }
    Ok(unit)
}
