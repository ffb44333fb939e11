//! What every text answer shares: the reply's pieces, where it stops, its usage and the script of its stream.

use serde_json::{Value, json};

use crate::controls::{Controls, UsageMode};

/// The longest piece of a word, so that streams of long words have more than one event.
const WORD_PIECE_BYTES: usize = 12;
/// Fills events up to the asked size: words, because a guard reads endless letters differently from text.
const FILLER: &str = " the quick brown fox jumps over the lazy dog";

/// What an operation answers with.
pub enum Answer {
    Whole(Vec<u8>),
    Stream(Script),
}

/// A stream as frames: `content` is repeated in turn until `total` of them are written.
pub struct Script {
    pub opening: Vec<Vec<u8>>,
    pub content: Vec<Vec<u8>>,
    pub total: usize,
    pub closing: Vec<Vec<u8>>,
}

/// Limits a caller sets on the text: shared by chat and completions.
#[derive(Default)]
pub struct Bounds {
    pub max_tokens: Option<u64>,
    pub stop: Vec<String>,
}

/// A text after its bounds, cut into pieces. A piece counts as one token.
pub struct Text {
    pub pieces: Vec<String>,
    pub finish_reason: &'static str,
}

impl Text {
    pub fn new(full: &str, bounds: &Bounds, controls: &Controls) -> Text {
        let end = bounds
            .stop
            .iter()
            .filter(|stop| !stop.is_empty())
            .filter_map(|stop| full.find(&**stop))
            .min();
        let mut pieces = pieces(&full[..end.unwrap_or(full.len())], controls.piece_bytes);
        let max = bounds
            .max_tokens
            .map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
        let cut = pieces.len() > max;
        pieces.truncate(max);
        Text {
            pieces,
            finish_reason: if cut { "length" } else { "stop" },
        }
    }

    pub fn joined(&self) -> String {
        self.pieces.concat()
    }
}

/// Cuts at least `least` bytes per piece, or word by word when `least` is 0. Joined they are the text again.
fn pieces(text: &str, least: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    let mut in_word = false;
    for letter in text.chars() {
        let full = match least {
            0 => (in_word && letter.is_whitespace()) || piece.trim_start().len() >= WORD_PIECE_BYTES,
            least => piece.len() >= least,
        };
        if full && !piece.is_empty() {
            pieces.push(std::mem::take(&mut piece));
        }
        in_word = !letter.is_whitespace();
        piece.push(letter);
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

/// About four bytes a token, as English text has.
pub fn tokens_of(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4).max(1)
}

/// The usage object, with the details that OpenAI reports.
pub fn usage(prompt: u64, completion: u64) -> Value {
    json!({
        "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

/// One SSE frame.
pub fn frame(data: &str) -> Vec<u8> {
    [b"data: ", data.as_bytes(), b"\n\n"].concat()
}

/// The fields that every event of one answer repeats, and how its usage is told.
pub struct Envelope<'a> {
    pub id: String,
    pub object: &'a str,
    pub model: &'a str,
    pub created: u64,
    pub usage_asked: bool,
    pub usage: UsageMode,
}

impl Envelope<'_> {
    /// An event with one choice, given as JSON.
    pub fn event(&self, choice: &str) -> Vec<u8> {
        let usage = if self.usage_asked && self.usage == UsageMode::Asked {
            ",\"usage\":null"
        } else {
            ""
        };
        frame(&format!("{},\"choices\":[{choice}]{usage}}}", self.start()))
    }

    /// The event of a choice's end, which some providers let carry the usage.
    pub fn finish_event(&self, choice: &str, usage: &Value) -> Vec<u8> {
        match self.usage {
            UsageMode::WithFinish => frame(&format!(
                "{},\"choices\":[{choice}],\"usage\":{usage}}}",
                self.start()
            )),
            UsageMode::Asked | UsageMode::Never => self.event(choice),
        }
    }

    /// The event after the last choice, when the caller asked for it.
    pub fn usage_event(&self, usage: &Value) -> Option<Vec<u8>> {
        let wanted = self.usage_asked && self.usage == UsageMode::Asked;
        wanted.then(|| frame(&format!("{},\"choices\":[],\"usage\":{usage}}}", self.start())))
    }

    fn start(&self) -> String {
        let model = Value::from(self.model);
        format!(
            "{{\"id\":\"{}\",\"object\":\"{}\",\"created\":{},\"model\":{model},\"system_fingerprint\":\"fp_mock\"",
            self.id, self.object, self.created
        )
    }
}

/// The content events of a text: one per piece, or as many and as long as the controls say. `write` makes the event of
/// a piece.
pub fn content_events(
    pieces: &[String],
    controls: &Controls,
    write: impl Fn(&str) -> Vec<u8>,
) -> (Vec<Vec<u8>>, usize) {
    let total = controls.events.unwrap_or(pieces.len());
    let none = [" ".to_owned()];
    let pieces = if pieces.is_empty() && total > 0 {
        &none
    } else {
        pieces
    };
    let frames = pieces.iter().take(total).map(|piece| {
        let plain = write(piece);
        let wanted = controls
            .event_bytes
            .saturating_sub(if controls.stamp { STAMP_BYTES } else { 0 });
        match wanted.checked_sub(plain.len()) {
            None | Some(0) => plain,
            Some(missing) => {
                let filler = FILLER
                    .as_bytes()
                    .iter()
                    .cycle()
                    .take(missing)
                    .map(|byte| char::from(*byte));
                write(&piece.chars().chain(filler).collect::<String>())
            }
        }
    });
    (frames.collect(), total)
}

/// Length of `"mock_sent_us":1767225600000000,`.
const STAMP_BYTES: usize = 32;

/// Puts the time into a frame, right behind its opening brace.
pub fn stamp(frame: &[u8], now_us: u64, out: &mut Vec<u8>) {
    let start = b"data: {".len();
    match frame.split_at_checked(start) {
        Some((b"data: {", rest)) => {
            out.extend_from_slice(b"data: {");
            out.extend_from_slice(format!("\"mock_sent_us\":{now_us},").as_bytes());
            out.extend_from_slice(rest);
        }
        _ => out.extend_from_slice(frame),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_the_text_at_every_size() {
        let text = "  Grüße, a verylongwordwithoutanyspace 😀\n\nend ";
        for least in 0..=12 {
            let cut = pieces(text, least);
            assert_eq!(cut.concat(), text);
            assert!(cut.iter().all(|piece| !piece.is_empty()));
        }
        assert_eq!(pieces("one two  three", 0), ["one", " two", "  three"]);
    }

    #[test]
    fn bounds_stop_before_the_stop_text_and_at_the_token_limit() {
        let stop = Bounds {
            stop: vec!["two".into()],
            max_tokens: None,
        };
        let text = Text::new("one two three", &stop, &Controls::default());
        assert_eq!((text.joined().as_str(), text.finish_reason), ("one ", "stop"));
        let short = Bounds {
            stop: vec![],
            max_tokens: Some(2),
        };
        let text = Text::new("one two three", &short, &Controls::default());
        assert_eq!(
            (text.joined().as_str(), text.finish_reason),
            ("one two", "length")
        );
    }

    #[test]
    fn events_have_the_asked_number_and_length() {
        let controls = Controls {
            events: Some(5),
            event_bytes: 280,
            ..Controls::default()
        };
        let (frames, total) = content_events(&["a".into(), "b".into()], &controls, |text| {
            frame(&format!("{text:?}"))
        });
        assert_eq!((frames.len(), total), (2, 5));
        assert!(frames.iter().all(|frame| frame.len() == 280));
    }
}
