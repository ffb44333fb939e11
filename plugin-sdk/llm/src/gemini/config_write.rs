//! `generationConfig` out of the model (APIS.md 4.1, 9.4, 9.5).

use crate::model::{Dialect, Json, Losses, Request, ResponseFormat, Target};
use crate::write::{Object, object};

use super::config_read::inside;
use super::family::Family;
use super::{GENERATION, NO_SUCH, schema_down, thinking};

/// How an answer's form is asked for.
pub(super) enum Form<'r, 'a> {
    Said(&'r ResponseFormat<'a>),
    /// By words, as the model does not take it beside functions, or not at all.
    Told(String),
    Nothing,
}

/// How to ask for the form that the caller wants.
pub(super) fn form_of<'r, 'a>(
    request: &'r Request<'a>,
    target: &Target<'_>,
    any_functions: bool,
    losses: &mut Losses,
) -> Form<'r, 'a> {
    let Some(format) = &request.format else {
        return Form::Nothing;
    };
    let schema = match format {
        ResponseFormat::Schema { schema, .. } => Some(schema),
        ResponseFormat::Json => None,
        ResponseFormat::Text => return Form::Said(format),
        ResponseFormat::Native(_) if request.dialect == Dialect::Gemini => return Form::Said(format),
        ResponseFormat::Native(_) => {
            losses.dropped("response_format", NO_SUCH);
            return Form::Nothing;
        }
    };
    let own = request.dialect == Dialect::Gemini;
    let apart = any_functions && !Family::of(target.model).is_third();
    if own || target.structured_output && !apart {
        return Form::Said(format);
    }
    losses.changed(
        "response_format",
        "is asked for in words: the model does not take it here",
    );
    Form::Told(told(schema))
}

fn told(schema: Option<&Json<'_>>) -> String {
    match schema {
        Some(schema) => format!(
            "Your final answer has to be one JSON value and nothing else, without a code fence, that is valid by this JSON Schema: {}",
            schema.get()
        ),
        None => {
            "Your final answer has to be one JSON object and nothing else, without a code fence.".to_owned()
        }
    }
}

/// Writes `generationConfig`, where there is anything to say.
pub(super) fn write(
    request: &Request<'_>,
    target: &Target<'_>,
    form: &Form<'_, '_>,
    body: &mut Object<'_>,
    losses: &mut Losses,
) {
    let mut config = Vec::new();
    object(&mut config, |config| {
        sampling(request, config, losses);
        if let Form::Said(format) = form {
            write_format(format, request.dialect == Dialect::Gemini, target, config, losses);
        }
        if !request.modalities.is_empty() {
            config.array("responseModalities", |array| {
                for modality in &request.modalities {
                    array.str(&modality.get().to_ascii_uppercase());
                }
            });
        }
        thinking::write(request, target, config, losses);
        if request.dialect == Dialect::Gemini {
            for (name, value) in inside(&request.extras, GENERATION) {
                config.member(&name, value);
            }
        }
    });
    if config != b"{}" {
        body.value("generationConfig").extend_from_slice(&config);
    }
}

fn sampling(request: &Request<'_>, config: &mut Object<'_>, losses: &mut Losses) {
    let sampling = &request.sampling;
    config.number_if("temperature", sampling.temperature.as_ref());
    config.number_if("topP", sampling.top_p.as_ref());
    config.number_if("topK", sampling.top_k.as_ref());
    config.number_if("candidateCount", sampling.choices.as_ref());
    config.number_if("maxOutputTokens", request.max_output.as_ref());
    config.number_if("seed", sampling.seed.as_ref());
    config.number_if("presencePenalty", sampling.presence_penalty.as_ref());
    config.number_if("frequencyPenalty", sampling.frequency_penalty.as_ref());
    config.bool_if("responseLogprobs", sampling.logprobs);
    config.number_if("logprobs", sampling.top_logprobs.as_ref());
    if !request.stop.is_empty() {
        config.array("stopSequences", |array| {
            request.stop.iter().for_each(|stop| array.text(stop))
        });
    }
    let unsaid = [
        ("min_p", sampling.min_p.is_some()),
        ("repetition_penalty", sampling.repetition_penalty.is_some()),
        ("logit_bias", sampling.logit_bias.is_some()),
    ];
    for (name, _) in unsaid.iter().filter(|(_, said)| *said) {
        losses.dropped(*name, NO_SUCH);
    }
}

fn write_format(
    format: &ResponseFormat<'_>,
    own: bool,
    target: &Target<'_>,
    config: &mut Object<'_>,
    losses: &mut Losses,
) {
    match format {
        ResponseFormat::Text => config.str("responseMimeType", "text/plain"),
        ResponseFormat::Json => config.str("responseMimeType", "application/json"),
        ResponseFormat::Schema {
            schema, description, ..
        } => {
            config.str("responseMimeType", "application/json");
            if description.is_some() {
                losses.dropped("response_format.description", NO_SUCH);
            }
            if Family::of(target.model).takes_json_schema() {
                config.json("responseJsonSchema", schema);
            } else if let Some(schema) = schema_down::convert(schema, own, "response_format.schema", losses) {
                config.json("responseSchema", &schema);
            }
        }
        ResponseFormat::Native(json) => {
            for (name, value) in json.members() {
                config.member(&name, &value);
            }
        }
    }
}
