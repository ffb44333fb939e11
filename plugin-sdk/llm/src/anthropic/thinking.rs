//! How much Claude is to think, and in which form to answer: `thinking` and `output_config` (APIS.md 3.1, 9.4, 9.6).

use crate::fault::{Fault, Within};
use crate::json::ValueKind;
use crate::model::{
    Dialect, Effort, Extras, Losses, Number, ReasoningMode, ReasoningSupport, ReasoningWish, Request,
    ResponseFormat, Target, Text,
};
use crate::read::Reader;
use crate::write::Object;

use super::request_read::keep_rest;

const TEXT: &str = "must be a string";
const OBJECT: &str = "must be an object";

/// Anthropic's least budget.
const LEAST_BUDGET: u64 = 1024;

/// Reads `thinking`.
pub(crate) fn read<'a>(reader: &mut Reader<'a>, wish: &mut ReasoningWish<'a>) -> Result<(), Fault> {
    if reader.kind()? == ValueKind::Null {
        return reader.pass();
    }
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(());
    };
    let mut kind = None;
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"type" => kind = reader.text(TEXT).within("type")?,
            b"budget_tokens" => wish.budget = reader.number("must be a number").within("budget_tokens")?,
            b"display" => {
                wish.summary = reader.text(TEXT).within("display")?;
                wish.include = wish.summary.as_ref().map(|display| !display.is("omitted"));
            }
            _ => reader.extra(key, &mut wish.extras)?,
        }
    }
    wish.mode = match kind.as_ref().map(Text::get).as_deref() {
        Some("enabled") => Some(ReasoningMode::On),
        Some("adaptive") => Some(ReasoningMode::Adaptive),
        Some("disabled") => Some(ReasoningMode::Off),
        Some(_) => {
            return Err(Fault::invalid(
                "type",
                "is none of `enabled`, `adaptive` and `disabled`",
            ));
        }
        None => return Err(Fault::missing("type", "is missing")),
    };
    Ok(())
}

/// Reads `output_config`; what is not known of it is kept under its name.
pub(super) fn read_output_config<'a>(
    reader: &mut Reader<'a>,
    request: &mut Request<'a>,
) -> Result<(), Fault> {
    if reader.kind()? == ValueKind::Null {
        return reader.pass();
    }
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(());
    };
    let mut others = Extras::new();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"effort" => request.reasoning.effort = reader.text(TEXT).within("effort")?.map(Effort::named),
            b"format" => request.format = read_format(reader).within("format")?,
            _ => reader.extra(key, &mut others)?,
        }
    }
    keep_rest("output_config", others, request);
    Ok(())
}

/// Reads `output_config.format`, and its name before, `output_format`.
pub(super) fn read_format<'a>(reader: &mut Reader<'a>) -> Result<Option<ResponseFormat<'a>>, Fault> {
    if reader.kind()? == ValueKind::Null {
        return reader.pass().map(|()| None);
    }
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let (mut kind, mut schema) = (None, None);
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"type" => kind = reader.text(TEXT).within("type")?,
            b"schema" => schema = reader.json_or_null()?,
            _ => reader.pass()?,
        }
    }
    let whole = reader.walked(&members);
    match (kind.as_ref().map(Text::get).as_deref(), schema) {
        (Some("json_schema"), Some(schema)) => Ok(Some(ResponseFormat::Schema {
            name: None,
            description: None,
            schema,
            strict: None,
        })),
        (Some("json_schema"), None) => Err(Fault::missing("schema", "is missing")),
        (Some(_), _) => Ok(Some(ResponseFormat::Native(whole))),
        (None, _) => Err(Fault::missing("type", "is missing")),
    }
}

/// What is said of thinking, once it is settled.
#[derive(Debug, Default)]
pub(crate) struct Thinking<'r> {
    mode: Option<ReasoningMode>,
    budget: Option<u64>,
    effort: Option<Text<'r>>,
    display: Option<Text<'r>>,
}

