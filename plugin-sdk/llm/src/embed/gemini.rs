//! Gemini's embeddings, one by one and in batches (APIS.md 4.6).

use super::input::{self, Input, InputContent};
use super::request::Request;
use super::task::Task;
use super::vector::{self, NumberKind};
use super::{Answer, Codec, Dialect, Embedding, Envelope, Known, NO_SUCH, Target, no_answer};
use crate::fault::{BodyError, Fault, Within};
use crate::json::{DEFAULT_MAX_DEPTH, ValueKind};
use crate::model::{
    Asked, Content, Error, Extras, Json, Losses, Media, MediaKind, Number, Part, Read, Source, Text, Usage,
    Written, is_base64,
};
use crate::read::Reader;
use crate::write::{Array, Object, object};

const TEXT: &str = "must be a string";
const OBJECT: &str = "must be an object";

#[derive(Copy, Clone, Debug)]
pub(super) struct Gemini;

#[derive(Copy, Clone, Debug)]
pub(super) struct GeminiBatch;

impl Codec for Gemini {
    fn dialect(&self) -> Dialect {
        Dialect::Gemini
    }

    fn most_inputs(&self) -> Option<usize> {
        Some(1)
    }

    fn read_request<'a>(&self, body: &'a [u8], asked: &Asked<'a>) -> Result<Read<Request<'a>>, BodyError> {
        Reader::whole(body, true, |reader| {
            let mut request = Request::new(Dialect::Gemini, Text::default());
            let mut found = Found::default();
            one(reader, &mut found)?;
            request.single = true;
            add(&mut request, found, asked)?;
            settle(request, asked)
        })
    }

    fn write_request(&self, request: &Request<'_>, target: &Target<'_>) -> Result<Written, BodyError> {
        write_request(Dialect::Gemini, request, target)
    }

    fn read_answer<'a>(&self, body: &'a [u8], _: &Known<'_>) -> Result<Read<Answer<'a>>, Box<Error<'a>>> {
        read_answer(Dialect::Gemini, body)
    }

    fn write_answer(&self, answer: &Answer<'_>, envelope: &Envelope<'_>) -> Written {
        write_answer(Dialect::Gemini, answer, envelope)
    }
}

impl Codec for GeminiBatch {
    fn dialect(&self) -> Dialect {
        Dialect::GeminiBatch
    }

    fn most_inputs(&self) -> Option<usize> {
        Some(100)
    }

    fn read_request<'a>(&self, body: &'a [u8], asked: &Asked<'a>) -> Result<Read<Request<'a>>, BodyError> {
        Reader::whole(body, true, |reader| batch(reader, asked))
    }

    fn write_request(&self, request: &Request<'_>, target: &Target<'_>) -> Result<Written, BodyError> {
        write_request(Dialect::GeminiBatch, request, target)
    }

    fn read_answer<'a>(&self, body: &'a [u8], _: &Known<'_>) -> Result<Read<Answer<'a>>, Box<Error<'a>>> {
        read_answer(Dialect::GeminiBatch, body)
    }

    fn write_answer(&self, answer: &Answer<'_>, envelope: &Envelope<'_>) -> Written {
        write_answer(Dialect::GeminiBatch, answer, envelope)
    }
}

/// One request's members.
#[derive(Default)]
struct Found<'a> {
    model: Option<Text<'a>>,
    parts: Vec<Part<'a>>,
    task: Option<Task<'a>>,
    title: Option<Text<'a>>,
    dimensions: Option<Number<'a>>,
    extras: Extras<'a>,
}

/// Google takes its names in camel case and in snake case.
fn one<'a>(reader: &mut Reader<'a>, found: &mut Found<'a>) -> Result<(), Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(());
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"model" => found.model = reader.text(TEXT).within("model")?,
            b"content" => content(reader, &mut found.parts).within("content")?,
            b"taskType" | b"task_type" => {
                found.task = reader.text(TEXT).within("taskType")?.map(Task::named);
            }
            b"title" => found.title = reader.text(TEXT).within("title")?,
            b"outputDimensionality" | b"output_dimensionality" => {
                found.dimensions = reader.number("must be a number").within("outputDimensionality")?;
            }
            _ => reader.extra(key, &mut found.extras)?,
        }
    }
    Ok(())
}

