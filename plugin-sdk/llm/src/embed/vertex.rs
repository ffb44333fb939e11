//! Embeddings of Vertex's older models, by `:predict` (APIS.md 5).

use super::input::{self, Input, InputContent};
use super::request::{Request, Truncate};
use super::task::Task;
use super::vector::{self, NumberKind};
use super::{Answer, Codec, Dialect, Embedding, Envelope, Known, Target, no_answer};
use crate::fault::{BodyError, Fault, Within};
use crate::json::{DEFAULT_MAX_DEPTH, ValueKind};
use crate::model::{Asked, Error, Losses, Read, Text, Written, sum_of};
use crate::read::Reader;
use crate::write::{Object, object};

const TEXT: &str = "must be a string";
const OBJECT: &str = "must be an object";

#[derive(Copy, Clone, Debug)]
pub(super) struct VertexPredict;

impl Codec for VertexPredict {
    fn dialect(&self) -> Dialect {
        Dialect::VertexPredict
    }

    fn most_inputs(&self) -> Option<usize> {
        None
    }

    fn read_request<'a>(&self, body: &'a [u8], asked: &Asked<'a>) -> Result<Read<Request<'a>>, BodyError> {
        Reader::whole(body, true, |reader| request(reader, asked))
    }

    fn write_request(&self, request: &Request<'_>, _: &Target<'_>) -> Result<Written, BodyError> {
        let mut written = Written::default();
        let result = write_request(request, &mut written);
        result.map_err(|fault| fault.into_body_error(&[], DEFAULT_MAX_DEPTH))?;
        Ok(written)
    }

    fn read_answer<'a>(&self, body: &'a [u8], _: &Known<'_>) -> Result<Read<Answer<'a>>, Box<Error<'a>>> {
        let read = Reader::whole(body, false, found);
        let Read { value, losses } = read.map_err(|why| Box::new(Error::bad_answer(&why)))?;
        match value {
            Some(value) => Ok(Read { value, losses }),
            None if crate::json::pointer(body, "/error").is_some() => {
                Err(Box::new(self.read_error(200, None, body)))
            }
            None => Err(no_answer()),
        }
    }

    fn write_answer(&self, answer: &Answer<'_>, envelope: &Envelope<'_>) -> Written {
        write_answer(answer, envelope)
    }
}

fn request<'a>(reader: &mut Reader<'a>, asked: &Asked<'a>) -> Result<Request<'a>, Fault> {
    let mut request = Request::new(Dialect::VertexPredict, Text::default());
    let Some(mut members) = reader.object("the body must be a JSON object")? else {
        return Ok(request);
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"instances" => {
                let inputs = &mut request.inputs;
                reader
                    .each("must be an array", |reader, _| {
                        inputs.push(instance(reader)?);
                        Ok(())
                    })
                    .within("instances")?;
            }
            b"parameters" => parameters(reader, &mut request).within("parameters")?,
            _ => reader.extra(key, &mut request.extras)?,
        }
    }
    if let Some(model) = asked.model {
        request.model = Text::plain(model);
    }
    if request.inputs.is_empty() {
        return Err(Fault::missing("instances", "is missing or empty"));
    }
    request.gather();
    Ok(request)
}

fn instance<'a>(reader: &mut Reader<'a>) -> Result<Input<'a>, Fault> {
    let (mut content, mut task, mut title) = (None, None, None);
    if let Some(mut members) = reader.object(OBJECT)? {
        while let Some(key) = reader.next(&mut members)? {
            match &*key {
                b"content" => content = reader.text(TEXT).within("content")?,
                b"task_type" | b"taskType" => {
                    task = reader.text(TEXT).within("task_type")?.map(Task::named);
                }
                b"title" => title = reader.text(TEXT).within("title")?,
                _ => reader.pass()?,
            }
        }
    }
    let content = content.ok_or_else(|| Fault::missing("content", "is missing"))?;
    Ok(Input {
        content: InputContent::Text(content),
        task,
        title,
    })
}

fn parameters<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), Fault> {
    if reader.kind()? == ValueKind::Null {
        return reader.pass();
    }
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(());
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"autoTruncate" => {
                let cut = reader.bool("must be true or false").within("autoTruncate")?;
                request.truncate = cut.map(|cut| if cut { Truncate::End } else { Truncate::Never });
            }
            b"outputDimensionality" => {
                request.dimensions = reader.number("must be a number").within("outputDimensionality")?;
            }
            _ => reader.pass()?,
        }
    }
    Ok(())
}

fn write_request(request: &Request<'_>, written: &mut Written) -> Result<(), Fault> {
    let losses = &mut written.losses;
    let mut result = Ok(());
    object(&mut written.bytes, |body| {
        body.array("instances", |array| {
            for (at, input) in request.inputs.iter().enumerate() {
                array.object(|object| {
                    if result.is_ok() {
                        result = write_instance(input, request, object, losses)
                            .map_err(|fault| fault.within_element(at))
                            .within("input");
                    }
                });
            }
        });
        write_parameters(request, body, losses);
        request.floats_alone(losses);
        request.drop_rest(true, false, losses);
        request.write_extras(Dialect::VertexPredict, body, losses);
    });
    result
}

