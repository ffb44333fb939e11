//! `additionalModelRequestFields`: what a family of models takes besides, in its own words (APIS.md 6.3, 9.6). What is
//! known of them becomes what every dialect has; the rest is kept.

use crate::anthropic::thinking::Thinking;
use crate::fault::{Fault, Within};
use crate::json::ValueKind;
use crate::model::{
    Dialect, Effort, Extra, Extras, Json, Losses, Maker, Number, ReasoningMode, ReasoningSupport, Request,
    Target, Text, extra,
};
use crate::read::Reader;
use crate::write::Object;

use super::block_write::NO_SUCH;
use super::tools_write::ClaudeChoice;
use super::{family, rest};

/// The member's name.
pub(super) const NAME: &str = "additionalModelRequestFields";

const TEXT: &str = "must be a string";
const NUMBER: &str = "must be a number";

/// Reads the member. `family` is the model's: which spelling means what hangs on it, and one that the family does not
/// have stays as it is.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    family: Option<Maker>,
    request: &mut Request<'a>,
) -> Result<(), Fault> {
    if reader.kind()? != ValueKind::Object {
        return reader.extra(NAME.as_bytes().into(), &mut request.extras);
    }
    let Some(mut members) = reader.object("must be an object")? else {
        return Ok(());
    };
    let mut others = Extras::new();
    while let Some(key) = reader.next(&mut members)? {
        let known = match family {
            Some(Maker::Anthropic) => claudes(reader, &key, request)?,
            Some(Maker::Amazon) => novas(reader, &key, request)?,
            Some(Maker::OpenAi) => gpts(reader, &key, request)?,
            Some(Maker::Cohere) => commands(reader, &key, request)?,
            Some(Maker::Mistral) => top_k(reader, &key, request)?,
            _ => false,
        };
        if !known {
            reader.extra(key, &mut others)?;
        }
    }
    rest::keep(NAME, &others, &mut request.extras);
    Ok(())
}

fn top_k<'a>(reader: &mut Reader<'a>, key: &[u8], request: &mut Request<'a>) -> Result<bool, Fault> {
    if key != b"top_k" || reader.kind()? != ValueKind::Number {
        return Ok(false);
    }
    request.sampling.top_k = reader.number(NUMBER).within("top_k")?;
    Ok(true)
}

/// Claude's. An object is understood where nothing else is in it.
fn claudes<'a>(reader: &mut Reader<'a>, key: &[u8], request: &mut Request<'a>) -> Result<bool, Fault> {
    match (key, reader.kind()?) {
        (b"top_k", _) => top_k(reader, key, request),
        (b"thinking", ValueKind::Object) => {
            crate::anthropic::thinking::read(reader, &mut request.reasoning).within("thinking")?;
            Ok(true)
        }
        (b"anthropic_beta", ValueKind::Array) => {
            let betas = &mut request.betas;
            let each = reader.each("must be an array", |reader, _| {
                betas.extend(reader.text(TEXT)?);
                Ok(())
            });
            each.within("anthropic_beta")?;
            Ok(true)
        }
        (b"output_config", ValueKind::Object) => {
            let config = reader.json()?;
            let kept = only(&config, "effort", |effort| {
                request.reasoning.effort = effort.as_text().map(Text::into_owned).map(Effort::named);
            });
            keep_unread(kept, "output_config", config, request);
            Ok(true)
        }
        (b"metadata", ValueKind::Object) => {
            let metadata = reader.json()?;
            let kept = only(&metadata, "user_id", |user| {
                request.user = user.as_text().map(Text::into_owned);
            });
            keep_unread(kept, "metadata", metadata, request);
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Nova's.
fn novas<'a>(reader: &mut Reader<'a>, key: &[u8], request: &mut Request<'a>) -> Result<bool, Fault> {
    match (key, reader.kind()?) {
        (b"inferenceConfig", ValueKind::Object) => {
            let config = reader.json()?;
            let kept = only(&config, "topK", |top_k| {
                request.sampling.top_k = top_k.as_u64().map(Number::whole);
            });
            keep_unread(kept, "inferenceConfig", config, request);
            Ok(true)
        }
        (b"reasoningConfig", ValueKind::Object) => {
            let config = reader.json()?;
            let known = |(name, _): &(Text<'_>, Json<'_>)| name.is("type") || name.is("maxReasoningEffort");
            if !config.members().iter().all(known) {
                keep_unread(false, "reasoningConfig", config, request);
                return Ok(true);
            }
            let text = |pointer: &str| config.pointer(pointer)?.as_text().map(Text::into_owned);
            let wish = &mut request.reasoning;
            wish.mode = match text("/type") {
                Some(kind) if kind.is("enabled") => Some(ReasoningMode::On),
                Some(kind) if kind.is("disabled") => Some(ReasoningMode::Off),
                _ => wish.mode,
            };
            wish.effort = text("/maxReasoningEffort").map(Effort::named);
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Those of OpenAI's open models.
fn gpts<'a>(reader: &mut Reader<'a>, key: &[u8], request: &mut Request<'a>) -> Result<bool, Fault> {
    if key != b"reasoning_effort" || reader.kind()? != ValueKind::String {
        return Ok(false);
    }
    request.reasoning.effort = reader.text(TEXT)?.map(Effort::named);
    Ok(true)
}

/// Those of Cohere's Command models.
fn commands<'a>(reader: &mut Reader<'a>, key: &[u8], request: &mut Request<'a>) -> Result<bool, Fault> {
    if reader.kind()? != ValueKind::Number {
        return Ok(false);
    }
    let sampling = &mut request.sampling;
    let place = match key {
        b"k" => &mut sampling.top_k,
        b"seed" => &mut sampling.seed,
        b"frequency_penalty" => &mut sampling.frequency_penalty,
        b"presence_penalty" => &mut sampling.presence_penalty,
        _ => return Ok(false),
    };
    *place = reader.number(NUMBER)?;
    Ok(true)
}

/// Takes the one member of an object; false where there are others, or none.
fn only(object: &Json<'_>, name: &str, take: impl FnOnce(&Json<'_>)) -> bool {
    match object.members().as_slice() {
        [(of, value)] if of.is(name) => {
            take(value);
            true
        }
        _ => false,
    }
}

/// What was not understood goes back as it was.
fn keep_unread<'a>(read: bool, name: &'static str, value: Json<'a>, request: &mut Request<'a>) {
    if read {
        return;
    }
    let member = Extra {
        name: Text::plain(name),
        value,
    };
    rest::keep(NAME, std::slice::from_ref(&member), &mut request.extras);
}

