//! Values into bytes and back: numbers, lists and what may be missing, and the macros that put records and enums
//! together. Which records there are is left to `model` and to the dialects' readers of streams.

use std::borrow::Cow;

use smallvec::{Array, SmallVec};

use super::Broken;

/// Pieces inside pieces (a result of a tool in a message): one level takes at least two of the JSON that it was read
/// from, whose nesting is bounded by [`DEFAULT_MAX_DEPTH`](crate::json::DEFAULT_MAX_DEPTH).
const MAX_DEPTH: u8 = 64;

/// Elements of all lists of a message together: twice what a dialect's reader takes of one body.
const MAX_ITEMS: usize = 131_072;

/// More elements than these are not made room for before they are there.
const MAX_RESERVED: usize = 64;

/// A value that crosses.
pub(crate) trait Wire<'a>: Sized {
    fn put(&self, out: &mut Vec<u8>);

    /// # Errors
    /// The bytes that come next are no such value.
    fn take(input: &mut Input<'a>) -> Result<Self, Broken>;
}

/// Bytes that are being read.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    rest: &'a [u8],
    depth: u8,
    items: usize,
}

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Input<'a> {
        Input {
            rest: bytes,
            depth: 0,
            items: 0,
        }
    }

    /// # Errors
    /// Something is left.
    pub fn end(self) -> Result<(), Broken> {
        match self.rest.is_empty() {
            true => Ok(()),
            false => Err(Broken::Long),
        }
    }

    #[inline]
    pub fn byte(&mut self) -> Result<u8, Broken> {
        let (first, rest) = self.rest.split_first().ok_or(Broken::Short)?;
        self.rest = rest;
        Ok(*first)
    }

    /// Unsigned LEB128.
    #[inline]
    pub fn number(&mut self) -> Result<u64, Broken> {
        let first = self.byte()?;
        match first < 0x80 {
            true => Ok(first.into()),
            false => self.long_number(first),
        }
    }

    fn long_number(&mut self, first: u8) -> Result<u64, Broken> {
        let mut number = u64::from(first & 0x7f);
        for shift in (7..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Broken::Wrong("number"))
    }

    #[inline]
    pub fn bytes(&mut self, length: u64) -> Result<&'a [u8], Broken> {
        let length = usize::try_from(length).map_err(|_| Broken::Short)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Broken::Short)?;
        self.rest = rest;
        Ok(bytes)
    }

    #[inline]
    pub fn str(&mut self, length: u64) -> Result<&'a str, Broken> {
        std::str::from_utf8(self.bytes(length)?).map_err(|_| Broken::Wrong("text"))
    }

    /// The length of a list, which is charged to the message.
    pub fn items(&mut self) -> Result<usize, Broken> {
        let count = usize::try_from(self.number()?).map_err(|_| Broken::TooMany)?;
        self.items = self.items.checked_add(count).ok_or(Broken::TooMany)?;
        match self.items <= MAX_ITEMS {
            true => Ok(count),
            false => Err(Broken::TooMany),
        }
    }

    /// Reads what may hold others of its kind.
    pub fn nested<T>(&mut self, take: impl FnOnce(&mut Input<'a>) -> Result<T, Broken>) -> Result<T, Broken> {
        if self.depth >= MAX_DEPTH {
            return Err(Broken::TooDeep);
        }
        self.depth = self.depth.saturating_add(1);
        let value = take(self)?;
        self.depth = self.depth.saturating_sub(1);
        Ok(value)
    }
}

#[inline]
pub(crate) fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(crate) fn put_str(text: &str, out: &mut Vec<u8>) {
    put_number(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

/// The fields of a struct in their order; those behind `rest` do not cross, and are as good as new on the other side.
macro_rules! record {
    ($name:ident $(<$life:lifetime>)? { $($field:ident),* $(,)? } $(rest { $($rest:ident),* })?) => {
        impl<'a> $crate::wire::Wire<'a> for $name $(<$life>)? {
            #[inline]
            fn put(&self, out: &mut Vec<u8>) {
                let $name { $($field,)* $($($rest: _,)*)? } = self;
                $($crate::wire::Wire::put($field, out);)*
            }

            #[inline]
            fn take(input: &mut $crate::wire::Input<'a>) -> Result<Self, $crate::wire::Broken> {
                Ok($name {
                    $($field: $crate::wire::Wire::take(input)?,)*
                    $($($rest: Default::default(),)*)?
                })
            }
        }
    };
}

/// The variants of an enum, each behind the byte that stands for it.
macro_rules! variants {
    ($name:ident $(<$life:lifetime>)? {
        $($tag:literal = $variant:ident $(($($one:ident),*))? $({ $($field:ident),* })?),* $(,)?
    }) => {
        impl<'a> $crate::wire::Wire<'a> for $name $(<$life>)? {
            #[inline]
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $($name::$variant $(($($one),*))? $({ $($field),* })? => {
                        out.push($tag);
                        $($($crate::wire::Wire::put($one, out);)*)?
                        $($($crate::wire::Wire::put($field, out);)*)?
                    })*
                }
            }

            #[inline]
            fn take(input: &mut $crate::wire::Input<'a>) -> Result<Self, $crate::wire::Broken> {
                Ok(match input.byte()? {
                    $($tag => {
                        $($(let $one = $crate::wire::Wire::take(input)?;)*)?
                        $($(let $field = $crate::wire::Wire::take(input)?;)*)?
                        $name::$variant $(($($one),*))? $({ $($field),* })?
                    })*
                    _ => return Err($crate::wire::Broken::Wrong(stringify!($name))),
                })
            }
        }
    };
}

