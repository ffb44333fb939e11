//! What callers and providers of each dialect say, by hand: a request, an answer, a stream, errors; and what a caller of each
//! reads out of what it gets. No library of the gateway's makes or reads them, but for the frames of AWS streams.

use bytes::Bytes;
use penstock_llm::eventstream::{EventStreamReader, write_event, write_exception};
use serde_json::Value;

/// Dialects with the names that a configuration has for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    Chat,
    Messages,
    Gemini,
    Converse,
    Cohere,
    Responses,
}

use Spoken::{Chat, Cohere, Converse, Gemini, Messages, Responses};

/// One event of a stream, framed.
type Event = Vec<u8>;

pub const ALL: [Spoken; 6] = [Chat, Messages, Gemini, Converse, Cohere, Responses];

/// What the gateway may say of a call: all that a caller looks at.
#[derive(Debug, Default, PartialEq)]
pub struct Heard {
    pub text: String,
    /// The answer came to its end.
    pub is_complete: bool,
    /// The words of an error within the answer.
    pub error: Option<String>,
}

/// The text of every answer, in the pieces that streams have.
pub const SAID: [&str; 2] = ["Good ", "day."];

/// Tokens of every answer: so many in, so many out.
pub const USED: (u64, u64) = (10, 4);

impl Spoken {
    pub fn name(self) -> &'static str {
        match self {
            Chat => "openai-chat",
            Messages => "anthropic-messages",
            Gemini => "gemini",
            Converse => "bedrock-converse",
            Cohere => "cohere",
            Responses => "openai-responses",
        }
    }

    /// A caller's path and body.
    pub fn request(self, streams: bool) -> (&'static str, String) {
        let messages = r#"[{"role":"user","content":"Hello"}]"#;
        match self {
            Chat => (
                "/v1/chat/completions",
                format!(r#"{{"model":"m","stream":{streams},"messages":{messages}}}"#),
            ),
            Messages => (
                "/v1/messages",
                format!(r#"{{"model":"m","max_tokens":64,"stream":{streams},"messages":{messages}}}"#),
            ),
            Cohere => (
                "/v2/chat",
                format!(r#"{{"model":"m","stream":{streams},"messages":{messages}}}"#),
            ),
            Responses => (
                "/v1/responses",
                format!(r#"{{"model":"m","stream":{streams},"input":{messages}}}"#),
            ),
            Gemini => {
                let path = match streams {
                    true => "/v1beta/models/m:streamGenerateContent?alt=sse",
                    false => "/v1beta/models/m:generateContent",
                };
                (
                    path,
                    r#"{"contents":[{"role":"user","parts":[{"text":"Hello"}]}]}"#.to_owned(),
                )
            }
            Converse => {
                let path = match streams {
                    true => "/model/m/converse-stream",
                    false => "/model/m/converse",
                };
                (
                    path,
                    r#"{"messages":[{"role":"user","content":[{"text":"Hello"}]}]}"#.to_owned(),
                )
            }
        }
    }

    /// A provider's whole answer.
    pub fn answer(self) -> String {
        let text = SAID.concat();
        match self {
            Chat => format!(
                r#"{{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14}}}}"#
            ),
            Messages => format!(
                r#"{{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":10,"output_tokens":4}}}}"#
            ),
            Gemini => format!(
                r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}],"role":"model"}},"finishReason":"STOP","index":0}}],"usageMetadata":{{"promptTokenCount":10,"candidatesTokenCount":4,"totalTokenCount":14}},"modelVersion":"m","responseId":"r"}}"#
            ),
            Converse => format!(
                r#"{{"output":{{"message":{{"role":"assistant","content":[{{"text":"{text}"}}]}}}},"stopReason":"end_turn","usage":{{"inputTokens":10,"outputTokens":4,"totalTokens":14}},"metrics":{{"latencyMs":1}}}}"#
            ),
            Cohere => format!(
                r#"{{"id":"c","finish_reason":"COMPLETE","message":{{"role":"assistant","content":[{{"type":"text","text":"{text}"}}]}},"usage":{{"billed_units":{{"input_tokens":10,"output_tokens":4}},"tokens":{{"input_tokens":10,"output_tokens":4}}}}}}"#
            ),
            Responses => response("completed", &text),
        }
    }

    pub fn stream_type(self) -> &'static str {
        match self {
            Converse => "application/vnd.amazon.eventstream",
            _ => "text/event-stream",
        }
    }

    /// A provider's stream, event by event: first those before any text, then a text each, then the end.
    pub fn stream(self) -> (Vec<Event>, Vec<Event>, Vec<Event>) {
        let texts = |event: &dyn Fn(&str) -> Vec<u8>| SAID.iter().map(|text| event(text)).collect();
        match self {
            Chat => (
                vec![sse(
                    r#"{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
                )],
                texts(&|text| {
                    sse(&format!(
                        r#"{{"id":"c","choices":[{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null}}]}}"#
                    ))
                }),
                vec![
                    sse(r#"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#),
                    sse(
                        r#"{"id":"c","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14}}"#,
                    ),
                    sse("[DONE]"),
                ],
            ),
            Messages => (
                vec![
                    typed(
                        r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":10,"output_tokens":1}}}"#,
                    ),
                    typed(
                        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
                    ),
                ],
                texts(&|text| {
                    typed(&format!(
                        r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}}"#
                    ))
                }),
                vec![
                    typed(r#"{"type":"content_block_stop","index":0}"#),
                    typed(
                        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":4}}"#,
                    ),
                    typed(r#"{"type":"message_stop"}"#),
                ],
            ),
            Gemini => (
                Vec::new(),
                texts(&|text| {
                    sse(&format!(
                        r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}],"role":"model"}},"index":0}}],"modelVersion":"m","responseId":"r"}}"#
                    ))
                }),
                vec![sse(
                    r#"{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":4,"totalTokenCount":14},"modelVersion":"m","responseId":"r"}"#,
                )],
            ),
            Converse => (
                vec![aws("messageStart", r#"{"role":"assistant"}"#)],
                texts(&|text| {
                    aws(
                        "contentBlockDelta",
                        &format!(r#"{{"contentBlockIndex":0,"delta":{{"text":"{text}"}}}}"#),
                    )
                }),
                vec![
                    aws("contentBlockStop", r#"{"contentBlockIndex":0}"#),
                    aws("messageStop", r#"{"stopReason":"end_turn"}"#),
                    aws(
                        "metadata",
                        r#"{"usage":{"inputTokens":10,"outputTokens":4,"totalTokens":14},"metrics":{"latencyMs":1}}"#,
                    ),
                ],
            ),
            Cohere => (
                vec![
                    typed(
                        r#"{"type":"message-start","id":"c","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}"#,
                    ),
                    typed(
                        r#"{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"text","text":""}}}}"#,
                    ),
                ],
                texts(&|text| {
                    typed(&format!(
                        r#"{{"type":"content-delta","index":0,"delta":{{"message":{{"content":{{"text":"{text}"}}}}}}}}"#
                    ))
                }),
                vec![
                    typed(r#"{"type":"content-end","index":0}"#),
                    typed(
                        r#"{"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":10,"output_tokens":4},"tokens":{"input_tokens":10,"output_tokens":4}}}}"#,
                    ),
                ],
            ),
            Responses => (
                vec![
                    typed(&format!(
                        r#"{{"type":"response.created","response":{}}}"#,
                        response("in_progress", "")
                    )),
                    typed(
                        r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"message","id":"i","status":"in_progress","role":"assistant","content":[]}}"#,
                    ),
                    typed(
                        r#"{"type":"response.content_part.added","item_id":"i","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}"#,
                    ),
                ],
                texts(&|text| {
                    typed(&format!(
                        r#"{{"type":"response.output_text.delta","item_id":"i","output_index":0,"content_index":0,"delta":"{text}"}}"#
                    ))
                }),
                vec![typed(&format!(
                    r#"{{"type":"response.completed","response":{}}}"#,
                    response("completed", &SAID.concat())
                ))],
            ),
        }
    }

    /// A provider's error, as the body of an answer; `Overloaded` is in its words.
    pub fn error(self) -> &'static str {
        match self {
            Chat | Responses => {
                r#"{"error":{"message":"Overloaded, sorry","type":"server_error","param":null,"code":null}}"#
            }
            Messages => {
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded, sorry"}}"#
            }
            Gemini => r#"{"error":{"code":503,"message":"Overloaded, sorry","status":"UNAVAILABLE"}}"#,
            Converse | Cohere => r#"{"message":"Overloaded, sorry"}"#,
        }
    }

    /// The same within a stream; none where the dialect has no such thing.
    pub fn error_event(self) -> Option<Vec<u8>> {
        Some(match self {
            Chat | Gemini => sse(self.error()),
            Messages => typed(self.error()),
            Responses => typed(
                r#"{"type":"error","sequence_number":9,"error":{"message":"Overloaded, sorry","type":"server_error","param":null,"code":null}}"#,
            ),
            Converse => {
                let mut out = Vec::new();
                write_exception("serviceUnavailableException", self.error().as_bytes(), &mut out)
                    .expect("fits");
                out
            }
            Cohere => return None,
        })
    }

    /// What a caller of this dialect hears in a whole answer.
    pub fn heard(self, answer: &Value) -> Heard {
        let (text, end) = match self {
            Chat => ("/choices/0/message/content", "/choices/0/finish_reason"),
            Messages => ("/content/0/text", "/stop_reason"),
            Gemini => ("/candidates/0/content/parts/0/text", "/candidates/0/finishReason"),
            Converse => ("/output/message/content/0/text", "/stopReason"),
            Cohere => ("/message/content/0/text", "/finish_reason"),
            Responses => ("/output/0/content/0/text", "/output/0/role"),
        };
        let at = |place| answer.pointer(place).and_then(Value::as_str);
        Heard {
            text: at(text).unwrap_or_default().to_owned(),
            is_complete: at(end).is_some(),
            error: None,
        }
    }

    /// The words of an error that a caller of this dialect gets; none where the body has another shape.
    pub fn told(self, error: &Value) -> Option<String> {
        let at = |place: &str| error.pointer(place).and_then(Value::as_str).map(str::to_owned);
        match self {
            // a code may be null
            Chat | Responses => at("/error/type")
                .and(error.pointer("/error/code"))
                .and_then(|_| at("/error/message")),
            Messages => (error["type"] == "error").then(|| at("/error/type").and(at("/error/message")))?,
            Gemini => error
                .pointer("/error/code")
                .and(at("/error/status").as_ref().map(|_| error))
                .and_then(|_| at("/error/message")),
            Converse | Cohere => at("/message"),
        }
    }

    /// What a caller of this dialect hears in a stream.
    pub fn heard_in(self, stream: &[u8]) -> Heard {
        match self {
            Converse => heard_in_messages(stream),
            _ => self.heard_in_events(std::str::from_utf8(stream).expect("events are text")),
        }
    }

    fn heard_in_events(self, stream: &str) -> Heard {
        let mut heard = Heard::default();
        for data in stream.lines().filter_map(|line| line.strip_prefix("data: ")) {
            if data == "[DONE]" {
                heard.is_complete = true;
                continue;
            }
            let event: Value = serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"));
            let at = |place: &str| event.pointer(place).and_then(Value::as_str);
            let text = match self {
                Chat => at("/choices/0/delta/content"),
                Messages => at("/delta/text"),
                Gemini => at("/candidates/0/content/parts/0/text"),
                Cohere => at("/delta/message/content/text").filter(|_| event["type"] == "content-delta"),
                Responses => at("/delta").filter(|_| event["type"] == "response.output_text.delta"),
                Converse => None,
            };
            heard.text.push_str(text.unwrap_or_default());
            heard.is_complete |= match self {
                Messages => event["type"] == "message_stop",
                Gemini => at("/candidates/0/finishReason").is_some(),
                Cohere => event["type"] == "message-end" && event.pointer("/delta/error").is_none(),
                Responses => event["type"] == "response.completed",
                Chat | Converse => false,
            };
            let error = match self {
                Cohere => at("/delta/error").map(str::to_owned),
                _ if event["type"] == "error" || event.get("error").is_some() => self.told(&event),
                _ => None,
            };
            heard.error = heard.error.take().or(error);
        }
        heard
    }
}

