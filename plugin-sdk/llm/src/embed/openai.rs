//! OpenAI's embeddings (APIS.md 1.7), and Voyage's, which are the same but for a few names.

use super::input::{self, Input, InputContent};
use super::request::{Request, Truncate};
use super::task::Task;
use super::vector::{self, Encoding, NumberKind};
use super::{Answer, Codec, Dialect, Embedding, Envelope, Known, NO_SUCH, Target, no_answer};
use crate::fault::{BodyError, Fault, Within};
use crate::json::{DEFAULT_MAX_DEPTH, ValueKind};
use crate::model::{Asked, Error, Losses, Read, Text, Usage, Written};
use crate::read::Reader;
use crate::write::{Array, Object, object};

const TEXT: &str = "must be a string";
const NUMBER: &str = "must be a number";

#[derive(Copy, Clone, Debug)]
pub(super) struct OpenAi;

#[derive(Copy, Clone, Debug)]
pub(super) struct Voyage;

impl Codec for OpenAi {
    fn dialect(&self) -> Dialect {
        Dialect::OpenAi
    }

    fn most_inputs(&self) -> Option<usize> {
        Some(2048)
    }

    fn read_request<'a>(&self, body: &'a [u8], asked: &Asked<'a>) -> Result<Read<Request<'a>>, BodyError> {
        read_request(Dialect::OpenAi, body, asked)
    }

    fn write_request(&self, request: &Request<'_>, target: &Target<'_>) -> Result<Written, BodyError> {
        write_request(Dialect::OpenAi, request, target)
    }

    fn read_answer<'a>(&self, body: &'a [u8], known: &Known<'_>) -> Result<Read<Answer<'a>>, Box<Error<'a>>> {
        read_answer(Dialect::OpenAi, body, known)
    }

    fn write_answer(&self, answer: &Answer<'_>, envelope: &Envelope<'_>) -> Written {
        write_answer(Dialect::OpenAi, answer, envelope)
    }
}

impl Codec for Voyage {
    fn dialect(&self) -> Dialect {
        Dialect::Voyage
    }

    fn most_inputs(&self) -> Option<usize> {
        Some(1000)
    }

    fn read_request<'a>(&self, body: &'a [u8], asked: &Asked<'a>) -> Result<Read<Request<'a>>, BodyError> {
        read_request(Dialect::Voyage, body, asked)
    }

    fn write_request(&self, request: &Request<'_>, target: &Target<'_>) -> Result<Written, BodyError> {
        write_request(Dialect::Voyage, request, target)
    }

    fn read_answer<'a>(&self, body: &'a [u8], known: &Known<'_>) -> Result<Read<Answer<'a>>, Box<Error<'a>>> {
        read_answer(Dialect::Voyage, body, known)
    }

    fn write_answer(&self, answer: &Answer<'_>, envelope: &Envelope<'_>) -> Written {
        write_answer(Dialect::Voyage, answer, envelope)
    }
}

fn read_request<'a>(
    dialect: Dialect,
    body: &'a [u8],
    asked: &Asked<'a>,
) -> Result<Read<Request<'a>>, BodyError> {
    Reader::whole(body, true, |reader| request(dialect, reader, asked))
}

fn request<'a>(dialect: Dialect, reader: &mut Reader<'a>, asked: &Asked<'a>) -> Result<Request<'a>, Fault> {
    let mut request = Request::new(dialect, Text::default());
    let voyage = dialect == Dialect::Voyage;
    let (mut base64, mut kind) = (None, None);
    let Some(mut members) = reader.object("the body must be a JSON object")? else {
        return Ok(request);
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"model" => request.model = reader.text(TEXT).within("model")?.unwrap_or_default(),
            b"input" => inputs(reader, &mut request).within("input")?,
            b"dimensions" if !voyage => request.dimensions = reader.number(NUMBER).within("dimensions")?,
            b"output_dimension" if voyage => {
                request.dimensions = reader.number(NUMBER).within("output_dimension")?;
            }
            b"encoding_format" => base64 = encoding_format(reader).within("encoding_format")?,
            b"output_dtype" if voyage => kind = output_dtype(reader).within("output_dtype")?,
            b"input_type" => request.task = reader.text(TEXT).within("input_type")?.map(Task::named),
            b"truncation" if voyage => {
                let cut = reader.bool("must be true or false").within("truncation")?;
                request.truncate = cut.map(|cut| if cut { Truncate::End } else { Truncate::Never });
            }
            b"user" => request.user = reader.text(TEXT).within("user")?,
            _ => reader.extra(key, &mut request.extras)?,
        }
    }
    if base64.is_some() || kind.is_some() {
        request.encodings.push(Encoding {
            kind: kind.unwrap_or_default(),
            base64: base64.unwrap_or(false),
        });
    }
    if let Some(model) = asked.model {
        request.model = Text::plain(model);
    }
    if request.model.is_empty() {
        return Err(Fault::missing("model", "is missing: name the model to ask"));
    }
    if request.inputs.is_empty() {
        return Err(Fault::missing("input", "is missing or empty"));
    }
    Ok(request)
}