fn content<'a>(reader: &mut Reader<'a>, parts: &mut Vec<Part<'a>>) -> Result<(), Fault> {
    let Some(mut members) = reader.object("must be an object with `parts`")? else {
        return Ok(());
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"parts" if reader.kind()? == ValueKind::Object => parts.push(part(reader).within("parts")?),
            b"parts" => reader
                .each("must be an array", |reader, _| {
                    parts.push(part(reader)?);
                    Ok(())
                })
                .within("parts")?,
            // a role says nothing here
            _ => reader.pass()?,
        }
    }
    Ok(())
}

fn part<'a>(reader: &mut Reader<'a>) -> Result<Part<'a>, Fault> {
    let mut found = None;
    if let Some(mut members) = reader.object(OBJECT)? {
        while let Some(key) = reader.next(&mut members)? {
            match &*key {
                b"text" => found = reader.text(TEXT).within("text")?.map(Part::text),
                b"inlineData" | b"inline_data" => found = Some(inline(reader).within("inlineData")?),
                b"fileData" | b"file_data" => found = Some(file(reader).within("fileData")?),
                _ => reader.pass()?,
            }
        }
    }
    found.ok_or_else(|| Fault::invalid("", "must be a text, `inlineData` or `fileData`"))
}

fn inline<'a>(reader: &mut Reader<'a>) -> Result<Part<'a>, Fault> {
    let (mut media_type, mut data) = (None, None);
    if let Some(mut members) = reader.object(OBJECT)? {
        while let Some(key) = reader.next(&mut members)? {
            match &*key {
                b"mimeType" | b"mime_type" => media_type = reader.text(TEXT).within("mimeType")?,
                b"data" => data = reader.text(TEXT).within("data")?,
                _ => reader.pass()?,
            }
        }
    }
    let data = data.ok_or_else(|| Fault::missing("data", "is missing"))?;
    if !is_base64(&data.get()) {
        return Err(Fault::invalid("data", "is not base64"));
    }
    Ok(media(Source::Base64(data), media_type))
}

fn file<'a>(reader: &mut Reader<'a>) -> Result<Part<'a>, Fault> {
    let (mut media_type, mut uri) = (None, None);
    if let Some(mut members) = reader.object(OBJECT)? {
        while let Some(key) = reader.next(&mut members)? {
            match &*key {
                b"mimeType" | b"mime_type" => media_type = reader.text(TEXT).within("mimeType")?,
                b"fileUri" | b"file_uri" => uri = reader.text(TEXT).within("fileUri")?,
                _ => reader.pass()?,
            }
        }
    }
    let uri = uri.ok_or_else(|| Fault::missing("fileUri", "is missing"))?;
    Ok(media(Source::Url(uri), media_type))
}

fn media<'a>(source: Source<'a>, media_type: Option<Text<'a>>) -> Part<'a> {
    let named = media_type
        .as_ref()
        .map(Text::get)
        .unwrap_or_default()
        .into_owned();
    let kind = match named.split('/').next() {
        Some("audio") => MediaKind::Audio,
        Some("video") => MediaKind::Video,
        Some("application" | "text") => MediaKind::Document,
        _ => MediaKind::Image,
    };
    Part::new(Content::Media(Media {
        media_type,
        ..Media::new(kind, source)
    }))
}

fn batch<'a>(reader: &mut Reader<'a>, asked: &Asked<'a>) -> Result<Request<'a>, Fault> {
    let mut request = Request::new(Dialect::GeminiBatch, Text::default());
    let Some(mut members) = reader.object("the body must be a JSON object")? else {
        return Ok(request);
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"requests" => reader
                .each("must be an array", |reader, _| {
                    let mut found = Found::default();
                    one(reader, &mut found)?;
                    // what one request alone says besides is not known to be of all
                    found.extras.clear();
                    add(&mut request, found, asked)
                })
                .within("requests")?,
            _ => reader.extra(key, &mut request.extras)?,
        }
    }
    settle(request, asked)
}

fn add<'a>(request: &mut Request<'a>, found: Found<'a>, asked: &Asked<'a>) -> Result<(), Fault> {
    if found.parts.is_empty() {
        return Err(Fault::missing("content.parts", "is missing or empty"));
    }
    let first = request.inputs.is_empty();
    if !first && found.dimensions != request.dimensions {
        return Err(Fault::invalid(
            "outputDimensionality",
            "differs from the one of the first request: send them apart",
        ));
    }
    if first && asked.model.is_none() {
        request.model = found.model.unwrap_or_default();
    }
    request.dimensions = found.dimensions;
    request.extras.extend(found.extras);
    let mut parts = found.parts.into_iter();
    let content = match (parts.next(), parts.len()) {
        (
            Some(Part {
                content: Content::Text { text, .. },
                ..
            }),
            0,
        ) => InputContent::Text(text),
        (one, _) => InputContent::Parts(one.into_iter().chain(parts).collect()),
    };
    request.inputs.push(Input {
        content,
        task: found.task,
        title: found.title,
    });
    Ok(())
}

