//! The kinds of load, and the request bytes of each. What the provider does is asked for in the model's name.

use serde_json::json;

/// What every request of a run looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// a 2 KB request, an answer of about 600 B
    Chat,
    /// streams of 100 events of 280 B, a millisecond apart
    SseIsolated,
    /// streams of 100 events of 280 B, as fast as they go
    SseFlat,
    /// streams that fall silent after three events and stay open
    Hold,
}

/// Content events per stream; role, finish and [DONE] come on top.
pub const EVENTS: u64 = 100;
pub const HELD_EVENTS: u64 = 3;
const BODY_BYTES: usize = 2048;

impl Scenario {
    /// Reads the name of the command line.
    pub fn parse(name: &str) -> Result<Scenario, String> {
        match name {
            "chat" => Ok(Scenario::Chat),
            "sse-isolated" => Ok(Scenario::SseIsolated),
            "sse-flat" => Ok(Scenario::SseFlat),
            "hold" => Ok(Scenario::Hold),
            _ => Err("not one of chat, sse-isolated, sse-flat, hold".to_owned()),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Scenario::Chat => "chat",
            Scenario::SseIsolated => "sse-isolated",
            Scenario::SseFlat => "sse-flat",
            Scenario::Hold => "hold",
        }
    }

    pub fn streams(self) -> bool {
        self != Scenario::Chat
    }

    /// Data events that a whole answer has at least.
    pub fn least_events(self) -> u64 {
        match self {
            Scenario::Chat => 0,
            Scenario::SseIsolated | Scenario::SseFlat => EVENTS + 2,
            Scenario::Hold => HELD_EVENTS,
        }
    }

    fn model(self) -> &'static str {
        match self {
            Scenario::Chat => "bench",
            Scenario::SseIsolated => "bench+events=100+event-bytes=280+event-delay-ms=1+stamp=1",
            Scenario::SseFlat => "bench+events=100+event-bytes=280+burst=1",
            Scenario::Hold => "bench+events=4+event-bytes=280+fault=hang-mid+fault-after=3",
        }
    }

    /// Head and body, as they go on the wire.
    pub fn request(self, key: &str) -> Vec<u8> {
        let body = self.body();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\naccept: */*\r\nuser-agent: loadgen\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        [head.into_bytes(), body].concat()
    }

    fn body(self) -> Vec<u8> {
        let with = |filler: String| {
            let mut body = json!({
                "model": self.model(), "temperature": 0.7,
                "messages": [
                    {"role": "system", "content": filler},
                    {"role": "user", "content": "What is the tallest building?"},
                    {"role": "assistant", "content": "The Burj Khalifa in Dubai, at 828 metres."},
                    {"role": "user", "content": "And how does it compare with the tallest one of fifty years ago?"},
                ],
            });
            if self.streams() {
                body["stream"] = true.into();
            }
            body.to_string().into_bytes()
        };
        let words = "You are the assistant of a large company and answer briefly, kindly and truthfully. ";
        let missing = BODY_BYTES.saturating_sub(with(String::new()).len());
        with(words.chars().cycle().take(missing).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_has_a_body_of_two_kilobytes() {
        for scenario in [
            Scenario::Chat,
            Scenario::SseIsolated,
            Scenario::SseFlat,
            Scenario::Hold,
        ] {
            assert_eq!(scenario.body().len(), BODY_BYTES);
            assert_eq!(Scenario::parse(scenario.name()), Ok(scenario));
        }
    }
}
