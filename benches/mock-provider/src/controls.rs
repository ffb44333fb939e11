//! What a request may ask the mock to do besides answering: delays, sizes, statuses and faults.
//!
//! A control is given as a header `x-mock-NAME: VALUE`, or in the model's name as `anything+NAME=VALUE+NAME=VALUE`, so
//! that an unchanged SDK can ask for it too and it survives a gateway that forwards no unknown header. An unknown
//! control is a mistake of the test and answered with 400. The names are listed in the README.

use std::time::Duration;

use crate::encode::Encoding;
use crate::wire::Head;

const HEADER_PREFIX: &str = "x-mock-";
/// Longer than any timeout a test waits for.
const MAX_DELAY_MS: u64 = 3_600_000;
const MAX_EVENTS: u64 = 1_000_000;
const MAX_EVENT_BYTES: u64 = 64 * 1024 * 1024;

/// How an answer is broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    #[default]
    None,
    /// never answers, keeps the connection
    Hang,
    /// RST before the first byte
    ResetHead,
    /// FIN before the first byte
    CloseHead,
    /// RST in the middle of the body
    ResetMid,
    /// FIN in the middle of the body: the framing is left open
    CloseMid,
    /// falls silent in the middle of the body
    HangMid,
    /// the stream ends cleanly for HTTP, in its middle: no finish reason, no [DONE]
    Truncated,
    /// everything but the [DONE]
    NoDone,
    /// an error object as an event (or, unstreamed, as the body) under the 200
    ErrorEvent,
    /// a body that is not JSON, an event whose data is not JSON
    Garbage,
    /// answers well, then closes without having said so: what a pooled connection looks like when it is stale
    CloseAfter,
}

/// When usage is told in a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UsageMode {
    /// as `stream_options.include_usage` says
    #[default]
    Asked,
    Never,
    /// in the event with the finish reason, whatever was asked
    WithFinish,
}

/// All controls of one request.
#[derive(Clone, Debug)]
pub struct Controls {
    /// other than 200: an error body of that status
    pub status: u16,
    pub retry_after: Option<String>,
    /// only the first so many requests with this model misbehave (status and fault)
    pub times: Option<u32>,
    pub delay: Duration,
    pub event_delay: Duration,
    /// content events; none: as many as the reply has pieces
    pub events: Option<usize>,
    /// length of a content event with its terminator; 0: as it comes
    pub event_bytes: usize,
    /// the least bytes of text per content event; 0: a word
    pub piece_bytes: usize,
    /// all events in one write
    pub burst: bool,
    /// socket writes of this many bytes; 0: one write per event
    pub write_bytes: usize,
    pub encoding: Option<Encoding>,
    pub fault: Fault,
    /// content events before the fault; none: half of them
    pub fault_after: Option<usize>,
    pub usage: UsageMode,
    pub reply: Option<String>,
    /// events carry `mock_sent_us`, the wall clock of their writing in microseconds since 1970
    pub stamp: bool,
}

impl Default for Controls {
    fn default() -> Controls {
        Controls {
            status: 200,
            retry_after: None,
            times: None,
            delay: Duration::ZERO,
            event_delay: Duration::ZERO,
            events: None,
            event_bytes: 0,
            piece_bytes: 0,
            burst: false,
            write_bytes: 0,
            encoding: None,
            fault: Fault::None,
            fault_after: None,
            usage: UsageMode::Asked,
            reply: None,
            stamp: false,
        }
    }
}

impl Controls {
    /// Reads the controls of the model's name, then those of the headers, which win.
    pub fn read(head: &Head, model: &str) -> Result<Controls, String> {
        let mut controls = Controls::default();
        for part in model.split('+').skip(1) {
            if let Some((name, value)) = part.split_once('=') {
                controls.set(name, &percent_decoded(value))?;
            }
        }
        for (name, value) in head.headers() {
            let Some((prefix, control)) = name.split_at_checked(HEADER_PREFIX.len()) else {
                continue;
            };
            if prefix.eq_ignore_ascii_case(HEADER_PREFIX) {
                controls.set(&control.to_ascii_lowercase(), value)?;
            }
        }
        Ok(controls)
    }

