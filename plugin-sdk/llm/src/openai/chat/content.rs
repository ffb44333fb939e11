//! Parts of a message's content (APIS.md 1.4, 2.4, 8).

use crate::fault::{Fault, Within};
use crate::json::ValueKind;
use crate::model::{
    CacheMark, Content, Dialect, Extra, Extras, Json, Media, MediaKind, Native, Part, Reasoning, Source,
    Text, is_base64,
};
use crate::read::Reader;

const TEXT: &str = "must be a string";
const OBJECT: &str = "must be an object";

/// Reads a message's content: a string, parts, or null.
pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<Vec<Part<'a>>, Fault> {
    let mut parts = Vec::new();
    match reader.kind()? {
        ValueKind::String => {
            let text = reader.literal()?;
            parts.push(Part::text(text));
        }
        _ => reader.each("must be a string, an array of parts or null", |reader, _| {
            part(reader, &mut parts)
        })?,
    }
    Ok(parts)
}

/// What a part's members said; which of them count is told by its type.
#[derive(Default)]
struct Members<'a> {
    kind: Option<Text<'a>>,
    text: Option<Text<'a>>,
    refusal: Option<Text<'a>>,
    media: Option<Media<'a>>,
    thinking: Vec<Text<'a>>,
    cache: Option<CacheMark<'a>>,
    extras: Extras<'a>,
}

fn part<'a>(reader: &mut Reader<'a>, parts: &mut Vec<Part<'a>>) -> Result<(), Fault> {
    if reader.kind()? == ValueKind::String && !reader.is_strict() {
        let text = reader.literal()?;
        parts.push(Part::text(text));
        return Ok(());
    }
    let Some(mut members) = reader.object("must be an object with a `type`")? else {
        return Ok(());
    };
    let mut found = Members::default();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"type" => found.kind = reader.text(TEXT).within("type")?,
            b"text" => found.text = reader.text(TEXT).within("text")?,
            b"refusal" => found.refusal = reader.text(TEXT).within("refusal")?,
            b"image_url" => found.media = url(reader, MediaKind::Image).within("image_url")?.or(found.media),
            b"video_url" => found.media = url(reader, MediaKind::Video).within("video_url")?.or(found.media),
            b"document_url" => {
                found.media = url(reader, MediaKind::Document)
                    .within("document_url")?
                    .or(found.media);
            }
            b"input_audio" => found.media = audio(reader).within("input_audio")?.or(found.media),
            b"file" => found.media = file(reader).within("file")?.or(found.media),
            b"thinking" => found.thinking = thinking(reader).within("thinking")?,
            b"cache_control" => found.cache = cache_control(reader).within("cache_control")?.or(found.cache),
            b"prompt_cache_breakpoint" => found.cache = breakpoint(reader)?.or(found.cache),
            _ => reader.extra(key, &mut found.extras)?,
        }
    }
    let whole = reader.walked(&members);
    let strict = reader.is_strict();
    found.into_parts(whole, strict, parts)
}

impl<'a> Members<'a> {
    fn into_parts(self, whole: Json<'a>, strict: bool, parts: &mut Vec<Part<'a>>) -> Result<(), Fault> {
        let kind = match self.kind {
            Some(kind) => kind,
            None if strict => return Err(Fault::missing("type", "is missing: every content part has one")),
            None => Text::plain("text"),
        };
        let content = match &*kind.get() {
            "text" | "input_text" | "output_text" => match self.text {
                Some(text) => Content::Text {
                    text,
                    citations: Vec::new(),
                },
                None if strict => return Err(Fault::wrong_type("text", TEXT)),
                None => return Ok(()),
            },
            "refusal" => Content::Refusal(self.refusal.or(self.text).unwrap_or_default()),
            // Mistral's: pieces of text
            "thinking" => {
                let thought = |text| Part::new(Content::Reasoning(Reasoning::text(text, None)));
                parts.extend(self.thinking.into_iter().map(thought));
                return Ok(());
            }
            "image_url" | "input_audio" | "file" | "video_url" | "document_url" => match self.media {
                Some(media) => Content::Media(media),
                None if strict => return Err(Fault::missing("", "has no media in it")),
                None => return Ok(()),
            },
            _ => Content::Native(Native {
                dialect: Dialect::OpenAiChat,
                kind: kind.clone(),
                json: whole,
            }),
        };
        let extras = match content {
            // all of it is in its JSON
            Content::Native(_) => Vec::new(),
            _ => self.extras,
        };
        parts.push(Part {
            content,
            cache: self.cache,
            signature: None,
            extras,
        });
        Ok(())
    }
}

/// `{"url":.., "detail":..}`, or the URL as such (Mistral).
pub(in crate::openai) fn url<'a>(
    reader: &mut Reader<'a>,
    kind: MediaKind,
) -> Result<Option<Media<'a>>, Fault> {
    match reader.kind()? {
        ValueKind::String => {
            let text = reader.literal()?;
            return at_url(kind, text, reader.is_strict()).map(Some);
        }
        // some send a null beside the text of a part
        ValueKind::Null => return reader.pass().map(|()| None),
        _ => {}
    }
    let Some(mut members) = reader.object("must be an object with a `url`")? else {
        return Ok(None);
    };
    let (mut url, mut detail) = (None, None);
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"url" => url = reader.text(TEXT).within("url")?,
            b"detail" => detail = reader.text(TEXT).within("detail")?,
            _ => reader.pass()?,
        }
    }
    let Some(url) = url else {
        return match reader.is_strict() {
            true => Err(Fault::missing("url", "is missing")),
            false => Ok(None),
        };
    };
    let mut media = at_url(kind, url, reader.is_strict()).within("url")?;
    media.detail = detail;
    Ok(Some(media))
}

