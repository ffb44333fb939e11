//! What a realtime session costs, from the events that pass to the caller; and whether the session may pass by the
//! response plugins, which do not see its frames.

use std::time::Duration;

use bytes::Bytes;
use memchr::memmem;
use penstock_llm::json;
use penstock_llm::usage::{TokenCount, Usage};
use penstock_plugin_host::{FailMode, Hook};

use crate::exchange::{Exchange, Verdict};
use crate::fault::{Fault, Result};
use crate::relay::websocket::{Message, Reader};

/// The longest event that is read. One that ends a response holds its text, no sound: some KB.
const MOST_EVENT_BYTES: usize = 1 << 20;

/// The event that says what a response has used (APIS.md 1.14).
const DONE: &str = "response.done";

/// Counts what a provider reports while its frames pass.
#[derive(Debug)]
pub struct Meter {
    reader: Reader,
    sum: Sum,
}

#[derive(Debug, Default)]
struct Sum {
    usage: Option<Usage>,
    /// Some event could not be read: the sum may be too small.
    has_missed: bool,
    events: u64,
    is_closed: bool,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            reader: Reader::new(MOST_EVENT_BYTES),
            sum: Sum::default(),
        }
    }
}

impl Meter {
    /// Sees bytes on their way to the caller.
    pub fn pass(&mut self, bytes: &Bytes) {
        let sum = &mut self.sum;
        self.reader.read(bytes.clone(), |message| sum.note(&message));
    }

    /// All responses together.
    pub fn usage(&self) -> Option<Usage> {
        self.sum.usage
    }

    /// Whether the provider said what the session used, and all of it was understood.
    pub fn is_metered(&self) -> bool {
        self.sum.usage.is_some() && !self.sum.has_missed && !self.reader.is_lost()
    }

    pub fn events(&self) -> u64 {
        self.sum.events
    }

    /// Whether the provider has said goodbye.
    pub fn is_closed(&self) -> bool {
        self.sum.is_closed
    }
}

impl Sum {
    fn note(&mut self, message: &Message) {
        match message {
            Message::Close => self.is_closed = true,
            Message::TooLong => {
                self.events += 1;
                self.has_missed = true;
            }
            Message::Text(event) => {
                self.events += 1;
                if let Some(usage) = usage_of(event) {
                    add(self.usage.get_or_insert_default(), &usage);
                }
            }
        }
    }
}

/// What a response used. Most events are pieces of sound, which a search rules out at memory speed.
fn usage_of(event: &[u8]) -> Option<Usage> {
    memmem::find(event, DONE.as_bytes())?;
    let kind = json::pointer(event, "/type")?;
    if json::unescape(kind.of(event)) != DONE {
        return None;
    }
    let usage = json::pointer(event, "/response/usage")?;
    Usage::read(usage.of(event))
}

fn add(sum: &mut Usage, more: &Usage) {
    let add = |sum: &mut Option<TokenCount>, more: Option<TokenCount>| {
        if let Some(more) = more {
            let so_far = sum.map_or(0, |count| count.0);
            *sum = Some(TokenCount(so_far.saturating_add(more.0)));
        }
    };
    add(&mut sum.prompt, more.prompt);
    add(&mut sum.completion, more.completion);
    add(&mut sum.total, more.total);
    add(&mut sum.cached, more.cached);
    add(&mut sum.cache_write, more.cache_write);
    add(&mut sum.reasoning, more.reasoning);
    add(&mut sum.audio_in, more.audio_in);
    add(&mut sum.audio_out, more.audio_out);
}

/// A session's frames are shown to no plugin. One that guards answers and must not be skipped refuses the session;
/// one that may be skipped is recorded so (PAIN N01, K05).
pub fn check_guards(exchange: &mut Exchange) -> Result<()> {
    let snapshot = exchange.snapshot.clone();
    for plugin in &snapshot.chain {
        let guards = [Hook::OnResponse, Hook::OnEvent]
            .into_iter()
            .find(|hook| plugin.interests().wants(*hook));
        let Some(hook) = guards else { continue };
        if plugin.fail_mode() == FailMode::Closed {
            let message = format!(
                "plugin `{}` guards answers and cannot do so in a realtime session; use a call instead",
                plugin.name()
            );
            return Err(Fault::caller(400, "realtime_not_guardable", message));
        }
        exchange.note_runs(plugin, hook, Verdict::Skipped, 0, Duration::ZERO);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(event: &str) -> Bytes {
        let length = u16::try_from(event.len()).unwrap();
        let mut wire = vec![0x81, 126];
        wire.extend(length.to_be_bytes());
        wire.extend(event.as_bytes());
        wire.into()
    }

    const DONE_EVENT: &str = r#"{"event_id":"e1","type":"response.done","response":{"status":"completed","output":[],
        "usage":{"total_tokens":30,"input_tokens":20,"output_tokens":10,
        "input_token_details":{"text_tokens":12,"audio_tokens":8,"cached_tokens":4},
        "output_token_details":{"text_tokens":3,"audio_tokens":7}}}}"#;

    #[test]
    fn the_responses_of_a_session_are_summed() {
        let mut meter = Meter::default();
        meter.pass(&text(DONE_EVENT));
        meter.pass(&text(
            r#"{"type":"response.output_text.delta","delta":"response.done"}"#,
        ));
        meter.pass(&text(DONE_EVENT));
        let usage = meter.usage().unwrap();
        let count = |count: Option<TokenCount>| count.unwrap().0;
        assert_eq!(
            (count(usage.prompt), count(usage.completion), count(usage.total)),
            (40, 20, 60)
        );
        assert_eq!(
            (count(usage.cached), count(usage.audio_in), count(usage.audio_out)),
            (8, 16, 14)
        );
        assert!(meter.is_metered());
        assert_eq!(meter.events(), 3);
    }

    #[test]
    fn a_session_whose_usage_was_not_seen_is_not_metered() {
        let mut meter = Meter::default();
        meter.pass(&text(r#"{"type":"session.created"}"#));
        meter.pass(&text(
            r#"{"type":"response.done","response":{"status":"failed","usage":null}}"#,
        ));
        assert!(!meter.is_metered());
        assert_eq!(meter.usage(), None);
    }

    #[test]
    fn a_session_that_could_not_be_read_to_its_end_is_not_metered() {
        let mut meter = Meter::default();
        meter.pass(&text(DONE_EVENT));
        meter.pass(&Bytes::from_static(b"\xC1\x01x"));
        assert!(!meter.is_metered());
        assert!(meter.usage().is_some());
    }
}
