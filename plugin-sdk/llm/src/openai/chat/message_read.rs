//! One message of a request, of an answer or of a delta: the same members, collected in one pass.

use crate::fault::{Fault, Within};
use crate::json::ValueKind;
use crate::model::{
    Citation, Content, Dialect, Extra, Extras, Json, Media, MediaKind, Part, Reasoning, ReasoningForm,
    Source, Text,
};
use crate::read::Reader;

use super::call::{self, Call, Calls};
use super::{content, reasoning};

const TEXT: &str = "must be a string";
const TEXT_OR_NULL: &str = "must be a string or null";

/// What a message says.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    pub role: Option<Text<'a>>,
    pub name: Option<Text<'a>>,
    pub content: Vec<Part<'a>>,
    pub refusal: Option<Text<'a>>,
    pub reasoning_content: Option<Text<'a>>,
    pub reasoning: Option<Text<'a>>,
    pub details: Vec<Part<'a>>,
    pub calls: Calls<'a>,
    pub function_call: Option<Call<'a>>,
    pub tool_call_id: Option<Text<'a>>,
    pub audio: Option<Part<'a>>,
    pub images: Vec<Part<'a>>,
    pub citations: Vec<Citation<'a>>,
    pub extras: Extras<'a>,
}

/// Reads a message; none where a lenient reader finds something else.
pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<Option<Fields<'a>>, Fault> {
    let Some(mut members) = reader.object("must be an object with `role` and `content`")? else {
        return Ok(None);
    };
    let mut fields = Fields::default();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"role" => fields.role = reader.text(TEXT).within("role")?,
            b"name" => fields.name = reader.text(TEXT).within("name")?,
            b"content" => fields.content = content::read(reader).within("content")?,
            b"refusal" => fields.refusal = reader.text(TEXT_OR_NULL).within("refusal")?,
            b"reasoning_content" => fields.reasoning_content = loose_text(reader)?,
            b"reasoning" => fields.reasoning = loose_text(reader)?,
            b"reasoning_details" => fields.details = details(reader).within("reasoning_details")?,
            b"tool_calls" => fields.calls = call::read_all(reader).within("tool_calls")?,
            b"function_call" => fields.function_call = function_call(reader).within("function_call")?,
            b"tool_call_id" => fields.tool_call_id = reader.text(TEXT).within("tool_call_id")?,
            b"audio" => fields.audio = audio(reader).within("audio")?,
            b"images" => fields.images = images(reader).within("images")?,
            b"annotations" => annotations(reader, &mut fields).within("annotations")?,
            _ => reader.extra(key, &mut fields.extras)?,
        }
    }
    Ok(Some(fields))
}

impl<'a> Fields<'a> {
    /// Everything that an assistant says, in the order in which it came about: thoughts, words, media, calls.
    pub fn into_assistant_parts(self) -> (Vec<Part<'a>>, Extras<'a>) {
        let mut parts = reasoning::parts(self.details, self.reasoning_content, self.reasoning);
        let (thoughts, mut words): (Vec<_>, Vec<_>) = self
            .content
            .into_iter()
            .filter(|part| !part.is_bare_text() || part.as_text().is_some_and(|text| !text.is_empty()))
            .partition(|part| matches!(part.content, Content::Reasoning(_)));
        parts.extend(thoughts);
        cite(&mut words, self.citations);
        parts.extend(words);
        let refusal = self.refusal.filter(|refusal| !refusal.is_empty());
        parts.extend(refusal.map(|refusal| Part::new(Content::Refusal(refusal))));
        parts.extend(self.audio);
        parts.extend(self.images);
        parts.extend(self.calls.into_iter().map(Call::into_part));
        // Snowflake sends an empty call with every text
        let call = self
            .function_call
            .filter(|call| call.name.as_ref().is_some_and(|name| !name.is_empty()));
        parts.extend(call.map(Call::into_part));
        (parts, self.extras)
    }
}

/// Hangs a message's citations on its last text, which their places count in; without one they have nothing to stand on.
fn cite<'a>(words: &mut Vec<Part<'a>>, cited: Vec<Citation<'a>>) {
    if cited.is_empty() {
        return;
    }
    if !words.iter().any(|part| part.as_text().is_some()) {
        words.push(Part::text(""));
    }
    let last = words.iter_mut().rev().find_map(|part| match &mut part.content {
        Content::Text { citations, .. } => Some(citations),
        _ => None,
    });
    if let Some(citations) = last {
        citations.extend(cited);
    }
}

/// A text where it is one; other values pass, as nobody says what they would mean.
fn loose_text<'a>(reader: &mut Reader<'a>) -> Result<Option<Text<'a>>, Fault> {
    match reader.kind()? {
        ValueKind::String => reader.literal().map(Some),
        _ => reader.pass().map(|()| None),
    }
}

fn details<'a>(reader: &mut Reader<'a>) -> Result<Vec<Part<'a>>, Fault> {
    let mut details: Vec<Part<'a>> = Vec::new();
    reader.each("must be an array", |reader, _| {
        details.extend(reasoning::detail(reader)?);
        Ok(())
    })?;
    Ok(joined(details))
}

