//! Errors of Bedrock, under a status and inside a stream, read and written (APIS.md 6.5, 6.7, 9.9).

use crate::fault::Fault;
use crate::model::{Error, ErrorKind, Text};
use crate::read::Reader;
use crate::write::object;

/// What a body may say of an error.
#[derive(Default)]
struct Said<'a> {
    kind: Option<Text<'a>>,
    message: Option<Text<'a>>,
    /// Of the model behind Bedrock.
    original_status: Option<u64>,
    original_message: Option<Text<'a>>,
}

/// Reads an error in any of its spellings. `native` is the header `x-amzn-errortype`, or the name of an exception inside
/// a stream; under a good status the type tells the status.
pub(super) fn read<'a>(status: u16, native: Option<&'a str>, body: &'a [u8]) -> Error<'a> {
    let said = said(body).unwrap_or_default();
    let native = native.map(Text::plain).or(said.kind);
    let native = native.filter(|native| !native.is_empty()).map(bare);
    let word = native.as_ref().map(|native| native.get().into_owned());
    let known = word.as_deref().and_then(known);
    let status = match (status, known) {
        (400.., _) => status,
        (_, Some((_, status))) => status,
        _ => 500,
    };
    let message = said.message.filter(|message| !message.is_empty());
    let message = message.or(said.original_message.filter(|message| !message.is_empty()));
    let (Some(message), kind) = (message, known.map(|(kind, _)| kind)) else {
        return Error {
            native,
            kind: known.map_or(ErrorKind::of_status(status), |(kind, _)| kind),
            ..Error::unreadable(status)
        };
    };
    let kind = settled(kind, status, said.original_status).refined_by(&message.get());
    let daily = kind == ErrorKind::RateLimit && message.get().contains("per day");
    Error {
        status,
        native,
        ..Error::new(if daily { ErrorKind::Quota } else { kind }, message)
    }
}

/// An exception inside a stream. One that is only an error message has its words as the data.
pub(in super::super) fn read_exception<'a>(name: Option<&'a [u8]>, data: &'a [u8]) -> Error<'a> {
    let name = name.and_then(|name| std::str::from_utf8(name).ok());
    let words = std::str::from_utf8(data).ok().map(str::trim);
    match words.filter(|words| !words.is_empty() && !words.starts_with('{')) {
        Some(words) => Error {
            message: Text::plain(words),
            ..read(200, name, b"{}")
        },
        None => read(200, name, data),
    }
}

fn said(body: &[u8]) -> Option<Said<'_>> {
    let read = Reader::whole(body, false, members).ok()?;
    read.value
}

fn members<'a>(reader: &mut Reader<'a>) -> Result<Option<Said<'a>>, Fault> {
    const TEXT: &str = "a member is not a string";
    let Some(mut members) = reader.object("the body is not an object")? else {
        return Ok(None);
    };
    let mut said = Said::default();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"__type" | b"code" | b"Code" => said.kind = reader.text(TEXT)?.or(said.kind),
            b"message" | b"Message" | b"errorMessage" => said.message = reader.text(TEXT)?.or(said.message),
            b"originalStatusCode" => {
                said.original_status = reader.whole_number("a status is not a number")?
            }
            b"originalMessage" => said.original_message = reader.text(TEXT)?,
            // of the front door, which answers so where there is no such operation
            b"Output" | b"error" if reader.kind()? == crate::json::ValueKind::Object => {
                let inner = self::members(reader)?.unwrap_or_default();
                said.kind = said.kind.or(inner.kind);
                said.message = said.message.or(inner.message);
            }
            _ => reader.pass()?,
        }
    }
    Ok(Some(said))
}