fn write_instance(
    input: &Input<'_>,
    request: &Request<'_>,
    object: &mut Object<'_>,
    losses: &mut Losses,
) -> Result<(), Fault> {
    match &input.content {
        InputContent::Text(text) => object.text("content", text),
        InputContent::Tokens(_) => return Err(input::no_tokens()),
        InputContent::Parts(_) => return Err(input::no_media()),
    }
    let own = matches!(
        request.dialect,
        Dialect::VertexPredict | Dialect::Gemini | Dialect::GeminiBatch
    );
    if let Some(task) = input.task.as_ref().or(request.task.as_ref())
        && let Some(word) = task.word(own, Dialect::VertexPredict, losses)
    {
        object.text("task_type", &word);
    }
    object.text_if("title", input.title.as_ref());
    Ok(())
}

fn write_parameters(request: &Request<'_>, body: &mut Object<'_>, losses: &mut Losses) {
    if request.truncate.is_none() && request.dimensions.is_none() {
        return;
    }
    body.object("parameters", |parameters| {
        match request.truncate {
            None => {}
            Some(Truncate::Never) => parameters.bool("autoTruncate", false),
            Some(Truncate::End) => parameters.bool("autoTruncate", true),
            Some(Truncate::Start) => {
                parameters.bool("autoTruncate", true);
                losses.changed("truncate", "the provider cuts at the end");
            }
        }
        parameters.number_if("outputDimensionality", request.dimensions.as_ref());
    });
}

fn found<'a>(reader: &mut Reader<'a>) -> Result<Option<Answer<'a>>, Fault> {
    let Some(mut members) = reader.object("the body is not a JSON object")? else {
        return Ok(None);
    };
    let mut answer = Answer::new(Dialect::VertexPredict);
    let mut any = false;
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"predictions" if reader.kind()? == ValueKind::Array => {
                any = true;
                let embeddings = &mut answer.embeddings;
                reader
                    .each("predictions are not an array", |reader, _| {
                        embeddings.push(prediction(reader)?);
                        Ok(())
                    })
                    .within("predictions")?;
            }
            _ => reader.extra(key, &mut answer.extras)?,
        }
    }
    let counts: Vec<_> = answer
        .embeddings
        .iter()
        .map(|embedding| embedding.tokens)
        .collect();
    answer.usage = super::openai::usage_of(sum_of(&counts), None);
    Ok(any.then_some(answer))
}

fn prediction<'a>(reader: &mut Reader<'a>) -> Result<Embedding<'a>, Fault> {
    let mut embedding = Embedding::default();
    if let Some(mut members) = reader.object("a prediction is not an object")? {
        while let Some(key) = reader.next(&mut members)? {
            match &*key {
                b"embeddings" => values(reader, &mut embedding).within("embeddings")?,
                _ => reader.pass()?,
            }
        }
    }
    match embedding.vectors.is_empty() {
        true => Err(Fault::missing("embeddings.values", "is missing")),
        false => Ok(embedding),
    }
}

fn values<'a>(reader: &mut Reader<'a>, embedding: &mut Embedding<'a>) -> Result<(), Fault> {
    let Some(mut members) = reader.object("an embedding is not an object")? else {
        return Ok(());
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"values" => {
                let vector = vector::read(reader, NumberKind::Float).within("values")?;
                embedding.vectors.push(vector);
            }
            b"statistics" => {
                let statistics = reader.json()?;
                let tokens = statistics.pointer("/token_count");
                embedding.tokens = tokens.and_then(|count| count.as_u64());
                let truncated = statistics.pointer("/truncated");
                embedding.truncated = truncated.and_then(|truncated| truncated.as_bool());
            }
            _ => reader.pass()?,
        }
    }
    Ok(())
}

fn write_answer(answer: &Answer<'_>, envelope: &Envelope<'_>) -> Written {
    let mut written = Written::default();
    let losses = &mut written.losses;
    // what is counted of all is known of the one
    let of_all = answer.usage.and_then(|usage| usage.input);
    let of_one = of_all.filter(|_| answer.embeddings.len() == 1);
    if of_one.is_none() && of_all.is_some() && answer.embeddings.iter().any(|one| one.tokens.is_none()) {
        losses.dropped("usage", "the caller's dialect counts the tokens of each input");
    }
    object(&mut written.bytes, |body| {
        body.array("predictions", |array| {
            for embedding in &answer.embeddings {
                array.object(|prediction| {
                    prediction.object("embeddings", |object| {
                        write_statistics(embedding, of_one, object);
                        embedding.write_best(true, envelope, losses, object.value("values"));
                    });
                });
            }
        });
        answer.write_extras(Dialect::VertexPredict, body, losses);
    });
    written
}

fn write_statistics(embedding: &Embedding<'_>, of_one: Option<u64>, object: &mut Object<'_>) {
    let tokens = embedding.tokens.or(of_one);
    if tokens.is_none() && embedding.truncated.is_none() {
        return;
    }
    object.object("statistics", |statistics| {
        statistics.count_if("token_count", tokens);
        statistics.bool_if("truncated", embedding.truncated);
    });
}
