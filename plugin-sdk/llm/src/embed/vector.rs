//! The numbers of an embedding, as a list or as base64 of their bytes, and the one made of the other: exact, as the
//! shortest spelling of a 32-bit float is read as the same float again.

use std::io::Write;

use base64::Engine;
use base64::engine::DecodePaddingMode::Indifferent;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

use crate::fault::Fault;
use crate::json::ValueKind;
use crate::model::{Json, Text, is_base64};
use crate::read::Reader;

/// What the numbers are.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum NumberKind {
    #[default]
    Float,
    Int8,
    Uint8,
    /// Eight dimensions in one number, signed.
    Binary,
    /// The same, unsigned.
    Ubinary,
}

/// A form that an embedding is wanted in.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Encoding {
    pub kind: NumberKind,
    pub base64: bool,
}

/// The numbers of one embedding in one form.
#[derive(Clone, Debug, PartialEq)]
pub struct Vector<'a> {
    pub kind: NumberKind,
    pub data: Data<'a>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Data<'a> {
    /// A JSON array of numbers, as they were spelled.
    Numbers(Json<'a>),
    /// Of the numbers' bytes, floats in 32 bits with the lowest first.
    Base64(Text<'a>),
}

impl NumberKind {
    /// As Cohere and Voyage name it.
    pub fn as_str(self) -> &'static str {
        match self {
            NumberKind::Float => "float",
            NumberKind::Int8 => "int8",
            NumberKind::Uint8 => "uint8",
            NumberKind::Binary => "binary",
            NumberKind::Ubinary => "ubinary",
        }
    }

    pub fn named(name: &str) -> Option<NumberKind> {
        Some(match name {
            "float" => NumberKind::Float,
            "int8" => NumberKind::Int8,
            "uint8" => NumberKind::Uint8,
            "binary" => NumberKind::Binary,
            "ubinary" => NumberKind::Ubinary,
            _ => return None,
        })
    }

    /// Bytes of one number.
    fn width(self) -> usize {
        match self {
            NumberKind::Float => 4,
            _ => 1,
        }
    }

    /// Whether numbers of this kind have a sign.
    fn is_signed(self) -> bool {
        matches!(self, NumberKind::Int8 | NumberKind::Binary)
    }
}

impl Encoding {
    pub const FLOATS: Encoding = Encoding {
        kind: NumberKind::Float,
        base64: false,
    };
    pub const BASE64: Encoding = Encoding {
        kind: NumberKind::Float,
        base64: true,
    };

    pub fn is_float(self) -> bool {
        self.kind == NumberKind::Float
    }
}

/// With or without padding.
const LOOSE: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(Indifferent),
);
const LOOSE_URL_SAFE: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(Indifferent),
);

/// Reads a list of numbers or base64.
///
/// # Errors
/// Neither of the two, in what a provider sent.
pub(super) fn read<'a>(reader: &mut Reader<'a>, kind: NumberKind) -> Result<Vector<'a>, Fault> {
    let no_vector = || Fault::invalid("", "is no embedding: neither numbers nor base64 of them");
    let data = match reader.kind()? {
        ValueKind::String => {
            let text = reader.literal()?;
            let length = decoded_length(&text).ok_or_else(no_vector)?;
            if !length.is_multiple_of(kind.width()) {
                return Err(no_vector());
            }
            Data::Base64(text)
        }
        ValueKind::Array => {
            let json = reader.json()?;
            if !is_numbers(json.get()) {
                return Err(no_vector());
            }
            Data::Numbers(json)
        }
        _ => return Err(no_vector()),
    };
    Ok(Vector { kind, data })
}

/// Whether a JSON array holds numbers alone. That it is JSON is known.
fn is_numbers(array: &str) -> bool {
    let of_number =
        |byte: u8| byte.is_ascii_digit() || byte.is_ascii_whitespace() || b"+-.eE,".contains(&byte);
    let inner = array
        .trim()
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|inner| inner.bytes().all(of_number))
}

/// How many bytes a base64 text holds; none where it is none.
fn decoded_length(text: &Text<'_>) -> Option<usize> {
    let text = text.get();
    if text.is_empty() {
        return Some(0);
    }
    let digits = text.trim_end_matches('=').len();
    is_base64(&text).then(|| digits.saturating_mul(3) / 4)
}

impl Vector<'_> {
    pub fn into_owned(self) -> Vector<'static> {
        Vector {
            kind: self.kind,
            data: match self.data {
                Data::Numbers(json) => Data::Numbers(json.into_owned()),
                Data::Base64(text) => Data::Base64(text.into_owned()),
            },
        }
    }

    /// Writes the numbers as a JSON list or as a string of base64; as they came where they came so. False where that
    /// could not be exact: a number that no 32-bit float comes near, or bytes that are no number.
    pub fn write(&self, base64: bool, out: &mut Vec<u8>) -> bool {
        match (&self.data, base64) {
            (Data::Numbers(numbers), false) => numbers.write(out),
            (Data::Base64(text), true) => text.write(out),
            (Data::Numbers(numbers), true) => return encode(numbers.get(), self.kind, out),
            (Data::Base64(text), false) => return decode(&text.get(), self.kind, out),
        }
        true
    }
}

fn numbers(array: &str) -> impl Iterator<Item = &str> {
    let inner = array.trim().trim_start_matches('[').trim_end_matches(']');
    inner
        .split(',')
        .map(str::trim)
        .filter(|number| !number.is_empty())
}

fn encode(array: &str, kind: NumberKind, out: &mut Vec<u8>) -> bool {
    let mut exact = true;
    let mut bytes = Vec::with_capacity(array.len() / 2);
    for number in numbers(array) {
        if kind == NumberKind::Float {
            let value = number.parse::<f32>().unwrap_or(f32::NAN);
            exact &= value.is_finite();
            bytes.extend_from_slice(&value.to_le_bytes());
            continue;
        }
        let value = number.parse::<f64>().unwrap_or(0.0);
        let byte = if kind.is_signed() {
            exact &= value == f64::from(value as i8);
            (value as i8).to_le_bytes()
        } else {
            exact &= value == f64::from(value as u8);
            [value as u8]
        };
        bytes.extend_from_slice(&byte);
    }
    out.push(b'"');
    out.extend_from_slice(STANDARD.encode(&bytes).as_bytes());
    out.push(b'"');
    exact
}

fn decode(text: &str, kind: NumberKind, out: &mut Vec<u8>) -> bool {
    let bytes = LOOSE.decode(text).or_else(|_| LOOSE_URL_SAFE.decode(text));
    let bytes = bytes.unwrap_or_default();
    let (mut exact, mut first) = (bytes.len().is_multiple_of(kind.width()), true);
    out.push(b'[');
    for number in bytes.chunks_exact(kind.width()) {
        if !std::mem::replace(&mut first, false) {
            out.push(b',');
        }
        // writing into memory does not fail
        let _ = match (kind, number) {
            (NumberKind::Float, number) => {
                let value = f32::from_le_bytes(number.try_into().unwrap_or_default());
                exact &= value.is_finite();
                match value.is_finite() {
                    true => write!(out, "{value:?}"),
                    // JSON has no word for it
                    false => write!(out, "null"),
                }
            }
            (_, [byte]) if kind.is_signed() => write!(out, "{}", i8::from_le_bytes([*byte])),
            (_, [byte]) => write!(out, "{byte}"),
            _ => Ok(()),
        };
    }
    out.push(b']');
    exact
}
