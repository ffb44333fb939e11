//! Messages into bytes.

use super::{
    EventStreamError, FRAME_BYTES, HeaderFault, HeaderValue, MAX_HEADERS_BYTES, MAX_PAYLOAD_BYTES, checksum,
};

/// Writes one message.
///
/// # Errors
/// Headers or payload are longer than AWS allows; nothing is written then.
pub fn write_message(
    headers: &[(&str, HeaderValue<'_>)],
    payload: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), EventStreamError> {
    let mut written = Vec::with_capacity(128);
    for (name, value) in headers {
        let length = u8::try_from(name.len()).map_err(|_| HeaderFault::TooLong)?;
        if length == 0 {
            return Err(HeaderFault::EmptyName.into());
        }
        written.push(length);
        written.extend_from_slice(name.as_bytes());
        value.write(&mut written)?;
    }
    write_raw(&written, payload, out)
}

/// Writes an event with JSON in it.
///
/// # Errors
/// The payload is longer than AWS allows; nothing is written then.
pub fn write_event(name: &str, payload: &[u8], out: &mut Vec<u8>) -> Result<(), EventStreamError> {
    let headers = [
        (":event-type", HeaderValue::String(name)),
        (":content-type", HeaderValue::String("application/json")),
        (":message-type", HeaderValue::String("event")),
    ];
    write_message(&headers, payload, out)
}

/// Writes an exception with JSON in it, which ends a stream.
///
/// # Errors
/// The payload is longer than AWS allows; nothing is written then.
pub fn write_exception(name: &str, payload: &[u8], out: &mut Vec<u8>) -> Result<(), EventStreamError> {
    let headers = [
        (":exception-type", HeaderValue::String(name)),
        (":content-type", HeaderValue::String("application/json")),
        (":message-type", HeaderValue::String("exception")),
    ];
    write_message(&headers, payload, out)
}

pub(super) fn write_raw(headers: &[u8], payload: &[u8], out: &mut Vec<u8>) -> Result<(), EventStreamError> {
    if headers.len() > MAX_HEADERS_BYTES {
        return Err(EventStreamError::HeadersTooLarge {
            length: headers.len(),
            limit: MAX_HEADERS_BYTES,
        });
    }
    let length = FRAME_BYTES
        .saturating_add(headers.len())
        .saturating_add(payload.len());
    let too_large = EventStreamError::TooLarge {
        length,
        limit: FRAME_BYTES + MAX_HEADERS_BYTES + MAX_PAYLOAD_BYTES,
    };
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(too_large);
    }
    let (Ok(total), Ok(headers_bytes)) = (u32::try_from(length), u32::try_from(headers.len())) else {
        return Err(too_large);
    };
    let start = out.len();
    out.reserve(length);
    out.extend_from_slice(&total.to_be_bytes());
    out.extend_from_slice(&headers_bytes.to_be_bytes());
    out.extend_from_slice(&checksum(0, out.get(start..).unwrap_or_default()).to_be_bytes());
    out.extend_from_slice(headers);
    out.extend_from_slice(payload);
    out.extend_from_slice(&checksum(0, out.get(start..).unwrap_or_default()).to_be_bytes());
    Ok(())
}
