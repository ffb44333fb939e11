//! Where an answer has something from: grounding and citation metadata as citations, and citations as grounding metadata
//! (APIS.md 4.2).

use crate::model::{Citation, Content, Dialect, Json, Losses, Part, Text, hash};
use crate::write::{Object, object};

/// More than any answer has.
const MAX_CITATIONS: usize = 1024;

/// A citation, and the bytes of the text that it is for.
pub(super) struct Cited {
    pub citation: Citation<'static>,
    pub start: Option<u64>,
    pub end: Option<u64>,
    /// Which of the content's parts the bytes count in, where they do not count in all of its text.
    pub part: Option<usize>,
}

impl Cited {
    /// Tells citations apart.
    pub fn hash(&self) -> u64 {
        let place = format!("{:?} {:?} {:?} ", self.start, self.end, self.part);
        hash(&place) ^ hash(self.citation.native.get()).rotate_left(1)
    }
}

/// What `groundingMetadata` says.
pub(super) fn of_grounding(metadata: &Json<'_>) -> Vec<Cited> {
    let (chunks, supports) = (
        metadata.pointer("/groundingChunks"),
        metadata.pointer("/groundingSupports"),
    );
    let chunks = chunks.as_ref().map(Json::elements).unwrap_or_default();
    let supports = supports.as_ref().map(Json::elements).unwrap_or_default();
    if supports.is_empty() {
        let whole = |chunk| cited(chunk, None);
        return chunks.iter().take(MAX_CITATIONS).map(whole).collect();
    }
    let mut all = Vec::new();
    for support in &supports {
        let segment = support.pointer("/segment");
        let indices = support.pointer("/groundingChunkIndices");
        for index in indices.as_ref().map(Json::elements).unwrap_or_default() {
            let index = index.as_u64().and_then(|index| usize::try_from(index).ok());
            let Some(chunk) = index.and_then(|index| chunks.get(index)) else {
                continue;
            };
            if all.len() < MAX_CITATIONS {
                all.push(cited(chunk, segment.as_ref()));
            }
        }
    }
    all
}

fn cited(chunk: &Json<'_>, segment: Option<&Json<'_>>) -> Cited {
    let text = |pointers: &[&str]| {
        let found = pointers.iter().find_map(|pointer| chunk.pointer(pointer))?;
        let text = found.as_text()?.into_owned();
        Some(text)
    };
    let number = |pointer: &str| segment?.pointer(pointer)?.as_u64();
    let end = number("/endIndex");
    Cited {
        citation: Citation {
            url: text(&[
                "/web/uri",
                "/retrievedContext/uri",
                "/maps/uri",
                "/image/sourceUri",
            ]),
            title: text(&[
                "/web/title",
                "/retrievedContext/title",
                "/maps/title",
                "/image/title",
            ]),
            quote: text(&["/retrievedContext/text", "/maps/text"]),
            ..Citation::native(Dialect::Gemini, chunk.clone().into_owned())
        },
        // zero is left out
        start: end.map(|_| number("/startIndex").unwrap_or(0)),
        end,
        part: number("/partIndex")
            .and_then(|part| usize::try_from(part).ok())
            .filter(|part| *part > 0),
    }
}

/// What `citationMetadata` says.
pub(super) fn of_sources(metadata: &Json<'_>) -> Vec<Cited> {
    // the second is Vertex's name
    let sources = metadata
        .pointer("/citationSources")
        .or_else(|| metadata.pointer("/citations"));
    let sources = sources.as_ref().map(Json::elements).unwrap_or_default();
    let source = |source: &Json<'_>| {
        let text = |pointer: &str| -> Option<Text<'static>> {
            let found = source.pointer(pointer)?;
            found.as_text().map(Text::into_owned)
        };
        let number = |pointer: &str| source.pointer(pointer)?.as_u64();
        let end = number("/endIndex");
        Cited {
            citation: Citation {
                url: text("/uri"),
                title: text("/title"),
                ..Citation::native(Dialect::Gemini, source.clone().into_owned())
            },
            start: end.map(|_| number("/startIndex").unwrap_or(0)),
            end,
            part: None,
        }
    };
    sources.iter().take(MAX_CITATIONS).map(source).collect()
}

