//! Takes a secret out of words that quote it, whole or masked. Whose words those are, and which secret they may know, is
//! decided elsewhere.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use memchr::memmem;

/// A shorter secret is found in ordinary words, and protects nothing.
const SHORTEST: usize = 8;

/// Characters of a secret beside its mask that show which one it is.
const TELLING: usize = 4;

/// Characters that make a mask, if there are so many of one kind or another.
const MASK: usize = 3;

/// Spellings of one character of a mask, in JSON's escapes too, with what each counts.
const MASKS: [(&[u8], usize); 6] = [
    (b"*", 1),
    (b".", 1),
    ("\u{2022}".as_bytes(), 1),
    (b"\\u2022", 1),
    ("\u{2026}".as_bytes(), MASK),
    (b"\\u2026", MASK),
];

/// The text with every place that shows the secret overwritten: whole (`sk-abcdef`), as JSON escapes it, or masked
/// (`sk-ab***ef`). The length stays, so framing does too; a text that shows nothing comes back uncopied.
pub fn scrub(secret: &str, text: Bytes) -> Bytes {
    if secret.len() < SHORTEST {
        return text;
    }
    let mut shown = whole(secret.as_bytes(), &text);
    for escaped in escapes(secret) {
        shown.extend(whole(escaped.as_bytes(), &text));
    }
    shown.extend(masked(secret.as_bytes(), &text));
    if shown.is_empty() {
        return text;
    }
    let mut scrubbed = BytesMut::from(&text[..]);
    for range in shown {
        scrubbed[range].fill(b'*');
    }
    scrubbed.freeze()
}

fn whole(secret: &[u8], text: &[u8]) -> Vec<Range<usize>> {
    memmem::find_iter(text, secret)
        .map(|at| at..at + secret.len())
        .collect()
}

/// As writers of JSON spell it that escape more than they have to.
fn escapes(secret: &str) -> impl Iterator<Item = String> {
    let slashes = secret.replace('/', "\\/");
    let html = secret
        .replace('=', "\\u003d")
        .replace('&', "\\u0026")
        .replace('+', "\\u002b");
    let plain = secret.to_owned();
    [slashes, html]
        .into_iter()
        .filter(move |escaped| *escaped != plain)
}

/// Where a mask stands between the secret's beginning and its end, or beside enough of one of them.
fn masked(secret: &[u8], text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].iter().position(may_mask) {
        let start = at + start;
        let (length, count) = mask(&text[start..]);
        at = start + length.max(1);
        if count < MASK {
            continue;
        }
        let before = common_start(secret, &text[..start]);
        let after = common_end(secret, &text[start + length..]);
        if before >= TELLING || after >= TELLING {
            found.push(start - before..start + length + after);
        }
    }
    found
}

/// Whether one of the spellings begins so.
fn may_mask(byte: &u8) -> bool {
    matches!(byte, b'*' | b'.' | b'\\' | 0xE2)
}

/// The length of the mask at a text's beginning, and how many characters it stands for.
fn mask(text: &[u8]) -> (usize, usize) {
    let (mut length, mut count) = (0, 0);
    while let Some((spelling, counts)) = MASKS
        .iter()
        .find(|(spelling, _)| text[length..].starts_with(spelling))
    {
        length += spelling.len();
        count += counts;
    }
    (length, count)
}

/// How much of the secret's beginning the text ends with.
fn common_start(secret: &[u8], text: &[u8]) -> usize {
    let longest = secret.len().min(text.len());
    (1..=longest)
        .rev()
        .find(|length| text.ends_with(&secret[..*length]))
        .unwrap_or(0)
}

/// How much of the secret's end the text begins with.
fn common_end(secret: &[u8], text: &[u8]) -> usize {
    let longest = secret.len().min(text.len());
    (1..=longest)
        .rev()
        .find(|length| text.starts_with(&secret[secret.len() - length..]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "sk-proj-Ab12/Cd34+Ef56==";

    fn scrubbed(text: &str) -> String {
        let scrubbed = scrub(SECRET, Bytes::copy_from_slice(text.as_bytes()));
        String::from_utf8(scrubbed.to_vec()).unwrap()
    }

    #[test]
    fn a_secret_is_overwritten_whole_escaped_and_masked() {
        for shown in [
            SECRET,
            "sk-proj-Ab12\\/Cd34+Ef56==",
            "sk-proj-Ab12/Cd34\\u002bEf56\\u003d\\u003d",
            "sk-proj-********************56==",
            "sk-pr***56==",
            "sk-proj-Ab12...",
            "****56==",
            "sk-proj\u{2026}==",
            "sk-proj\\u2026f56==",
            "sk-p\u{2022}\u{2022}\u{2022}\u{2022}",
        ] {
            let text = format!(r#"{{"message":"Incorrect API key provided: {shown} (see the manual)."}}"#);
            let hidden = text.replace(shown, &"*".repeat(shown.len()));
            assert_eq!(scrubbed(&text), hidden);
        }
    }

    #[test]
    fn what_shows_nothing_of_it_is_left_as_it_is() {
        for text in [
            "",
            "...",
            "an ellipsis... and **bold** words",
            "keys start with sk-...",
            "sk-other-key-********************zzzz",
            "\u{2026}\u{2022}\\u20",
            "a.b.c",
        ] {
            assert_eq!(scrubbed(text), text);
        }
        let short = Bytes::from_static(b"none, none");
        assert_eq!(scrub("none", short.clone()), short);
    }

    proptest! {
        #[test]
        fn a_text_keeps_its_length_and_never_its_secret(
            pieces in proptest::collection::vec(prop_oneof![
                Just(SECRET.to_owned()), "[*.\u{2022}\u{2026}]{0,6}", "[a-z ]{0,6}", "sk-proj-Ab12", "56=="
            ], 0..12),
        ) {
            let text = pieces.concat();
            let result = scrubbed(&text);
            prop_assert_eq!(result.len(), text.len());
            prop_assert!(!result.contains(SECRET));
        }
    }
}
