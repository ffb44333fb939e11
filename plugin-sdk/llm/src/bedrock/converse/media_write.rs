//! Images, documents, videos and audio as Converse's blocks.

use std::borrow::Cow;

use crate::fault::Fault;
use crate::model::{Losses, Media, MediaKind, Part, Source, Text, extra};
use crate::write::{Array, Object, object};

use super::limits::DocumentNames;
use super::media_read;

const NO_SUCH: &str = "Converse has nothing like it";

/// What media are written with.
pub(super) struct Context<'w> {
    /// The part was read from this dialect.
    pub own: bool,
    pub documents: &'w mut DocumentNames,
    pub losses: &'w mut Losses,
}

pub(super) fn name(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "image",
        MediaKind::Document => "document",
        MediaKind::Video => "video",
        MediaKind::Audio => "audio",
    }
}

/// Writes the value of an `image`, `document`, `video` or `audio`.
///
/// # Errors
/// The media are named by a URL, are an upload, or of a type that Converse does not take; nothing is written then.
pub(super) fn write(
    part: &Part<'_>,
    media: &Media<'_>,
    context: Context<'_>,
    path: &dyn Fn() -> String,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let format = format(part, media, context.own)?;
    let source = sent(&media.source, context.own)?;
    let Context {
        own,
        documents,
        losses,
    } = context;
    object(out, |object| {
        if let Some(format) = &format {
            object.str("format", format);
        }
        if media.kind == MediaKind::Document {
            document(media, own, documents, path, losses, object);
        }
        write_source(&source, path, losses, object);
        let mine = part.extras.iter().filter(|extra| own && is_member(&extra.name));
        mine.for_each(|extra| object.member(&extra.name, &extra.value));
    });
    let unsaid = [
        ("detail", media.detail.is_some()),
        ("transcript", media.transcript.is_some()),
        (
            "title",
            media.title.is_some() && media.kind != MediaKind::Document,
        ),
    ];
    for (name, _) in unsaid.iter().filter(|(_, said)| *said) {
        losses.dropped(format!("{}.{name}", path()), NO_SUCH);
    }
    Ok(())
}

/// Whether it is a member of the media's object, and not what the block around it says.
fn is_member(name: &Text<'_>) -> bool {
    !name.is("format") && !name.is(super::block_read::GUARDED)
}

fn document(
    media: &Media<'_>,
    own: bool,
    documents: &mut DocumentNames,
    path: &dyn Fn() -> String,
    losses: &mut Losses,
    object: &mut Object<'_>,
) {
    let title = media.title.as_ref().map(Text::get);
    match &title {
        Some(title) if own => {
            documents.take(title);
            object.str("name", title);
        }
        _ => {
            let name = documents.of(title.as_deref());
            match &title {
                Some(title) if !title.starts_with(&name) => losses.changed(
                    format!("{}.title", path()),
                    "names of documents have no such characters, or are taken",
                ),
                Some(_) => {}
                None => losses.added(format!("{}.title", path()), "documents have to have a name"),
            }
            object.str("name", &name);
        }
    }
    object.text_if("context", media.context.as_ref());
    if let Some(enabled) = media.citations {
        object.object("citations", |object| object.bool("enabled", enabled));
    }
}

/// Where the bytes are, as Converse takes it.
enum Sent<'m> {
    Bytes(Cow<'m, Text<'m>>),
    S3(&'m Text<'m>),
    Text(&'m Text<'m>),
    Parts(&'m [Part<'m>]),
    Native(&'m crate::model::Json<'m>),
}

fn sent<'m>(source: &'m Source<'m>, own: bool) -> Result<Sent<'m>, Fault> {
    Ok(match source {
        Source::Base64(data) => Sent::Bytes(standard(data)),
        Source::Url(url) if url.get().starts_with("s3://") => Sent::S3(url),
        Source::Url(_) => {
            return Err(Fault::unsupported(
                "",
                "is named by a URL, which Converse does not fetch: send the bytes, or an s3:// URL",
            ));
        }
        Source::File { .. } => {
            return Err(Fault::unsupported(
                "",
                "is an upload, of which Converse has none: send the bytes",
            ));
        }
        Source::Text(text) => Sent::Text(text),
        Source::Parts(parts) => Sent::Parts(parts),
        Source::Native(json) if own => Sent::Native(json),
        Source::Native(_) => {
            return Err(Fault::unsupported(
                "",
                "is where only its own provider finds it: send the bytes",
            ));
        }
    })
}

