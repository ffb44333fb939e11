//! One message, or one stream's delta, read in place: where its texts and media are. The same reader for requests
//! (strict: what has the wrong type or stands twice is refused) and for what providers send (lenient: whatever has a
//! known name is read wherever it stands, so that no text passes a guard unseen).

use smallvec::SmallVec;

use super::{Kind, Provenance, Role, Segment};
use crate::fault::Fault;
use crate::json::{Cursor, JsonError, JsonErrorKind, Literal, Span, ValueKind};
use crate::keys::Keys;
use crate::usage::whole;

/// What was found so far.
#[derive(Debug)]
pub(super) struct Found {
    pub segments: SmallVec<[Segment; 2]>,
    /// Media, or a tool call's name: content without a text.
    pub wordless_content: bool,
    provenance: Provenance,
    max_segments: usize,
}

impl Found {
    pub fn new(provenance: Provenance, max_segments: usize) -> Found {
        Found {
            segments: SmallVec::new(),
            wordless_content: false,
            provenance,
            max_segments,
        }
    }

    pub fn push(&mut self, kind: Kind, span: Span, length: usize, raw: bool) -> Result<(), JsonError> {
        if self.segments.len() >= self.max_segments {
            return Err(JsonError {
                offset: span.start,
                kind: JsonErrorKind::TooManyTexts,
            });
        }
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let (role, provenance) = (Role::Assistant, self.provenance);
        self.segments.push(Segment {
            role,
            kind,
            provenance,
            choice: 0,
            tool: 0,
            length,
            span,
            raw,
        });
        Ok(())
    }
}

/// Reads messages at a cursor.
pub(super) struct Reader<'c, 'a> {
    pub cursor: &'c mut Cursor<'a>,
    pub bytes: &'a [u8],
    pub found: &'c mut Found,
    pub strict: bool,
}