/// What is said in a family's words.
pub(super) struct Fields<'r> {
    family: Option<Maker>,
    /// They were said for a model of the same family.
    own: bool,
    thinking: Thinking<'r>,
    effort: Option<Text<'r>>,
}

impl<'r> Fields<'r> {
    /// Settles how much the model is to think.
    pub fn settle(
        request: &'r Request<'_>,
        target: &Target<'_>,
        family: Option<Maker>,
        losses: &mut Losses,
    ) -> Fields<'r> {
        let asked = family::of_model(&request.model.get());
        let mut fields = Fields {
            family,
            own: request.dialect == Dialect::BedrockConverse && (asked.is_none() || asked == family),
            thinking: Thinking::default(),
            effort: None,
        };
        let wish = &request.reasoning;
        let elsewhere = || rest::kept("outputConfig", &request.extras);
        let said_elsewhere = fields.own && elsewhere().iter().any(|(name, _)| name.is("effort"));
        match family {
            _ if said_elsewhere && wish.mode.is_none() => {}
            Some(Maker::Anthropic) if fields.own => fields.thinking = Thinking::as_said(wish),
            Some(Maker::Anthropic) => {
                let most = request.max_output.as_ref().and_then(Number::as_u64);
                // without a limit Converse takes the model's own
                let most = most.or(target.max_output).or(Some(target.default_max_output));
                fields.thinking = Thinking::settle(request, target, most, losses);
            }
            _ if wish.is_empty() => {}
            Some(Maker::Amazon | Maker::OpenAi)
                if fields.own || target.reasoning != ReasoningSupport::None =>
            {
                fields.effort = fields.effort_in_three(request, losses);
            }
            _ if fields.own => {}
            _ => losses.dropped("reasoning", "the model cannot be told how to think"),
        }
        fields
    }

    /// `low`, `medium` and `high` are what these models have.
    fn effort_in_three(&self, request: &'r Request<'_>, losses: &mut Losses) -> Option<Text<'r>> {
        let wish = &request.reasoning;
        if self.own {
            return wish.effort.as_ref().map(Effort::name);
        }
        let most = request.max_output.as_ref().and_then(Number::as_u64);
        let effort = wish.effort_of(most)?;
        let (word, same) = match effort {
            Effort::None => return None,
            Effort::Minimal => ("low", false),
            Effort::Low => ("low", true),
            Effort::Medium => ("medium", true),
            Effort::High => ("high", true),
            Effort::ExtraHigh | Effort::Max => ("high", false),
            Effort::Other(_) => {
                losses.dropped("reasoning.effort", "is none of the model's efforts");
                return None;
            }
        };
        if !same || wish.effort.is_none() {
            losses.changed("reasoning.effort", "goes as the nearest that the model has");
        }
        Some(Text::plain(word))
    }

    /// Sampling has to be left alone, and no tool may be forced.
    pub fn thinks(&self) -> bool {
        self.thinking.is_on()
    }

    /// Writes `additionalModelRequestFields`, where there is anything in it.
    pub fn write(
        &self,
        request: &Request<'_>,
        choice: Option<ClaudeChoice>,
        body: &mut Object<'_>,
        losses: &mut Losses,
    ) {
        if let Some(whole) = extra(&request.extras, NAME).filter(|json| self.own && !json.is_object()) {
            return body.json(NAME, whole);
        }
        let mut fields = Vec::new();
        let mut any = false;
        crate::write::object(&mut fields, |object| {
            let before = object.written();
            match self.family {
                Some(Maker::Anthropic) => {
                    self.claudes(request, choice, object, losses);
                }
                Some(Maker::Amazon) => self.novas(request, object),
                Some(Maker::OpenAi) => object.text_if("reasoning_effort", self.effort.as_ref()),
                Some(Maker::Cohere) => commands_written(request, object),
                Some(Maker::Mistral) => object.number_if("top_k", request.sampling.top_k.as_ref()),
                _ => {}
            }
            let kept = extra(&request.extras, NAME).is_some();
            if kept && !self.own && request.dialect == Dialect::BedrockConverse {
                losses.dropped(NAME, "is for another family of models");
            }
            if self.own {
                let kept = request.extras.iter().filter(|extra| extra.name.is(NAME));
                for (name, value) in kept.flat_map(|extra| extra.value.members()) {
                    object.member(&name, &value);
                }
            }
            any = object.written() > before;
        });
        if any {
            body.value(NAME).extend_from_slice(&fields);
        }
    }

    fn claudes(
        &self,
        request: &Request<'_>,
        choice: Option<ClaudeChoice>,
        object: &mut Object<'_>,
        losses: &mut Losses,
    ) {
        match &request.sampling.top_k {
            Some(_) if self.thinks() && !self.own => losses.dropped("top_k", "is fixed while Claude thinks"),
            top_k => object.number_if("top_k", top_k.as_ref()),
        }
        let none = Extras::new();
        let extras = if self.own {
            &request.reasoning.extras
        } else {
            &none
        };
        self.thinking.write(extras, object);
        if let Some(effort) = self.thinking.effort() {
            object.object("output_config", |config| config.text("effort", effort));
        }
        if let Some(user) = &request.user {
            object.object("metadata", |metadata| metadata.text("user_id", user));
        }
        if !request.betas.is_empty() {
            object.array("anthropic_beta", |array| {
                request.betas.iter().for_each(|beta| array.text(beta));
            });
        }
        if let Some(choice) = choice {
            object.object("tool_choice", |object| {
                object.str("type", choice.kind);
                if let Some(name) = &choice.name {
                    object.str("name", name);
                }
                object.bool("disable_parallel_tool_use", true);
            });
        }
    }

    fn novas(&self, request: &Request<'_>, object: &mut Object<'_>) {
        if let Some(top_k) = &request.sampling.top_k {
            object.object("inferenceConfig", |config| config.number("topK", top_k));
        }
        let wish = &request.reasoning;
        let said = match wish.mode {
            _ if wish.is_off() => Some("disabled"),
            Some(_) => Some("enabled"),
            None => self.effort.as_ref().map(|_| "enabled"),
        };
        if let Some(kind) = said.filter(|_| self.own || self.effort.is_some() || wish.is_off()) {
            object.object("reasoningConfig", |config| {
                config.str("type", kind);
                config.text_if("maxReasoningEffort", self.effort.as_ref());
            });
        }
    }
}

