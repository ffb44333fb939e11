//! Embeddings of Amazon's Titan by `InvokeModel` (APIS.md 6.7): one text, one image or both at a time.

use super::input::{self, Input, InputContent};
use super::request::Request;
use super::vector::{self, Encoding, NumberKind};
use super::{Answer, Codec, Dialect, Embedding, Envelope, Known, NO_SUCH, Target, answer, no_answer};
use crate::fault::{BodyError, Fault, Within};
use crate::json::{DEFAULT_MAX_DEPTH, ValueKind};
use crate::model::{
    Asked, Content, Error, Losses, Media, MediaKind, Part, Read, Source, Text, Written, is_base64,
};
use crate::read::Reader;
use crate::write::{Object, object};

const TEXT: &str = "must be a string";
const NUMBER: &str = "must be a number";

#[derive(Copy, Clone, Debug)]
pub(super) struct BedrockTitan;

impl Codec for BedrockTitan {
    fn dialect(&self) -> Dialect {
        Dialect::BedrockTitan
    }

    fn most_inputs(&self) -> Option<usize> {
        Some(1)
    }

    fn read_request<'a>(&self, body: &'a [u8], asked: &Asked<'a>) -> Result<Read<Request<'a>>, BodyError> {
        Reader::whole(body, true, |reader| request(reader, asked))
    }

    fn write_request(&self, request: &Request<'_>, target: &Target<'_>) -> Result<Written, BodyError> {
        let mut written = Written::default();
        let result = write_request(request, target, &mut written);
        result.map_err(|fault| fault.into_body_error(&[], DEFAULT_MAX_DEPTH))?;
        Ok(written)
    }

    fn read_answer<'a>(&self, body: &'a [u8], known: &Known<'_>) -> Result<Read<Answer<'a>>, Box<Error<'a>>> {
        let read = Reader::whole(body, false, |reader| found(reader, known));
        let Read { value, losses } = read.map_err(|why| Box::new(Error::bad_answer(&why)))?;
        match value {
            Found::Answer(value) => Ok(Read {
                value: *value,
                losses,
            }),
            Found::Error => Err(Box::new(self.read_error(200, None, body))),
            Found::Nothing => Err(no_answer()),
        }
    }

    fn write_answer(&self, answer: &Answer<'_>, envelope: &Envelope<'_>) -> Written {
        write_answer(answer, envelope)
    }
}

fn request<'a>(reader: &mut Reader<'a>, asked: &Asked<'a>) -> Result<Request<'a>, Fault> {
    let mut request = Request::new(Dialect::BedrockTitan, Text::default());
    let (mut text, mut image) = (None, None);
    let Some(mut members) = reader.object("the body must be a JSON object")? else {
        return Ok(request);
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"inputText" => text = reader.text(TEXT).within("inputText")?,
            b"inputImage" => image = reader.text(TEXT).within("inputImage")?,
            b"dimensions" => request.dimensions = reader.number(NUMBER).within("dimensions")?,
            b"normalize" => request.normalize = reader.bool("must be true or false").within("normalize")?,
            b"embeddingTypes" => encodings(reader, &mut request.encodings).within("embeddingTypes")?,
            b"embeddingConfig" => config(reader, &mut request).within("embeddingConfig")?,
            _ => reader.extra(key, &mut request.extras)?,
        }
    }
    if let Some(model) = asked.model {
        request.model = Text::plain(model);
    }
    request.single = true;
    request.inputs.push(Input::new(content(text, image)?));
    Ok(request)
}

fn content<'a>(text: Option<Text<'a>>, image: Option<Text<'a>>) -> Result<InputContent<'a>, Fault> {
    let Some(image) = image else {
        let text = text.ok_or_else(|| Fault::missing("inputText", "is missing"))?;
        return Ok(InputContent::Text(text));
    };
    if !is_base64(&image.get()) {
        return Err(Fault::invalid("inputImage", "is not base64"));
    }
    let media = Media::new(MediaKind::Image, Source::Base64(image));
    let image = Part::new(Content::Media(media));
    Ok(InputContent::Parts(
        text.map(Part::text).into_iter().chain([image]).collect(),
    ))
}

fn encodings(reader: &mut Reader<'_>, encodings: &mut Vec<Encoding>) -> Result<(), Fault> {
    reader.each("must be an array", |reader, _| {
        let name = reader.text(TEXT)?.unwrap_or_default();
        let kind = match &*name.get() {
            "float" => NumberKind::Float,
            "binary" => NumberKind::Binary,
            _ => return Err(Fault::invalid("", "must be `float` or `binary`")),
        };
        let encoding = Encoding { kind, base64: false };
        if !encodings.contains(&encoding) {
            encodings.push(encoding);
        }
        Ok(())
    })
}

fn config<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), Fault> {
    let Some(mut members) = reader.object("must be an object")? else {
        return Ok(());
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"outputEmbeddingLength" => {
                request.dimensions = reader.number(NUMBER).within("outputEmbeddingLength")?;
            }
            _ => reader.pass()?,
        }
    }
    Ok(())
}

