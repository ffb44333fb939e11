//! `generationConfig` into the model (APIS.md 4.1).

use crate::fault::{Fault, Within};
use crate::model::{Extra, Json, Request, ResponseFormat, Text};
use crate::read::Reader;
use crate::write;

use super::spelling::{BOOL, NUMBER, TEXT, each, next, object, word};
use super::{GENERATION, schema_up, thinking};

/// The members that say what the answer has to look like.
#[derive(Default)]
struct Format<'a> {
    media_type: Option<Text<'a>>,
    /// In OpenAPI's words.
    schema: Option<Json<'a>>,
    json_schema: Option<Json<'a>>,
}

pub(super) fn read<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), Fault> {
    let Some(mut members) = object(reader)? else {
        return Ok(());
    };
    let mut format = Format::default();
    while let Some(key) = next(reader, &mut members)? {
        if number(reader, &key, request)? {
            continue;
        }
        match &*key {
            b"stopSequences" => each(reader, |reader, _| {
                request.stop.extend(reader.text(TEXT)?);
                Ok(())
            })
            .within("stopSequences")?,
            b"responseLogprobs" => {
                request.sampling.logprobs = reader.bool(BOOL).within("responseLogprobs")?
            }
            b"responseModalities" => modalities(reader, request).within("responseModalities")?,
            b"thinkingConfig" => thinking::read(reader, &mut request.reasoning).within("thinkingConfig")?,
            b"responseMimeType" => format.media_type = reader.text(TEXT).within("responseMimeType")?,
            b"responseSchema" => format.schema = schema(reader).within("responseSchema")?,
            // the second is its name before
            b"responseJsonSchema" | b"_responseJsonSchema" => {
                format.json_schema = schema(reader).within("responseJsonSchema")?;
            }
            _ => {
                reader.extra(key, &mut request.extras)?;
                prefix_last(request, GENERATION);
            }
        }
    }
    request.format = format.settle();
    Ok(())
}

fn number<'a>(reader: &mut Reader<'a>, key: &[u8], request: &mut Request<'a>) -> Result<bool, Fault> {
    let sampling = &mut request.sampling;
    let (place, name) = match key {
        b"temperature" => (&mut sampling.temperature, "temperature"),
        b"topP" => (&mut sampling.top_p, "topP"),
        b"topK" => (&mut sampling.top_k, "topK"),
        b"candidateCount" => (&mut sampling.choices, "candidateCount"),
        b"maxOutputTokens" => (&mut request.max_output, "maxOutputTokens"),
        b"seed" => (&mut sampling.seed, "seed"),
        b"presencePenalty" => (&mut sampling.presence_penalty, "presencePenalty"),
        b"frequencyPenalty" => (&mut sampling.frequency_penalty, "frequencyPenalty"),
        b"logprobs" => (&mut sampling.top_logprobs, "logprobs"),
        _ => return Ok(false),
    };
    *place = reader.number(NUMBER).within(name)?;
    Ok(true)
}

fn modalities<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), Fault> {
    each(reader, |reader, _| {
        let word = word(reader)?;
        request.modalities.extend(word.map(|word| match &*word.get() {
            "1" => Text::plain("text"),
            "2" => Text::plain("image"),
            "3" => Text::plain("audio"),
            name => Text::plain(name.to_ascii_lowercase()),
        }));
        Ok(())
    })
}

fn schema<'a>(reader: &mut Reader<'a>) -> Result<Option<Json<'a>>, Fault> {
    let schema = reader.json_or_null()?;
    match &schema {
        Some(schema) if !schema.is_object() => Err(Fault::wrong_type("", "must be a schema's object")),
        _ => Ok(schema),
    }
}

/// A member of an object inside the request is kept under its path.
pub(super) fn prefix_last(request: &mut Request<'_>, prefix: &str) {
    if let Some(extra) = request.extras.last_mut() {
        extra.name = Text::plain(format!("{prefix}{}", extra.name.get()));
    }
}

impl<'a> Format<'a> {
    fn settle(self) -> Option<ResponseFormat<'a>> {
        let named = self.media_type.as_ref().map(Text::get);
        let json = matches!(named.as_deref(), None | Some("application/json"));
        let schema = match (&self.json_schema, &self.schema) {
            (Some(schema), _) => Some(schema.clone()),
            (None, Some(schema)) => Some(schema_up::convert(schema)),
            (None, None) => None,
        };
        match (schema, named.as_deref()) {
            (Some(schema), _) if json => Some(ResponseFormat::Schema {
                name: None,
                description: None,
                schema,
                strict: None,
            }),
            (None, None) => None,
            (None, Some("application/json")) => Some(ResponseFormat::Json),
            (None, Some("text/plain")) => Some(ResponseFormat::Text),
            _ => Some(ResponseFormat::Native(self.native())),
        }
    }

    /// As it was: one word of several (`text/x.enum`), other media types.
    fn native(&self) -> Json<'a> {
        let mut out = Vec::new();
        write::object(&mut out, |object| {
            object.text_if("responseMimeType", self.media_type.as_ref());
            object.json_if("responseSchema", self.schema.as_ref());
            object.json_if("responseJsonSchema", self.json_schema.as_ref());
        });
        Json::checked(String::from_utf8_lossy(&out).into_owned())
    }
}

/// The members of a request's `extras` that stood inside the object of that prefix, under their own names.
pub(super) fn inside<'e, 'a>(
    extras: &'e [Extra<'a>],
    prefix: &'static str,
) -> impl Iterator<Item = (Text<'static>, &'e Json<'a>)> {
    extras.iter().filter_map(move |extra| {
        let name = extra.name.get();
        let rest = name.strip_prefix(prefix)?;
        Some((Text::plain(rest.to_owned()), &extra.value))
    })
}