/// A signature that stands in a piece of its own belongs to the text before it: streams give it so.
fn joined(details: Vec<Part<'_>>) -> Vec<Part<'_>> {
    let mut joined: Vec<Part<'_>> = Vec::with_capacity(details.len());
    for part in details {
        let lone = matches!(&part.content, Content::Reasoning(Reasoning { form: ReasoningForm::Text, text, data: None, .. })
            if text.is_empty() && part.signature.is_some());
        match joined.last_mut() {
            Some(before) if lone && before.signature.is_none() && is_reasoning_text(before) => {
                before.signature = part.signature;
            }
            _ => joined.push(part),
        }
    }
    joined
}

fn is_reasoning_text(part: &Part<'_>) -> bool {
    matches!(&part.content, Content::Reasoning(reasoning) if reasoning.form == ReasoningForm::Text)
}

fn function_call<'a>(reader: &mut Reader<'a>) -> Result<Option<Call<'a>>, Fault> {
    if reader.kind()? == ValueKind::Null {
        return reader.pass().map(|()| None);
    }
    let mut call = Call::default();
    call::function(reader, &mut call)?;
    Ok(Some(call))
}

/// Spoken output, or the id of an earlier one.
fn audio<'a>(reader: &mut Reader<'a>) -> Result<Option<Part<'a>>, Fault> {
    if reader.kind()? == ValueKind::Null {
        return reader.pass().map(|()| None);
    }
    let Some(mut members) = reader.object("must be an object")? else {
        return Ok(None);
    };
    let (mut id, mut data, mut transcript, mut extras) = (None, None, None, Extras::new());
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"id" => id = reader.text(TEXT).within("id")?,
            b"data" => data = reader.text(TEXT).within("data")?,
            b"transcript" => transcript = reader.text(TEXT).within("transcript")?,
            _ => reader.extra(key, &mut extras)?,
        }
    }
    // Snowflake sends empty audio with every text
    let empty = |text: &Option<Text<'_>>| text.as_ref().is_none_or(Text::is_empty);
    if empty(&id) && empty(&data) && empty(&transcript) {
        return Ok(None);
    }
    let source = match (data, &id) {
        (Some(data), _) => Source::Base64(data),
        (None, Some(id)) => Source::File {
            id: id.clone(),
            maker: None,
        },
        (None, None) => Source::Base64(Text::default()),
    };
    if let (Some(id), Source::Base64(_)) = (id, &source) {
        extras.insert(0, Extra::text("id", &id));
    }
    let mut media = Media::new(MediaKind::Audio, source);
    media.transcript = transcript;
    let mut part = Part::new(Content::Media(media));
    part.extras = extras;
    Ok(Some(part))
}

/// Images that a model made (OpenRouter).
fn images<'a>(reader: &mut Reader<'a>) -> Result<Vec<Part<'a>>, Fault> {
    let mut images = Vec::new();
    reader.each("must be an array", |reader, _| {
        let Some(mut members) = reader.object("must be an object")? else {
            return Ok(());
        };
        let (mut media, mut extras) = (None, Extras::new());
        while let Some(key) = reader.next(&mut members)? {
            match &*key {
                b"type" => reader.pass()?,
                b"image_url" => media = content::url(reader, MediaKind::Image).within("image_url")?,
                _ => reader.extra(key, &mut extras)?,
            }
        }
        images.extend(media.map(|media| Part {
            extras,
            ..Part::new(Content::Media(media))
        }));
        Ok(())
    })?;
    Ok(images)
}

fn annotations<'a>(reader: &mut Reader<'a>, fields: &mut Fields<'a>) -> Result<(), Fault> {
    let citations = &mut fields.citations;
    reader.each("must be an array", |reader, _| {
        citations.extend(annotation(reader)?);
        Ok(())
    })
}

fn annotation<'a>(reader: &mut Reader<'a>) -> Result<Option<Citation<'a>>, Fault> {
    let Some(mut members) = reader.object("must be an object")? else {
        return Ok(None);
    };
    let mut citation = Citation::native(Dialect::OpenAiChat, Json::checked("null"));
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"url_citation" => url_citation(reader, &mut citation).within("url_citation")?,
            _ => reader.pass()?,
        }
    }
    citation.native = reader.walked(&members);
    Ok(Some(citation))
}

fn url_citation<'a>(reader: &mut Reader<'a>, citation: &mut Citation<'a>) -> Result<(), Fault> {
    let Some(mut members) = reader.object("must be an object")? else {
        return Ok(());
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"url" => citation.url = reader.text(TEXT).within("url")?,
            b"title" => citation.title = reader.text(TEXT).within("title")?,
            b"content" => citation.quote = reader.text(TEXT).within("content")?,
            b"start_index" => {
                citation.start = reader.whole_number("must be a number").within("start_index")?
            }
            b"end_index" => citation.end = reader.whole_number("must be a number").within("end_index")?,
            _ => reader.pass()?,
        }
    }
    Ok(())
}
