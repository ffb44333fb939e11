//! Sizes and prices as people write them, as exact whole numbers.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// A number of bytes: `1048576`, `50MB`, `64 KiB`. K, M and G are thousands, Ki, Mi and Gi multiples of 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl Size {
    fn parse(text: &str) -> Option<u64> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let factor: u64 = match unit.trim() {
            "" | "B" => 1,
            "KB" | "kB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(factor)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrText;
        impl Visitor<'_> for NumberOrText {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes or a size such as 50MB or 64KiB")
            }

            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Size, E> {
                Ok(Size(bytes))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                Size::parse(text)
                    .map(Size)
                    .ok_or_else(|| E::invalid_type(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(NumberOrText)
    }
}

/// An amount of US dollars, in billionths of one, exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usd(pub u64);

impl Usd {
    /// Reads a plain decimal number with at most nine decimals.
    fn parse(text: &str) -> Option<u64> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let is_number = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !is_number(whole) || !is_number(decimals) || decimals.len() > 9 {
            return None;
        }
        let billionths: u64 = format!("{decimals:0<9}").parse().ok()?;
        whole
            .parse::<u64>()
            .ok()?
            .checked_mul(1_000_000_000)?
            .checked_add(billionths)
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Usd;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount of dollars such as 0.15, with at most nine decimals")
            }

            fn visit_u64<E: de::Error>(self, whole: u64) -> Result<Usd, E> {
                self.visit_str(&whole.to_string())
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Usd, E> {
                // The shortest decimal that is this number: what was written, for any amount with up to 15 digits.
                self.visit_str(&number.to_string())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Usd, E> {
                Usd::parse(text)
                    .map(Usd)
                    .ok_or_else(|| E::invalid_type(de::Unexpected::Other("amount"), &self))
            }
        }
        deserializer.deserialize_any(Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(Size::parse("50MB"), Some(50_000_000));
        assert_eq!(Size::parse("64 KiB"), Some(65_536));
        assert_eq!(Size::parse("17"), Some(17));
        for wrong in ["", "MB", "-1", "1.5MB", "50mb", "50M", "99999999999GiB"] {
            assert_eq!(Size::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn amounts_are_exact() {
        assert_eq!(Usd::parse("0.15"), Some(150_000_000));
        assert_eq!(Usd::parse("0.000000001"), Some(1));
        assert_eq!(Usd::parse("75"), Some(75_000_000_000));
        assert_eq!(Usd::parse(&0.1_f64.to_string()), Some(100_000_000));
        for wrong in ["", ".5", "-1", "1e3", "0.0000000001", "1,5", "18446744074"] {
            assert_eq!(Usd::parse(wrong), None, "{wrong}");
        }
    }
}
