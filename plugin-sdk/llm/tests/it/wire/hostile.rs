//! Bytes that no honest side sends: they are refused, or what they say keeps the model's promises.

use penstock_llm::model::{
    Asked, Assembled, Assembler, CODECS, Dialect, Error, ErrorKind, Event, Events, Losses, Part, Request,
    StreamFrame, Target, Text,
};
use penstock_llm::wire::{
    Broken, MAX_STATE_BYTES, VERSION, read_error, read_events, read_request, write_error, write_events,
    write_request,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::judge::{self, bytes};
use crate::make::{Dice, cases};

/// Messages of every kind, as an honest side writes them.
fn honest() -> Vec<Vec<u8>> {
    let request = br#"{"model":"m","temperature":0.70,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],
        "messages":[{"role":"system","content":"s\n"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]},
        {"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"r"}]}"#;
    let answer = br#"{"id":"i","model":"m","created":1,"choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop","logprobs":{"content":[]}}],
        "usage":{"prompt_tokens":1,"completion_tokens":300,"total_tokens":301}}"#;
    let codec = Dialect::OpenAiChat.codec().expect("is written");
    let read = codec.read_request(request, &Asked::default()).expect("a request");
    let told = codec.read_answer(answer).expect("an answer");
    let mut losses = Losses::default();
    losses.dropped("top_k", "has no place");
    let mut events = Vec::new();
    penstock_llm::model::replay(&told.value, |event| events.push(event));
    vec![
        bytes(|out| write_request(&read.value, &Target::new("m"), out)),
        bytes(|out| penstock_llm::wire::write_answer(&told.value, &losses, out)),
        bytes(|out| write_events(&events, &losses, out)),
        bytes(|out| write_error(&Error::cut_off(), out)),
    ]
}

/// Frames of every dialect, to be given to a reader with a state of any kind.
const FRAMES: &[StreamFrame<'static>] = &[
    frame("", br#"{"choices":[{"index":0,"delta":{"content":"x","tool_calls":[{"index":0,"function":{"arguments":"{"}}]}}]}"#),
    frame("content_block_delta", br#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}}"#),
    frame("content-delta", br#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"x"}}}}"#),
    frame("", br#"{"candidates":[{"index":0,"content":{"parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$.a[1].b","stringValue":"x"}]}}]}}]}"#),
    frame("contentBlockDelta", br#"{"contentBlockIndex":0,"delta":{"toolResult":[{"text":"x"}]}}"#),
    frame("contentBlockStart", br#"{"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"t","name":"f"}}}"#),
    frame("contentBlockDelta", br#"{"contentBlockIndex":1,"delta":{"toolUse":{"input":"{}"}}}"#),
    frame("message_start", br#"{"type":"message_start","message":{"id":"i","usage":{"input_tokens":3}}}"#),
    frame("content_block_start", br#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#),
    frame("messageStop", br#"{"stopReason":"end_turn"}"#),
];

const fn frame(name: &'static str, data: &'static [u8]) -> StreamFrame<'static> {
    StreamFrame {
        name: Some(name.as_bytes()),
        data,
        exception: false,
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn no_bytes_break_a_reader_of_messages(rest in proptest::collection::vec(any::<u8>(), 0..96)) {
        judge::message(&rest);
        let message = [&[VERSION], &rest[..]].concat();
        judge::message(&message);
        for dialect in 0..6 {
            judge::state(&[&[VERSION, dialect], &rest[..]].concat(), FRAMES);
        }
    }

    #[test]
    fn frames_in_any_order_are_read_by_a_new_reader_each(seed: u64) {
        let mut dice = Dice::new(seed);
        let frames: Vec<_> = (0..12).map(|_| FRAMES[dice.below(FRAMES.len())]).collect();
        for from in CODECS {
            judge::frames_cross(&frames, *from);
        }
    }

    #[test]
    fn bent_messages_are_refused_or_keep_the_models_promises(seed: u64) {
        let mut dice = Dice::new(seed);
        for mut message in honest() {
            for _ in 0..=dice.below(3) {
                let at = dice.below(message.len());
                message[at] = if dice.one_in(2) { dice.below(256) as u8 } else { dice.below(12) as u8 };
            }
            if dice.one_in(8) {
                message.truncate(dice.below(message.len()));
            }
            judge::message(&message);
        }
    }
}

#[test]
fn a_message_of_another_version_says_which() {
    for message in honest() {
        let mut other = message.clone();
        other[0] = VERSION + 1;
        let wrong = read_request(&other).expect_err("of another version");
        assert_eq!(wrong, Broken::Version(VERSION + 1));
        assert!(wrong.to_string().contains("version 2"), "{wrong}");
    }
    assert_eq!(read_error(&[]), Err(Broken::Short));
}

#[test]
fn a_message_that_is_cut_or_goes_on_is_none() {
    let message = bytes(|out| write_error(&Error::cut_off(), out));
    for end in 0..message.len() {
        assert_eq!(read_error(&message[..end]), Err(Broken::Short));
    }
    assert_eq!(read_error(&[&message[..], b"x"].concat()), Err(Broken::Long));
    let events = bytes(|out| write_events(&[Event::Ping, Event::Done], &Losses::default(), out));
    let mut into = Events::new();
    into.push(Event::Ping);
    assert_eq!(
        read_events(&events[..events.len() - 1], &mut into),
        Err(Broken::Short)
    );
    assert_eq!(into.len(), 1, "what was there before");
}

/// One of the spellings that a text may have: the inside of a literal.
const LITERAL: u8 = 1;

#[test]
fn a_spelling_that_would_end_the_text_is_refused() {
    let whole = bytes(|out| write_events(&[text_delta("ab")], &Losses::default(), out));
    let head = &whole[..whole.len() - 3];
    for spelled in ["\"a", "a\n", "\\x", "a\\", "\\u12"] {
        let length = (spelled.len() as u8) << 1;
        let as_literal = [head, &[length | LITERAL], spelled.as_bytes()].concat();
        assert_eq!(
            read_events(&as_literal, &mut Events::new()),
            Err(Broken::Wrong("Text")),
            "{spelled}"
        );
        let as_text = [head, &[length], spelled.as_bytes()].concat();
        let mut events = Events::new();
        read_events(&as_text, &mut events).expect("as a text it is escaped");
        assert_eq!(events[0], text_delta(spelled));
    }
    let surrogate = [head, &[6 << 1 | LITERAL], br"\ud83d"].concat();
    read_events(&surrogate, &mut Events::new()).expect("half of a character, as providers cut them");
}

fn text_delta(text: &str) -> Event<'_> {
    Event::Delta {
        choice: 0,
        part: 0,
        delta: penstock_llm::model::Delta::Text(Text::plain(text)),
    }
}

#[test]
fn more_choices_than_anybody_asks_for_end_the_answer() {
    let mut assembler = Assembler::new(Dialect::OpenAiChat, usize::MAX);
    for choice in 0..5000 {
        assembler.push(&Event::PartStart {
            choice,
            part: 7,
            content: Box::new(Part::text("x")),
        });
    }
    let Assembled::Broken(answer, error) = assembler.finish() else {
        panic!("is not whole");
    };
    assert!(answer.choices.len() < 2000 && error.message.get().contains("choices"));
}

#[test]
fn an_error_under_a_good_status_is_refused() {
    for status in [0, 101, 200, 302, 399, 600] {
        let error = Error {
            status,
            ..Error::new(ErrorKind::Server, "x")
        };
        let message = bytes(|out| write_error(&error, out));
        assert_eq!(read_error(&message), Err(Broken::Wrong("Status")), "{status}");
    }
}

#[test]
fn lists_longer_than_any_body_has_are_refused_before_they_are_there() {
    let mut message = bytes(|out| write_events(&[], &Losses::default(), out));
    message.pop();
    message.extend([0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert_eq!(read_events(&message, &mut Events::new()), Err(Broken::TooMany));
    message.truncate(message.len() - 5);
    message.extend([0x80, 0x80, 0x04]);
    assert_eq!(read_events(&message, &mut Events::new()), Err(Broken::Short));
}

/// Documents made of pieces that are documents themselves.
#[test]
fn the_deepest_request_that_is_read_crosses() {
    let anthropic = Dialect::AnthropicMessages.codec().expect("is written");
    let mut deepest = 0;
    for levels in 0..40 {
        let mut piece = json!({"type": "text", "text": "x"});
        for _ in 0..levels {
            let source = json!({"type": "content", "content": [piece]});
            piece = json!({"type": "document", "source": source});
        }
        let message = json!({"role": "user", "content": [piece]});
        let body = json!({"model": "m", "max_tokens": 1, "messages": [message]}).to_string();
        if let Ok(read) = anthropic.read_request(body.as_bytes(), &Asked::default()) {
            let message = bytes(|out| write_request(&read.value, &Target::new("m"), out));
            read_request(&message).expect("as deep as the dialect reads");
            deepest = levels;
        }
    }
    assert!(
        deepest >= 30,
        "documents in documents, as deep as JSON may be: {deepest}"
    );
}

#[test]
fn parts_inside_parts_without_end_are_refused() {
    use penstock_llm::model::{Content, Message, Role, ToolResult};
    let mut part = Part::text("x");
    for _ in 0..70 {
        part = Part::new(Content::ToolResult(ToolResult::new(Text::plain("t"), vec![part])));
    }
    let mut request = Request::new(Dialect::OpenAiChat, Text::plain("m"));
    request.messages.push(Message::new(Role::Tool, vec![part]));
    let message = bytes(|out| write_request(&request, &Target::new("m"), out));
    assert_eq!(read_request(&message).err(), Some(Broken::TooDeep));
}

#[test]
fn a_state_is_of_one_dialect_and_no_longer_than_it_may_be() {
    for from in CODECS {
        let state = bytes(|out| from.stream_reader().save(out));
        assert!(state.len() < 100, "a new reader knows little");
        for other in CODECS {
            let restored = other.restore(&state).is_some();
            assert_eq!(restored, other.dialect() == from.dialect());
        }
        for end in 1..state.len() {
            assert!(from.restore(&state[..end]).is_none(), "cut off");
        }
        assert!(from.restore(&vec![VERSION; MAX_STATE_BYTES + 1]).is_none());
    }
}

/// A stream of `event`s without end, whose reader is saved after each: how long its state gets.
fn longest_state(dialect: Dialect, event: impl Fn(usize) -> Value) -> usize {
    let codec = dialect.codec().expect("is written");
    let mut reader = codec.stream_reader();
    let mut longest = 0;
    for at in 0..6000 {
        let data = event(at).to_string();
        reader.read(StreamFrame::data(data.as_bytes()), &mut Events::new());
        if at % 100 == 0 {
            longest = longest.max(bytes(|out| reader.save(out)).len());
        }
    }
    longest
}

#[test]
fn calls_without_end_do_not_let_a_state_grow() {
    let chat = longest_state(Dialect::OpenAiChat, |at| {
        let function = json!({"name": "f", "arguments": "{"});
        let call = json!({"index": u64::MAX - at as u64, "id": format!("call-{at}"), "function": function});
        json!({"choices": [{"index": at % 200, "delta": {"tool_calls": [call]}}]})
    });
    let cohere = longest_state(Dialect::Cohere, |at| {
        let call = json!({"id": "c", "function": {"name": "f"}});
        json!({"type": "tool-call-start", "index": at, "delta": {"message": {"tool_calls": call}}})
    });
    let responses = longest_state(Dialect::OpenAiResponses, |at| {
        let item = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{"});
        let index = u64::MAX - at as u64;
        json!({"type": "response.output_item.added", "output_index": index, "item": item})
    });
    assert!((20_000..MAX_STATE_BYTES).contains(&responses), "{responses}");
    assert!((20_000..MAX_STATE_BYTES).contains(&chat), "{chat}");
    assert!((100..MAX_STATE_BYTES).contains(&cohere), "{cohere}");
}

#[test]
fn choices_paths_and_citations_without_end_do_not_let_a_state_grow() {
    let path = format!("$.{}{}", "n".repeat(1000), "[1]".repeat(30));
    let gemini = longest_state(Dialect::Gemini, |at| match at {
        0..3000 => {
            let sources = json!([{"startIndex": at, "endIndex": at + 9}]);
            let content = json!({"parts": [{"text": "x"}]});
            json!({"candidates": [
                {"index": at % 32, "content": content, "citationMetadata": {"citationSources": sources}}
            ]})
        }
        _ => {
            let args = json!([{"jsonPath": path, "stringValue": "x", "willContinue": true}]);
            let call = json!({"name": "f", "willContinue": true, "partialArgs": args});
            json!({"candidates": [{"index": at % 32, "content": {"parts": [{"functionCall": call}]}}]})
        }
    });
    assert!((30_000..MAX_STATE_BYTES).contains(&gemini), "{gemini}");
}