    /// What is left of a model's name without its controls.
    pub fn plain_name(model: &str) -> &str {
        let control = model
            .match_indices('+')
            .find(|(at, _)| model[at + 1..].contains('='));
        control.map_or(model, |(at, _)| &model[..at])
    }

    /// Whether this request is one that `times` limits.
    pub fn misbehaves(&self) -> bool {
        self.status != 200 || self.fault != Fault::None
    }

    /// The same request once `times` is used up.
    pub fn behave(&mut self) {
        (self.status, self.fault) = (200, Fault::None);
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let count = |max: u64| match value.parse::<u64>() {
            Ok(number) if number <= max => Ok(number),
            _ => Err(format!("control {name}: {value:?} is not a number up to {max}")),
        };
        match name {
            "status" => self.status = count(599)?.max(200) as u16,
            "retry-after" => self.retry_after = Some(value.to_owned()),
            "times" => self.times = Some(count(u64::from(u32::MAX))? as u32),
            "delay-ms" => self.delay = Duration::from_millis(count(MAX_DELAY_MS)?),
            "event-delay-ms" => self.event_delay = Duration::from_millis(count(MAX_DELAY_MS)?),
            "events" => self.events = Some(count(MAX_EVENTS)? as usize),
            "event-bytes" => self.event_bytes = count(MAX_EVENT_BYTES)? as usize,
            "piece-bytes" => self.piece_bytes = count(MAX_EVENT_BYTES)? as usize,
            "burst" => self.burst = count(1)? == 1,
            "write-bytes" => self.write_bytes = count(MAX_EVENT_BYTES)? as usize,
            "encoding" => self.encoding = Some(Encoding::parse(value).ok_or_else(|| bad(name, value))?),
            "fault" => self.fault = fault(value).ok_or_else(|| bad(name, value))?,
            "fault-after" => self.fault_after = Some(count(MAX_EVENTS)? as usize),
            "usage" => self.usage = usage(value).ok_or_else(|| bad(name, value))?,
            "reply" => self.reply = Some(value.to_owned()),
            "stamp" => self.stamp = count(1)? == 1,
            _ => return Err(format!("unknown control {name:?}")),
        }
        Ok(())
    }
}

fn bad(name: &str, value: &str) -> String {
    format!("control {name}: unknown value {value:?}")
}

fn fault(word: &str) -> Option<Fault> {
    Some(match word {
        "none" => Fault::None,
        "hang" => Fault::Hang,
        "reset-head" => Fault::ResetHead,
        "close-head" => Fault::CloseHead,
        "reset-mid" => Fault::ResetMid,
        "close-mid" => Fault::CloseMid,
        "hang-mid" => Fault::HangMid,
        "truncated" => Fault::Truncated,
        "no-done" => Fault::NoDone,
        "error-event" => Fault::ErrorEvent,
        "garbage" => Fault::Garbage,
        "close-after" => Fault::CloseAfter,
        _ => return None,
    })
}

fn usage(word: &str) -> Option<UsageMode> {
    Some(match word {
        "asked" => UsageMode::Asked,
        "never" => UsageMode::Never,
        "with-finish" => UsageMode::WithFinish,
        _ => return None,
    })
}

/// `%2B` for a plus inside a value of a model's name; anything that is not an escape stays as it is.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escape = (*first == b'%').then(|| tail.get(..2)).flatten();
        let decoded = escape
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_a_model_name_may_hold_any_byte() {
        assert_eq!(percent_decoded("a%2Bb%20c%zz%4"), "a+b c%zz%4");
    }

    #[test]
    fn a_plain_name_keeps_a_plus_that_is_no_control() {
        let names = [
            ("m+events=3+burst=1", "m"),
            ("m+", "m+"),
            ("a/b", "a/b"),
            ("m+=", "m"),
        ];
        for (model, plain) in names {
            assert_eq!(Controls::plain_name(model), plain);
        }
    }

    #[test]
    fn an_unknown_control_is_named() {
        let mut controls = Controls::default();
        assert_eq!(
            controls.set("stauts", "500"),
            Err("unknown control \"stauts\"".to_owned())
        );
        assert!(controls.set("events", "many").unwrap_err().contains("events"));
    }
}