fn heard_in_messages(stream: &[u8]) -> Heard {
    let mut heard = Heard::default();
    let mut reader = EventStreamReader::new(1 << 20);
    reader.push(Bytes::copy_from_slice(stream));
    while let Some(message) = reader.next().expect("a whole message with its sums right") {
        let frame = message.frame();
        let name = std::str::from_utf8(frame.name.unwrap_or_default()).expect("a name");
        let event: Value = serde_json::from_slice(frame.data).expect("JSON");
        match (name, frame.exception) {
            ("contentBlockDelta", _) => heard
                .text
                .push_str(event["delta"]["text"].as_str().unwrap_or_default()),
            ("messageStop", _) => heard.is_complete = true,
            (_, true) => heard.error = event["message"].as_str().map(str::to_owned),
            _ => {}
        }
    }
    heard
}

fn sse(data: &str) -> Vec<u8> {
    format!("data: {data}\n\n").into_bytes()
}

/// A response; empty where it says nothing yet.
fn response(status: &str, text: &str) -> String {
    let (output, usage) = match text {
        "" => (String::new(), "null"),
        text => (
            format!(
                r#"{{"type":"message","id":"i","status":"completed","role":"assistant","content":[{{"type":"output_text","text":"{text}","annotations":[]}}]}}"#
            ),
            r#"{"input_tokens":10,"output_tokens":4,"total_tokens":14}"#,
        ),
    };
    format!(
        r#"{{"id":"r","object":"response","created_at":1,"status":"{status}","error":null,"model":"m","output":[{output}],"usage":{usage}}}"#
    )
}

/// With the event's name, as its data says it.
fn typed(data: &str) -> Vec<u8> {
    let event: Value = serde_json::from_str(data).expect("JSON");
    let name = event["type"].as_str().expect("a type");
    format!("event: {name}\ndata: {data}\n\n").into_bytes()
}

pub fn aws(name: &str, payload: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write_event(name, payload.as_bytes(), &mut out).expect("fits");
    out
}