fn write_request(request: &Request<'_>, target: &Target<'_>, written: &mut Written) -> Result<(), Fault> {
    let losses = &mut written.losses;
    let [only] = request.inputs.as_slice() else {
        return Err(input::one_at_a_time());
    };
    let mut result = Ok(());
    object(&mut written.bytes, |body| {
        let with_image = match &only.content {
            InputContent::Text(text) => {
                body.text("inputText", text);
                false
            }
            InputContent::Tokens(_) => {
                result = Err(input::no_tokens());
                false
            }
            InputContent::Parts(parts) => {
                result = write_parts(parts, target, body);
                true
            }
        };
        write_dimensions(request, with_image, body);
        body.bool_if("normalize", request.normalize);
        write_encodings(request, body, losses);
        if let Some(task) = request.one_task(losses) {
            let _ = task.word(false, Dialect::BedrockTitan, losses);
        }
        request.drop_titles(losses);
        request.drop_rest(false, true, losses);
        request.write_extras(Dialect::BedrockTitan, body, losses);
    });
    result.within("input")
}

/// At most one text and one image.
fn write_parts(parts: &[Part<'_>], target: &Target<'_>, body: &mut Object<'_>) -> Result<(), Fault> {
    let (mut texts, mut images) = (0, 0);
    for part in parts {
        match &part.content {
            Content::Text { text, .. } if texts == 0 => {
                texts += 1;
                body.text("inputText", text);
            }
            Content::Media(Media {
                kind: MediaKind::Image,
                source: Source::Base64(data),
                ..
            }) if images == 0 && target.images => {
                images += 1;
                body.text("inputImage", data);
            }
            _ => {
                return Err(Fault::unsupported(
                    "",
                    "holds more than the one text and the one image in base64 that the provider takes",
                ));
            }
        }
    }
    Ok(())
}

fn write_dimensions(request: &Request<'_>, with_image: bool, body: &mut Object<'_>) {
    match &request.dimensions {
        Some(dimensions) if with_image => body.object("embeddingConfig", |config| {
            config.number("outputEmbeddingLength", dimensions);
        }),
        dimensions => body.number_if("dimensions", dimensions.as_ref()),
    }
}

fn write_encodings(request: &Request<'_>, body: &mut Object<'_>, losses: &mut Losses) {
    let mut names: Vec<&str> = Vec::new();
    for encoding in &request.encodings {
        let name = match encoding.kind {
            NumberKind::Float => "float",
            NumberKind::Binary => "binary",
            _ => {
                losses.dropped("encoding", "the provider gives floats and bits alone");
                continue;
            }
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    // floats come unasked
    let own = request.dialect == Dialect::BedrockTitan;
    if names.is_empty() || names == ["float"] && !own {
        return;
    }
    body.array("embeddingTypes", |array| {
        names.iter().for_each(|name| array.str(name));
    });
}

enum Found<'a> {
    Answer(Box<Answer<'a>>),
    Error,
    Nothing,
}

fn found<'a>(reader: &mut Reader<'a>, known: &Known<'_>) -> Result<Found<'a>, Fault> {
    let Some(mut members) = reader.object("the body is not a JSON object")? else {
        return Ok(Found::Nothing);
    };
    let mut answer = Answer::new(Dialect::BedrockTitan);
    let (mut plain, mut typed, mut tokens, mut message) = (None, Embedding::default(), None, false);
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"embedding" if reader.kind()? == ValueKind::Array => {
                plain = Some(vector::read(reader, NumberKind::Float).within("embedding")?);
            }
            b"embeddingsByType" if reader.kind()? == ValueKind::Object => {
                by_type(reader, &mut typed).within("embeddingsByType")?;
            }
            b"inputTextTokenCount" => tokens = reader.whole_number("a count is not a number")?,
            b"message" => message |= reader.json_or_null()?.is_some(),
            _ => reader.extra(key, &mut answer.extras)?,
        }
    }
    if let (true, Some(plain)) = (typed.vectors.is_empty(), plain) {
        typed.vectors.push(plain);
    }
    if typed.vectors.is_empty() {
        return Ok(if message { Found::Error } else { Found::Nothing });
    }
    typed.tokens = tokens.or(known.input_tokens);
    answer.usage = super::openai::usage_of(typed.tokens, None);
    answer.embeddings.push(typed);
    Ok(Found::Answer(Box::new(answer)))
}

fn by_type<'a>(reader: &mut Reader<'a>, embedding: &mut Embedding<'a>) -> Result<(), Fault> {
    let Some(mut members) = reader.object("embeddings are not an object")? else {
        return Ok(());
    };
    while let Some(key) = reader.next(&mut members)? {
        let name = std::str::from_utf8(&key).unwrap_or_default();
        match NumberKind::named(name) {
            Some(kind) if reader.kind()? == ValueKind::Array => {
                embedding.vectors.push(vector::read(reader, kind).within(name)?);
            }
            _ => reader.pass()?,
        }
    }
    Ok(())
}

fn write_answer(answer: &Answer<'_>, envelope: &Envelope<'_>) -> Written {
    let mut written = Written::default();
    let losses = &mut written.losses;
    let none = Embedding::default();
    let embedding = answer.embeddings.first().unwrap_or(&none);
    object(&mut written.bytes, |body| {
        embedding.write_best(true, envelope, losses, body.value("embedding"));
        if !envelope.request.encodings.is_empty() {
            body.object("embeddingsByType", |types| {
                for vector in &embedding.vectors {
                    answer::write(vector, false, losses, types.value(vector.kind.as_str()));
                }
            });
        }
        let counted = embedding.tokens.or(answer.usage.and_then(|usage| usage.input));
        body.count_if("inputTextTokenCount", counted);
        answer.write_extras(Dialect::BedrockTitan, body, losses);
    });
    if answer.embeddings.len() > 1 {
        losses.dropped("embeddings[1]", NO_SUCH);
    }
    written
}
