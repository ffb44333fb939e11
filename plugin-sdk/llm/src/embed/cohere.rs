//! Cohere's embeddings (APIS.md 6.7, 8), at Cohere and on Bedrock, where the model is in the path and headers count.

use smallvec::SmallVec;

use super::input::{self, Input, InputContent};
use super::request::{Request, Truncate};
use super::task::{Task, TaskKind};
use super::vector::{self, Encoding, NumberKind, Vector};
use super::{Answer, Codec, Dialect, Embedding, Envelope, Known, NO_SUCH, Target, answer, no_answer};
use crate::fault::{BodyError, Fault, Within};
use crate::json::{DEFAULT_MAX_DEPTH, ValueKind};
use crate::model::{Asked, Error, Json, Losses, Read, Source, Text, Usage, Written, sum_of};
use crate::read::Reader;
use crate::write::{Object, object};

const TEXT: &str = "must be a string";
const ARRAY: &str = "must be an array";

#[derive(Copy, Clone, Debug)]
pub(super) struct Cohere;

#[derive(Copy, Clone, Debug)]
pub(super) struct BedrockCohere;

impl Codec for Cohere {
    fn dialect(&self) -> Dialect {
        Dialect::Cohere
    }

    fn most_inputs(&self) -> Option<usize> {
        Some(96)
    }

    fn read_request<'a>(&self, body: &'a [u8], asked: &Asked<'a>) -> Result<Read<Request<'a>>, BodyError> {
        Reader::whole(body, true, |reader| request(Dialect::Cohere, reader, asked))
    }

    fn write_request(&self, request: &Request<'_>, target: &Target<'_>) -> Result<Written, BodyError> {
        write_request(Dialect::Cohere, request, target)
    }

    fn read_answer<'a>(&self, body: &'a [u8], known: &Known<'_>) -> Result<Read<Answer<'a>>, Box<Error<'a>>> {
        read_answer(Dialect::Cohere, body, known)
    }

    fn write_answer(&self, answer: &Answer<'_>, envelope: &Envelope<'_>) -> Written {
        write_answer(Dialect::Cohere, answer, envelope)
    }
}

impl Codec for BedrockCohere {
    fn dialect(&self) -> Dialect {
        Dialect::BedrockCohere
    }

    fn most_inputs(&self) -> Option<usize> {
        Some(96)
    }

    fn read_request<'a>(&self, body: &'a [u8], asked: &Asked<'a>) -> Result<Read<Request<'a>>, BodyError> {
        Reader::whole(body, true, |reader| {
            request(Dialect::BedrockCohere, reader, asked)
        })
    }

    fn write_request(&self, request: &Request<'_>, target: &Target<'_>) -> Result<Written, BodyError> {
        write_request(Dialect::BedrockCohere, request, target)
    }

    fn read_answer<'a>(&self, body: &'a [u8], known: &Known<'_>) -> Result<Read<Answer<'a>>, Box<Error<'a>>> {
        read_answer(Dialect::BedrockCohere, body, known)
    }

    fn write_answer(&self, answer: &Answer<'_>, envelope: &Envelope<'_>) -> Written {
        write_answer(Dialect::BedrockCohere, answer, envelope)
    }
}

fn request<'a>(dialect: Dialect, reader: &mut Reader<'a>, asked: &Asked<'a>) -> Result<Request<'a>, Fault> {
    let mut request = Request::new(dialect, Text::default());
    let Some(mut members) = reader.object("the body must be a JSON object")? else {
        return Ok(request);
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"model" => request.model = reader.text(TEXT).within("model")?.unwrap_or_default(),
            b"texts" => texts(reader, &mut request.inputs).within("texts")?,
            b"images" => images(reader, &mut request.inputs).within("images")?,
            b"inputs" => mixed(reader, &mut request.inputs).within("inputs")?,
            b"input_type" => request.task = reader.text(TEXT).within("input_type")?.map(Task::named),
            b"embedding_types" => encodings(reader, &mut request.encodings).within("embedding_types")?,
            b"output_dimension" => {
                request.dimensions = reader.number("must be a number").within("output_dimension")?;
            }
            b"truncate" => request.truncate = truncate(reader).within("truncate")?,
            _ => reader.extra(key, &mut request.extras)?,
        }
    }
    if let Some(model) = asked.model {
        request.model = Text::plain(model);
    }
    if request.model.is_empty() && dialect == Dialect::Cohere {
        return Err(Fault::missing("model", "is missing: name the model to ask"));
    }
    if request.inputs.is_empty() {
        return Err(Fault::missing(
            "texts",
            "is missing or empty, and so are `images` and `inputs`",
        ));
    }
    Ok(request)
}

