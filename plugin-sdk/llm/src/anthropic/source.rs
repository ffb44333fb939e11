//! Where an image or a document is, and how another dialect's is said here (APIS.md 3.1, 9.2).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use crate::fault::{Fault, Within};
use crate::model::{ClaudeHost, Maker, Media, MediaKind, Source, Target, Text, is_base64};
use crate::read::Reader;
use crate::write::Object;

use super::block_read;

const TEXT: &str = "must be a string";

/// Reads a `source`, and its media type where it says one.
pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<(Source<'a>, Option<Text<'a>>), Fault> {
    let Some(mut members) = reader.object("must be an object with a `type`")? else {
        return Ok((Source::Base64(Text::default()), None));
    };
    let (mut kind, mut media_type, mut data, mut url, mut file) = (None, None, None, None, None);
    let mut content = None;
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"type" => kind = reader.text(TEXT).within("type")?,
            b"media_type" => media_type = reader.text(TEXT).within("media_type")?,
            b"data" => data = reader.text(TEXT).within("data")?,
            b"url" => url = reader.text(TEXT).within("url")?,
            b"file_id" => file = reader.text(TEXT).within("file_id")?,
            b"content" => content = Some(block_read::content(reader).within("content")?),
            _ => reader.pass()?,
        }
    }
    let whole = reader.walked(&members);
    let kind = kind.ok_or_else(|| Fault::missing("type", "is missing"))?;
    let missing = |name: &'static str| Fault::missing(name, "is missing");
    let source = match &*kind.get() {
        "base64" => {
            let data = data.ok_or_else(|| missing("data"))?;
            if reader.is_strict() && !is_base64(&data.get()) {
                return Err(Fault::invalid("data", "is not valid base64"));
            }
            Source::Base64(data)
        }
        "text" => Source::Text(data.ok_or_else(|| missing("data"))?),
        "url" => Source::Url(url.ok_or_else(|| missing("url"))?),
        "file" => Source::File {
            id: file.ok_or_else(|| missing("file_id"))?,
            maker: Some(Maker::Anthropic),
        },
        "content" => Source::Parts(content.ok_or_else(|| missing("content"))?),
        _ => Source::Native(whole),
    };
    Ok((source, media_type))
}

/// Whether Claude would take the bytes of what is at a URL: Anthropic fetches images and PDFs, other hosts nothing.
pub(super) fn needs_bytes(media: &Media<'_>, target: &Target<'_>) -> bool {
    let fetches = target.fetches_urls && target.claude_host == ClaudeHost::Anthropic;
    match media.kind {
        MediaKind::Image => !fetches,
        MediaKind::Document => !fetches || media.document_type().is_some_and(|of| of.is_text()),
        MediaKind::Audio | MediaKind::Video => false,
    }
}

/// Whether a document's type is one that Claude takes; what nobody said counts as a PDF.
pub(super) fn reads_document(media: &Media<'_>) -> bool {
    let Source::Base64(_) = &media.source else {
        return true;
    };
    let media_type = media
        .media_type
        .as_ref()
        .map_or("application/pdf".into(), Text::get);
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence == "application/pdf" || is_text(essence)
}

/// How a medium goes to Claude.
pub(super) enum Sent<'m, 'a> {
    Base64 {
        media_type: Text<'m>,
        data: &'m Text<'a>,
    },
    Text(Text<'m>),
    Url(&'m Text<'a>),
    File(&'m Text<'a>),
    Parts(&'m [crate::model::Part<'a>]),
    Native(&'m crate::model::Json<'a>),
}

