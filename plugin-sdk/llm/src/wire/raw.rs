//! Texts, JSON and numbers as they were spelled. What is read is checked to be one: it is written into JSON unchanged.

use crate::json::{DEFAULT_MAX_DEPTH, JsonLimits, is_literal_inner, is_number, validate};
use crate::model::{Json, Number, Text};

use super::bytes::{put_number, put_str};
use super::{Broken, Input, Wire};

/// A writer may have put what it read into some more objects.
const JSON_LIMITS: JsonLimits = JsonLimits {
    max_depth: 2 * DEFAULT_MAX_DEPTH,
};

/// The length and, in its lowest bit, whether this is the inside of a literal.
impl<'a> Wire<'a> for Text<'a> {
    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        let spelled = self.spelled();
        let form = u64::from(self.is_literal());
        put_number((spelled.len() as u64) << 1 | form, out);
        out.extend_from_slice(spelled.as_bytes());
    }

    #[inline]
    fn take(input: &mut Input<'a>) -> Result<Self, Broken> {
        let head = input.number()?;
        let spelled = input.str(head >> 1)?;
        match head & 1 {
            0 => Ok(Text::plain(spelled)),
            _ if is_literal_inner(spelled) => Ok(Text::literal(spelled)),
            _ => Err(Broken::Wrong("Text")),
        }
    }
}

impl<'a> Wire<'a> for Json<'a> {
    fn put(&self, out: &mut Vec<u8>) {
        put_str(self.get(), out);
    }

    fn take(input: &mut Input<'a>) -> Result<Self, Broken> {
        let text = <&str>::take(input)?;
        match validate(text.as_bytes(), &JSON_LIMITS) {
            Ok(()) => Ok(Json::checked(text)),
            Err(_) => Err(Broken::Wrong("Json")),
        }
    }
}

impl<'a> Wire<'a> for Number<'a> {
    fn put(&self, out: &mut Vec<u8>) {
        put_str(self.get(), out);
    }

    fn take(input: &mut Input<'a>) -> Result<Self, Broken> {
        let text = <&str>::take(input)?;
        match is_number(text) {
            true => Ok(Number::checked(text)),
            false => Err(Broken::Wrong("Number")),
        }
    }
}