fn texts<'a>(reader: &mut Reader<'a>, inputs: &mut Vec<Input<'a>>) -> Result<(), Fault> {
    reader.each(ARRAY, |reader, _| {
        inputs.extend(reader.text(TEXT)?.map(Input::text));
        Ok(())
    })
}

fn images<'a>(reader: &mut Reader<'a>, inputs: &mut Vec<Input<'a>>) -> Result<(), Fault> {
    reader.each(ARRAY, |reader, _| {
        if let Some(url) = reader.text(TEXT)? {
            let media = crate::model::Content::Media(input::at_url(url)?);
            let part = crate::model::Part::new(media);
            inputs.push(Input::new(InputContent::Parts(vec![part])));
        }
        Ok(())
    })
}

fn mixed<'a>(reader: &mut Reader<'a>, inputs: &mut Vec<Input<'a>>) -> Result<(), Fault> {
    reader.each(ARRAY, |reader, _| {
        inputs.push(Input::new(input::object(reader)?));
        Ok(())
    })
}

/// Each once, however often it is said.
fn encodings(reader: &mut Reader<'_>, encodings: &mut Vec<Encoding>) -> Result<(), Fault> {
    reader.each(ARRAY, |reader, _| {
        let Some(name) = reader.text(TEXT)? else {
            return Ok(());
        };
        let encoding = encoding(&name.get()).ok_or_else(|| {
            Fault::invalid(
                "",
                "must be `float`, `int8`, `uint8`, `binary`, `ubinary` or `base64`",
            )
        })?;
        if !encodings.contains(&encoding) {
            encodings.push(encoding);
        }
        Ok(())
    })
}

fn encoding(name: &str) -> Option<Encoding> {
    if name == "base64" {
        return Some(Encoding::BASE64);
    }
    let kind = NumberKind::named(name)?;
    Some(Encoding { kind, base64: false })
}

/// Base64 is a type of its own here, of floats.
fn name_of(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::BASE64 => "base64",
        Encoding { kind, .. } => kind.as_str(),
    }
}

fn truncate(reader: &mut Reader<'_>) -> Result<Option<Truncate>, Fault> {
    let Some(name) = reader.text(TEXT)? else {
        return Ok(None);
    };
    Ok(Some(match &*name.get() {
        "NONE" => Truncate::Never,
        "START" | "LEFT" => Truncate::Start,
        "END" | "RIGHT" => Truncate::End,
        _ => return Err(Fault::invalid("", "must be `NONE`, `START` or `END`")),
    }))
}

