//! Wall-clock time as plain numbers, and its spelling in records. Durations are measured with `Instant`, never with this.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01 UTC; 0 for a clock before that.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Where the time of tokens comes from: the system's clock, or one that is set by hand.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    by_hand: Option<Arc<AtomicU64>>,
}

impl Clock {
    /// Shows the milliseconds since 1970 that stand in `ms`, and goes on when they do.
    pub fn by_hand(ms: Arc<AtomicU64>) -> Self {
        Self { by_hand: Some(ms) }
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub fn now_ms(&self) -> u64 {
        self.by_hand
            .as_ref()
            .map_or_else(now_ms, |ms| ms.load(Ordering::SeqCst))
    }
}

/// A moment as `2026-03-01T12:00:00.250Z` (RFC 3339). Written by hand, since every record has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp([u8; 24]);

impl Timestamp {
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Milliseconds since 1970 as a text.
pub fn rfc3339(ms: u64) -> Timestamp {
    let (days, in_day) = (ms / 86_400_000, ms % 86_400_000);
    let (year, month, day) = civil(days);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |range: std::ops::Range<usize>, mut number: u64| {
        for place in range.rev() {
            text[place] = b'0' + (number % 10) as u8;
            number /= 10;
        }
    };
    put(0..4, year);
    put(5..7, month);
    put(8..10, day);
    put(11..13, in_day / 3_600_000);
    put(14..16, in_day / 60_000 % 60);
    put(17..19, in_day / 1000 % 60);
    put(20..23, in_day % 1000);
    Timestamp(text)
}

/// Milliseconds since 1970 of an RFC 3339 time (`2027-01-01T00:00:00Z`, `2027-01-01T02:00:00.5+02:00`); none for what is
/// not one, or lies before 1970.
pub fn parse_rfc3339(text: &str) -> Option<u64> {
    let number = |range: std::ops::Range<usize>| -> Option<u64> {
        let digits = text.get(range)?;
        digits
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| digits.parse().ok())?
    };
    let is =
        |position: usize, wanted: &[u8]| text.as_bytes().get(position).is_some_and(|b| wanted.contains(b));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let days = days_since_1970(year, month, day)?;
    if hour > 23 || minute > 59 || second > 60 || civil(days) != (year, month, day) {
        return None;
    }
    let mut rest = text.get(19..)?;
    let mut ms = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        ms = format!("{:0<3}", &fraction[..digits])
            .get(..3)?
            .parse()
            .ok()
            .filter(|_| digits > 0)?;
        rest = &fraction[digits..];
    }
    let local = days * 86_400_000 + hour * 3_600_000 + minute * 60_000 + second * 1000 + ms;
    local.checked_add_signed(-offset_ms(rest)?)
}

/// `Z`, `+02:00`, `-05:30`.
fn offset_ms(text: &str) -> Option<i64> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("Z" | "z", "") => return Some(0),
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest
        .split_once(':')
        .filter(|(h, m)| h.len() == 2 && m.len() == 2)?;
    let (hours, minutes) = (hours.parse::<u8>().ok()?, minutes.parse::<u8>().ok()?);
    (hours < 24 && minutes < 60).then(|| sign * (i64::from(hours) * 3_600_000 + i64::from(minutes) * 60_000))
}

/// The other way round than `civil`; none before 1970 or for a month that is none.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

/// Year, month and day of a number of days since 1970 (the proleptic Gregorian calendar, in years that start in March,
/// so that the leap day is a year's last).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_spelled_as_rfc_3339_says() {
        assert_eq!(rfc3339(0).as_str(), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_782_400_250).as_str(), "2000-02-29T00:00:00.250Z");
        assert_eq!(rfc3339(1_772_366_399_999).as_str(), "2026-03-01T11:59:59.999Z");
    }

    #[test]
    fn rfc_3339_is_read_as_it_is_written() {
        for ms in [0, 951_782_400_250, 1_772_366_399_999, 4_102_444_800_000] {
            assert_eq!(parse_rfc3339(rfc3339(ms).as_str()), Some(ms));
        }
        assert_eq!(parse_rfc3339("1970-01-01T02:00:00+02:00"), Some(0));
        assert_eq!(parse_rfc3339("1969-12-31T19:00:00.1234567-05:00"), None);
        for wrong in [
            "",
            "2027",
            "2027-01-01",
            "2027-02-29T00:00:00Z",
            "2027-13-01T00:00:00Z",
            "2027-01-01T24:00:00Z",
            "2027-01-01T00:00:00",
            "2027-01-01T00:00:00.Z",
            "2027-01-01T00:00:00+2",
            "2027-01-01T00:00:00Zé",
            "+027-01-01T00:00:00Z",
            "2027-01-01é00:00:00Z",
        ] {
            assert_eq!(parse_rfc3339(wrong), None, "{wrong}");
        }
    }
}
