//! Sets of ASCII characters that the bodies of secrets are made of.

/// One bit per ASCII character; other bytes are in no set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charset(u128);

impl Charset {
    pub const DIGITS: Charset = Charset::range(b'0', b'9');
    pub const UPPER: Charset = Charset::range(b'A', b'Z').and(Charset::DIGITS);
    pub const HEX: Charset = Charset::range(b'a', b'f')
        .and(Charset::range(b'A', b'F'))
        .and(Charset::DIGITS);
    pub const ALNUM: Charset = Charset::UPPER.and(Charset::range(b'a', b'z'));
    pub const BASE64URL: Charset = Charset::ALNUM.and(Charset::of(b"-_"));
    pub const BASE64: Charset = Charset::ALNUM.and(Charset::of(b"+/"));

    /// These characters.
    pub const fn of(characters: &[u8]) -> Charset {
        let (mut bits, mut at) = (0, 0);
        while at < characters.len() {
            bits |= 1 << characters[at];
            at += 1;
        }
        Charset(bits)
    }

    pub const fn and(self, other: Charset) -> Charset {
        Charset(self.0 | other.0)
    }

    pub fn contains(self, byte: u8) -> bool {
        byte < 128 && self.0 >> byte & 1 == 1
    }

    const fn range(first: u8, last: u8) -> Charset {
        let (mut bits, mut at) = (0, first);
        while at <= last {
            bits |= 1 << at;
            at += 1;
        }
        Charset(bits)
    }

    /// A set by its name, or written as in a regular expression's brackets: `A-Za-z0-9_-`.
    pub fn parse(text: &str) -> Result<Charset, String> {
        match text {
            "digits" => return Ok(Charset::DIGITS),
            "hex" => return Ok(Charset::HEX),
            "upper" => return Ok(Charset::UPPER),
            "alnum" => return Ok(Charset::ALNUM),
            "base64" => return Ok(Charset::BASE64.and(Charset::of(b"="))),
            "base64url" => return Ok(Charset::BASE64URL),
            _ => {}
        }
        // a quote, a backslash or a space would let a secret reach past the end of a JSON string or of a word
        let legal = |byte: &u8| byte.is_ascii_graphic() && !b"\"\\".contains(byte);
        if text.is_empty() || !text.as_bytes().iter().all(legal) {
            return Err(format!(
                "charset: `{text}`: expected digits, hex, upper, alnum, base64, base64url or characters and ranges \
                 such as A-Za-z0-9_-, without quotes, backslashes and spaces"
            ));
        }
        Ok(Charset::brackets(text.as_bytes()))
    }

    fn brackets(mut rest: &[u8]) -> Charset {
        let mut set = Charset(0);
        while let [first, after @ ..] = rest {
            rest = after;
            set = match after {
                [b'-', last, after @ ..] if first <= last => {
                    rest = after;
                    set.and(Charset::range(*first, *last))
                }
                _ => set.and(Charset::of(&[*first])),
            };
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charset_reads_like_brackets() {
        assert_eq!(Charset::parse("A-Za-z0-9_-"), Ok(Charset::BASE64URL));
        assert_eq!(Charset::parse("A-Z0-9"), Ok(Charset::UPPER));
        assert_eq!(Charset::parse("-"), Ok(Charset::of(b"-")));
        assert_eq!(Charset::parse("z-a"), Ok(Charset::of(b"z-a")));
        assert!(!Charset::ALNUM.contains(0xc3));
        for bad in ["", "a b", "a\"b", "a\\b", "é"] {
            Charset::parse(bad).expect_err(bad);
        }
    }
}