fn settle<'a>(mut request: Request<'a>, asked: &Asked<'a>) -> Result<Request<'a>, Fault> {
    if let Some(model) = asked.model {
        request.model = Text::plain(model);
    }
    if request.inputs.is_empty() {
        return Err(Fault::missing("requests", "is missing or empty"));
    }
    let model = request.model.get().strip_prefix("models/").map(str::to_owned);
    if let Some(model) = model {
        request.model = Text::plain(model);
    }
    request.gather();
    Ok(request)
}

fn write_request(dialect: Dialect, request: &Request<'_>, target: &Target<'_>) -> Result<Written, BodyError> {
    let mut written = Written::default();
    let losses = &mut written.losses;
    let mut result = Ok(());
    object(&mut written.bytes, |body| {
        match (dialect, request.inputs.as_slice()) {
            (Dialect::GeminiBatch, inputs) => body.array("requests", |array| {
                for (at, input) in inputs.iter().enumerate() {
                    array.object(|object| {
                        object.str("model", &model_path(target.model));
                        if result.is_ok() {
                            result = write_one(dialect, input, request, object, losses)
                                .map_err(|fault| fault.within_element(at))
                                .within("input");
                        }
                    });
                }
            }),
            (_, [only]) => result = write_one(dialect, only, request, body, losses).within("input"),
            _ => result = Err(input::one_at_a_time()),
        }
        request.floats_alone(losses);
        request.drop_rest(true, true, losses);
        let own = is_gemini(request.dialect);
        for extra in &request.extras {
            match own {
                true => body.member(&extra.name, &extra.value),
                false => losses.dropped(extra.name.get().into_owned(), NO_SUCH),
            }
        }
    });
    result.map_err(|fault: Fault| fault.into_body_error(&[], DEFAULT_MAX_DEPTH))?;
    Ok(written)
}

fn is_gemini(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::Gemini | Dialect::GeminiBatch)
}

fn model_path(model: &str) -> String {
    match model.contains('/') {
        true => model.to_owned(),
        false => format!("models/{model}"),
    }
}

fn write_one(
    dialect: Dialect,
    input: &Input<'_>,
    request: &Request<'_>,
    object: &mut Object<'_>,
    losses: &mut Losses,
) -> Result<(), Fault> {
    let mut result = Ok(());
    object.object("content", |content| {
        content.array("parts", |array| match &input.content {
            InputContent::Text(text) => array.object(|object| object.text("text", text)),
            InputContent::Tokens(_) => result = Err(input::no_tokens()),
            InputContent::Parts(parts) => {
                for part in parts {
                    if result.is_ok() {
                        result = write_part(part, array);
                    }
                }
            }
        });
    });
    let own = is_gemini(request.dialect) || request.dialect == Dialect::VertexPredict;
    if let Some(task) = input.task.as_ref().or(request.task.as_ref())
        && let Some(word) = task.word(own, dialect, losses)
    {
        object.text("taskType", &word);
    }
    object.text_if("title", input.title.as_ref());
    object.number_if("outputDimensionality", request.dimensions.as_ref());
    result
}

fn write_part(part: &Part<'_>, array: &mut Array<'_>) -> Result<(), Fault> {
    if let Some(text) = part.as_text() {
        array.object(|object| object.text("text", text));
        return Ok(());
    }
    let Content::Media(media) = &part.content else {
        return Err(input::no_media());
    };
    let (name, member, value) = match &media.source {
        Source::Base64(data) => ("inlineData", "data", data),
        Source::Url(uri) => ("fileData", "fileUri", uri),
        _ => return Err(input::no_media()),
    };
    array.object(|object| {
        object.object(name, |object| {
            match &media.media_type {
                Some(media_type) => object.text("mimeType", media_type),
                None if media.kind == MediaKind::Image => object.str("mimeType", "image/png"),
                None => {}
            }
            object.text(member, value);
        });
    });
    Ok(())
}

fn read_answer<'a>(dialect: Dialect, body: &'a [u8]) -> Result<Read<Answer<'a>>, Box<Error<'a>>> {
    let read = Reader::whole(body, false, |reader| found(dialect, reader));
    let Read { value, losses } = read.map_err(|why| Box::new(Error::bad_answer(&why)))?;
    match value {
        Some(value) => Ok(Read { value, losses }),
        None if crate::json::pointer(body, "/error").is_some() => {
            Err(Box::new(dialect.codec().read_error(200, None, body)))
        }
        None => Err(no_answer()),
    }
}