fn write_request(dialect: Dialect, request: &Request<'_>, target: &Target<'_>) -> Result<Written, BodyError> {
    let mut written = Written::default();
    let losses = &mut written.losses;
    let mut result = Ok(());
    object(&mut written.bytes, |body| {
        // on Bedrock it is in the path
        if dialect == Dialect::Cohere {
            body.str("model", target.model);
        }
        result = write_inputs(request, target, body);
        write_task(dialect, request, body, losses);
        write_encodings(dialect, request, target, body);
        body.number_if("output_dimension", request.dimensions.as_ref());
        match request.truncate {
            None => {}
            Some(Truncate::Never) => body.str("truncate", "NONE"),
            Some(Truncate::Start) => body.str("truncate", "START"),
            Some(Truncate::End) => body.str("truncate", "END"),
        }
        request.drop_rest(true, false, losses);
        request.drop_titles(losses);
        let own = is_cohere(request.dialect);
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

/// The two say the same.
fn is_cohere(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::Cohere | Dialect::BedrockCohere)
}

/// Texts alone, images alone, or pieces of both.
fn write_inputs(request: &Request<'_>, target: &Target<'_>, body: &mut Object<'_>) -> Result<(), Fault> {
    let inputs = &request.inputs;
    if inputs.iter().all(|input| input.as_text().is_some()) {
        body.array("texts", |array| {
            inputs
                .iter()
                .filter_map(Input::as_text)
                .for_each(|text| array.text(text));
        });
        return Ok(());
    }
    for (at, input) in inputs.iter().enumerate() {
        takes(input, target)
            .map_err(|fault| fault.within_element(at))
            .within("input")?;
    }
    if inputs.iter().all(|input| input.as_image().is_some()) {
        body.array("images", |array| {
            for media in inputs.iter().filter_map(Input::as_image) {
                media.write_url("image/png", array.value());
            }
        });
        return Ok(());
    }
    let mut result = Ok(());
    body.array("inputs", |array| {
        for (at, input) in inputs.iter().enumerate() {
            array.object(|object| match &input.content {
                InputContent::Text(text) => object.array("content", |array| {
                    array.object(|object| {
                        object.str("type", "text");
                        object.text("text", text);
                    });
                }),
                InputContent::Parts(parts) if result.is_ok() => {
                    result = input::write_parts(parts, object)
                        .map_err(|fault| fault.within_element(at))
                        .within("input");
                }
                _ => {}
            });
        }
    });
    result
}

fn takes(input: &Input<'_>, target: &Target<'_>) -> Result<(), Fault> {
    let by_url = |part: &crate::model::Part<'_>| matches!(&part.content, crate::model::Content::Media(media) if matches!(media.source, Source::Url(_)));
    match &input.content {
        InputContent::Text(_) => Ok(()),
        InputContent::Tokens(_) => Err(input::no_tokens()),
        InputContent::Parts(_) if !target.images => Err(input::no_media()),
        InputContent::Parts(parts) if parts.iter().any(by_url) => Err(Fault::unsupported(
            "",
            "holds an image by URL, which has to be sent as base64",
        )),
        InputContent::Parts(_) => Ok(()),
    }
}

/// It is demanded: whoever does not say embeds to be found.
fn write_task(dialect: Dialect, request: &Request<'_>, body: &mut Object<'_>, losses: &mut Losses) {
    if let Some(task) = request.one_task(losses) {
        let own = is_cohere(request.dialect);
        // a word that nobody knows is not Cohere's
        if (own || task.kind != TaskKind::Other)
            && let Some(word) = task.word(own, dialect, losses)
        {
            return body.text("input_type", &word);
        }
    }
    let images = request.inputs.iter().all(|input| input.as_image().is_some());
    body.str("input_type", if images { "image" } else { "search_document" });
    losses.added(
        "input_type",
        "the provider demands to know what embeddings are for",
    );
}

fn write_encodings(dialect: Dialect, request: &Request<'_>, target: &Target<'_>, body: &mut Object<'_>) {
    let wanted = match target.encoding {
        Some(encoding) => vec![encoding],
        None => request.encodings.clone(),
    };
    // on Bedrock nothing said is floats, in their own form
    if wanted.is_empty() && dialect == Dialect::BedrockCohere {
        return;
    }
    body.array("embedding_types", |array| {
        let mut names: SmallVec<[&str; 4]> = SmallVec::new();
        for encoding in wanted {
            let name = name_of(encoding);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if names.is_empty() {
            names.push("float");
        }
        names.iter().for_each(|name| array.str(name));
    });
}

fn read_answer<'a>(
    dialect: Dialect,
    body: &'a [u8],
    known: &Known<'_>,
) -> Result<Read<Answer<'a>>, Box<Error<'a>>> {
    let read = Reader::whole(body, false, |reader| found(dialect, reader));
    let Read { value, losses } = read.map_err(|why| Box::new(Error::bad_answer(&why)))?;
    let Some(mut value) = value else {
        let error = dialect.codec().read_error(200, None, body);
        // an error has a message, which an answer has not
        return Err(if has_message(body) {
            Box::new(error)
        } else {
            no_answer()
        });
    };
    if let (None, Some(counted)) = (&value.usage, known.input_tokens) {
        value.usage = super::openai::usage_of(Some(counted), None);
    }
    Ok(Read { value, losses })
}

fn has_message(body: &[u8]) -> bool {
    crate::json::pointer(body, "/message").is_some()
}

fn found<'a>(dialect: Dialect, reader: &mut Reader<'a>) -> Result<Option<Answer<'a>>, Fault> {
    let Some(mut members) = reader.object("the body is not a JSON object")? else {
        return Ok(None);
    };
    let mut answer = Answer::new(dialect);
    let mut embeddings = None;
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"id" => answer.id = reader.text("a member is not a string")?,
            b"embeddings" => embeddings = Some(read_embeddings(reader).within("embeddings")?),
            b"meta" => {
                let meta = reader.json_or_null()?;
                answer.usage = meta.as_ref().and_then(usage);
                answer.native_usage = meta;
            }
            _ => reader.extra(key, &mut answer.extras)?,
        }
    }
    Ok(embeddings.map(|embeddings| {
        answer.embeddings = embeddings;
        answer
    }))
}

fn usage(meta: &Json<'_>) -> Option<Usage> {
    let count = |name: &str| meta.pointer(name).and_then(|count| count.as_u64());
    let images = count("/billed_units/image_tokens");
    let input = sum_of(&[count("/billed_units/input_tokens"), images])?;
    Some(Usage {
        input: Some(input),
        input_image: images,
        ..Usage::default()
    })
}

