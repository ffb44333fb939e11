//! The one pass over a request body: every rule about what is taken, and where everything is.

use crate::fault::{BodyError, BodyErrorKind, Fault};
use crate::foreign::{self, Form};
use crate::json::{Cursor, Span, ValueKind, lossy};
use crate::keys::Keys;
use crate::openai::edit::Move;
use crate::openai::message::{Found, Reader};
use crate::openai::{Kind, Operation, Provenance, Role, Segment};
use crate::splice::Splice;

use super::ReadLimits;

/// What the gateway needs of a body, with offsets.
#[derive(Clone, Debug)]
pub(super) struct Index {
    pub model: String,
    /// None where the path names it.
    pub model_span: Option<Span>,
    /// An answer piece by piece is wanted.
    pub streams: bool,
    /// The literal, where it is `true` and an option can be put behind it.
    pub stream: Option<Span>,
    pub usage_option: UsageOption,
    pub segments: Vec<Segment>,
    /// The value of `messages`, `prompt` or `input`.
    pub list: Option<Span>,
    /// How many messages a chat has; 0 for other operations.
    pub messages: usize,
}

/// What the caller's `stream_options` say of usage.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum UsageOption {
    Absent,
    /// `stream_options` is null.
    Null(Span),
    /// An object without the option; `inside` is the offset behind its brace.
    Unset {
        inside: usize,
        empty: bool,
    },
    /// The option is false or null.
    Off(Span),
    Asked,
}

impl UsageOption {
    /// The splice that asks for usage; `stream` is the literal of the member before a new one.
    pub fn asking(self, stream: Span) -> Option<Splice> {
        const OPTION: &str = r#""include_usage":true"#;
        const OBJECT: &str = r#"{"include_usage":true}"#;
        const MEMBER: &str = r#","stream_options":{"include_usage":true}"#;
        const OPTION_AND_MORE: &str = r#""include_usage":true,"#;
        match self {
            UsageOption::Absent => Some(Splice::insert(stream.end, MEMBER)),
            UsageOption::Null(span) => Some(Splice::new(span, OBJECT)),
            UsageOption::Unset { inside, empty: true } => Some(Splice::insert(inside, OPTION)),
            UsageOption::Unset { inside, empty: false } => Some(Splice::insert(inside, OPTION_AND_MORE)),
            UsageOption::Off(span) => Some(Splice::new(span, "true")),
            UsageOption::Asked => None,
        }
    }

    fn shift(self, moved: Move) -> UsageOption {
        match self {
            UsageOption::Null(span) => UsageOption::Null(moved.span(span)),
            UsageOption::Off(span) => UsageOption::Off(moved.span(span)),
            UsageOption::Unset { inside, empty } => UsageOption::Unset {
                inside: moved.offset(inside),
                empty,
            },
            same => same,
        }
    }
}

impl Index {
    /// In whatever dialect the body is.
    pub fn of(
        op: Operation,
        form: Option<&Form>,
        bytes: &[u8],
        limits: &ReadLimits,
    ) -> Result<Index, BodyError> {
        match form {
            Some(form) => Ok(foreign::index(form, bytes, limits.max_segments)?.into()),
            None => {
                Index::read(op, bytes, limits).map_err(|fault| fault.into_body_error(bytes, limits.max_depth))
            }
        }
    }

    fn read(op: Operation, bytes: &[u8], limits: &ReadLimits) -> Result<Index, Fault> {
        let mut cursor = Cursor::new(bytes, &limits.json())?;
        let mut found = Found::new(Provenance::Caller, limits.max_segments);
        let mut reader = Reader {
            cursor: &mut cursor,
            bytes,
            found: &mut found,
            strict: true,
        };
        let mut draft = Draft::default();
        draft.members(op, &mut reader)?;
        cursor.end()?;
        draft.finish(op, found)
    }

    /// Moves every offset but the segments' along with a splice.
    pub fn shift(&mut self, moved: Move) {
        self.model_span = self.model_span.map(|span| moved.span(span));
        self.stream = self.stream.map(|span| moved.span(span));
        self.list = self.list.map(|span| moved.span(span));
        self.usage_option = self.usage_option.shift(moved);
    }
}

impl From<foreign::Indexed> for Index {
    fn from(found: foreign::Indexed) -> Index {
        let usage_option = match found.usage_asked {
            true => UsageOption::Asked,
            false => UsageOption::Absent,
        };
        Index {
            model: found.model,
            model_span: found.model_span,
            streams: found.stream,
            stream: None,
            usage_option,
            segments: found.segments,
            list: found.list,
            messages: found.messages,
        }
    }
}

#[derive(Default)]
struct Draft {
    model: Option<(String, Span)>,
    stream: Option<Span>,
    usage_option: Option<UsageOption>,
    list: Option<Span>,
    messages: usize,
}

impl Draft {
    fn members(&mut self, op: Operation, reader: &mut Reader<'_, '_>) -> Result<(), Fault> {
        if reader.cursor.kind()? != ValueKind::Object {
            return reader.refuse("", "the body must be a JSON object");
        }
        let mut keys = Keys::new(true);
        let mut members = reader.cursor.begin_object()?;
        while let Some(key) = reader.cursor.next_member(&mut members)? {
            match (&*keys.take(reader.cursor, &key)?, op) {
                (b"model", _) => self.model(reader)?,
                (b"stream", _) => self.stream(reader)?,
                (b"stream_options", _) => {
                    self.stream_options(reader)
                        .map_err(|fault| fault.within("stream_options"))?;
                }
                (b"messages", Operation::Chat) => self.messages = self.list(reader, "messages", messages)?,
                (b"prompt", Operation::Completions) => self.list(reader, "prompt", texts)?,
                // the text behind the gap that is to be filled
                (b"suffix", Operation::Completions) => {
                    spoken_by_user(reader, |reader| reader.loose_text(Kind::Text))?
                }
                (b"input", Operation::Embeddings | Operation::Moderations) => {
                    self.list(reader, "input", texts)?
                }
                _ => reader.pass()?,
            }
        }
        Ok(())
    }

