//! A message's headers: named values of ten types, read in place.

use super::HeaderFault;

/// A header's value.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum HeaderValue<'a> {
    Bool(bool),
    Byte(i8),
    Short(i16),
    Int(i32),
    Long(i64),
    Bytes(&'a [u8]),
    String(&'a str),
    /// Milliseconds since 1970.
    Timestamp(i64),
    Uuid([u8; 16]),
}

impl<'a> HeaderValue<'a> {
    pub fn as_str(&self) -> Option<&'a str> {
        match self {
            HeaderValue::String(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), HeaderFault> {
        match self {
            HeaderValue::Bool(true) => out.push(0),
            HeaderValue::Bool(false) => out.push(1),
            HeaderValue::Byte(value) => {
                out.push(2);
                out.extend_from_slice(&value.to_be_bytes());
            }
            HeaderValue::Short(value) => {
                out.push(3);
                out.extend_from_slice(&value.to_be_bytes());
            }
            HeaderValue::Int(value) => {
                out.push(4);
                out.extend_from_slice(&value.to_be_bytes());
            }
            HeaderValue::Long(value) => {
                out.push(5);
                out.extend_from_slice(&value.to_be_bytes());
            }
            HeaderValue::Bytes(bytes) => {
                out.push(6);
                sized(bytes, out)?;
            }
            HeaderValue::String(text) => {
                out.push(7);
                sized(text.as_bytes(), out)?;
            }
            HeaderValue::Timestamp(value) => {
                out.push(8);
                out.extend_from_slice(&value.to_be_bytes());
            }
            HeaderValue::Uuid(uuid) => {
                out.push(9);
                out.extend_from_slice(uuid);
            }
        }
        Ok(())
    }
}

fn sized(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), HeaderFault> {
    let length = u16::try_from(bytes.len()).map_err(|_| HeaderFault::TooLong)?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// The headers of a message, each as it is reached. Nothing follows a fault.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    rest: &'a [u8],
}

impl<'a> Headers<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Headers<'a> {
        Headers { rest: bytes }
    }

    fn read(&mut self) -> Result<(&'a str, HeaderValue<'a>), HeaderFault> {
        let [length] = self.array()?;
        let name = self.text(usize::from(length))?;
        if name.is_empty() {
            return Err(HeaderFault::EmptyName);
        }
        let [kind] = self.array()?;
        let value = match kind {
            0 => HeaderValue::Bool(true),
            1 => HeaderValue::Bool(false),
            2 => HeaderValue::Byte(i8::from_be_bytes(self.array()?)),
            3 => HeaderValue::Short(i16::from_be_bytes(self.array()?)),
            4 => HeaderValue::Int(i32::from_be_bytes(self.array()?)),
            5 => HeaderValue::Long(i64::from_be_bytes(self.array()?)),
            6 => {
                let length = u16::from_be_bytes(self.array()?);
                HeaderValue::Bytes(self.bytes(usize::from(length))?)
            }
            7 => {
                let length = u16::from_be_bytes(self.array()?);
                HeaderValue::String(self.text(usize::from(length))?)
            }
            8 => HeaderValue::Timestamp(i64::from_be_bytes(self.array()?)),
            9 => HeaderValue::Uuid(self.array()?),
            unknown => return Err(HeaderFault::UnknownType(unknown)),
        };
        Ok((name, value))
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], HeaderFault> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(HeaderFault::CutOff)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], HeaderFault> {
        self.bytes(N)?.try_into().map_err(|_| HeaderFault::CutOff)
    }

    fn text(&mut self, length: usize) -> Result<&'a str, HeaderFault> {
        std::str::from_utf8(self.bytes(length)?).map_err(|_| HeaderFault::NotUtf8)
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Result<(&'a str, HeaderValue<'a>), HeaderFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let header = self.read();
        if header.is_err() {
            self.rest = &[];
        }
        Some(header)
    }
}
