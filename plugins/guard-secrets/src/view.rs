//! A text as a JSON reader would see it: escapes undone, with the way back to the text's own offsets. Tool arguments are
//! JSON within a string, and so are many answers and tool results; a secret may be spelt `\u0073k-…` there. Text without a
//! backslash is looked at as it is.
//!
//! An escape counts as one character that cannot be cut, so a replacement never breaks one.

use std::borrow::Cow;

/// `\uXXXX` beyond ASCII: part of no secret, and of no word.
const OTHER: u8 = 0xff;

pub struct View<'a> {
    pub bytes: Cow<'a, [u8]>,
    /// For each escape: its place in `bytes`, and how much longer the text is up to and with it.
    escapes: Vec<(usize, usize)>,
    /// Where the text ends within an escape that may go on.
    pub cut: Option<usize>,
}

impl View<'_> {
    pub fn of(text: &str, last: bool) -> View<'_> {
        let source = text.as_bytes();
        if !source.contains(&b'\\') {
            return View {
                bytes: Cow::Borrowed(source),
                escapes: Vec::new(),
                cut: None,
            };
        }
        let mut view = View {
            bytes: Cow::Owned(Vec::new()),
            escapes: Vec::new(),
            cut: None,
        };
        view.decode(source, last);
        view
    }

    /// The offset in the text of the place `at` in `bytes`.
    pub fn source(&self, at: usize) -> usize {
        let before = self.escapes.partition_point(|(place, _)| *place < at);
        at + before.checked_sub(1).map_or(0, |index| self.escapes[index].1)
    }

    fn decode(&mut self, source: &[u8], last: bool) {
        let mut bytes = Vec::with_capacity(source.len());
        let (mut at, mut extra) = (0, 0);
        while at < source.len() {
            if source[at] != b'\\' {
                let plain = source[at..]
                    .iter()
                    .position(|byte| *byte == b'\\')
                    .unwrap_or(source.len() - at);
                bytes.extend_from_slice(&source[at..at + plain]);
                at += plain;
                continue;
            }
            match escape(&source[at..]) {
                Escape::Is(byte, length) => {
                    extra += length - 1;
                    self.escapes.push((bytes.len(), extra));
                    bytes.push(byte);
                    at += length;
                }
                Escape::Cut if !last => {
                    self.cut = Some(at);
                    break;
                }
                Escape::Cut | Escape::None => {
                    bytes.push(b'\\');
                    at += 1;
                }
            }
        }
        self.bytes = Cow::Owned(bytes);
    }
}

enum Escape {
    /// What it stands for, and its length.
    Is(u8, usize),
    /// The text ends in it.
    Cut,
    /// A backslash of its own.
    None,
}

/// The escape at the beginning of `source`, which starts with a backslash.
fn escape(source: &[u8]) -> Escape {
    let Some(letter) = source.get(1) else {
        return Escape::Cut;
    };
    let byte = match letter {
        b'"' | b'\\' | b'/' => *letter,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'f' => 0x0c,
        b'u' => return hex_escape(&source[2..]),
        _ => return Escape::None,
    };
    Escape::Is(byte, 2)
}

fn hex_escape(digits: &[u8]) -> Escape {
    let mut value = 0;
    for place in 0..4 {
        match digits.get(place).map(|digit| char::from(*digit).to_digit(16)) {
            Some(Some(digit)) => value = value * 16 + digit,
            Some(None) => return Escape::None,
            None => return Escape::Cut,
        }
    }
    Escape::Is(u8::try_from(value).ok().filter(u8::is_ascii).unwrap_or(OTHER), 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_and_found_again() {
        let view = View::of(r#"a\u0073k-\n\"é\ud83d\ude00\q"#, true);
        assert_eq!(&*view.bytes, b"ask-\n\"\xc3\xa9\xff\xff\\q");
        assert_eq!(view.source(1), 1);
        assert_eq!(view.source(2), 7);
        assert_eq!(view.source(4), 9);
        assert_eq!(view.source(5), 11);
        assert_eq!(view.source(view.bytes.len()), 29);
    }

    #[test]
    fn an_escape_that_may_go_on_is_not_looked_at_yet() {
        for (text, cut) in [("ab\\", 2), ("\\u", 0), ("\\\\\\u007", 2)] {
            assert_eq!(View::of(text, false).cut, Some(cut), "{text}");
            assert_eq!(View::of(text, true).cut, None, "{text}");
        }
        assert_eq!(View::of("\\u00zz", false).cut, None);
    }
}