    fn model(&mut self, reader: &mut Reader<'_, '_>) -> Result<(), Fault> {
        if reader.cursor.kind()? != ValueKind::String {
            return reader.refuse("model", "must be a string");
        }
        let literal = reader.cursor.string()?;
        if literal.length == 0 {
            return Err(Fault::new(
                BodyErrorKind::Empty,
                "model",
                "is empty: name a model",
            ));
        }
        // the bytes were UTF-8, so nothing is lost
        let name = lossy(&reader.cursor.text(&literal)).into_owned();
        self.model = Some((name, literal.span));
        Ok(())
    }

    fn stream(&mut self, reader: &mut Reader<'_, '_>) -> Result<(), Fault> {
        if !matches!(reader.cursor.kind()?, ValueKind::Bool | ValueKind::Null) {
            return reader.refuse("stream", "must be true, false or null");
        }
        let span = reader.cursor.skip()?;
        self.stream = (span.of(reader.bytes) == b"true").then_some(span);
        Ok(())
    }

    fn stream_options(&mut self, reader: &mut Reader<'_, '_>) -> Result<(), Fault> {
        match reader.cursor.kind()? {
            ValueKind::Object => {}
            ValueKind::Null => {
                self.usage_option = Some(UsageOption::Null(reader.cursor.skip()?));
                return Ok(());
            }
            _ => return reader.refuse("", "must be an object or null"),
        }
        let mut keys = Keys::new(true);
        let mut members = reader.cursor.begin_object()?;
        let inside = reader.cursor.offset();
        let (mut empty, mut option) = (true, None);
        while let Some(key) = reader.cursor.next_member(&mut members)? {
            empty = false;
            match &*keys.take(reader.cursor, &key)? {
                b"include_usage" => option = Some(include_usage(reader)?),
                _ => reader.pass()?,
            }
        }
        self.usage_option = Some(option.unwrap_or(UsageOption::Unset { inside, empty }));
        Ok(())
    }

    /// The member that holds the texts: `read` reads it.
    fn list<'c, 'a, T>(
        &mut self,
        reader: &mut Reader<'c, 'a>,
        name: &'static str,
        read: fn(&mut Reader<'c, 'a>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        reader.cursor.kind()?;
        let start = reader.cursor.offset();
        let read = read(reader).map_err(|fault| fault.within(name))?;
        self.list = Some(Span::new(start, reader.cursor.offset()));
        Ok(read)
    }

    fn finish(self, op: Operation, found: Found) -> Result<Index, Fault> {
        let Some((model, model_span)) = self.model else {
            return Err(Fault::missing("model", "is missing: name a model"));
        };
        if self.list.is_none() {
            return Err(match op {
                Operation::Chat => Fault::missing("messages", "is missing: send an array of messages"),
                Operation::Completions => Fault::missing("prompt", "is missing: send a string or an array"),
                _ => Fault::missing("input", "is missing: send a string or an array"),
            });
        }
        Ok(Index {
            model,
            model_span: Some(model_span),
            streams: self.stream.is_some(),
            stream: self.stream,
            usage_option: self.usage_option.unwrap_or(UsageOption::Absent),
            segments: found.segments.into_vec(),
            list: self.list,
            messages: self.messages,
        })
    }
}

fn include_usage(reader: &mut Reader<'_, '_>) -> Result<UsageOption, Fault> {
    if !matches!(reader.cursor.kind()?, ValueKind::Bool | ValueKind::Null) {
        return reader
            .refuse("include_usage", "must be true, false or null")
            .map(|()| UsageOption::Absent);
    }
    let span = reader.cursor.skip()?;
    Ok(if span.of(reader.bytes) == b"true" {
        UsageOption::Asked
    } else {
        UsageOption::Off(span)
    })
}

/// Reads the messages and counts them.
fn messages(reader: &mut Reader<'_, '_>) -> Result<usize, Fault> {
    if reader.cursor.kind()? != ValueKind::Array {
        return reader.refuse("", "must be an array of messages").map(|()| 0);
    }
    let mut count = 0;
    reader.each(|reader| {
        count += 1;
        reader.message()
    })?;
    Ok(count)
}

/// A prompt or an input: a string, or an array of strings, parts (for moderations and embeddings of images) and tokens.
fn texts(reader: &mut Reader<'_, '_>) -> Result<(), Fault> {
    spoken_by_user(reader, |reader| match reader.cursor.kind()? {
        ValueKind::String => reader.text(Kind::Text),
        ValueKind::Array => reader.each(|reader| match reader.cursor.kind()? {
            ValueKind::String => reader.text(Kind::Text),
            ValueKind::Object => reader.part(Kind::Text).map(drop),
            _ => reader.pass(),
        }),
        _ => reader.refuse("", "must be a string or an array"),
    })
}

fn spoken_by_user<'c, 'a>(
    reader: &mut Reader<'c, 'a>,
    read: impl FnOnce(&mut Reader<'c, 'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let first = reader.found.segments.len();
    read(reader)?;
    for segment in &mut reader.found.segments[first..] {
        segment.role = Role::User;
    }
    Ok(())
}