/// A text, a list of token ids, or a list of any of these; OpenRouter also has texts with images.
fn inputs<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), Fault> {
    if reader.kind()? == ValueKind::String {
        request.single = true;
        let text = reader.literal()?;
        request.inputs.push(Input::text(text));
        return Ok(());
    }
    if reader.at_numbers()? {
        request.single = true;
        request.inputs.push(Input::new(input::tokens(reader)?));
        return Ok(());
    }
    reader.each("must be a string or an array", |reader, _| {
        let content = match reader.kind()? {
            ValueKind::Array => input::tokens(reader)?,
            ValueKind::Object => input::object(reader)?,
            ValueKind::String => InputContent::Text(reader.literal()?),
            _ => return Err(Fault::wrong_type("", "must be a text, token ids or an object")),
        };
        request.inputs.push(Input::new(content));
        Ok(())
    })
}

fn encoding_format(reader: &mut Reader<'_>) -> Result<Option<bool>, Fault> {
    let Some(format) = reader.text(TEXT)? else {
        return Ok(None);
    };
    match &*format.get() {
        "float" => Ok(Some(false)),
        "base64" => Ok(Some(true)),
        _ => Err(Fault::invalid("", "must be `float` or `base64`")),
    }
}

fn output_dtype(reader: &mut Reader<'_>) -> Result<Option<NumberKind>, Fault> {
    let Some(name) = reader.text(TEXT)? else {
        return Ok(None);
    };
    NumberKind::named(&name.get())
        .map(Some)
        .ok_or_else(|| Fault::invalid("", "must be `float`, `int8`, `uint8`, `binary` or `ubinary`"))
}

fn write_request(dialect: Dialect, request: &Request<'_>, target: &Target<'_>) -> Result<Written, BodyError> {
    let mut written = Written::default();
    let losses = &mut written.losses;
    let mut result = Ok(());
    object(&mut written.bytes, |body| {
        body.str("model", target.model);
        result = write_inputs(dialect, request, target, body);
        match dialect {
            Dialect::Voyage => voyage_members(request, target, body, losses),
            _ => openai_members(request, target, body, losses),
        }
        request.drop_titles(losses);
        request.write_extras(dialect, body, losses);
    });
    result.map_err(|fault: Fault| fault.into_body_error(&[], DEFAULT_MAX_DEPTH))?;
    Ok(written)
}

fn openai_members(request: &Request<'_>, target: &Target<'_>, body: &mut Object<'_>, losses: &mut Losses) {
    let asked = target.encoding.or(request.encodings.first().copied());
    if let Some(encoding) = asked {
        body.str(
            "encoding_format",
            if encoding.base64 { "base64" } else { "float" },
        );
    }
    request.floats_alone(losses);
    body.number_if("dimensions", request.dimensions.as_ref());
    let own = request.dialect == Dialect::OpenAi;
    if let Some(task) = request.one_task(losses)
        && let Some(word) = task.word(own, Dialect::OpenAi, losses)
    {
        body.text("input_type", &word);
    }
    body.text_if("user", request.user.as_ref());
    if matches!(request.truncate, Some(Truncate::Start | Truncate::End)) {
        losses.dropped("truncate", NO_SUCH);
    }
    if request.normalize == Some(false) {
        losses.dropped("normalize", NO_SUCH);
    }
}