impl<'a> Reader<'_, 'a> {
    /// One message. In a lenient reader anything but an object is skipped.
    pub fn message(&mut self) -> Result<(), Fault> {
        if self.cursor.kind()? != ValueKind::Object {
            return self.refuse("", "must be an object with `role` and `content`");
        }
        let first = self.found.segments.len();
        let mut role = None;
        let mut keys = Keys::new(self.strict);
        let mut members = self.cursor.begin_object()?;
        while let Some(key) = self.cursor.next_member(&mut members)? {
            match &*keys.take(self.cursor, &key)? {
                b"role" => role = self.role()?.or(role),
                b"content" => self.content().map_err(|fault| fault.within("content"))?,
                b"refusal" => self.text_or_null("refusal", Kind::Refusal)?,
                b"reasoning" | b"reasoning_content" => self.loose_text(Kind::Reasoning)?,
                b"reasoning_details" => self.each(Reader::reasoning_detail)?,
                b"tool_calls" => self.tool_calls().map_err(|fault| fault.within("tool_calls"))?,
                b"function_call" => self.function("function_call")?,
                b"audio" => self.audio()?,
                b"images" => self.each(|reader| reader.media(Kind::Image))?,
                _ => drop(self.cursor.skip()?),
            }
        }
        match role {
            Some(role) => self.spoken_by(role, first),
            None if self.strict => return Err(Fault::missing("role", "is missing: every message has one")),
            None => {}
        }
        Ok(())
    }

    /// A message's content: a string, parts, or null.
    fn content(&mut self) -> Result<(), Fault> {
        match self.cursor.kind()? {
            ValueKind::String => self.text(Kind::Text),
            ValueKind::Null => self.pass(),
            ValueKind::Array => self.each(Reader::typed_part),
            _ => self.refuse("", "must be a string, an array of parts or null"),
        }
    }

    /// One part of a message's content, which has a `type`.
    fn typed_part(&mut self) -> Result<(), Fault> {
        match self.part(Kind::Text)? {
            false if self.strict => Err(Fault::missing("type", "is missing: every content part has one")),
            _ => Ok(()),
        }
    }

    /// One part, of whatever type, and whether it has one: its texts and media are known by their fields' names.
    pub fn part(&mut self, kind: Kind) -> Result<bool, Fault> {
        match self.cursor.kind()? {
            ValueKind::Object => {}
            ValueKind::String if !self.strict => return self.text(kind).map(|()| true),
            _ => return self.refuse("", "must be an object with a `type`").map(|()| true),
        }
        let (mut typed, mut broken_text) = (false, false);
        let mut is_text = false;
        let mut keys = Keys::new(self.strict);
        let mut members = self.cursor.begin_object()?;
        while let Some(key) = self.cursor.next_member(&mut members)? {
            match &*keys.take(self.cursor, &key)? {
                b"type" => {
                    is_text = self.part_type()?;
                    typed = true;
                }
                b"text" => broken_text |= !self.text_if_string(kind)?,
                b"refusal" => self.loose_text(Kind::Refusal)?,
                // Mistral's reasoning
                b"thinking" => self.nested(Kind::Reasoning)?,
                b"content" => self.nested(kind)?,
                b"image_url" => self.named_media("image_url", Kind::Image)?,
                b"input_audio" => self.named_media("input_audio", Kind::Audio)?,
                b"file" => self.named_media("file", Kind::File)?,
                b"document_url" => self.named_media("document_url", Kind::File)?,
                _ => drop(self.cursor.skip()?),
            }
        }
        if self.strict && is_text && broken_text {
            return Err(Fault::wrong_type("text", "must be a string"));
        }
        Ok(typed)
    }

    /// The string at the cursor as a piece of text.
    pub fn text(&mut self, kind: Kind) -> Result<(), Fault> {
        let literal = self.cursor.string()?;
        Ok(self.found.push(kind, literal.span, literal.length, false)?)
    }

    /// The same if it is a string; anything else is checked as JSON and passes.
    pub fn loose_text(&mut self, kind: Kind) -> Result<(), Fault> {
        self.text_if_string(kind).map(drop)
    }

    /// An array's elements, one by one; anything else passes.
    pub fn each(&mut self, mut one: impl FnMut(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        if self.cursor.kind()? != ValueKind::Array {
            return self.pass();
        }
        let mut elements = self.cursor.begin_array()?;
        let mut index = 0;
        while self.cursor.next_element(&mut elements)? {
            one(self).map_err(|fault| fault.within_element(index))?;
            index += 1;
        }
        Ok(())
    }

    /// Checks the value at the cursor as JSON, and no more.
    pub fn pass(&mut self) -> Result<(), Fault> {
        self.cursor.skip()?;
        Ok(())
    }

    /// The value at the cursor is not what its place takes: refused, or passed by a lenient reader.
    pub fn refuse(&mut self, path: &str, what: &'static str) -> Result<(), Fault> {
        // JSON errors inside the value come first: they make it something else than it seems
        self.cursor.skip()?;
        if self.strict {
            Err(Fault::wrong_type(path, what))
        } else {
            Ok(())
        }
    }

    fn role(&mut self) -> Result<Option<Role>, Fault> {
        if self.cursor.kind()? != ValueKind::String {
            return self.refuse("role", "must be a string").map(|()| None);
        }
        let literal = self.cursor.string()?;
        Ok(Some(Role::named(&self.cursor.text(&literal))))
    }

    /// Sets the role, which may stand behind the content, on what was found since `first`.
    fn spoken_by(&mut self, role: Role, first: usize) {
        for segment in &mut self.found.segments[first..] {
            segment.role = role;
            if role == Role::Tool && segment.kind == Kind::Text {
                segment.kind = Kind::ToolResult;
            }
        }
    }

    fn part_type(&mut self) -> Result<bool, Fault> {
        if self.cursor.kind()? != ValueKind::String {
            return self.refuse("type", "must be a string").map(|()| false);
        }
        let literal = self.cursor.string()?;
        Ok(&*self.cursor.text(&literal) == b"text")
    }

    fn text_or_null(&mut self, name: &'static str, kind: Kind) -> Result<(), Fault> {
        match self.cursor.kind()? {
            ValueKind::String => self.text(kind),
            ValueKind::Null => self.pass(),
            _ => self.refuse(name, "must be a string or null"),
        }
    }

    fn text_if_string(&mut self, kind: Kind) -> Result<bool, Fault> {
        if self.cursor.kind()? != ValueKind::String {
            self.pass()?;
            return Ok(false);
        }
        self.text(kind).map(|()| true)
    }

    /// Texts inside a part, one level down: a string or text parts. Some embeddings and tool results have them.
    fn nested(&mut self, kind: Kind) -> Result<(), Fault> {
        match self.cursor.kind()? {
            ValueKind::String => self.text(kind),
            _ => self.each(|reader| reader.texts_of(&[b"text"], kind)),
        }
    }

    /// OpenRouter's reasoning: text or a summary; the encrypted kind has no words.
    fn reasoning_detail(&mut self) -> Result<(), Fault> {
        self.texts_of(&[b"text", b"summary"], Kind::Reasoning)
    }

    /// An object's strings under these names.
    fn texts_of(&mut self, names: &[&[u8]], kind: Kind) -> Result<(), Fault> {
        match self.cursor.kind()? {
            ValueKind::Object => {}
            ValueKind::String => return self.text(kind),
            _ => return self.pass(),
        }
        let mut members = self.cursor.begin_object()?;
        while let Some(key) = self.cursor.next_member(&mut members)? {
            match names.contains(&&*self.cursor.text(&key)) {
                true => self.loose_text(kind)?,
                false => self.pass()?,
            }
        }
        Ok(())
    }

    fn named_media(&mut self, name: &'static str, kind: Kind) -> Result<(), Fault> {
        self.media(kind).map_err(|fault| fault.within(name))
    }

    /// An image, an audio or a file: one segment without text, its object's keys checked.
    fn media(&mut self, kind: Kind) -> Result<(), Fault> {
        let span = match self.cursor.kind()? {
            ValueKind::Object => self.object_once()?,
            ValueKind::Null => return self.pass(),
            _ => self.cursor.skip()?,
        };
        // Snowflake sends empty audio with every text
        if span.of(self.bytes) == b"\"\"" {
            return Ok(());
        }
        self.found.wordless_content = true;
        Ok(self.found.push(kind, span, 0, false)?)
    }

    /// An object that is not read further than for keys that stand twice.
    fn object_once(&mut self) -> Result<Span, Fault> {
        let mut keys = Keys::new(self.strict);
        let mut members = self.cursor.begin_object()?;
        let start = self.cursor.offset() - 1;
        while let Some(key) = self.cursor.next_member(&mut members)? {
            keys.take(self.cursor, &key)?;
            self.cursor.skip()?;
        }
        Ok(Span::new(start, self.cursor.offset()))
    }

    /// An answer's spoken audio: its data, and what is said.
    fn audio(&mut self) -> Result<(), Fault> {
        if self.cursor.kind()? != ValueKind::Object {
            return self.pass();
        }
        let mut keys = Keys::new(self.strict);
        let mut members = self.cursor.begin_object()?;
        while let Some(key) = self.cursor.next_member(&mut members)? {
            match &*keys
                .take(self.cursor, &key)
                .map_err(|fault| fault.within("audio"))?
            {
                b"transcript" => self.loose_text(Kind::Text)?,
                b"data" => self.media(Kind::Audio)?,
                _ => self.pass()?,
            }
        }
        Ok(())
    }

    /// The literal at the cursor if it is a string; anything else passes.
    pub fn string_if_any(&mut self) -> Result<Option<Literal>, Fault> {
        if self.cursor.kind()? == ValueKind::String {
            return Ok(Some(self.cursor.string()?));
        }
        self.pass().map(|()| None)
    }

    /// A whole number that counts choices or tool calls; none for anything else.
    pub fn index(&mut self) -> Result<Option<u32>, Fault> {
        let number = self.cursor.kind()? == ValueKind::Number;
        let span = self.cursor.skip()?;
        let whole = if number { whole(span, self.bytes) } else { None };
        Ok(whole.and_then(|index| u32::try_from(index).ok()))
    }
}
