//! Parts out of the model, as requests, answers and streams have them. Which of them are written is left to the writers.

use crate::model::{Json, Media, MediaKind, Part, Source, Text, ToolCall};
use crate::write::Object;

/// A text or a thought. `text` may be empty where a signature comes behind it.
pub(super) fn words(text: &Text<'_>, thought: bool, signature: Option<&Text<'_>>, object: &mut Object<'_>) {
    object.text("text", text);
    if thought {
        object.bool("thought", true);
    }
    object.text_if("thoughtSignature", signature);
}

/// A call; `arguments` none where it has none and need not say so.
pub(super) fn call(
    call: &ToolCall<'_>,
    name: &str,
    arguments: Option<&Json<'_>>,
    signature: Option<&Text<'_>>,
    object: &mut Object<'_>,
) {
    object.object("functionCall", |object| {
        if !call.id.is_empty() {
            object.text("id", &call.id);
        }
        object.str("name", name);
        object.json_if("args", arguments);
    });
    object.text_if("thoughtSignature", signature);
}

/// Media by their bytes or by their address; false for what neither is.
pub(super) fn media(media: &Media<'_>, titled: bool, object: &mut Object<'_>) -> bool {
    let title = media.title.as_ref().filter(|_| titled);
    match &media.source {
        Source::Base64(data) => object.object("inlineData", |object| {
            match &media.media_type {
                Some(media_type) => object.text("mimeType", media_type),
                None => object.str("mimeType", default_type(media.kind)),
            }
            object.text("data", data);
            object.text_if("displayName", title);
        }),
        Source::Url(uri) | Source::File { id: uri, .. } => object.object("fileData", |object| {
            match &media.media_type {
                Some(media_type) => object.text("mimeType", media_type),
                None => {
                    if let Some(media_type) = type_by_name(&uri.get()) {
                        object.str("mimeType", media_type);
                    }
                }
            }
            object.text("fileUri", uri);
            object.text_if("displayName", title);
        }),
        Source::Text(_) | Source::Parts(_) | Source::Native(_) => return false,
    }
    if let Some(level) = resolution(media) {
        object.object("mediaResolution", |object| object.str("level", level));
    }
    true
}

/// The resolution that a detail stands for; none for `auto`.
pub(super) fn resolution(media: &Media<'_>) -> Option<&'static str> {
    match &*media.detail.as_ref()?.get() {
        "low" => Some("MEDIA_RESOLUTION_LOW"),
        "high" => Some("MEDIA_RESOLUTION_HIGH"),
        _ => None,
    }
}

/// What bytes are taken for that nobody said the type of.
pub(super) fn default_type(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "image/png",
        MediaKind::Audio => "audio/wav",
        MediaKind::Video => "video/mp4",
        MediaKind::Document => "application/pdf",
    }
}

/// The media type that a file's name tells.
fn type_by_name(uri: &str) -> Option<&'static str> {
    let path = uri.split(['?', '#']).next()?;
    let (_, ending) = path.rsplit('/').next()?.rsplit_once('.')?;
    Some(match &*ending.to_ascii_lowercase() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "json" => "application/json",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "flac" => "audio/flac",
        "ogg" => "audio/ogg",
        "m4a" => "audio/mp4",
        "mp4" => "video/mp4",
        "mov" => "video/quicktime",
        "webm" => "video/webm",
        "mpeg" | "mpg" => "video/mpeg",
        _ => return None,
    })
}

/// A part's members of this dialect.
pub(super) fn extras(part: &Part<'_>, object: &mut Object<'_>) {
    object.extras(&part.extras);
}
