//! Reasoning in its three spellings (`reasoning_content`, `reasoning`, `reasoning_details`) and what a caller wishes of
//! it (APIS.md 2.4, 2.7, 9.6).

use crate::fault::{Fault, Within};
use crate::json::ValueKind;
use crate::model::{
    Content, Effort, Extra, Extras, Json, Maker, Number, Part, Reasoning, ReasoningForm, ReasoningMode,
    ReasoningWish, Signature, Text,
};
use crate::read::Reader;
use crate::write::{Array, Object};

const TEXT: &str = "must be a string";
const OBJECT: &str = "must be an object";

/// Reads one element of `reasoning_details`.
pub(super) fn detail<'a>(reader: &mut Reader<'a>) -> Result<Option<Part<'a>>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let (mut kind, mut text, mut summary, mut data, mut id) = (None, None, None, None, None);
    let (mut signature, mut format, mut extras) = (None, None, Extras::new());
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"type" => kind = reader.text(TEXT).within("type")?,
            b"text" => text = reader.text(TEXT).within("text")?,
            b"summary" => summary = reader.text(TEXT).within("summary")?,
            b"data" => data = reader.text(TEXT).within("data")?,
            b"signature" => signature = reader.text(TEXT).within("signature")?,
            b"id" => id = reader.text(TEXT).within("id")?,
            b"format" => format = reader.text(TEXT).within("format")?,
            _ => reader.extra(key, &mut extras)?,
        }
    }
    let maker = format.as_ref().and_then(|format| Maker::of_format(&format.get()));
    let form = match kind.as_ref().map(Text::get).as_deref() {
        Some("reasoning.summary") => ReasoningForm::Summary,
        Some("reasoning.encrypted") => ReasoningForm::Encrypted,
        _ => ReasoningForm::Text,
    };
    let content = Content::Reasoning(Reasoning {
        form,
        text: text.or(summary).unwrap_or_default(),
        data,
        id,
        maker,
        format,
    });
    let mut part = Part::new(content);
    part.signature = signature
        .filter(|signature| !signature.is_empty())
        .map(|data| Signature { maker, data });
    part.extras = extras;
    Ok(Some(part))
}

/// What a message's or delta's spellings come to: the details where there are any, which say the same and more.
pub(super) fn parts<'a>(
    details: Vec<Part<'a>>,
    content: Option<Text<'a>>,
    plain: Option<Text<'a>>,
) -> Vec<Part<'a>> {
    let words =
        |part: &Part<'_>| matches!(&part.content, Content::Reasoning(thought) if !thought.text.is_empty());
    let spelled = plain.filter(|text| !text.is_empty()).or(content);
    let Some(text) = spelled.filter(|text| !text.is_empty()) else {
        return details;
    };
    if details.iter().any(words) {
        return details;
    }
    let mut parts = vec![Part::new(Content::Reasoning(Reasoning::text(text, None)))];
    parts.extend(details);
    parts
}

/// Writes one element of `reasoning_details`. `index` counts the answer's pieces of reasoning.
pub(super) fn write_detail(
    reasoning: &Reasoning<'_>,
    signature: Option<&Signature<'_>>,
    index: u64,
    array: &mut Array<'_>,
) {
    array.object(|object| {
        let (kind, words) = match reasoning.form {
            ReasoningForm::Text => ("reasoning.text", "text"),
            ReasoningForm::Summary => ("reasoning.summary", "summary"),
            ReasoningForm::Encrypted => ("reasoning.encrypted", "data"),
        };
        object.str("type", kind);
        match &reasoning.data {
            Some(data) if reasoning.form == ReasoningForm::Encrypted => object.text(words, data),
            _ => object.text(words, &reasoning.text),
        }
        if let Some(signature) = signature {
            object.text("signature", &signature.data);
        }
        object.text_if("id", reasoning.id.as_ref());
        write_format(reasoning, signature, object);
        object.count("index", index);
    });
}

