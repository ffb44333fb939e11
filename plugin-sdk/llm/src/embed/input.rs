//! One thing to be embedded.

use super::task::Task;
use crate::fault::{Fault, Within};
use crate::json::ValueKind;
use crate::model::{Content, Json, Media, MediaKind, Part, Source, Text, is_base64};
use crate::read::Reader;
use crate::write::{Array, Object};

const TEXT: &str = "must be a string";

#[derive(Clone, Debug, PartialEq)]
pub struct Input<'a> {
    pub content: InputContent<'a>,
    /// What this one is for, where inputs differ in that.
    pub task: Option<Task<'a>>,
    /// A document's title.
    pub title: Option<Text<'a>>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum InputContent<'a> {
    Text(Text<'a>),
    /// A list of token ids.
    Tokens(Json<'a>),
    /// Texts and media that give one embedding together.
    Parts(Vec<Part<'a>>),
}

impl<'a> Input<'a> {
    pub fn new(content: InputContent<'a>) -> Input<'a> {
        Input {
            content,
            task: None,
            title: None,
        }
    }

    pub fn text(text: impl Into<Text<'a>>) -> Input<'a> {
        Input::new(InputContent::Text(text.into()))
    }

    pub fn as_text(&self) -> Option<&Text<'a>> {
        match &self.content {
            InputContent::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The image, where it is one and nothing else.
    pub(super) fn as_image(&self) -> Option<&Media<'a>> {
        match &self.content {
            InputContent::Parts(parts) => match parts.as_slice() {
                [part] => image_of(part),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Reads tokens as they are: whole numbers.
pub(super) fn tokens<'a>(reader: &mut Reader<'a>) -> Result<InputContent<'a>, Fault> {
    let json = reader.json()?;
    // that it is an array of JSON values is known by now
    let whole = |byte: u8| byte.is_ascii_digit() || byte == b',' || byte.is_ascii_whitespace();
    let inner = json.get().trim().trim_start_matches('[').trim_end_matches(']');
    if inner.is_empty() || !inner.bytes().all(whole) || json.get().matches('[').count() != 1 {
        return Err(Fault::wrong_type(
            "",
            "must be an array of token ids, which are whole numbers",
        ));
    }
    Ok(InputContent::Tokens(json))
}

/// Reads `{"content":[..]}`: texts and images, as Cohere, OpenRouter and Voyage spell them.
pub(super) fn object<'a>(reader: &mut Reader<'a>) -> Result<InputContent<'a>, Fault> {
    let mut parts = Vec::new();
    if let Some(mut members) = reader.object("must be an object with `content`")? {
        while let Some(key) = reader.next(&mut members)? {
            match &*key {
                b"content" => reader
                    .each("must be an array of pieces", |reader, _| {
                        parts.push(piece(reader)?);
                        Ok(())
                    })
                    .within("content")?,
                _ => reader.pass()?,
            }
        }
    }
    match parts.is_empty() {
        true => Err(Fault::missing("content", "is missing or empty")),
        false => Ok(InputContent::Parts(parts)),
    }
}

fn piece<'a>(reader: &mut Reader<'a>) -> Result<Part<'a>, Fault> {
    let (mut text, mut media) = (None, None);
    if let Some(mut members) = reader.object("must be an object with a `type`")? {
        while let Some(key) = reader.next(&mut members)? {
            match &*key {
                b"text" => text = reader.text(TEXT).within("text")?,
                b"image_url" => media = image(reader).within("image_url")?,
                b"image_base64" => media = image(reader).within("image_base64")?,
                _ => reader.pass()?,
            }
        }
    }
    match (text, media) {
        (Some(text), None) => Ok(Part::text(text)),
        (None, Some(media)) => Ok(Part::new(Content::Media(media))),
        _ => Err(Fault::invalid("type", "must be a text or an image")),
    }
}

/// A URL, or an object that has it.
fn image<'a>(reader: &mut Reader<'a>) -> Result<Option<Media<'a>>, Fault> {
    if reader.kind()? == ValueKind::String {
        let url = reader.literal()?;
        return at_url(url).map(Some);
    }
    let Some(mut members) = reader.object("must be a URL or an object with one")? else {
        return Ok(None);
    };
    let mut media = None;
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"url" => {
                let url = reader.text(TEXT).within("url")?;
                media = url.map(at_url).transpose()?;
            }
            _ => reader.pass()?,
        }
    }
    Ok(media)
}

/// # Errors
/// It holds data that is not base64.
pub(super) fn at_url(url: Text<'_>) -> Result<Media<'_>, Fault> {
    let media = Media::at_url(MediaKind::Image, url);
    match &media.source {
        Source::Base64(data) if !is_base64(&data.get()) => {
            Err(Fault::invalid("", "holds data that is not base64"))
        }
        _ => Ok(media),
    }
}

fn image_of<'p, 'a>(part: &'p Part<'a>) -> Option<&'p Media<'a>> {
    match &part.content {
        Content::Media(media) if media.kind == MediaKind::Image => Some(media),
        _ => None,
    }
}

/// Writes pieces as Cohere and OpenRouter spell them.
///
/// # Errors
/// Media that is no image, or that stands elsewhere.
pub(super) fn write_parts(parts: &[Part<'_>], object: &mut Object<'_>) -> Result<(), Fault> {
    let mut result = Ok(());
    object.array("content", |array| {
        for part in parts {
            if result.is_ok() {
                result = write_part(part, array);
            }
        }
    });
    result
}

fn write_part(part: &Part<'_>, array: &mut Array<'_>) -> Result<(), Fault> {
    if let Some(text) = part.as_text() {
        array.object(|object| {
            object.str("type", "text");
            object.text("text", text);
        });
        return Ok(());
    }
    let media = image_of(part).filter(|media| matches!(media.source, Source::Base64(_) | Source::Url(_)));
    let Some(media) = media else {
        return Err(no_media());
    };
    array.object(|object| {
        object.str("type", "image_url");
        object.object("image_url", |object| {
            media.write_url("image/png", object.value("url"));
        });
    });
    Ok(())
}

pub(super) fn no_media() -> Fault {
    Fault::unsupported("", "holds media that the provider does not embed")
}

pub(super) fn no_tokens() -> Fault {
    Fault::unsupported(
        "",
        "is token ids, which the provider does not take: send the text",
    )
}

pub(super) fn one_at_a_time() -> Fault {
    Fault::unsupported(
        "input",
        "holds several inputs, and the provider takes one at a time",
    )
}
