//! An answer of the model in any of the dialects.

use super::item::Item;
use super::{Answer, Dialect, Envelope, NO_SUCH, Ranked};
use crate::model::{Losses, Written};
use crate::write::{Object, object};

pub(super) fn write(to: Dialect, answer: &Answer<'_>, envelope: &Envelope<'_>) -> Written {
    let mut written = Written::default();
    let losses = &mut written.losses;
    object(&mut written.bytes, |body| {
        head(to, answer, envelope, body);
        let name = if to == Dialect::Voyage { "data" } else { "results" };
        body.array(name, |array| {
            for result in &answer.results {
                array.object(|object| write_result(to, result, envelope, object));
            }
        });
        match to {
            Dialect::CohereV1 | Dialect::CohereV2 => meta(to, answer, body),
            _ => usage(to, answer, body, losses),
        }
        for extra in &answer.extras {
            match to == answer.dialect {
                true => body.member(&extra.name, &extra.value),
                false => losses.dropped(extra.name.get().into_owned(), NO_SUCH),
            }
        }
    });
    written
}

fn head(to: Dialect, answer: &Answer<'_>, envelope: &Envelope<'_>, body: &mut Object<'_>) {
    let (has_id, has_model) = match to {
        Dialect::CohereV1 | Dialect::CohereV2 => (true, false),
        Dialect::Jina | Dialect::Voyage => (false, true),
        Dialect::OpenRouter | Dialect::Vllm => (true, true),
    };
    let own = to == answer.dialect;
    match &answer.id {
        Some(id) if has_id || own => body.text("id", id),
        None if has_id => body.str("id", envelope.id),
        _ => {}
    }
    match &answer.model {
        Some(model) if has_model || own => body.text("model", model),
        None if has_model => body.text("model", &envelope.request.model),
        _ => {}
    }
    if matches!(to, Dialect::Jina | Dialect::Voyage) {
        body.str("object", "list");
    }
}

fn write_result(to: Dialect, result: &Ranked<'_>, envelope: &Envelope<'_>, object: &mut Object<'_>) {
    object.count("index", result.index);
    object.number("relevance_score", &result.score);
    let wanted = match to {
        Dialect::CohereV2 => false,
        Dialect::OpenRouter | Dialect::Vllm => true,
        // Jina sends them unless it is told not to
        Dialect::Jina => envelope.request.return_documents != Some(false),
        Dialect::CohereV1 | Dialect::Voyage => envelope.request.return_documents == Some(true),
    };
    if !wanted {
        return;
    }
    let asked = || {
        let index = usize::try_from(result.index).ok()?;
        envelope.request.documents.get(index)
    };
    let Some(document) = result.document.as_ref().or_else(asked) else {
        return;
    };
    match (to, document) {
        (Dialect::Voyage, document) => match document.text() {
            Some(text) => object.text("document", text),
            None => document.write(object.value("document")),
        },
        (_, Item::Text(text)) => object.object("document", |object| object.text("text", text)),
        (_, document) => document.write(object.value("document")),
    }
}

fn meta(to: Dialect, answer: &Answer<'_>, body: &mut Object<'_>) {
    let cohere = matches!(answer.dialect, Dialect::CohereV1 | Dialect::CohereV2);
    if let Some(meta) = answer
        .native_usage
        .as_ref()
        .filter(|_| cohere && to == answer.dialect)
    {
        return body.json("meta", meta);
    }
    let counts = answer.usage.unwrap_or_default();
    body.object("meta", |meta| {
        let version = if to == Dialect::CohereV1 { "1" } else { "2" };
        meta.object("api_version", |object| object.str("version", version));
        if counts.search_units.is_some() {
            meta.object("billed_units", |units| {
                units.count_if("search_units", counts.search_units)
            });
        }
        if counts.input.is_some() {
            meta.object("tokens", |tokens| tokens.count_if("input_tokens", counts.input));
        }
    });
}

fn usage(to: Dialect, answer: &Answer<'_>, body: &mut Object<'_>, losses: &mut Losses) {
    if let Some(usage) = answer.native_usage.as_ref().filter(|_| to == answer.dialect) {
        return body.json("usage", usage);
    }
    let counts = answer.usage.unwrap_or_default();
    body.object("usage", |usage| {
        // clients demand it; what nobody counted is zero
        let total = counts.total.or(counts.input).unwrap_or(0);
        if to == Dialect::Vllm {
            usage.count("prompt_tokens", counts.input.unwrap_or(total));
        }
        usage.count("total_tokens", total);
        if to == Dialect::OpenRouter {
            usage.count_if("search_units", counts.search_units);
        }
    });
    if counts.search_units.is_some() && to != Dialect::OpenRouter {
        losses.dropped("usage.search_units", NO_SUCH);
    }
}
