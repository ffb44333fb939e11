//! What a part holds besides words: media, calls and what came of them (APIS.md 4.1). Parts themselves are left to
//! `content`.

use crate::fault::{BodyErrorKind, Fault, Within};
use crate::json::ValueKind;
use crate::model::{
    Content, Extras, Json, Maker, Media, MediaKind, Part, Source, Text, ToolCall, ToolResult, is_base64,
};
use crate::read::Reader;

use super::content::piece;
use super::partial_args::Partial;
use super::spelling::{BOOL, OBJECT, TEXT, each, next, object, unknown};

pub(super) fn inline_data<'a>(reader: &mut Reader<'a>) -> Result<Option<Content<'a>>, Fault> {
    let Some(mut members) = object(reader)? else {
        return Ok(None);
    };
    let (mut data, mut media_type, mut title) = (None, None, None);
    while let Some(key) = next(reader, &mut members)? {
        match &*key {
            b"data" => data = reader.text(TEXT).within("data")?,
            b"mimeType" => media_type = reader.text(TEXT).within("mimeType")?,
            b"displayName" => title = reader.text(TEXT).within("displayName")?,
            _ => unknown(reader, "inlineData")?,
        }
    }
    let data = match data {
        Some(data) => data,
        None if reader.is_strict() => return Err(Fault::missing("data", "is missing")),
        None => return Ok(None),
    };
    if reader.is_strict() && !is_base64(&data.get()) {
        return Err(Fault::invalid("data", "is not valid base64"));
    }
    Ok(Some(media(
        Source::Base64(in_plain_letters(data)),
        media_type,
        title,
    )))
}

/// Google's SDKs write base64 in the alphabet for URLs, which no other provider reads.
fn in_plain_letters(data: Text<'_>) -> Text<'_> {
    let written = data.get();
    if memchr::memchr2(b'-', b'_', written.as_bytes()).is_none() {
        return data;
    }
    Text::from(written.replace('-', "+").replace('_', "/"))
}

pub(super) fn file_data<'a>(reader: &mut Reader<'a>) -> Result<Option<Content<'a>>, Fault> {
    let Some(mut members) = object(reader)? else {
        return Ok(None);
    };
    let (mut uri, mut media_type, mut title) = (None, None, None);
    while let Some(key) = next(reader, &mut members)? {
        match &*key {
            b"fileUri" => uri = reader.text(TEXT).within("fileUri")?,
            b"mimeType" => media_type = reader.text(TEXT).within("mimeType")?,
            b"displayName" => title = reader.text(TEXT).within("displayName")?,
            _ => unknown(reader, "fileData")?,
        }
    }
    let uri = match uri {
        Some(uri) => uri,
        None if reader.is_strict() => return Err(Fault::missing("fileUri", "is missing")),
        None => return Ok(None),
    };
    let source = match is_upload(&uri.get()) {
        true => Source::File {
            id: uri,
            maker: Some(Maker::Google),
        },
        false => Source::Url(uri),
    };
    Ok(Some(media(source, media_type, title)))
}

/// An upload of the Files API, which nobody else can fetch.
pub(super) fn is_upload(uri: &str) -> bool {
    uri.starts_with("files/") || uri.contains("generativelanguage.googleapis.com/") && uri.contains("/files/")
}

pub(super) fn is_youtube(media: &Media<'_>) -> bool {
    const HOSTS: [&str; 4] = ["www.youtube.com/", "youtube.com/", "m.youtube.com/", "youtu.be/"];
    let Source::Url(url) = &media.source else {
        return false;
    };
    let url = url.get();
    let place = url.split_once("://").map_or("", |(_, place)| place);
    HOSTS.iter().any(|host| place.starts_with(host))
}

fn media<'a>(source: Source<'a>, media_type: Option<Text<'a>>, title: Option<Text<'a>>) -> Content<'a> {
    let named = media_type.as_ref().map(Text::get);
    let kind = match named.as_deref().unwrap_or_default() {
        name if name.starts_with("image/") => MediaKind::Image,
        name if name.starts_with("audio/") => MediaKind::Audio,
        name if name.starts_with("video/") => MediaKind::Video,
        _ => MediaKind::Document,
    };
    let mut media = Media::new(kind, source);
    media.media_type = media_type;
    media.title = title;
    Content::Media(media)
}