/// By type, each with one list for each input; or floats alone, as Bedrock gives them to who asks for no type.
fn read_embeddings<'a>(reader: &mut Reader<'a>) -> Result<Vec<Embedding<'a>>, Fault> {
    let mut embeddings: Vec<Embedding<'a>> = Vec::new();
    if reader.kind()? == ValueKind::Array {
        add_vectors(reader, NumberKind::Float, &mut embeddings)?;
        return Ok(embeddings);
    }
    let Some(mut members) = reader.object("embeddings are neither an object nor an array")? else {
        return Ok(embeddings);
    };
    while let Some(key) = reader.next(&mut members)? {
        let name = std::str::from_utf8(&key).unwrap_or_default();
        match encoding(name) {
            Some(encoding) if reader.kind()? == ValueKind::Array => {
                add_vectors(reader, encoding.kind, &mut embeddings).within(name)?;
            }
            _ => reader.pass()?,
        }
    }
    Ok(embeddings)
}

fn add_vectors<'a>(
    reader: &mut Reader<'a>,
    kind: NumberKind,
    embeddings: &mut Vec<Embedding<'a>>,
) -> Result<(), Fault> {
    reader.each("vectors are not an array", |reader, at| {
        let vector = vector::read(reader, kind)?;
        match embeddings.get_mut(at) {
            Some(embedding) => embedding.vectors.push(vector),
            None => embeddings.push(Embedding::new(vector)),
        }
        Ok(())
    })
}

fn write_answer(dialect: Dialect, answer: &Answer<'_>, envelope: &Envelope<'_>) -> Written {
    let mut written = Written::default();
    let losses = &mut written.losses;
    let own = is_cohere(answer.dialect);
    let listed = dialect == Dialect::BedrockCohere && envelope.request.encodings.is_empty();
    object(&mut written.bytes, |body| {
        match &answer.id {
            Some(id) => body.text("id", id),
            None => body.str("id", envelope.id),
        }
        match listed {
            true => body.array("embeddings", |array| {
                for embedding in &answer.embeddings {
                    embedding.write_best(true, envelope, losses, array.value());
                }
            }),
            false => body.object("embeddings", |types| write_types(answer, envelope, types, losses)),
        }
        write_texts(answer, envelope, own, body);
        if dialect == Dialect::Cohere {
            write_meta(answer, body);
        }
        body.str(
            "response_type",
            if listed {
                "embeddings_floats"
            } else {
                "embeddings_by_type"
            },
        );
        for extra in &answer.extras {
            match &*extra.name.get() {
                "texts" | "response_type" | "object" => {}
                _ if own => body.member(&extra.name, &extra.value),
                name => losses.dropped(name.to_owned(), NO_SUCH),
            }
        }
    });
    written
}

/// Each type that was asked for, or that is there where nothing was asked for.
fn write_types(answer: &Answer<'_>, envelope: &Envelope<'_>, types: &mut Object<'_>, losses: &mut Losses) {
    let mut wanted = envelope.request.encodings.clone();
    if wanted.is_empty() {
        wanted.push(Encoding::FLOATS);
    }
    for encoding in wanted {
        let of_kind = |embedding: &Embedding<'_>| -> Option<usize> {
            embedding
                .vectors
                .iter()
                .position(|vector| vector.kind == encoding.kind)
        };
        let missing = answer
            .embeddings
            .iter()
            .any(|embedding| of_kind(embedding).is_none());
        if missing {
            losses.dropped(
                format!("embeddings.{}", name_of(encoding)),
                "the provider gave no embeddings of this kind",
            );
            continue;
        }
        types.array(name_of(encoding), |array| {
            for embedding in &answer.embeddings {
                let vector: Option<&Vector<'_>> = of_kind(embedding).and_then(|at| embedding.vectors.get(at));
                if let Some(vector) = vector {
                    answer::write(vector, encoding.base64, losses, array.value());
                }
            }
        });
    }
}

/// The texts are repeated to the caller.
fn write_texts(answer: &Answer<'_>, envelope: &Envelope<'_>, own: bool, body: &mut Object<'_>) {
    if own {
        if let Some(texts) = crate::model::extra(&answer.extras, "texts") {
            body.json("texts", texts);
        }
        return;
    }
    let inputs = &envelope.request.inputs;
    if inputs.iter().all(|input| input.as_text().is_some()) {
        body.array("texts", |array| {
            inputs
                .iter()
                .filter_map(Input::as_text)
                .for_each(|text| array.text(text));
        });
    }
}

fn write_meta(answer: &Answer<'_>, body: &mut Object<'_>) {
    if let Some(meta) = answer.own_usage(Dialect::Cohere) {
        return body.json("meta", meta);
    }
    let usage = answer.usage.unwrap_or_default();
    body.object("meta", |meta| {
        meta.object("api_version", |version| version.str("version", "2"));
        meta.object("billed_units", |units| {
            let images = usage.input_image.unwrap_or(0);
            units.count_if(
                "input_tokens",
                usage.input.map(|input| input.saturating_sub(images)),
            );
            units.count_if("image_tokens", usage.input_image);
        });
    });
}
