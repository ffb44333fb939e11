//! A fault in the words of the caller's dialect: the body of an answer, or the last event of a stream. OpenAI's first
//! dialect, which has more fields, is written in `fault`.

use bytes::Bytes;
use penstock_llm::model::{Dialect, Envelope, Error, ErrorKind, Event, Text};
use penstock_llm::sse;

use super::Fault;

/// For what has no answer around it.
const NO_ENVELOPE: Envelope<'static> = Envelope {
    id: "",
    created: 0,
    model: "",
    usage_asked: false,
    legacy_functions: false,
    repeated: None,
    input_estimate: None,
};

/// The body of an error.
pub fn body(dialect: Dialect, fault: &Fault) -> Option<Vec<u8>> {
    Some(dialect.codec()?.write_error(&error(fault)))
}

/// The error as a stream's last event.
pub fn event(dialect: Dialect, fault: &Fault) -> Option<Bytes> {
    let codec = dialect.codec()?;
    let error = error(fault);
    let mut out = Vec::new();
    match dialect {
        // its clients branch on the event's name
        Dialect::AnthropicMessages => {
            sse::write_frame(Some(b"error"), &codec.write_error(&error), &mut out);
        }
        Dialect::Gemini => sse::write_frame(None, &codec.write_error(&error), &mut out),
        _ => {
            let mut writer = codec.stream_writer(&NO_ENVELOPE);
            writer.write(&Event::Error(Box::new(error)), &mut out);
        }
    }
    Some(out.into())
}

/// What a caller hears in silences.
pub fn keep_alive(dialect: Dialect) -> Bytes {
    const COMMENT: &[u8] = b": keep-alive\n\n";
    const PING: &[u8] = b"event: ping\ndata: {\"type\": \"ping\"}\n\n";
    match dialect {
        // a comment is legal, but its SDKs have time limits that only a ping resets
        Dialect::AnthropicMessages => Bytes::from_static(PING),
        Dialect::BedrockConverse => {
            let mut out = Vec::new();
            if let Some(codec) = dialect.codec() {
                codec.stream_writer(&NO_ENVELOPE).keep_alive(&mut out);
            }
            out.into()
        }
        _ => Bytes::from_static(COMMENT),
    }
}

fn error(fault: &Fault) -> Error<'_> {
    Error {
        status: fault.status,
        code: Some(Text::plain(&*fault.code)),
        param: fault.param.as_deref().map(Text::plain),
        retry_after_ms: fault
            .retry_after
            .and_then(|after| u64::try_from(after.as_millis()).ok()),
        ..Error::new(kind(fault), Text::plain(fault.message.as_str()))
    }
}

fn kind(fault: &Fault) -> ErrorKind {
    match (&*fault.code, fault.status) {
        ("context_length_exceeded", _) => ErrorKind::ContextLength,
        ("overloaded" | "upstream_overloaded", _) => ErrorKind::Overloaded,
        // a gateway's 502 is not the provider's being away, but its answer being of no use
        (_, 502) => ErrorKind::BadAnswer,
        (_, status) => ErrorKind::of_status(status),
    }
}