/// Base64 in the standard alphabet and padded, as AWS reads it; a copy where it is not.
fn standard<'m>(data: &'m Text<'m>) -> Cow<'m, Text<'m>> {
    let text = data.get();
    let urls = memchr::memchr2(b'-', b'_', text.as_bytes()).is_some();
    let missing = text.len().wrapping_neg() % 4;
    if !urls && missing == 0 {
        return Cow::Borrowed(data);
    }
    let mut fixed = text.replace('-', "+").replace('_', "/");
    fixed.extend(std::iter::repeat_n('=', missing));
    Cow::Owned(Text::plain(fixed))
}

fn write_source(sent: &Sent<'_>, path: &dyn Fn() -> String, losses: &mut Losses, object: &mut Object<'_>) {
    if let Sent::Native(json) = sent {
        if !json.is_null() {
            object.json("source", json);
        }
        return;
    }
    object.object("source", |source| match sent {
        Sent::Bytes(data) => source.text("bytes", data),
        Sent::S3(url) => source.object("s3Location", |place| place.text("uri", url)),
        Sent::Text(text) => source.text("text", text),
        Sent::Parts(parts) => source.array("content", |array| texts(parts, path, losses, array)),
        Sent::Native(_) => {}
    });
}

/// Writes texts as `{"text": ..}`; what is none is lost.
pub(super) fn texts(
    parts: &[Part<'_>],
    path: &dyn Fn() -> String,
    losses: &mut Losses,
    array: &mut Array<'_>,
) {
    for part in parts {
        match part.as_text() {
            Some(text) => array.object(|object| object.text("text", text)),
            None => losses.dropped(format!("{}.content", path()), "holds texts alone"),
        }
    }
}

/// The format by what the media say they are, by the first of their bytes, or by their name. A text is one.
fn format<'m>(part: &'m Part<'_>, media: &Media<'_>, own: bool) -> Result<Option<Cow<'m, str>>, Fault> {
    if own && let Some(format) = extra(&part.extras, "format").and_then(|format| format.as_text()) {
        return Ok(Some(Cow::Owned(format.into_string())));
    }
    let said = media.media_type.as_ref().map(Text::get);
    let said = said.filter(|said| said.as_ref() != "application/octet-stream");
    if own && said.is_none() {
        return Ok(None);
    }
    let found = match &said {
        Some(said) => media_read::format(media.kind, said).or_else(|| plain_text(media.kind, said)),
        None => by_bytes(media)
            .or_else(|| by_name(media))
            .or_else(|| is_text(media).then_some("txt")),
    };
    match found {
        Some(format) => Ok(Some(Cow::Borrowed(format))),
        None if own => Ok(None),
        None => Err(Fault::unsupported(
            "",
            match media.kind {
                MediaKind::Image => "is of a type that Converse does not take: send PNG, JPEG, GIF or WebP",
                MediaKind::Document => {
                    "is of a type that Converse does not take: send PDF, CSV, Word, Excel, HTML, text or Markdown"
                }
                MediaKind::Video | MediaKind::Audio => "is of a type that Converse does not take",
            },
        )),
    }
}

/// Any other kind of text (source code, JSON) is one.
fn plain_text(kind: MediaKind, media_type: &str) -> Option<&'static str> {
    let text = media_type.starts_with("text/") || media_type.starts_with("application/json");
    (kind == MediaKind::Document && text).then_some("txt")
}

fn is_text(media: &Media<'_>) -> bool {
    media.kind == MediaKind::Document && matches!(media.source, Source::Text(_) | Source::Parts(_))
}

/// By the first bytes, in base64.
fn by_bytes(media: &Media<'_>) -> Option<&'static str> {
    const SIGNS: [(MediaKind, &str, &str); 5] = [
        (MediaKind::Image, "iVBORw0KGgo", "png"),
        (MediaKind::Image, "/9j/", "jpeg"),
        (MediaKind::Image, "R0lGOD", "gif"),
        (MediaKind::Image, "UklGR", "webp"),
        (MediaKind::Document, "JVBERi", "pdf"),
    ];
    let Source::Base64(data) = &media.source else {
        return None;
    };
    let data = data.get();
    let fits = |(kind, sign, _): &&(MediaKind, &str, &str)| *kind == media.kind && data.starts_with(*sign);
    SIGNS.iter().find(fits).map(|(.., format)| *format)
}

fn by_name(media: &Media<'_>) -> Option<&'static str> {
    let name = match &media.source {
        Source::Url(url) => url.get(),
        _ => media.title.as_ref()?.get(),
    };
    let (_, extension) = name.rsplit_once('.')?;
    let extension = extension.to_ascii_lowercase();
    let known = match &*extension {
        "jpg" => "jpeg",
        "markdown" => "md",
        "htm" => "html",
        other => other,
    };
    let media_type = media_read::media_type(media.kind, known)?;
    media_read::format(media.kind, media_type)
}