/// Hangs citations on the texts that they are for, their places in characters of the whole text.
pub(super) fn hang(cited: Vec<Cited>, parts: &mut Vec<Part<'_>>) {
    if cited.is_empty() {
        return;
    }
    if !parts.iter().any(|part| part.as_text().is_some()) {
        parts.push(Part::text(""));
    }
    let texts = Texts::of(parts);
    let mut places: Vec<(usize, Citation<'static>)> = Vec::new();
    for cited in cited {
        let before = cited.part.and_then(|part| texts.start_of(part)).unwrap_or(0);
        let start = cited.start.map(|start| start.saturating_add(before));
        let end = cited.end.map(|end| end.saturating_add(before));
        let mut citation = cited.citation;
        citation.start = start.map(|at| texts.chars_before(at));
        citation.end = end.map(|at| texts.chars_before(at));
        places.push((texts.part_at(start.unwrap_or(u64::MAX)), citation));
    }
    for (part, citation) in places {
        if let Some(Part {
            content: Content::Text { citations, .. },
            ..
        }) = parts.get_mut(part)
        {
            citations.push(citation);
        }
    }
}

/// The texts of an answer, joined, and where bytes are in it.
pub(super) struct Texts {
    /// Index of the part, and its first byte.
    parts: Vec<(usize, u64)>,
    long: Vec<Long>,
    bytes: u64,
}

/// A character that is longer than a byte.
struct Long {
    byte: u64,
    char: u64,
    /// The bytes beyond the first, of this one and all before it.
    more: u64,
}

impl Texts {
    pub fn of(parts: &[Part<'_>]) -> Texts {
        let mut texts = Texts {
            parts: Vec::new(),
            long: Vec::new(),
            bytes: 0,
        };
        let (mut bytes, mut more) = (0u64, 0u64);
        for (index, part) in parts.iter().enumerate() {
            let Some(text) = part.as_text() else { continue };
            texts.parts.push((index, bytes));
            let text = text.get();
            for (at, c) in text.char_indices().filter(|(_, c)| !c.is_ascii()) {
                let byte = bytes.saturating_add(at as u64);
                let char = byte.saturating_sub(more);
                more = more.saturating_add((c.len_utf8() as u64).saturating_sub(1));
                texts.long.push(Long { byte, char, more });
            }
            bytes = bytes.saturating_add(text.len() as u64);
        }
        texts.bytes = bytes;
        texts
    }

    fn start_of(&self, part: usize) -> Option<u64> {
        let (_, start) = self.parts.iter().find(|(index, _)| *index == part)?;
        Some(*start)
    }

    /// The text that a byte is in: the last one that begins before it.
    fn part_at(&self, byte: u64) -> usize {
        let at = self.parts.iter().rfind(|(_, start)| *start <= byte);
        at.or(self.parts.first()).map_or(0, |(index, _)| *index)
    }

    pub fn chars_before(&self, byte: u64) -> u64 {
        byte.saturating_sub(self.more_before(|long| long.byte < byte))
    }

    pub fn bytes_before(&self, chars: u64) -> u64 {
        chars.saturating_add(self.more_before(|long| long.char < chars))
    }

    /// How many bytes more than one each the characters before have.
    fn more_before(&self, before: impl Fn(&Long) -> bool) -> u64 {
        let count = self.long.partition_point(before);
        let last = count.checked_sub(1).and_then(|at| self.long.get(at));
        last.map_or(0, |long| long.more)
    }

    /// The first byte of a part, and the one behind its last.
    pub fn range_of(&self, part: usize) -> (u64, u64) {
        let at = self.parts.iter().position(|(index, _)| *index == part);
        let start = at
            .and_then(|at| self.parts.get(at))
            .map_or(0, |(_, start)| *start);
        let next = at.and_then(|at| self.parts.get(at.saturating_add(1)));
        (start, next.map_or(self.bytes, |(_, start)| *start))
    }
}

/// Citations of other dialects as `groundingMetadata`.
#[derive(Default)]
pub(super) struct Grounding {
    chunks: Vec<u8>,
    supports: Vec<u8>,
    count: usize,
}

impl Grounding {
    /// `start` and `end` are bytes of the whole text.
    pub fn push(&mut self, citation: &Citation<'_>, start: u64, end: u64, losses: &mut Losses) {
        if self.count >= MAX_CITATIONS {
            losses.dropped("citations", "there are more of them than any answer has");
            return;
        }
        if self.count > 0 {
            self.chunks.push(b',');
            self.supports.push(b',');
        }
        object(&mut self.chunks, |object| match &citation.url {
            Some(url) => object.object("web", |web| {
                web.text("uri", url);
                web.text_if("title", citation.title.as_ref());
            }),
            None => object.object("retrievedContext", |context| {
                context.text_if("title", citation.title.as_ref());
                context.text_if("text", citation.quote.as_ref());
            }),
        });
        if citation.url.is_some() && citation.quote.is_some() {
            losses.dropped("citations.quote", super::NO_SUCH);
        }
        object(&mut self.supports, |object| {
            object.object("segment", |segment| {
                segment.count("startIndex", start);
                segment.count("endIndex", end);
            });
            let index = self.count.to_string();
            object.array("groundingChunkIndices", |array| {
                array.value().extend_from_slice(index.as_bytes())
            });
        });
        self.count = self.count.saturating_add(1);
    }

    pub fn write(&self, candidate: &mut Object<'_>) {
        if self.count == 0 {
            return;
        }
        candidate.object("groundingMetadata", |metadata| {
            for (name, list) in [
                ("groundingChunks", &self.chunks),
                ("groundingSupports", &self.supports),
            ] {
                let out = metadata.value(name);
                out.push(b'[');
                out.extend_from_slice(list);
                out.push(b']');
            }
        });
    }
}