fn at_url<'a>(kind: MediaKind, url: Text<'a>, strict: bool) -> Result<Media<'a>, Fault> {
    let media = Media::at_url(kind, url);
    check_base64(&media, strict)?;
    if strict && matches!(&media.source, Source::Url(url) if url.get().starts_with("data:")) {
        return Err(Fault::invalid("", "is a data URL that is not base64"));
    }
    Ok(media)
}

fn check_base64(media: &Media<'_>, strict: bool) -> Result<(), Fault> {
    match &media.source {
        Source::Base64(data) if strict && !is_base64(&data.get()) => {
            Err(Fault::invalid("", "is not valid base64"))
        }
        _ => Ok(()),
    }
}

pub(in crate::openai) fn audio<'a>(reader: &mut Reader<'a>) -> Result<Option<Media<'a>>, Fault> {
    // Mistral's is the base64 as such
    if reader.kind()? == ValueKind::String {
        let data = reader.literal()?;
        return Ok(Some(Media::new(MediaKind::Audio, Source::Base64(data))));
    }
    let Some(mut members) = reader.object("must be an object with `data` and `format`")? else {
        return Ok(None);
    };
    let (mut data, mut format) = (None, None);
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"data" => data = reader.text(TEXT).within("data")?,
            b"format" => format = reader.text(TEXT).within("format")?,
            _ => reader.pass()?,
        }
    }
    let Some(data) = data else {
        return match reader.is_strict() {
            true => Err(Fault::missing("data", "is missing")),
            false => Ok(None),
        };
    };
    let mut media = Media::new(MediaKind::Audio, Source::Base64(data));
    check_base64(&media, reader.is_strict()).within("data")?;
    media.media_type = format.map(|format| media_type_of(&format.get()));
    Ok(Some(media))
}

/// The media type of an audio format's name, and back: `mp3` is the one whose names differ.
fn media_type_of(format: &str) -> Text<'static> {
    match format {
        "mp3" => Text::plain("audio/mpeg"),
        other => Text::plain(format!("audio/{other}")),
    }
}

/// The name that `input_audio.format` has for a media type; none for what it does not take.
pub(in crate::openai) fn audio_format(media_type: &str) -> Option<&'static str> {
    match media_type {
        "audio/mpeg" | "audio/mp3" => Some("mp3"),
        "audio/wav" | "audio/x-wav" | "audio/wave" => Some("wav"),
        _ => None,
    }
}

fn file<'a>(reader: &mut Reader<'a>) -> Result<Option<Media<'a>>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let (mut data, mut id, mut name) = (None, None, None);
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"file_data" => data = reader.text(TEXT).within("file_data")?,
            b"file_id" => id = reader.text(TEXT).within("file_id")?,
            b"filename" => name = reader.text(TEXT).within("filename")?,
            _ => reader.pass()?,
        }
    }
    let mut media = match (data, id) {
        (Some(data), _) => file_data(data, reader.is_strict()).within("file_data")?,
        (None, Some(id)) => {
            let source = Source::File { id, maker: None };
            Media::new(MediaKind::Document, source)
        }
        (None, None) if reader.is_strict() => {
            return Err(Fault::missing("file_data", "is missing, and so is `file_id`"));
        }
        (None, None) => return Ok(None),
    };
    media.title = name;
    Ok(Some(media))
}

/// A data URL, a URL (OpenRouter), or base64 as such, which OpenAI takes for a PDF.
pub(in crate::openai) fn file_data<'a>(data: Text<'a>, strict: bool) -> Result<Media<'a>, Fault> {
    if data.get().contains(':') {
        return at_url(MediaKind::Document, data, strict);
    }
    let mut media = Media::new(MediaKind::Document, Source::Base64(data));
    check_base64(&media, strict)?;
    media.media_type = Some(Text::plain("application/pdf"));
    Ok(media)
}

fn thinking<'a>(reader: &mut Reader<'a>) -> Result<Vec<Text<'a>>, Fault> {
    if reader.kind()? == ValueKind::String {
        let text = reader.literal()?;
        return Ok(vec![text]);
    }
    let mut texts = Vec::new();
    reader.each("must be an array of texts", |reader, _| {
        let Some(mut members) = reader.object(OBJECT)? else {
            return Ok(());
        };
        while let Some(key) = reader.next(&mut members)? {
            match &*key {
                b"text" => texts.extend(reader.text(TEXT).within("text")?),
                _ => reader.pass()?,
            }
        }
        Ok(())
    })?;
    Ok(texts)
}

/// Anthropic's mark, as OpenRouter and others take it.
pub(super) fn cache_control<'a>(reader: &mut Reader<'a>) -> Result<Option<CacheMark<'a>>, Fault> {
    if reader.kind()? == ValueKind::Null {
        return reader.pass().map(|()| None);
    }
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let mut mark = CacheMark::default();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"ttl" => mark.ttl = reader.text(TEXT).within("ttl")?,
            // `ephemeral` is the only one there is
            b"type" => reader.pass()?,
            _ => reader.extra(key, &mut mark.extras)?,
        }
    }
    Ok(Some(mark))
}

/// OpenAI's mark.
pub(in crate::openai) fn breakpoint<'a>(reader: &mut Reader<'a>) -> Result<Option<CacheMark<'a>>, Fault> {
    let value = reader.json_or_null()?;
    Ok(value.map(|value| CacheMark {
        ttl: None,
        extras: vec![Extra {
            name: Text::plain("prompt_cache_breakpoint"),
            value,
        }],
    }))
}
