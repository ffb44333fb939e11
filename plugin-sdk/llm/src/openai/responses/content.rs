//! Parts of a message's content and of a tool's result (APIS.md 1.13).

use crate::fault::{Fault, Within};
use crate::json::ValueKind;
use crate::model::{
    CacheMark, Citation, Content, Dialect, Extra, Extras, Json, Media, MediaKind, Native, Part, Source, Text,
};
use crate::openai::chat::content as chat;
use crate::read::Reader;

const TEXT: &str = "must be a string";

/// Reads content: a string, or parts.
pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<Vec<Part<'a>>, Fault> {
    let mut parts = Vec::new();
    match reader.kind()? {
        ValueKind::String => {
            let text = reader.literal()?;
            parts.push(Part::text(text));
        }
        _ => reader.each("must be a string or an array of parts", |reader, _| {
            parts.extend(part(reader)?);
            Ok(())
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
    annotations: Vec<Citation<'a>>,
    image_url: Option<Media<'a>>,
    audio: Option<Media<'a>>,
    detail: Option<Text<'a>>,
    file_id: Option<Text<'a>>,
    file_data: Option<Media<'a>>,
    file_url: Option<Text<'a>>,
    filename: Option<Text<'a>>,
    cache: Option<CacheMark<'a>>,
    extras: Extras<'a>,
}

/// Reads one part; none for what is no object in an answer.
pub(super) fn part<'a>(reader: &mut Reader<'a>) -> Result<Option<Part<'a>>, Fault> {
    let Some(mut members) = reader.object("must be an object with a `type`")? else {
        return Ok(None);
    };
    let mut found = Members::default();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"type" => found.kind = reader.text(TEXT).within("type")?,
            b"text" => found.text = reader.text(TEXT).within("text")?,
            b"refusal" => found.refusal = reader.text(TEXT).within("refusal")?,
            b"annotations" => found.annotations = annotations(reader).within("annotations")?,
            b"image_url" => found.image_url = chat::url(reader, MediaKind::Image).within("image_url")?,
            b"input_audio" => found.audio = chat::audio(reader).within("input_audio")?,
            b"detail" => found.detail = reader.text(TEXT).within("detail")?,
            b"file_id" => found.file_id = reader.text(TEXT).within("file_id")?,
            b"file_data" => found.file_data = file_data(reader).within("file_data")?,
            b"file_url" => found.file_url = reader.text(TEXT).within("file_url")?,
            b"filename" => found.filename = reader.text(TEXT).within("filename")?,
            b"prompt_cache_breakpoint" => found.cache = chat::breakpoint(reader)?,
            b"logprobs" => {
                let logprobs = reader.json()?;
                if !logprobs.elements().is_empty() {
                    found.extras.push(Extra {
                        name: Text::plain("logprobs"),
                        value: logprobs,
                    });
                }
            }
            _ => reader.extra(key, &mut found.extras)?,
        }
    }
    let whole = reader.walked(&members);
    found.into_part(whole, reader.is_strict()).map(Some)
}

impl<'a> Members<'a> {
    fn into_part(mut self, whole: Json<'a>, strict: bool) -> Result<Part<'a>, Fault> {
        let kind = match self.kind.take() {
            Some(kind) => kind,
            None if strict => return Err(Fault::missing("type", "is missing: every content part has one")),
            None => Text::plain("output_text"),
        };
        let word = kind.get().into_owned();
        let content = match word.as_str() {
            "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text" => {
                self.words(strict)?
            }
            "refusal" => Content::Refusal(self.refusal.take().or(self.text.take()).unwrap_or_default()),
            "input_image" | "input_file" | "input_audio" => match self.media(&word) {
                Some(media) => Content::Media(media),
                None if strict => return Err(Fault::missing("", "has no media in it")),
                None => native(kind, whole),
            },
            _ => native(kind, whole),
        };
        let extras = match content {
            // all of it is in its JSON
            Content::Native(_) => Vec::new(),
            _ => self.extras,
        };
        Ok(Part {
            content,
            cache: self.cache,
            signature: None,
            extras,
        })
    }

    fn words(&mut self, strict: bool) -> Result<Content<'a>, Fault> {
        let text = match self.text.take() {
            Some(text) => text,
            None if strict => return Err(Fault::wrong_type("text", TEXT)),
            None => Text::default(),
        };
        Ok(Content::Text {
            text,
            citations: std::mem::take(&mut self.annotations),
        })
    }

    fn media(&mut self, kind: &str) -> Option<Media<'a>> {
        match kind {
            "input_image" => self.image(),
            "input_file" => self.file(),
            _ => self.audio.take(),
        }
    }

    fn image(&mut self) -> Option<Media<'a>> {
        let by_id = |id: Text<'a>| Media::new(MediaKind::Image, Source::File { id, maker: None });
        let mut media = self.image_url.take().or_else(|| self.file_id.take().map(by_id))?;
        media.detail = self.detail.take().or(media.detail);
        Some(media)
    }

    fn file(&mut self) -> Option<Media<'a>> {
        let by_url = |url: Text<'a>| Media::at_url(MediaKind::Document, url);
        let by_id = |id: Text<'a>| Media::new(MediaKind::Document, Source::File { id, maker: None });
        let mut media = self
            .file_data
            .take()
            .or_else(|| self.file_url.take().map(by_url))
            .or_else(|| self.file_id.take().map(by_id))?;
        media.title = self.filename.take();
        Some(media)
    }
}

fn native<'a>(kind: Text<'a>, json: Json<'a>) -> Content<'a> {
    Content::Native(Native {
        dialect: Dialect::OpenAiResponses,
        kind,
        json,
    })
}

fn file_data<'a>(reader: &mut Reader<'a>) -> Result<Option<Media<'a>>, Fault> {
    let strict = reader.is_strict();
    match reader.text(TEXT)? {
        Some(data) => chat::file_data(data, strict).map(Some),
        None => Ok(None),
    }
}

fn annotations<'a>(reader: &mut Reader<'a>) -> Result<Vec<Citation<'a>>, Fault> {
    let mut citations = Vec::new();
    reader.each("must be an array", |reader, _| {
        citations.extend(annotation(reader)?);
        Ok(())
    })?;
    Ok(citations)
}

/// Reads one annotation: a page on the web, or a file.
pub(super) fn annotation<'a>(reader: &mut Reader<'a>) -> Result<Option<Citation<'a>>, Fault> {
    let Some(mut members) = reader.object("must be an object")? else {
        return Ok(None);
    };
    let (mut url, mut title, mut filename, mut start, mut end) = (None, None, None, None, None);
    const NUMBER: &str = "must be a whole number";
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"url" => url = reader.text(TEXT).within("url")?,
            b"title" => title = reader.text(TEXT).within("title")?,
            b"filename" => filename = reader.text(TEXT).within("filename")?,
            b"start_index" => start = reader.whole_number(NUMBER).within("start_index")?,
            b"end_index" => end = reader.whole_number(NUMBER).within("end_index")?,
            _ => reader.pass()?,
        }
    }
    Ok(Some(Citation {
        url: url.filter(|url| !url.is_empty()),
        title: title.or(filename),
        start,
        end,
        ..Citation::native(Dialect::OpenAiResponses, reader.walked(&members))
    }))
}
