//! Pieces of a message's content: texts, thoughts, images and documents.

use crate::fault::{Fault, Within};
use crate::json::ValueKind;
use crate::model::{
    Content, Dialect, Extras, Json, Maker, Media, MediaKind, Native, Part, Reasoning, Source, Text, is_base64,
};
use crate::read::Reader;

use super::documents;

const TEXT: &str = "must be a string";
const OBJECT: &str = "must be an object";

/// Reads a message's content: a string, pieces, or null.
pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<Vec<Part<'a>>, Fault> {
    let mut parts = Vec::new();
    if reader.kind()? == ValueKind::String {
        let text = reader.literal()?;
        parts.push(Part::text(text));
        return Ok(parts);
    }
    reader.each("must be a string, an array of pieces or null", |reader, _| {
        parts.extend(piece(reader)?);
        Ok(())
    })?;
    Ok(parts)
}

/// What a piece's members said; which of them count is told by its type.
#[derive(Default)]
struct Piece<'a> {
    kind: Option<Text<'a>>,
    text: Option<Text<'a>>,
    thinking: Option<Text<'a>>,
    image: Option<Media<'a>>,
    document: Option<Part<'a>>,
    extras: Extras<'a>,
}

fn piece<'a>(reader: &mut Reader<'a>) -> Result<Option<Part<'a>>, Fault> {
    let Some(mut members) = reader.object("must be an object with a `type`")? else {
        return Ok(None);
    };
    let mut found = Piece::default();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"type" => found.kind = reader.text(TEXT).within("type")?,
            b"text" => found.text = reader.text(TEXT).within("text")?,
            b"thinking" => found.thinking = reader.text(TEXT).within("thinking")?,
            b"image_url" => found.image = image(reader).within("image_url")?,
            b"document" => found.document = documents::read(reader).within("document")?,
            _ => reader.extra(key, &mut found.extras)?,
        }
    }
    let whole = reader.walked(&members);
    found.into_part(whole, reader.is_strict())
}

impl<'a> Piece<'a> {
    fn into_part(self, whole: Json<'a>, strict: bool) -> Result<Option<Part<'a>>, Fault> {
        let kind = match (self.kind, &self.thinking) {
            (Some(kind), _) => kind,
            (None, _) if strict => return Err(Fault::missing("type", "is missing: every piece has one")),
            (None, Some(_)) => Text::plain("thinking"),
            (None, None) => Text::plain("text"),
        };
        let content = match &*kind.get() {
            "text" => self.text.map(|text| Content::Text {
                text,
                citations: Vec::new(),
            }),
            "thinking" => self.thinking.map(thought),
            "image_url" => self.image.map(Content::Media),
            "document" => {
                let document = self.document.map(|mut part| {
                    part.extras.extend(self.extras);
                    part
                });
                return given(document, "document", strict);
            }
            _ => {
                return Ok(Some(Part::new(Content::Native(Native {
                    dialect: Dialect::Cohere,
                    kind: kind.clone(),
                    json: whole,
                }))));
            }
        };
        let part = content.map(|content| Part {
            extras: self.extras,
            ..Part::new(content)
        });
        given(part, &kind.get(), strict)
    }
}

/// A piece without what its type says that it has is refused in a request, and nothing in an answer.
fn given<'a>(part: Option<Part<'a>>, name: &str, strict: bool) -> Result<Option<Part<'a>>, Fault> {
    match part {
        None if strict => Err(Fault::missing(name, "is missing")),
        part => Ok(part),
    }
}

pub(super) fn thought(text: Text<'_>) -> Content<'_> {
    Content::Reasoning(Reasoning::text(text, Some(Maker::Cohere)))
}

/// What the model means to do before it calls tools: it reads as a thought.
pub(super) fn plan(text: Text<'_>) -> Content<'_> {
    Content::Reasoning(Reasoning {
        format: Some(Text::plain(super::PLAN)),
        ..Reasoning::text(text, Some(Maker::Cohere))
    })
}

pub(super) fn is_plan(thought: &Reasoning<'_>) -> bool {
    thought
        .format
        .as_ref()
        .is_some_and(|format| format.is(super::PLAN))
}

fn image<'a>(reader: &mut Reader<'a>) -> Result<Option<Media<'a>>, Fault> {
    let (mut url, mut detail) = (None, None);
    if reader.kind()? == ValueKind::String {
        url = Some(reader.literal()?);
    } else {
        let Some(mut members) = reader.object(OBJECT)? else {
            return Ok(None);
        };
        while let Some(key) = reader.next(&mut members)? {
            match &*key {
                b"url" => url = reader.text(TEXT).within("url")?,
                b"detail" => detail = reader.text(TEXT).within("detail")?,
                _ => reader.pass()?,
            }
        }
    }
    let Some(url) = url else {
        return Ok(None);
    };
    let mut media = Media::at_url(MediaKind::Image, url);
    if let Source::Base64(data) = &media.source
        && reader.is_strict()
        && !is_base64(&data.get())
    {
        return Err(Fault::invalid("url", "holds data that is not base64"));
    }
    media.detail = detail;
    Ok(Some(media))
}