fn voyage_members(request: &Request<'_>, target: &Target<'_>, body: &mut Object<'_>, losses: &mut Losses) {
    let asked = target.encoding.or(request.encodings.first().copied());
    if let Some(encoding) = asked {
        if encoding.base64 {
            body.str("encoding_format", "base64");
        }
        if !encoding.is_float() {
            body.str("output_dtype", encoding.kind.as_str());
        }
    }
    if request.encodings.len() > 1 {
        losses.dropped("encodings", "the provider gives one form of each embedding");
    }
    body.number_if("output_dimension", request.dimensions.as_ref());
    let own = request.dialect == Dialect::Voyage;
    if let Some(task) = request.one_task(losses)
        && let Some(word) = task.word(own, Dialect::Voyage, losses)
    {
        body.text("input_type", &word);
    }
    match request.truncate {
        None => {}
        Some(Truncate::Never) => body.bool("truncation", false),
        Some(Truncate::End) => body.bool("truncation", true),
        Some(Truncate::Start) => {
            body.bool("truncation", true);
            losses.changed("truncate", "the provider cuts at the end");
        }
    }
    request.drop_rest(true, false, losses);
}

fn write_inputs(
    dialect: Dialect,
    request: &Request<'_>,
    target: &Target<'_>,
    body: &mut Object<'_>,
) -> Result<(), Fault> {
    let mut result = Ok(());
    if let ([only], true) = (request.inputs.as_slice(), request.single) {
        match &only.content {
            InputContent::Text(text) => body.text("input", text),
            InputContent::Tokens(tokens) if takes_tokens(dialect, target) => body.json("input", tokens),
            _ => body.array("input", |array| {
                result = write_input(dialect, only, target, array)
            }),
        }
        return result.within("input");
    }
    body.array("input", |array| {
        for (at, input) in request.inputs.iter().enumerate() {
            if result.is_ok() {
                result = write_input(dialect, input, target, array).map_err(|fault| fault.within_element(at));
            }
        }
    });
    result.within("input")
}

fn takes_tokens(dialect: Dialect, target: &Target<'_>) -> bool {
    target.tokens && dialect == Dialect::OpenAi
}

fn write_input(
    dialect: Dialect,
    input: &Input<'_>,
    target: &Target<'_>,
    array: &mut Array<'_>,
) -> Result<(), Fault> {
    match &input.content {
        InputContent::Text(text) => array.text(text),
        InputContent::Tokens(tokens) if takes_tokens(dialect, target) => array.json(tokens),
        InputContent::Tokens(_) => return Err(input::no_tokens()),
        InputContent::Parts(parts) if target.images && dialect == Dialect::OpenAi => {
            let mut result = Ok(());
            array.object(|object| result = input::write_parts(parts, object));
            return result;
        }
        InputContent::Parts(_) => return Err(input::no_media()),
    }
    Ok(())
}

fn read_answer<'a>(
    dialect: Dialect,
    body: &'a [u8],
    known: &Known<'_>,
) -> Result<Read<Answer<'a>>, Box<Error<'a>>> {
    let kind = known
        .encodings
        .first()
        .map_or(NumberKind::Float, |encoding| encoding.kind);
    let read = Reader::whole(body, false, |reader| answer(dialect, kind, reader));
    let read = read.map_err(|why| Box::new(Error::bad_answer(&why)))?;
    let Read { value, losses } = read;
    match value {
        Found::Answer(answer) => Ok(Read {
            value: *answer,
            losses,
        }),
        Found::Error => Err(Box::new(dialect.codec().read_error(200, None, body))),
        Found::Nothing => Err(no_answer()),
    }
}

enum Found<'a> {
    Answer(Box<Answer<'a>>),
    Error,
    Nothing,
}