fn commands_written(request: &Request<'_>, object: &mut Object<'_>) {
    let sampling = &request.sampling;
    object.number_if("k", sampling.top_k.as_ref());
    object.number_if("seed", sampling.seed.as_ref());
    object.number_if("frequency_penalty", sampling.frequency_penalty.as_ref());
    object.number_if("presence_penalty", sampling.presence_penalty.as_ref());
}

/// Parameters that the family does not have.
pub(super) fn unsaid(request: &Request<'_>, family: Option<Maker>, losses: &mut Losses) {
    let sampling = &request.sampling;
    let cohere = family == Some(Maker::Cohere);
    let top_k = matches!(
        family,
        Some(Maker::Anthropic | Maker::Amazon | Maker::Cohere | Maker::Mistral)
    );
    let claude = family == Some(Maker::Anthropic);
    let unsaid = [
        ("top_k", sampling.top_k.is_some() && !top_k),
        ("seed", sampling.seed.is_some() && !cohere),
        (
            "frequency_penalty",
            sampling.frequency_penalty.is_some() && !cohere,
        ),
        ("presence_penalty", sampling.presence_penalty.is_some() && !cohere),
        ("min_p", sampling.min_p.is_some()),
        ("repetition_penalty", sampling.repetition_penalty.is_some()),
        ("logit_bias", sampling.logit_bias.is_some()),
        ("logprobs", sampling.logprobs == Some(true)),
        ("top_logprobs", sampling.top_logprobs.is_some()),
        ("verbosity", request.verbosity.is_some()),
        ("audio", request.audio.is_some()),
        (
            "modalities",
            request.modalities.iter().any(|modality| !modality.is("text")),
        ),
        ("prompt_cache_key", request.cache_key.is_some()),
        ("user", request.user.is_some() && !claude),
    ];
    for (name, _) in unsaid.iter().filter(|(_, said)| *said) {
        losses.dropped(*name, NO_SUCH);
    }
    for beta in request.betas.iter().filter(|_| !claude) {
        losses.dropped(format!("beta {}", beta.get()), NO_SUCH);
    }
}