/// # Errors
/// Claude does not take it: audio, video, other images than its four formats, other files than PDFs and texts, another
/// provider's uploads.
pub(super) fn sent<'m, 'a>(
    media: &'m Media<'a>,
    own: bool,
    fetches_urls: bool,
) -> Result<Sent<'m, 'a>, Fault> {
    let unsupported = |what: &'static str| Err(Fault::unsupported("", what));
    if !matches!(media.kind, MediaKind::Image | MediaKind::Document) {
        return unsupported("is audio or video, which Claude does not take");
    }
    match &media.source {
        Source::Native(json) if own => Ok(Sent::Native(json)),
        Source::Native(_) => unsupported("is in a place that only its own provider reads from"),
        Source::Url(_) if !fetches_urls => unsupported("is at a URL, and has to be sent as base64"),
        Source::Url(url) => Ok(Sent::Url(url)),
        Source::File { id, maker } => match maker {
            None | Some(Maker::Anthropic) => Ok(Sent::File(id)),
            Some(_) => unsupported("names a file that was uploaded to another provider"),
        },
        Source::Text(text) => Ok(Sent::Text(text.borrowed())),
        Source::Parts(parts) => Ok(Sent::Parts(parts)),
        Source::Base64(data) if media.kind == MediaKind::Image => image(media, data),
        Source::Base64(data) => document(media, data),
    }
}

fn image<'m, 'a>(media: &'m Media<'a>, data: &'m Text<'a>) -> Result<Sent<'m, 'a>, Fault> {
    let named = media.media_type.as_ref().map(Text::get);
    let media_type = match named.as_deref() {
        Some("image/jpeg" | "image/jpg" | "image/pjpeg") => "image/jpeg",
        Some("image/png" | "image/x-png") => "image/png",
        Some("image/gif") => "image/gif",
        Some("image/webp") => "image/webp",
        Some(_) => return Err(Fault::unsupported("", "is none of JPEG, PNG, GIF and WebP")),
        None => told_by(&data.get()),
    };
    Ok(Sent::Base64 {
        media_type: Text::plain(media_type),
        data,
    })
}

/// The format of an image whose type nobody said, by its first bytes.
fn told_by(base64: &str) -> &'static str {
    match base64 {
        data if data.starts_with("/9j/") => "image/jpeg",
        data if data.starts_with("R0lG") => "image/gif",
        data if data.starts_with("UklGR") => "image/webp",
        _ => "image/png",
    }
}

fn document<'m, 'a>(media: &'m Media<'a>, data: &'m Text<'a>) -> Result<Sent<'m, 'a>, Fault> {
    let media_type = media
        .media_type
        .as_ref()
        .map_or("application/pdf".into(), Text::get);
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if essence == "application/pdf" {
        return Ok(Sent::Base64 {
            media_type: Text::plain("application/pdf"),
            data,
        });
    }
    if !is_text(essence) {
        return Err(Fault::unsupported(
            "",
            "is a file that is neither a PDF nor a text",
        ));
    }
    match decoded(&data.get()) {
        Some(text) => Ok(Sent::Text(Text::plain(text))),
        None => Err(Fault::invalid("", "is a text that is not UTF-8 in base64")),
    }
}

fn is_text(essence: &str) -> bool {
    const TEXTS: [&str; 4] = [
        "application/json",
        "application/xml",
        "application/yaml",
        "application/x-yaml",
    ];
    essence.starts_with("text/") || TEXTS.contains(&essence)
}

fn decoded(base64: &str) -> Option<String> {
    let engines = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD];
    let bytes = engines.iter().find_map(|engine| engine.decode(base64).ok())?;
    String::from_utf8(bytes).ok()
}

/// Writes the members of a `source` but for parts, which need a writer of blocks.
pub(super) fn write(sent: &Sent<'_, '_>, object: &mut Object<'_>) {
    match sent {
        Sent::Base64 { media_type, data } => {
            object.str("type", "base64");
            object.text("media_type", media_type);
            object.text("data", data);
        }
        Sent::Text(text) => {
            object.str("type", "text");
            object.str("media_type", "text/plain");
            object.text("data", text);
        }
        Sent::Url(url) => {
            object.str("type", "url");
            object.text("url", url);
        }
        Sent::File(id) => {
            object.str("type", "file");
            object.text("file_id", id);
        }
        Sent::Native(json) => {
            for (name, value) in json.members() {
                object.member(&name, &value);
            }
        }
        Sent::Parts(_) => object.str("type", "content"),
    }
}