fn found<'a>(dialect: Dialect, reader: &mut Reader<'a>) -> Result<Option<Answer<'a>>, Fault> {
    let Some(mut members) = reader.object("the body is not a JSON object")? else {
        return Ok(None);
    };
    let mut answer = Answer::new(dialect);
    let mut any = false;
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"embedding" => {
                any = true;
                answer.embeddings.extend(embedding(reader).within("embedding")?);
            }
            b"embeddings" if reader.kind()? == ValueKind::Array => {
                any = true;
                let embeddings = &mut answer.embeddings;
                reader
                    .each("embeddings are not an array", |reader, _| {
                        embeddings.extend(embedding(reader)?);
                        Ok(())
                    })
                    .within("embeddings")?;
            }
            b"usageMetadata" => {
                let usage = reader.json_or_null()?;
                answer.usage = usage.as_ref().and_then(usage_of);
                answer.native_usage = usage;
            }
            _ => reader.extra(key, &mut answer.extras)?,
        }
    }
    Ok(any.then_some(answer))
}

fn embedding<'a>(reader: &mut Reader<'a>) -> Result<Option<Embedding<'a>>, Fault> {
    let Some(mut members) = reader.object("an embedding is not an object")? else {
        return Ok(None);
    };
    let mut values = None;
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"values" => values = Some(vector::read(reader, NumberKind::Float).within("values")?),
            _ => reader.pass()?,
        }
    }
    let values = values.ok_or_else(|| Fault::missing("values", "is missing"))?;
    Ok(Some(Embedding::new(values)))
}

/// AI Studio counts for its newer models only.
fn usage_of(usage: &Json<'_>) -> Option<Usage> {
    let count = |name: &str| usage.pointer(name).and_then(|count| count.as_u64());
    let mut counts = super::openai::usage_of(count("/promptTokenCount"), count("/totalTokenCount"))?;
    // both spellings are recorded
    let details = usage
        .pointer("/promptTokensDetails")
        .or_else(|| usage.pointer("/promptTokenDetails"));
    for detail in details.iter().flat_map(Json::elements) {
        let tokens = detail.pointer("/tokenCount").and_then(|count| count.as_u64());
        let modality = detail.pointer("/modality");
        let place = match modality
            .as_ref()
            .and_then(Json::as_text)
            .as_ref()
            .map(Text::get)
            .as_deref()
        {
            Some("IMAGE") => &mut counts.input_image,
            Some("TEXT") => &mut counts.input_text,
            Some("AUDIO") => &mut counts.input_audio,
            Some("VIDEO") => &mut counts.input_video,
            _ => continue,
        };
        *place = tokens;
    }
    Some(counts)
}

fn write_answer(dialect: Dialect, answer: &Answer<'_>, envelope: &Envelope<'_>) -> Written {
    let mut written = Written::default();
    let losses = &mut written.losses;
    object(&mut written.bytes, |body| {
        match (dialect, answer.embeddings.first()) {
            (Dialect::Gemini, Some(first)) => body.object("embedding", |object| {
                first.write_best(true, envelope, losses, object.value("values"));
            }),
            _ => body.array("embeddings", |array| {
                for embedding in &answer.embeddings {
                    array.object(|object| {
                        embedding.write_best(true, envelope, losses, object.value("values"));
                    });
                }
            }),
        }
        if dialect == Dialect::Gemini && answer.embeddings.len() > 1 {
            losses.dropped("embeddings[1]", "the caller's dialect has one embedding");
        }
        write_usage(answer, body);
        let own = is_gemini(answer.dialect);
        for extra in &answer.extras {
            match &*extra.name.get() {
                _ if own => body.member(&extra.name, &extra.value),
                "texts" | "images" | "response_type" | "object" => {}
                name => losses.dropped(name.to_owned(), NO_SUCH),
            }
        }
    });
    written
}

fn write_usage(answer: &Answer<'_>, body: &mut Object<'_>) {
    if let Some(usage) = answer.native_usage.as_ref().filter(|_| is_gemini(answer.dialect)) {
        return body.json("usageMetadata", usage);
    }
    let Some(input) = answer.usage.and_then(|usage| usage.input) else {
        return;
    };
    body.object("usageMetadata", |usage| {
        usage.count("promptTokenCount", input);
        usage.count("totalTokenCount", input);
    });
}