fn write_format(reasoning: &Reasoning<'_>, signature: Option<&Signature<'_>>, object: &mut Object<'_>) {
    let maker = reasoning
        .maker
        .or_else(|| signature.and_then(|signature| signature.maker));
    match (&reasoning.format, maker) {
        (Some(format), _) => object.text("format", format),
        (None, Some(maker)) => object.str("format", maker.format()),
        (None, None) => {}
    }
}

/// Reads OpenRouter's `reasoning` object into the wish, and keeps it as it was.
pub(super) fn read_object<'a>(reader: &mut Reader<'a>, wish: &mut ReasoningWish<'a>) -> Result<(), Fault> {
    if reader.kind()? != ValueKind::Object {
        // a string here is a spelling of nobody's
        let value = reader.json()?;
        return keep("reasoning", value, wish);
    }
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(());
    };
    let mut enabled = None;
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"effort" => wish.effort = reader.text(TEXT).within("effort")?.map(Effort::named),
            b"max_tokens" => wish.budget = reader.number("must be a number").within("max_tokens")?,
            b"exclude" => {
                let exclude = reader.bool("must be true or false").within("exclude")?;
                wish.include = exclude.map(|exclude| !exclude);
            }
            b"enabled" => enabled = reader.bool("must be true or false").within("enabled")?,
            b"summary" => wish.summary = reader.text(TEXT).within("summary")?,
            // the whole object is kept
            _ => reader.pass()?,
        }
    }
    wish.mode = enabled
        .map(|on| if on { ReasoningMode::On } else { ReasoningMode::Off })
        .or(wish.mode);
    keep("reasoning", reader.walked(&members), wish)
}

/// Reads `thinking` (DeepSeek, Fireworks, Z.ai, Cohere's likes) into the wish, and keeps it as it was.
pub(super) fn read_thinking<'a>(reader: &mut Reader<'a>, wish: &mut ReasoningWish<'a>) -> Result<(), Fault> {
    if reader.kind()? != ValueKind::Object {
        let value = reader.json()?;
        return keep("thinking", value, wish);
    }
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(());
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"type" => {
                let kind = reader.text(TEXT).within("type")?;
                wish.mode = match kind.as_ref().map(Text::get).as_deref() {
                    Some("enabled") => Some(ReasoningMode::On),
                    Some("disabled") => Some(ReasoningMode::Off),
                    Some("adaptive" | "auto") => Some(ReasoningMode::Adaptive),
                    _ => wish.mode,
                };
            }
            b"budget_tokens" => wish.budget = reader.number("must be a number").within("budget_tokens")?,
            _ => reader.pass()?,
        }
    }
    keep("thinking", reader.walked(&members), wish)
}

/// Keeps a member as it was, for providers of this dialect.
pub(super) fn keep<'a>(
    name: &'static str,
    value: Json<'a>,
    wish: &mut ReasoningWish<'a>,
) -> Result<(), Fault> {
    wish.extras.push(Extra {
        name: Text::plain(name),
        value,
    });
    Ok(())
}

/// Writes what a caller of another dialect wishes, for a provider that has `reasoning` (OpenRouter).
pub(super) fn write_object(wish: &ReasoningWish<'_>, object: &mut Object<'_>) {
    object.object("reasoning", |reasoning| {
        if let Some(effort) = &wish.effort {
            reasoning.text("effort", &effort.name());
        } else if let Some(budget) = wish.budget.as_ref().filter(|budget| budget.as_u64() != Some(0)) {
            reasoning.number("max_tokens", budget);
        }
        match wish.mode {
            Some(ReasoningMode::Off) => reasoning.bool("enabled", false),
            Some(ReasoningMode::On | ReasoningMode::Adaptive) => reasoning.bool("enabled", true),
            None => {}
        }
        if wish.include == Some(false) {
            reasoning.bool("exclude", true);
        }
    });
}

/// The most tokens of a request, for shares of it.
pub(super) fn most(max_output: Option<&Number<'_>>, target: Option<u64>) -> Option<u64> {
    max_output.and_then(Number::as_u64).or(target)
}