/// The two levels of `mediaResolution` that others have a name for.
pub(super) fn take_detail<'a>(extras: &mut Extras<'a>) -> Option<Text<'a>> {
    let at = extras.iter().position(|extra| extra.name.is("mediaResolution"))?;
    let value = &extras.get(at)?.value;
    let level = value.pointer("/level")?.as_text()?.get().into_owned();
    let detail = match (value.members().len(), &*level) {
        (1, "MEDIA_RESOLUTION_LOW") => "low",
        (1, "MEDIA_RESOLUTION_HIGH") => "high",
        _ => return None,
    };
    extras.remove(at);
    Some(Text::plain(detail))
}

type Called<'a> = (ToolCall<'a>, Option<Partial<'a>>);

pub(super) fn function_call<'a>(reader: &mut Reader<'a>) -> Result<Option<Called<'a>>, Fault> {
    let Some(mut members) = object(reader)? else {
        return Ok(None);
    };
    let (mut id, mut name, mut args) = (None, None, None);
    let mut partial = Partial::default();
    while let Some(key) = next(reader, &mut members)? {
        match &*key {
            b"id" => id = reader.text(TEXT).within("id")?,
            b"name" => name = reader.text(TEXT).within("name")?,
            b"args" => args = arguments(reader).within("args")?,
            b"partialArgs" => partial.read(reader).within("partialArgs")?,
            b"willContinue" => partial.continues = reader.bool(BOOL).within("willContinue")?.unwrap_or(false),
            _ => unknown(reader, "functionCall")?,
        }
    }
    if reader.is_strict() && name.as_ref().is_none_or(Text::is_empty) {
        return Err(Fault::missing(
            "name",
            "is missing: say which function was called",
        ));
    }
    let call = ToolCall::function(
        id.unwrap_or_default(),
        name.unwrap_or_default(),
        args.map(Json::into_text).unwrap_or_default(),
    );
    let streamed = !partial.is_empty() || call.name.is_empty();
    Ok(Some((call, streamed.then_some(partial))))
}

fn arguments<'a>(reader: &mut Reader<'a>) -> Result<Option<Json<'a>>, Fault> {
    match reader.kind()? {
        ValueKind::Object => reader.json().map(Some),
        ValueKind::Null => reader.pass().map(|()| None),
        // named as what it is
        _ => reader.object(OBJECT).map(|_| None),
    }
}

pub(super) fn function_response<'a>(reader: &mut Reader<'a>) -> Result<Option<ToolResult<'a>>, Fault> {
    let Some(mut members) = object(reader)? else {
        return Ok(None);
    };
    let mut result = ToolResult::new(Text::default(), Vec::new());
    let mut media = Vec::new();
    while let Some(key) = next(reader, &mut members)? {
        match &*key {
            b"id" => result.call_id = reader.text(TEXT).within("id")?.unwrap_or_default(),
            b"name" => result.name = reader.text(TEXT).within("name")?,
            b"response" => response(reader, &mut result).within("response")?,
            b"parts" => each(reader, |reader, _| {
                media.extend(piece(reader)?.map(|piece| piece.part));
                Ok(())
            })
            .within("parts")?,
            _ => unknown(reader, "functionResponse")?,
        }
    }
    let nameless = result.name.as_ref().is_none_or(Text::is_empty);
    if reader.is_strict() && nameless && result.call_id.is_empty() {
        return Err(Fault::new(
            BodyErrorKind::Missing,
            "name",
            "is missing: say which function this is of",
        ));
    }
    result.parts.extend(media);
    Ok(Some(result))
}

/// `output` and `error` are what came of the call, and without them the whole object is.
fn response<'a>(reader: &mut Reader<'a>, result: &mut ToolResult<'a>) -> Result<(), Fault> {
    let Some(mut members) = object(reader)? else {
        return Ok(());
    };
    let (mut count, mut said) = (0usize, None);
    while let Some(key) = reader.next(&mut members)? {
        count = count.saturating_add(1);
        let failed = match &*key {
            b"output" => false,
            b"error" => true,
            _ => {
                reader.pass()?;
                continue;
            }
        };
        said = Some((failed, outcome(reader)?));
    }
    let whole = reader.walked(&members);
    let text = match said {
        Some((failed, text)) if count == 1 => {
            result.is_error = Some(failed);
            text
        }
        _ => whole.into_text(),
    };
    result.parts.insert(0, Part::text(text));
    Ok(())
}

fn outcome<'a>(reader: &mut Reader<'a>) -> Result<Text<'a>, Fault> {
    match reader.kind()? {
        ValueKind::String => reader.literal(),
        _ => Ok(reader.json()?.into_text()),
    }
}
