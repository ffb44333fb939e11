//! What bytes are, whatever their server calls them: an error page is no image, and a script no PDF.

use penstock_llm::model::{DocumentType, MediaKind};

/// How much of a text is looked at.
const LOOKED_AT: usize = 64 << 10;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub media_type: &'static str,
    pub kind: MediaKind,
}

/// The media that bytes are; none where they are not of the kind that was asked for. A document may turn out to be an
/// image or a recording: some dialects know no other part for files. `said` is the server's word on it, which counts for
/// texts alone, as nothing else tells one from another.
pub fn media(bytes: &[u8], said: &str, name: &str, kind: MediaKind) -> Option<Found> {
    let found = by_signature(bytes).or_else(|| text(bytes, said, name));
    found.filter(|found| found.kind == kind || kind == MediaKind::Document)
}

fn by_signature(bytes: &[u8]) -> Option<Found> {
    use MediaKind::{Audio, Document, Image, Video};
    let found = infer::get(bytes)?;
    let (media_type, kind) = match found.mime_type() {
        "image/png" => ("image/png", Image),
        "image/jpeg" => ("image/jpeg", Image),
        "image/gif" => ("image/gif", Image),
        "image/webp" => ("image/webp", Image),
        "image/heif" => ("image/heif", Image),
        "audio/x-wav" => ("audio/wav", Audio),
        "audio/mpeg" => ("audio/mp3", Audio),
        "audio/x-flac" => ("audio/flac", Audio),
        "audio/ogg" => ("audio/ogg", Audio),
        "audio/m4a" => ("audio/mp4", Audio),
        "audio/aac" => ("audio/aac", Audio),
        "audio/x-aiff" => ("audio/aiff", Audio),
        "video/mp4" => ("video/mp4", Video),
        "video/webm" => ("video/webm", Video),
        "video/quicktime" => ("video/quicktime", Video),
        "video/x-matroska" => ("video/x-matroska", Video),
        "video/mpeg" => ("video/mpeg", Video),
        "application/pdf" => ("application/pdf", Document),
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => (
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Document,
        ),
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => (
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Document,
        ),
        "text/html" => ("text/html", Document),
        "text/xml" => ("text/xml", Document),
        _ => return None,
    };
    Some(Found { media_type, kind })
}

/// A text that is one: UTF-8 without control characters.
fn text(bytes: &[u8], said: &str, name: &str) -> Option<Found> {
    let looked_at = bytes.get(..LOOKED_AT).unwrap_or(bytes);
    let is_text = match std::str::from_utf8(looked_at) {
        Ok(_) => true,
        // a character that is cut by the end of what is looked at
        Err(error) => error.error_len().is_none() && looked_at.len() < bytes.len(),
    };
    let is_control = |byte: &u8| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c);
    if !is_text || bytes.is_empty() || looked_at.iter().any(is_control) {
        return None;
    }
    let of = DocumentType::of_media_type(said).or_else(|| DocumentType::of_name(name))?;
    if !of.is_text() {
        return None;
    }
    let essence = said.split(';').next().unwrap_or_default().trim();
    let media_type = match essence {
        "text/csv" => "text/csv",
        "text/markdown" => "text/markdown",
        "application/json" => "application/json",
        "text/xml" | "application/xml" => "text/xml",
        _ if of == DocumentType::Html => "text/html",
        _ => "text/plain",
    };
    Some(Found {
        media_type,
        kind: MediaKind::Document,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

    fn found(bytes: &[u8], said: &str, kind: MediaKind) -> Option<&'static str> {
        media(bytes, said, "/x", kind).map(|found| found.media_type)
    }

    #[test]
    fn an_image_is_told_by_its_bytes_whatever_it_is_called() {
        assert_eq!(found(PNG, "text/plain", MediaKind::Image), Some("image/png"));
        assert_eq!(
            found(b"\xff\xd8\xff\xe0\0\x10JFIF", "", MediaKind::Image),
            Some("image/jpeg")
        );
        assert_eq!(found(b"GIF89a....", "", MediaKind::Image), Some("image/gif"));
        assert_eq!(
            found(b"RIFF\x24\0\0\0WEBPVP8 ", "image/png", MediaKind::Image),
            Some("image/webp")
        );
        assert_eq!(
            found(b"RIFF\x24\0\0\0WAVEfmt ", "", MediaKind::Audio),
            Some("audio/wav")
        );
    }

    #[test]
    fn what_is_of_another_kind_is_refused() {
        assert_eq!(
            found(b"<!DOCTYPE html><html></html>", "image/png", MediaKind::Image),
            None
        );
        assert_eq!(found(b"%PDF-1.7 ....", "image/png", MediaKind::Image), None);
        assert_eq!(
            found(b"\x7fELF\x02\x01\x01\0", "application/pdf", MediaKind::Document),
            None
        );
        assert_eq!(
            found(b"aws_access_key_id = AKIA", "image/png", MediaKind::Image),
            None
        );
        assert_eq!(found(b"", "text/plain", MediaKind::Document), None);
        assert_eq!(found(b"\0\0\0\0", "text/plain", MediaKind::Document), None);
    }

    #[test]
    fn texts_are_documents_by_their_servers_word() {
        assert_eq!(
            found(b"a,b\n1,2\n", "text/csv; charset=utf-8", MediaKind::Document),
            Some("text/csv")
        );
        assert_eq!(
            found(b"# Hello", "text/markdown", MediaKind::Document),
            Some("text/markdown")
        );
        assert_eq!(
            media(b"hello", "", "/notes.txt", MediaKind::Document).map(|found| found.media_type),
            Some("text/plain")
        );
        assert_eq!(found(b"hello", "application/pdf", MediaKind::Document), None);
        assert_eq!(
            found(b"%PDF-1.7 ....", "text/plain", MediaKind::Document),
            Some("application/pdf")
        );
    }
}
