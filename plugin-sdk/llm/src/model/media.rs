//! Images, audio, video and documents, wherever their bytes are.

use super::{Json, Maker, Part, Text};

#[derive(Clone, Debug, PartialEq)]
pub struct Media<'a> {
    pub kind: MediaKind,
    pub source: Source<'a>,
    /// Such as `image/png`; none where nobody said.
    pub media_type: Option<Text<'a>>,
    /// How closely an image is to be looked at: `auto`, `low`, `high`.
    pub detail: Option<Text<'a>>,
    /// A document's file name or title.
    pub title: Option<Text<'a>>,
    /// What the model is told about a document, not to be cited.
    pub context: Option<Text<'a>>,
    /// Whether the model may cite a document.
    pub citations: Option<bool>,
    /// What is said in an audio.
    pub transcript: Option<Text<'a>>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum MediaKind {
    Image,
    Audio,
    Video,
    /// A PDF, a text or any other file.
    Document,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Source<'a> {
    /// Base64 as it came.
    Base64(Text<'a>),
    /// `http(s)`, `gs` or whatever the provider fetches; never `data:`.
    Url(Text<'a>),
    /// An upload, by the id that its provider gave it.
    File { id: Text<'a>, maker: Option<Maker> },
    /// A document that is a plain text.
    Text(Text<'a>),
    /// A document made of parts.
    Parts(Vec<Part<'a>>),
    /// In the dialect's own words (an S3 location).
    Native(Json<'a>),
}

/// What kind of file a document is, as far as it matters to who reads it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum DocumentType {
    Pdf,
    Html,
    /// Any other text: plain, Markdown, CSV, JSON, XML, source code.
    Text,
    /// A word processor's, a spreadsheet, an archive.
    Other,
}

impl DocumentType {
    /// Of a media type, with or without parameters; none for one that says nothing.
    pub fn of_media_type(media_type: &str) -> Option<DocumentType> {
        let essence = media_type.split(';').next().unwrap_or_default();
        let essence = essence.trim().to_ascii_lowercase();
        Some(match &*essence {
            "" | "application/octet-stream" | "binary/octet-stream" => return None,
            "application/pdf" | "application/x-pdf" => DocumentType::Pdf,
            "text/html" | "application/xhtml+xml" => DocumentType::Html,
            "application/json"
            | "application/xml"
            | "application/yaml"
            | "application/x-yaml"
            | "application/javascript"
            | "application/x-javascript"
            | "application/toml"
            | "application/x-ndjson"
            | "application/sql"
            | "application/x-sh" => DocumentType::Text,
            text if text.starts_with("text/") || text.ends_with("+json") || text.ends_with("+xml") => {
                DocumentType::Text
            }
            _ => DocumentType::Other,
        })
    }

    /// Of a file's name, by its extension; none for one that nobody knows.
    pub fn of_name(name: &str) -> Option<DocumentType> {
        let (_, extension) = name.rsplit_once('.')?;
        Some(match &*extension.to_ascii_lowercase() {
            "pdf" => DocumentType::Pdf,
            "html" | "htm" | "xhtml" => DocumentType::Html,
            "txt" | "md" | "markdown" | "csv" | "tsv" | "json" | "jsonl" | "xml" | "yaml" | "yml"
            | "toml" | "log" | "rst" | "tex" | "sql" | "css" | "js" | "ts" | "py" | "rs" | "go" | "java"
            | "c" | "h" | "cpp" | "sh" => DocumentType::Text,
            "doc" | "docx" | "xls" | "xlsx" | "ppt" | "pptx" | "odt" | "ods" | "rtf" | "epub" | "zip" => {
                DocumentType::Other
            }
            _ => return None,
        })
    }

    pub fn is_text(self) -> bool {
        matches!(self, DocumentType::Html | DocumentType::Text)
    }
}

impl<'a> Media<'a> {
    pub fn new(kind: MediaKind, source: Source<'a>) -> Media<'a> {
        Media {
            kind,
            source,
            media_type: None,
            detail: None,
            title: None,
            context: None,
            citations: None,
            transcript: None,
        }
    }

    /// Media at a URL; the bytes themselves and their type where it is a `data:` URL in base64 (RFC 2397).
    pub fn at_url(kind: MediaKind, url: Text<'a>) -> Media<'a> {
        match data_url(&url) {
            Some((media_type, data)) => Media {
                media_type: (!media_type.is_empty()).then_some(media_type),
                ..Media::new(kind, Source::Base64(data))
            },
            None => Media::new(kind, Source::Url(url)),
        }
    }

    /// Writes a URL that holds or names the media, as a JSON string; false where no URL can.
    pub fn write_url(&self, media_type: &str, out: &mut Vec<u8>) -> bool {
        match &self.source {
            Source::Url(url) => url.write(out),
            Source::Base64(data) => {
                out.extend_from_slice(b"\"data:");
                match &self.media_type {
                    Some(media_type) => media_type.write_inner(out),
                    None => Text::plain(media_type).write_inner(out),
                }
                out.extend_from_slice(b";base64,");
                data.write_inner(out);
                out.push(b'"');
            }
            _ => return false,
        }
        true
    }

    /// What kind of file a document is: by what is said of it, by its first bytes, by its name. None for other media, and
    /// where nothing tells.
    pub fn document_type(&self) -> Option<DocumentType> {
        if self.kind != MediaKind::Document {
            return None;
        }
        let said = self.media_type.as_ref().map(Text::get);
        let said = said.and_then(|said| DocumentType::of_media_type(&said));
        said.or_else(|| match &self.source {
            Source::Text(_) | Source::Parts(_) => Some(DocumentType::Text),
            // `%PDF-` in base64
            Source::Base64(data) if data.get().starts_with("JVBERi") => Some(DocumentType::Pdf),
            Source::Url(url) => DocumentType::of_name(path_of(&url.get())),
            _ => None,
        })
        .or_else(|| DocumentType::of_name(&self.title.as_ref()?.get()))
    }

    pub fn into_owned(self) -> Media<'static> {
        Media {
            kind: self.kind,
            source: self.source.into_owned(),
            media_type: self.media_type.map(Text::into_owned),
            detail: self.detail.map(Text::into_owned),
            title: self.title.map(Text::into_owned),
            context: self.context.map(Text::into_owned),
            citations: self.citations,
            transcript: self.transcript.map(Text::into_owned),
        }
    }
}

impl Source<'_> {
    pub fn into_owned(self) -> Source<'static> {
        match self {
            Source::Base64(data) => Source::Base64(data.into_owned()),
            Source::Url(url) => Source::Url(url.into_owned()),
            Source::File { id, maker } => Source::File {
                id: id.into_owned(),
                maker,
            },
            Source::Text(text) => Source::Text(text.into_owned()),
            Source::Parts(parts) => Source::Parts(parts.into_iter().map(Part::into_owned).collect()),
            Source::Native(json) => Source::Native(json.into_owned()),
        }
    }
}

/// A URL without what stands behind its path.
fn path_of(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// The media type (maybe empty) and the base64 of a data URL. The literal is cut where it stands unless a part of the
/// head is escaped; base64 is long, and some writers escape its slashes.
fn data_url<'a>(url: &Text<'a>) -> Option<(Text<'a>, Text<'a>)> {
    let (head, data) = url.cut(',')?;
    let head = head.get().into_owned();
    let described = head.strip_prefix("data:")?.strip_suffix(";base64")?;
    Some((Text::plain(described.to_owned()), data))
}

/// Whether a text is base64 (RFC 4648, either alphabet), its padding complete or absent. Line ends, which MIME has and
/// no provider takes, are not.
pub fn is_base64(text: &str) -> bool {
    let bytes = text.as_bytes();
    let padding = bytes
        .iter()
        .rev()
        .take(3)
        .take_while(|byte| **byte == b'=')
        .count();
    let digits = bytes
        .get(..bytes.len().saturating_sub(padding))
        .unwrap_or_default();
    let plain = digits
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_'));
    let whole = if padding == 0 {
        digits.len() % 4 != 1
    } else {
        padding < 3 && bytes.len().is_multiple_of(4)
    };
    plain && whole && !digits.is_empty()
}