fn answer<'a>(dialect: Dialect, kind: NumberKind, reader: &mut Reader<'a>) -> Result<Found<'a>, Fault> {
    let Some(mut members) = reader.object("the body is not a JSON object")? else {
        return Ok(Found::Nothing);
    };
    let mut answer = Answer::new(dialect);
    let (mut data, mut is_error) = (None, false);
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"data" if reader.kind()? == ValueKind::Array => data = Some(embeddings(kind, reader)?),
            b"model" => answer.model = reader.text("a member is not a string")?,
            b"id" => answer.id = reader.text("a member is not a string")?,
            b"usage" => {
                let usage = reader.json_or_null()?;
                answer.usage = usage.as_ref().and_then(|usage| {
                    let count = |name: &str| usage.pointer(name).and_then(|count| count.as_u64());
                    usage_of(count("/prompt_tokens"), count("/total_tokens"))
                });
                answer.native_usage = usage;
            }
            b"error" | b"detail" => is_error |= reader.json_or_null()?.is_some(),
            _ => reader.extra(key, &mut answer.extras)?,
        }
    }
    Ok(match data {
        _ if is_error => Found::Error,
        None => Found::Nothing,
        Some(data) => {
            answer.embeddings = data;
            Found::Answer(Box::new(answer))
        }
    })
}

/// Voyage counts the total alone, which is all input.
pub(super) fn usage_of(prompt: Option<u64>, total: Option<u64>) -> Option<Usage> {
    let input = prompt.or(total)?;
    Some(Usage {
        input: Some(input),
        total,
        ..Usage::default()
    })
}

/// In the order of their index.
fn embeddings<'a>(kind: NumberKind, reader: &mut Reader<'a>) -> Result<Vec<Embedding<'a>>, Fault> {
    let mut found: Vec<(u64, Embedding<'a>)> = Vec::new();
    reader
        .each("`data` is not an array", |reader, at| {
            let Some(mut members) = reader.object("an embedding is not an object")? else {
                return Ok(());
            };
            let (mut index, mut vector) = (None, None);
            while let Some(key) = reader.next(&mut members)? {
                match &*key {
                    b"index" => index = reader.whole_number("an index is not a number")?,
                    b"embedding" => vector = Some(vector::read(reader, kind).within("embedding")?),
                    _ => reader.pass()?,
                }
            }
            let vector = vector.ok_or_else(|| Fault::missing("embedding", "is missing"))?;
            found.push((index.unwrap_or(at as u64), Embedding::new(vector)));
            Ok(())
        })
        .within("data")?;
    found.sort_by_key(|(index, _)| *index);
    Ok(found.into_iter().map(|(_, embedding)| embedding).collect())
}

fn write_answer(dialect: Dialect, answer: &Answer<'_>, envelope: &Envelope<'_>) -> Written {
    let mut written = Written::default();
    written
        .bytes
        .reserve(answer.embeddings.len().saturating_mul(1024).min(1 << 24));
    let losses = &mut written.losses;
    object(&mut written.bytes, |body| {
        body.str("object", "list");
        body.array("data", |array| {
            for (at, embedding) in answer.embeddings.iter().enumerate() {
                array.object(|object| {
                    object.str("object", "embedding");
                    object.count("index", at as u64);
                    embedding.write_best(false, envelope, losses, object.value("embedding"));
                });
                if embedding.truncated == Some(true) {
                    losses.dropped("truncated", NO_SUCH);
                }
            }
        });
        match &answer.model {
            Some(model) => body.text("model", model),
            None => body.text("model", &envelope.request.model),
        }
        write_usage(dialect, answer, body);
        let own = dialect == answer.dialect;
        body.text_if("id", answer.id.as_ref().filter(|_| own));
        for extra in answer.extras.iter().filter(|extra| !extra.name.is("object")) {
            match own {
                true => body.member(&extra.name, &extra.value),
                false if matches!(&*extra.name.get(), "texts" | "images" | "response_type") => {}
                false => losses.dropped(extra.name.get().into_owned(), NO_SUCH),
            }
        }
    });
    written
}

fn write_usage(dialect: Dialect, answer: &Answer<'_>, body: &mut Object<'_>) {
    if let Some(usage) = answer.own_usage(dialect) {
        return body.json("usage", usage);
    }
    // clients demand it; what nobody counted is zero
    let input = answer.usage.and_then(|usage| usage.input).unwrap_or(0);
    body.object("usage", |usage| {
        if dialect == Dialect::OpenAi {
            usage.count("prompt_tokens", input);
        }
        usage.count("total_tokens", input);
    });
}
