//! Citations: a place in an answer's text, its words, and the sources that it has them from.

use crate::fault::Fault;
use crate::json::ValueKind;
use crate::model::{Citation, Content, Dialect, Extra, Extras, Json, Part, Text};
use crate::read::Reader;
use crate::write::Object;

const TEXT: &str = "a member is not a string";

/// A citation and the text that it is of.
#[derive(Clone, Debug)]
pub(super) struct Cited<'a> {
    pub citation: Citation<'a>,
    /// `TEXT_CONTENT`, `THINKING_CONTENT` or `PLAN`.
    pub kind: Option<Text<'a>>,
    /// Which piece of the content.
    pub content_index: Option<u64>,
}

impl Cited<'_> {
    pub fn is_of_text(&self) -> bool {
        self.kind.as_ref().is_none_or(|kind| kind.is("TEXT_CONTENT"))
    }
}

pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<Option<Cited<'a>>, Fault> {
    let Some(mut members) = reader.object("a citation is not an object")? else {
        return Ok(None);
    };
    let mut citation = Citation::native(Dialect::Cohere, Json::checked("null"));
    let (mut kind, mut content_index) = (None, None);
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"start" => citation.start = reader.whole_number("a place is not a number")?,
            b"end" => citation.end = reader.whole_number("a place is not a number")?,
            b"type" => kind = reader.text(TEXT)?,
            b"content_index" => content_index = reader.whole_number("an index is not a number")?,
            b"sources" => sources(reader, &mut citation)?,
            _ => reader.pass()?,
        }
    }
    citation.native = reader.walked(&members);
    Ok(Some(Cited {
        citation,
        kind,
        content_index,
    }))
}

/// The first source that says something of itself; all of them are in the native citation.
fn sources<'a>(reader: &mut Reader<'a>, citation: &mut Citation<'a>) -> Result<(), Fault> {
    reader.each("sources are not an array", |reader, _| {
        let Some(mut members) = reader.object("a source is not an object")? else {
            return Ok(());
        };
        while let Some(key) = reader.next(&mut members)? {
            match &*key {
                b"id" if reader.kind()? == ValueKind::String => {
                    let id = reader.literal()?;
                    let is_url = id.get().starts_with("https://") || id.get().starts_with("http://");
                    if is_url && citation.url.is_none() {
                        citation.url = Some(id);
                    }
                }
                b"document" | b"tool_output" if reader.kind()? == ValueKind::Object => {
                    source(reader, citation)?;
                }
                _ => reader.pass()?,
            }
        }
        Ok(())
    })
}

fn source<'a>(reader: &mut Reader<'a>, citation: &mut Citation<'a>) -> Result<(), Fault> {
    let Some(mut members) = reader.object("a source is not an object")? else {
        return Ok(());
    };
    while let Some(key) = reader.next(&mut members)? {
        let place = match &*key {
            b"url" => &mut citation.url,
            b"title" => &mut citation.title,
            b"text" | b"snippet" | b"content" => &mut citation.quote,
            _ => {
                reader.pass()?;
                continue;
            }
        };
        match reader.kind()? {
            ValueKind::String if place.is_none() => *place = Some(reader.literal()?),
            _ => reader.pass()?,
        }
    }
    Ok(())
}

/// Hangs citations on the texts that they are of. `parts` begin with the message's content, in its order. Those of
/// thoughts and plans, which no other dialect has, are kept as the message's.
pub(super) fn attach<'a>(cited: Vec<Cited<'a>>, parts: &mut [Part<'a>], extras: &mut Extras<'a>) {
    let mut others = Vec::new();
    let first_text = parts.iter().position(|part| part.as_text().is_some());
    for cited in cited {
        let at = match cited.content_index.map(usize::try_from) {
            Some(at) => at.ok(),
            None => first_text,
        };
        let part = at
            .filter(|_| cited.is_of_text())
            .and_then(|at| parts.get_mut(at))
            .map(|part| &mut part.content);
        match part {
            Some(Content::Text { citations, .. }) => citations.push(cited.citation),
            _ => others.push(cited.citation.native),
        }
    }
    if !others.is_empty() {
        extras.push(kept(&others));
    }
}

/// Citations that hang on no text.
pub(super) fn kept<'a>(citations: &[Json<'_>]) -> Extra<'a> {
    let mut json = Vec::new();
    crate::write::array(&mut json, |array| {
        citations.iter().for_each(|citation| array.json(citation));
    });
    Extra {
        name: Text::plain("citations"),
        value: Json::checked(String::from_utf8_lossy(&json).into_owned()),
    }
}

/// A text that is cited: its words, and how many characters they are.
#[derive(Copy, Clone)]
pub(super) struct Words<'t> {
    pub text: &'t str,
    pub characters: u64,
}

/// Writes a citation's members: as they were where it is of this dialect, otherwise as a document. `content_index`
/// counts the pieces of the content; `words` is the one that it hangs on, as far as it is known.
pub(super) fn write(
    citation: &Citation<'_>,
    content_index: u64,
    words: Option<Words<'_>>,
    object: &mut Object<'_>,
) {
    if citation.dialect == Dialect::Cohere {
        for (name, value) in citation.native.members() {
            object.member(&name, &value);
        }
        return;
    }
    let start = citation.start.unwrap_or(0);
    let all = words.map_or(0, |words| words.characters);
    let end = citation.end.unwrap_or(all).max(start);
    object.count("start", start);
    object.count("end", end);
    if let Some(words) = words {
        object.str("text", &cut(words.text, start, end));
    }
    object.array("sources", |sources| {
        sources.object(|source| {
            source.str("type", "document");
            source.text_if("id", citation.url.as_ref().or(citation.title.as_ref()));
            source.object("document", |document| {
                document.text_if("title", citation.title.as_ref());
                document.text_if("url", citation.url.as_ref());
                document.text_if("text", citation.quote.as_ref());
            });
        });
    });
    object.str("type", "TEXT_CONTENT");
    object.count("content_index", content_index);
}

fn cut(text: &str, start: u64, end: u64) -> String {
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    let characters = text.chars().skip(place(start));
    characters.take(place(end.saturating_sub(start))).collect()
}
