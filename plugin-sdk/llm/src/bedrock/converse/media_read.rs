//! Images, documents, videos and audio out of Converse's blocks, and the names of their formats.

use crate::fault::{Fault, Within};
use crate::model::{Content, Extra, Extras, Json, Media, MediaKind, Part, Source, Text, is_base64};
use crate::read::Reader;

const TEXT: &str = "must be a string";
const OBJECT: &str = "must be an object";

/// Converse's formats and the media types that they stand for.
const FORMATS: [(MediaKind, &str, &str); 31] = [
    (MediaKind::Image, "png", "image/png"),
    (MediaKind::Image, "jpeg", "image/jpeg"),
    (MediaKind::Image, "gif", "image/gif"),
    (MediaKind::Image, "webp", "image/webp"),
    (MediaKind::Document, "pdf", "application/pdf"),
    (MediaKind::Document, "csv", "text/csv"),
    (MediaKind::Document, "doc", "application/msword"),
    (
        MediaKind::Document,
        "docx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    (MediaKind::Document, "xls", "application/vnd.ms-excel"),
    (
        MediaKind::Document,
        "xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    (MediaKind::Document, "html", "text/html"),
    (MediaKind::Document, "txt", "text/plain"),
    (MediaKind::Document, "md", "text/markdown"),
    (MediaKind::Video, "mkv", "video/x-matroska"),
    (MediaKind::Video, "mov", "video/quicktime"),
    (MediaKind::Video, "mp4", "video/mp4"),
    (MediaKind::Video, "webm", "video/webm"),
    (MediaKind::Video, "flv", "video/x-flv"),
    (MediaKind::Video, "mpeg", "video/mpeg"),
    (MediaKind::Video, "wmv", "video/x-ms-wmv"),
    (MediaKind::Video, "three_gp", "video/3gpp"),
    (MediaKind::Audio, "mp3", "audio/mpeg"),
    (MediaKind::Audio, "opus", "audio/opus"),
    (MediaKind::Audio, "wav", "audio/wav"),
    (MediaKind::Audio, "aac", "audio/aac"),
    (MediaKind::Audio, "flac", "audio/flac"),
    (MediaKind::Audio, "mp4", "audio/mp4"),
    (MediaKind::Audio, "ogg", "audio/ogg"),
    (MediaKind::Audio, "m4a", "audio/x-m4a"),
    (MediaKind::Audio, "pcm", "audio/pcm"),
    (MediaKind::Audio, "webm", "audio/webm"),
];

/// Other names of media types that have a format.
const ALIASES: [(&str, &str); 8] = [
    ("image/jpg", "image/jpeg"),
    ("text/x-markdown", "text/markdown"),
    ("application/csv", "text/csv"),
    ("audio/mp3", "audio/mpeg"),
    ("audio/x-wav", "audio/wav"),
    ("audio/wave", "audio/wav"),
    ("audio/m4a", "audio/x-m4a"),
    ("video/mpg", "video/mpeg"),
];

pub(super) fn media_type(kind: MediaKind, format: &str) -> Option<&'static str> {
    let same = |(of, name, _): &&(MediaKind, &str, &str)| *of == kind && *name == format;
    FORMATS.iter().find(same).map(|(.., media_type)| *media_type)
}

/// The format of a media type, whatever its parameters and case.
pub(super) fn format(kind: MediaKind, media_type: &str) -> Option<&'static str> {
    let essence = media_type.split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    let alias = ALIASES.iter().find(|(name, _)| *name == essence);
    let essence = alias.map_or(&*essence, |(_, name)| name);
    let same = |(of, _, name): &&(MediaKind, &str, &str)| *of == kind && *name == essence;
    FORMATS.iter().find(same).map(|(_, format, _)| *format)
}

/// Reads an `image`, `document`, `video` or `audio`; none where a lenient reader finds something else.
pub(super) fn read<'a>(reader: &mut Reader<'a>, kind: MediaKind) -> Result<Option<Part<'a>>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let (mut named, mut source, mut extras) = (None, None, Extras::new());
    let (mut title, mut context, mut citations) = (None, None, None);
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"format" => named = reader.text(TEXT).within("format")?,
            b"source" => source = read_source(reader).within("source")?,
            b"name" => title = reader.text(TEXT).within("name")?,
            b"context" => context = reader.text(TEXT).within("context")?,
            b"citations" => citations = read_enabled(reader).within("citations")?,
            _ => reader.extra(key, &mut extras)?,
        }
    }
    let source = match source {
        Some(source) => source,
        None if reader.is_strict() => {
            return Err(Fault::missing("source", "is missing: say where the bytes are"));
        }
        // an image that could not be made says why
        None => Source::Native(Json::checked("null")),
    };
    let mut media = Media::new(kind, source);
    let known = named.as_ref().and_then(|format| media_type(kind, &format.get()));
    match (known, &named) {
        (Some(known), _) => media.media_type = Some(Text::plain(known)),
        (None, Some(format)) => extras.push(Extra::text("format", format)),
        (None, None) => {}
    }
    (media.title, media.context, media.citations) = (title, context, citations);
    let mut part = Part::new(Content::Media(media));
    part.extras = extras;
    Ok(Some(part))
}

/// `{"enabled": true}`.
pub(super) fn read_enabled(reader: &mut Reader<'_>) -> Result<Option<bool>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let mut enabled = None;
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"enabled" => enabled = reader.bool("must be true or false").within("enabled")?,
            _ => reader.pass()?,
        }
    }
    Ok(enabled)
}

/// One of `bytes`, `text`, `content`; an S3 location and whatever else there is stay in their own words.
fn read_source<'a>(reader: &mut Reader<'a>) -> Result<Option<Source<'a>>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let (mut source, mut other) = (None, false);
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"bytes" => source = bytes(reader).within("bytes")?,
            b"text" => source = reader.text(TEXT).within("text")?.map(Source::Text),
            b"content" => source = Some(Source::Parts(texts(reader).within("content")?)),
            _ => {
                other = true;
                reader.pass()?;
            }
        }
    }
    match source {
        Some(source) => Ok(Some(source)),
        None if other => Ok(Some(Source::Native(reader.walked(&members)))),
        None => Ok(None),
    }
}

fn bytes<'a>(reader: &mut Reader<'a>) -> Result<Option<Source<'a>>, Fault> {
    let Some(data) = reader.text(TEXT)? else {
        return Ok(None);
    };
    if reader.is_strict() && !is_base64(&data.get()) {
        return Err(Fault::invalid("", "is not base64"));
    }
    Ok(Some(Source::Base64(data)))
}

/// Reads an array of `{"text": ..}`.
pub(super) fn texts<'a>(reader: &mut Reader<'a>) -> Result<Vec<Part<'a>>, Fault> {
    let mut parts = Vec::new();
    reader.each("must be an array", |reader, _| {
        let Some(mut members) = reader.object(OBJECT)? else {
            return Ok(());
        };
        while let Some(key) = reader.next(&mut members)? {
            match &*key {
                b"text" => parts.extend(reader.text(TEXT).within("text")?.map(Part::text)),
                _ => reader.pass()?,
            }
        }
        Ok(())
    })?;
    Ok(parts)
}