pub(crate) use {record, variants};

macro_rules! whole {
    ($($number:ident),*) => {$(
        impl<'a> Wire<'a> for $number {
            #[inline]
            fn put(&self, out: &mut Vec<u8>) {
                // none of these types is wider
                put_number(*self as u64, out);
            }

            #[inline]
            fn take(input: &mut Input<'a>) -> Result<Self, Broken> {
                input.number()?.try_into().map_err(|_| Broken::Wrong(stringify!($number)))
            }
        }
    )*};
}

whole!(u16, u32, u64, usize);

impl<'a> Wire<'a> for bool {
    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        out.push((*self).into());
    }

    #[inline]
    fn take(input: &mut Input<'a>) -> Result<Self, Broken> {
        match input.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Broken::Wrong("bool")),
        }
    }
}

impl<'a, T: Wire<'a>> Wire<'a> for Option<T> {
    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        out.push(self.is_some().into());
        if let Some(value) = self {
            value.put(out);
        }
    }

    #[inline]
    fn take(input: &mut Input<'a>) -> Result<Self, Broken> {
        match bool::take(input)? {
            true => T::take(input).map(Some),
            false => Ok(None),
        }
    }
}

impl<'a, T: Wire<'a>> Wire<'a> for Box<T> {
    fn put(&self, out: &mut Vec<u8>) {
        T::put(self, out);
    }

    fn take(input: &mut Input<'a>) -> Result<Self, Broken> {
        T::take(input).map(Box::new)
    }
}

pub(super) fn put_list<'a, T: Wire<'a>>(list: &[T], out: &mut Vec<u8>) {
    put_number(list.len() as u64, out);
    for item in list {
        item.put(out);
    }
}

impl<'a, T: Wire<'a>> Wire<'a> for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_list(self, out);
    }

    fn take(input: &mut Input<'a>) -> Result<Self, Broken> {
        let count = input.items()?;
        let mut list = Vec::with_capacity(count.min(MAX_RESERVED));
        for _ in 0..count {
            list.push(T::take(input)?);
        }
        Ok(list)
    }
}

impl<'a, A: Array> Wire<'a> for SmallVec<A>
where
    A::Item: Wire<'a>,
{
    fn put(&self, out: &mut Vec<u8>) {
        put_list(self, out);
    }

    fn take(input: &mut Input<'a>) -> Result<Self, Broken> {
        let count = input.items()?;
        let mut list = SmallVec::new();
        for _ in 0..count {
            list.push(A::Item::take(input)?);
        }
        Ok(list)
    }
}

impl<'a, A: Wire<'a>, B: Wire<'a>> Wire<'a> for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(input: &mut Input<'a>) -> Result<Self, Broken> {
        Ok((A::take(input)?, B::take(input)?))
    }
}

impl<'a> Wire<'a> for &'a str {
    fn put(&self, out: &mut Vec<u8>) {
        put_str(self, out);
    }

    fn take(input: &mut Input<'a>) -> Result<Self, Broken> {
        let length = input.number()?;
        input.str(length)
    }
}

impl<'a> Wire<'a> for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_str(self, out);
    }

    fn take(input: &mut Input<'a>) -> Result<Self, Broken> {
        <&str>::take(input).map(str::to_owned)
    }
}

impl<'a> Wire<'a> for Cow<'static, str> {
    fn put(&self, out: &mut Vec<u8>) {
        put_str(self, out);
    }

    fn take(input: &mut Input<'a>) -> Result<Self, Broken> {
        String::take(input).map(Cow::Owned)
    }
}