/// A type without its namespace and address: `com.amazon.coral.service#ThrottlingException:http://internal...`.
fn bare(native: Text<'_>) -> Text<'_> {
    let name = native.get();
    let name = name.split(':').next().unwrap_or_default();
    let name = name.rsplit('#').next().unwrap_or_default().trim();
    if name.len() == native.len() {
        return native;
    }
    Text::plain(name.to_owned())
}

/// The kind and the usual status of a type. Inside streams their names begin in lower case.
fn known(word: &str) -> Option<(ErrorKind, u16)> {
    const KNOWN: [(&str, ErrorKind, u16); 26] = [
        ("ValidationException", ErrorKind::InvalidRequest, 400),
        ("SerializationException", ErrorKind::InvalidRequest, 400),
        ("ServiceQuotaExceededException", ErrorKind::Quota, 400),
        ("ConflictException", ErrorKind::Conflict, 400),
        ("AccessDeniedException", ErrorKind::Permission, 403),
        ("AccessDenied", ErrorKind::Permission, 403),
        ("OptInRequired", ErrorKind::Permission, 403),
        ("UnrecognizedClientException", ErrorKind::Authentication, 403),
        ("InvalidSignatureException", ErrorKind::Authentication, 403),
        ("IncompleteSignature", ErrorKind::Authentication, 403),
        ("IncompleteSignatureException", ErrorKind::Authentication, 403),
        ("InvalidClientTokenId", ErrorKind::Authentication, 403),
        ("MissingAuthenticationToken", ErrorKind::Authentication, 403),
        (
            "MissingAuthenticationTokenException",
            ErrorKind::Authentication,
            403,
        ),
        ("ExpiredToken", ErrorKind::Authentication, 403),
        ("ExpiredTokenException", ErrorKind::Authentication, 403),
        ("ResourceNotFoundException", ErrorKind::NotFound, 404),
        ("UnknownOperationException", ErrorKind::NotFound, 404),
        ("ModelTimeoutException", ErrorKind::Timeout, 408),
        ("ModelErrorException", ErrorKind::BadAnswer, 424),
        ("ModelStreamErrorException", ErrorKind::BadAnswer, 424),
        ("ThrottlingException", ErrorKind::RateLimit, 429),
        ("TooManyRequestsException", ErrorKind::RateLimit, 429),
        ("ModelNotReadyException", ErrorKind::Unavailable, 429),
        ("InternalServerException", ErrorKind::Server, 500),
        ("ServiceUnavailableException", ErrorKind::Unavailable, 503),
    ];
    let same = |(name, ..): &&(&str, ErrorKind, u16)| name.eq_ignore_ascii_case(word);
    KNOWN.iter().find(same).map(|(_, kind, status)| (*kind, *status))
}

/// The type says most of it; where it only says that something is wrong, the status says what, and a model's error is
/// what the model behind Bedrock says it is.
fn settled(known: Option<ErrorKind>, status: u16, original: Option<u64>) -> ErrorKind {
    let by_status = ErrorKind::of_status(status);
    let original = original.and_then(|status| u16::try_from(status).ok());
    match (known, by_status) {
        (Some(ErrorKind::BadAnswer), _) => match original {
            Some(original) if original >= 400 => ErrorKind::of_status(original),
            _ => ErrorKind::BadAnswer,
        },
        (
            Some(ErrorKind::InvalidRequest),
            ErrorKind::TooLarge | ErrorKind::Unprocessable | ErrorKind::Conflict,
        )
        | (Some(ErrorKind::Unavailable), ErrorKind::Overloaded)
        | (Some(ErrorKind::Permission), ErrorKind::Billing) => by_status,
        (Some(known), _) => known,
        (None, _) => by_status,
    }
}

/// The type of an error, as the header `x-amzn-errortype` has it.
pub fn exception_type<'e>(error: &'e Error<'_>) -> std::borrow::Cow<'e, str> {
    if let Some(native) = error.native.as_ref().map(Text::get)
        && known(&native).is_some_and(|(kind, _)| kind == coarse(error.kind))
    {
        return native;
    }
    match error.kind {
        ErrorKind::InvalidRequest
        | ErrorKind::ContextLength
        | ErrorKind::ContentPolicy
        | ErrorKind::TooLarge
        | ErrorKind::Unprocessable => "ValidationException",
        ErrorKind::Authentication => "UnrecognizedClientException",
        ErrorKind::Billing | ErrorKind::Permission => "AccessDeniedException",
        ErrorKind::NotFound => "ResourceNotFoundException",
        ErrorKind::Conflict => "ConflictException",
        ErrorKind::RateLimit => "ThrottlingException",
        ErrorKind::Quota => "ServiceQuotaExceededException",
        ErrorKind::Server => "InternalServerException",
        ErrorKind::Unavailable | ErrorKind::Overloaded => "ServiceUnavailableException",
        ErrorKind::Timeout => "ModelTimeoutException",
        ErrorKind::BadAnswer => "ModelErrorException",
    }
    .into()
}

fn coarse(kind: ErrorKind) -> ErrorKind {
    match kind {
        ErrorKind::ContextLength | ErrorKind::ContentPolicy => ErrorKind::InvalidRequest,
        same => same,
    }
}

/// Writes the body; clients look for the type in it where no header has it.
pub(super) fn write(error: &Error<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    object(&mut out, |body| {
        body.str("__type", &exception_type(error));
        body.text("message", &error.message);
    });
    out
}

/// The exception that ends a stream, and its payload: there are five of them.
pub(super) fn write_exception(error: &Error<'_>) -> (&'static str, Vec<u8>) {
    let name = match error.kind {
        ErrorKind::RateLimit | ErrorKind::Quota => "throttlingException",
        ErrorKind::Unavailable | ErrorKind::Overloaded => "serviceUnavailableException",
        ErrorKind::BadAnswer | ErrorKind::Timeout => "modelStreamErrorException",
        ErrorKind::Server => "internalServerException",
        _ => "validationException",
    };
    let mut out = Vec::with_capacity(128);
    object(&mut out, |body| {
        body.text("message", &error.message);
        if name == "modelStreamErrorException" {
            body.count("originalStatusCode", error.status.into());
        }
    });
    (name, out)
}
