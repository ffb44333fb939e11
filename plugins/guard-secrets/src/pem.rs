//! Private keys in armour: `-----BEGIN … PRIVATE KEY-----`, lines of base64, `-----END … -----`. Recognised by the first
//! line and the beginning of the second, then replaced as a whole without holding more than an end line.

use crate::matching::Answer;

/// `ENCRYPTED`, `OPENSSH`, `RSA`, `EC`, `PGP` and what may come.
const LONGEST_LABEL: usize = 48;

/// So much base64 without a break is a key's body even without a line break before it.
const SURELY_BODY: usize = 16;

/// Blank characters between the first line and the body.
const MOST_BLANKS: usize = 16;

const DASHES: &[u8] = b"-----";
const END: &[u8] = b"-----END ";

/// Whether a private key begins: `at` is its first dash, `label` the place after `-----BEGIN `.
pub fn begins(text: &[u8], at: usize, label: usize, last: bool) -> Answer {
    let label_end = label + run(&text[label..], LONGEST_LABEL + 1, is_label);
    if label_end - label > LONGEST_LABEL {
        return Answer::No;
    }
    if label_end == text.len() {
        return if last { Answer::No } else { Answer::More };
    }
    let name = text[label..label_end].trim_ascii_end();
    if !name.ends_with(b"PRIVATE KEY") && !name.ends_with(b"PRIVATE KEY BLOCK") {
        return Answer::No;
    }
    let rest = &text[label_end..];
    if !rest.starts_with(DASHES) {
        return if !last && DASHES.starts_with(rest) {
            Answer::More
        } else {
            Answer::No
        };
    }
    let end = label_end + DASHES.len();
    match body_begins(&text[end..], last) {
        Some(true) => Answer::Yes { start: at, end },
        Some(false) => Answer::No,
        None => Answer::More,
    }
}

/// Whether what follows the first line is a body, and not prose about keys; `None` where more text is needed.
fn body_begins(text: &[u8], last: bool) -> Option<bool> {
    let blanks = blanks(text);
    let body = &text[blanks.min(text.len())..];
    let length = run(body, SURELY_BODY, is_base64);
    if blanks > MOST_BLANKS {
        return Some(false);
    }
    if length >= SURELY_BODY {
        return Some(true);
    }
    match body.get(length) {
        // a short line, a header (`Proc-Type: 4,ENCRYPTED`), or the end line right away
        Some(b'\n' | b'\r' | b'\\' | b':' | b'-') => Some(length > 0),
        Some(_) => Some(false),
        None if last => Some(length > 0),
        None => None,
    }
}

/// Blanks at the beginning, line breaks that are escaped twice among them; not more than one past the most.
fn blanks(text: &[u8]) -> usize {
    let mut at = 0;
    while at <= MOST_BLANKS {
        at += match &text[at..] {
            [b'\\', b'n' | b'r', ..] => 2,
            [b' ' | b'\t' | b'\n' | b'\r', ..] => 1,
            _ => break,
        };
    }
    at
}

/// How far the body goes from `from` on: the place after it, and whether it may go on beyond the text's end. A body that
/// has no end line ends at the first character that no key holds.
pub fn body_end(text: &[u8], from: usize, last: bool) -> (usize, bool) {
    let mut at = from;
    while at < text.len() {
        match text[at] {
            b'-' => match end_line(text, at, last) {
                Answer::Yes { end, .. } => return (end, false),
                Answer::More => return (at, true),
                Answer::No => at += 1,
            },
            byte if is_body(byte) => at += 1,
            _ => return (at, false),
        }
    }
    (at, !last)
}

fn end_line(text: &[u8], at: usize, last: bool) -> Answer {
    let unsure = if last { Answer::No } else { Answer::More };
    let there = &text[at..];
    if !there.starts_with(END) {
        return if END.starts_with(there) {
            unsure
        } else {
            Answer::No
        };
    }
    let label = run(&there[END.len()..], LONGEST_LABEL + 1, is_label);
    if label > LONGEST_LABEL {
        return Answer::No;
    }
    let rest = &there[END.len() + label..];
    if rest.starts_with(DASHES) {
        return Answer::Yes {
            start: at,
            end: at + END.len() + label + DASHES.len(),
        };
    }
    if DASHES.starts_with(rest) {
        unsure
    } else {
        Answer::No
    }
}

fn run(text: &[u8], most: usize, belongs: fn(u8) -> bool) -> usize {
    let text = &text[..text.len().min(most)];
    text.iter().position(|byte| !belongs(*byte)).unwrap_or(text.len())
}

fn is_label(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' '
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// Base64, line breaks and armour headers; never a quote, so that a JSON string stays closed.
fn is_body(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r') && !matches!(byte, b'"' | b'`')
}
