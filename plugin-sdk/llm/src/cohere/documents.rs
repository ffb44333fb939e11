//! Documents that an answer may cite: in a request's own list and in what tools gave. Cohere knows texts alone.

use base64::Engine;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{GeneralPurposeConfig, STANDARD};

use crate::fault::{Fault, Within};
use crate::json::ValueKind;
use crate::model::{Content, Extra, Extras, Media, MediaKind, Part, Source, Text, extra};
use crate::read::Reader;
use crate::write::{Array, Object};

/// With or without padding: not every caller sends it.
const LOOSE: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
);

/// Reads a document: a text, or `{"id":..,"data":{..}}`. Its text and title are the model's; data with more in it than
/// that, or with other names, is kept whole.
pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<Option<Part<'a>>, Fault> {
    if reader.kind()? == ValueKind::String {
        let text = reader.literal()?;
        return Ok(Some(part(text, None, Vec::new())));
    }
    let Some(mut members) = reader.object("must be a string or an object with `data`")? else {
        return Ok(None);
    };
    let (mut data, mut extras) = (None, Extras::new());
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"data" => data = read_data(reader).within("data")?,
            _ => reader.extra(key, &mut extras)?,
        }
    }
    let Some(data) = data else {
        let whole = reader.walked(&members).into_text();
        return Ok(Some(part(whole, None, extras)));
    };
    extras.extend(data.whole);
    Ok(Some(part(data.text, data.title, extras)))
}

fn part<'a>(text: Text<'a>, title: Option<Text<'a>>, extras: Extras<'a>) -> Part<'a> {
    let mut media = Media::new(MediaKind::Document, Source::Text(text));
    media.title = title;
    media.media_type = Some(Text::plain("text/plain"));
    Part {
        extras,
        ..Part::new(Content::Media(media))
    }
}

struct Data<'a> {
    text: Text<'a>,
    title: Option<Text<'a>>,
    /// All of it, where it is more than the two.
    whole: Option<Extra<'a>>,
}

fn read_data<'a>(reader: &mut Reader<'a>) -> Result<Option<Data<'a>>, Fault> {
    if reader.kind()? != ValueKind::Object {
        let value = reader.json_or_null()?;
        return Ok(value.map(|value| Data {
            text: value.clone().into_text(),
            title: None,
            whole: Some(named_data(value)),
        }));
    }
    let Some(mut members) = reader.object("must be an object")? else {
        return Ok(None);
    };
    let (mut text, mut title, mut more) = (None, None, false);
    while let Some(key) = reader.next(&mut members)? {
        let string = reader.kind()? == ValueKind::String;
        match &*key {
            b"text" if string => text = Some(reader.literal()?),
            b"title" if string => title = Some(reader.literal()?),
            _ => {
                more = true;
                reader.pass()?;
            }
        }
    }
    let whole = reader.walked(&members);
    let more = more || text.is_none();
    Ok(Some(Data {
        text: text.unwrap_or_else(|| whole.clone().into_text()),
        title,
        whole: more.then(|| named_data(whole)),
    }))
}

fn named_data<'a>(value: crate::model::Json<'a>) -> Extra<'a> {
    Extra {
        name: Text::plain("data"),
        value,
    }
}

/// A document ready to be written.
pub(super) struct Document<'p, 'a> {
    text: Text<'a>,
    title: Option<&'p Text<'a>>,
    context: Option<&'p Text<'a>>,
    /// Where it is from.
    source: Option<&'p Text<'a>>,
    extras: &'p [Extra<'a>],
}

/// Whether a piece is one that goes as a document.
pub(super) fn is_document(part: &Part<'_>) -> bool {
    match &part.content {
        Content::Media(media) => media.kind == MediaKind::Document,
        Content::SearchResult(_) => true,
        _ => false,
    }
}

/// Whether the caller wants a document cited.
pub(super) fn is_cited(part: &Part<'_>) -> bool {
    match &part.content {
        Content::Media(media) => media.citations == Some(true),
        Content::SearchResult(found) => found.citations == Some(true),
        _ => false,
    }
}

/// # Errors
/// The document is no text.
pub(super) fn of<'p, 'a>(part: &'p Part<'a>, own: bool) -> Result<Document<'p, 'a>, Fault> {
    let extras = if own { part.extras.as_slice() } else { &[] };
    match &part.content {
        Content::SearchResult(found) => Ok(Document {
            text: joined(&found.parts).ok_or_else(no_text)?,
            title: Some(&found.title),
            context: None,
            source: Some(&found.source),
            extras,
        }),
        Content::Media(media) => Ok(Document {
            text: text_of(media).ok_or_else(no_text)?,
            title: media.title.as_ref(),
            context: media.context.as_ref(),
            source: None,
            extras,
        }),
        _ => Err(no_text()),
    }
}

fn text_of<'a>(media: &Media<'a>) -> Option<Text<'a>> {
    match &media.source {
        Source::Text(text) => Some(text.clone()),
        Source::Base64(data) if is_text(media) => decoded(data),
        Source::Parts(parts) => joined(parts),
        _ => None,
    }
}

fn no_text() -> Fault {
    Fault::unsupported(
        "",
        "is a document that is no text, and Cohere takes texts alone: send its text",
    )
}

pub(super) fn is_text(media: &Media<'_>) -> bool {
    let Some(media_type) = media.media_type.as_ref().map(Text::get) else {
        return false;
    };
    media_type.starts_with("text/") || matches!(&*media_type, "application/json" | "application/xml")
}

fn decoded<'a>(data: &Text<'_>) -> Option<Text<'a>> {
    let data = data.get();
    let bytes = STANDARD
        .decode(data.as_bytes())
        .or_else(|_| LOOSE.decode(data.as_bytes()))
        .ok()?;
    String::from_utf8(bytes).ok().map(Text::plain)
}

fn joined<'a>(parts: &[Part<'_>]) -> Option<Text<'a>> {
    let mut text = String::new();
    for part in parts {
        let more = part.as_text()?;
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&more.get());
    }
    Some(Text::plain(text))
}

impl Document<'_, '_> {
    /// In the request's list, where a text stands for itself.
    pub fn write_listed(&self, array: &mut Array<'_>) {
        if self.is_bare() {
            array.text(&self.text);
        } else {
            array.object(|object| self.write(object));
        }
    }

    fn is_bare(&self) -> bool {
        self.title.is_none() && self.context.is_none() && self.source.is_none() && self.extras.is_empty()
    }

    /// Its members.
    pub fn write(&self, object: &mut Object<'_>) {
        object.text_if("id", self.source);
        object.extras(self.extras);
        if extra(self.extras, "data").is_some() {
            return;
        }
        object.object("data", |data| {
            data.text_if("title", self.title);
            data.text_if("context", self.context);
            data.text_if("url", self.source);
            data.text("text", &self.text);
        });
    }
}