impl<'r> Thinking<'r> {
    /// Settles the wish for a model: its own words in this dialect, otherwise what the model can be told. `max_tokens`
    /// bounds a budget.
    pub fn settle(
        request: &'r Request<'_>,
        target: &Target<'_>,
        max_tokens: Option<u64>,
        losses: &mut Losses,
    ) -> Thinking<'r> {
        let wish = &request.reasoning;
        if request.dialect == Dialect::AnthropicMessages {
            return Thinking::as_said(wish);
        }
        if wish.is_empty() {
            return Thinking::default();
        }
        if wish.is_off() {
            return Thinking {
                mode: Some(ReasoningMode::Off),
                ..Thinking::default()
            };
        }
        let mut thinking = match target.reasoning {
            ReasoningSupport::None => {
                losses.dropped("reasoning", "the model cannot be told how to think");
                return Thinking::default();
            }
            ReasoningSupport::Adaptive => Thinking {
                mode: Some(ReasoningMode::Adaptive),
                effort: effort(wish, max_tokens, losses),
                ..Thinking::default()
            },
            ReasoningSupport::Effort | ReasoningSupport::Budget => budgeted(wish, max_tokens, losses),
        };
        thinking.display = display(wish);
        thinking
    }

    /// A wish that was said in Anthropic's words.
    pub fn as_said(wish: &'r ReasoningWish<'_>) -> Thinking<'r> {
        Thinking {
            mode: wish.mode,
            budget: wish.budget.as_ref().and_then(Number::as_u64),
            effort: wish.effort.as_ref().map(Effort::name),
            display: wish.summary.as_ref().map(Text::borrowed),
        }
    }

    /// Sampling has to be left alone, and no tool may be forced.
    pub fn is_on(&self) -> bool {
        matches!(self.mode, Some(ReasoningMode::On | ReasoningMode::Adaptive))
    }

    /// Writes `thinking`.
    pub fn write(&self, extras: &Extras<'_>, body: &mut Object<'_>) {
        let Some(mode) = self.mode else { return };
        body.object("thinking", |object| {
            object.str(
                "type",
                match mode {
                    ReasoningMode::On => "enabled",
                    ReasoningMode::Adaptive => "adaptive",
                    ReasoningMode::Off => "disabled",
                },
            );
            object.count_if("budget_tokens", self.budget);
            if mode != ReasoningMode::Off {
                object.text_if("display", self.display.as_ref());
            }
            object.extras(extras);
        });
    }

    pub fn effort(&self) -> Option<&Text<'r>> {
        self.effort.as_ref()
    }
}

fn budgeted<'r>(wish: &ReasoningWish<'_>, max_tokens: Option<u64>, losses: &mut Losses) -> Thinking<'r> {
    let most = max_tokens.unwrap_or(0);
    // thinking without a word of how much
    let medium = ReasoningWish {
        effort: Some(Effort::Medium),
        ..ReasoningWish::default()
    };
    let said = wish
        .effort
        .as_ref()
        .is_some_and(|effort| effort.percent().is_some())
        || wish.budget.is_some();
    let wanted = if said { wish } else { &medium };
    let Some(budget) = wanted.budget_tokens(LEAST_BUDGET, most) else {
        losses.dropped("reasoning", "the answer's limit leaves no room to think");
        return Thinking::default();
    };
    if wish.budget.as_ref().and_then(Number::as_u64) != Some(budget) {
        losses.changed("reasoning.effort", "goes as a number of tokens");
    }
    Thinking {
        mode: Some(ReasoningMode::On),
        budget: Some(budget),
        ..Thinking::default()
    }
}

/// Anthropic's efforts have no `minimal`.
fn effort<'r>(wish: &'r ReasoningWish<'_>, max_tokens: Option<u64>, losses: &mut Losses) -> Option<Text<'r>> {
    let effort = wish.effort_of(max_tokens)?;
    if wish.effort.is_none() {
        losses.changed(
            "reasoning.budget",
            "a number of tokens goes as the effort nearest to it",
        );
    }
    match effort {
        Effort::Minimal => {
            losses.changed("reasoning.effort", "`minimal` goes as `low`");
            Some(Text::plain("low"))
        }
        Effort::Other(_) => {
            losses.dropped("reasoning.effort", "is none of Anthropic's efforts");
            None
        }
        known => Some(known.name().into_owned()),
    }
}

fn display<'r>(wish: &ReasoningWish<'_>) -> Option<Text<'r>> {
    if wish.include == Some(false) {
        return Some(Text::plain("omitted"));
    }
    wish.summary.is_some().then(|| Text::plain("summarized"))
}
