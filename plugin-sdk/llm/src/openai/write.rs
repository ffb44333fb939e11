//! What the gateway says itself, in the caller's dialect: errors, errors within a stream, and a plugin's answers.

use bytes::Bytes;

use super::Operation;
use crate::json::escape_into;
use crate::sse::write_frame;

/// What every answer and event begins with.
#[derive(Copy, Clone, Debug)]
pub struct Envelope<'a> {
    /// Chat or completions; embeddings and moderations are written as chat.
    pub operation: Operation,
    /// The answer's id, the same in all its events.
    pub id: &'a str,
    /// Seconds since 1970.
    pub created: u64,
    /// The model that the caller asked for.
    pub model: &'a str,
}

/// An error as a whole body: `{"error":{"message","type","param","code"}}`.
pub fn error_body(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 96);
    out.push(b'{');
    error_member(&mut out, message, kind, param, code);
    out.push(b'}');
    out
}

/// An error inside a stream that has begun: an ordinary chunk that also carries `error`, so that clients that look for
/// it raise it and others see the choice end.
pub fn error_event(
    envelope: &Envelope<'_>,
    message: &str,
    kind: &str,
    param: Option<&str>,
    code: Option<&str>,
) -> Bytes {
    let mut out = Vec::with_capacity(message.len() + 256);
    envelope.open(&mut out, true);
    error_member(&mut out, message, kind, param, code);
    out.extend_from_slice(b",\"choices\":[");
    envelope.chunk_choice(&mut out, Some(("", false)), Some("error"));
    out.extend_from_slice(b"]}");
    framed(&out)
}

/// A text as a whole answer that no provider was asked for; its usage is nothing.
pub fn answer_body(envelope: &Envelope<'_>, text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 320);
    envelope.open(&mut out, false);
    out.extend_from_slice(b"\"choices\":[{\"index\":0,");
    if envelope.operation == Operation::Completions {
        out.extend_from_slice(b"\"text\":");
        escape_into(text, &mut out);
    } else {
        out.extend_from_slice(b"\"message\":{\"role\":\"assistant\",\"content\":");
        escape_into(text, &mut out);
        out.extend_from_slice(b",\"refusal\":null}");
    }
    out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":\"stop\"}],");
    out.extend_from_slice(NO_USAGE);
    out.push(b'}');
    out
}

/// The same as a stream: role, content and finish, usage if the caller asked for it, and the end mark.
pub fn answer_events(envelope: &Envelope<'_>, text: &str, usage_asked: bool) -> Bytes {
    let mut out = Vec::with_capacity(text.len() + 1024);
    let earlier_usage: &[u8] = if usage_asked { b",\"usage\":null" } else { b"" };
    let chat = envelope.operation != Operation::Completions;
    let role = chat.then_some((Some(("", true)), None));
    let rest = [(Some((text, false)), None), (None, Some("stop"))];
    for (content, finish) in role.into_iter().chain(rest) {
        let mut event = Vec::with_capacity(256);
        envelope.open(&mut event, true);
        event.extend_from_slice(b"\"choices\":[");
        envelope.chunk_choice(&mut event, content, finish);
        event.push(b']');
        event.extend_from_slice(earlier_usage);
        event.push(b'}');
        write_frame(None, &event, &mut out);
    }
    if usage_asked {
        let mut event = Vec::with_capacity(256);
        envelope.open(&mut event, true);
        event.extend_from_slice(b"\"choices\":[],");
        event.extend_from_slice(NO_USAGE);
        event.push(b'}');
        write_frame(None, &event, &mut out);
    }
    write_frame(None, b"[DONE]", &mut out);
    Bytes::from(out)
}

const NO_USAGE: &[u8] = br#""usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#;

impl Envelope<'_> {
    /// Writes `{"id":..,"object":..,"created":..,"model":..,`.
    fn open(&self, out: &mut Vec<u8>, chunk: bool) {
        let object = match (self.operation, chunk) {
            (Operation::Completions, _) => "text_completion",
            (_, true) => "chat.completion.chunk",
            (_, false) => "chat.completion",
        };
        out.extend_from_slice(b"{\"id\":");
        escape_into(self.id, out);
        out.extend_from_slice(b",\"object\":");
        escape_into(object, out);
        out.extend_from_slice(b",\"created\":");
        out.extend_from_slice(self.created.to_string().as_bytes());
        out.extend_from_slice(b",\"model\":");
        escape_into(self.model, out);
        out.push(b',');
    }

    /// `content` is a text and whether the role comes with it.
    fn chunk_choice(&self, out: &mut Vec<u8>, content: Option<(&str, bool)>, finish: Option<&str>) {
        out.extend_from_slice(b"{\"index\":0,");
        if self.operation == Operation::Completions {
            out.extend_from_slice(b"\"text\":");
            escape_into(content.map_or("", |(text, _)| text), out);
        } else {
            out.extend_from_slice(b"\"delta\":{");
            if let Some((text, with_role)) = content {
                out.extend_from_slice(if with_role {
                    b"\"role\":\"assistant\","
                } else {
                    b""
                });
                out.extend_from_slice(b"\"content\":");
                escape_into(text, out);
            }
            out.push(b'}');
        }
        out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":");
        text_or_null(finish, out);
        out.push(b'}');
    }
}

fn error_member(out: &mut Vec<u8>, message: &str, kind: &str, param: Option<&str>, code: Option<&str>) {
    out.extend_from_slice(b"\"error\":{\"message\":");
    escape_into(message, out);
    out.extend_from_slice(b",\"type\":");
    escape_into(kind, out);
    out.extend_from_slice(b",\"param\":");
    text_or_null(param, out);
    out.extend_from_slice(b",\"code\":");
    text_or_null(code, out);
    out.push(b'}');
}

fn text_or_null(text: Option<&str>, out: &mut Vec<u8>) {
    match text {
        Some(text) => escape_into(text, out),
        None => out.extend_from_slice(b"null"),
    }
}

fn framed(data: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(data.len() + 16);
    write_frame(None, data, &mut out);
    Bytes::from(out)
}
