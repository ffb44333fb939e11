//! `thinkingConfig`: budgets of one generation, levels of the next (APIS.md 4.1, 9.6).

use crate::fault::{Fault, Within};
use crate::model::{
    Dialect, Effort, Extras, Losses, Number, ReasoningMode, ReasoningSupport, ReasoningWish, Request, Target,
    Text,
};
use crate::read::Reader;
use crate::write::Object;

use super::family::Family;
use super::spelling::{BOOL, NUMBER, next, object, word};

/// What a model of the 2.5 generation may be given to think, in tokens.
const MOST_PRO: u64 = 32_768;
const MOST_FLASH: u64 = 24_576;
const LEAST_PRO: u64 = 128;
const LEAST_LITE: u64 = 512;
/// What these models give at most where nobody said less, for shares of it.
const DEFAULT_OUTPUT: u64 = 65_536;

/// Reads the value into the wish.
pub(super) fn read<'a>(reader: &mut Reader<'a>, wish: &mut ReasoningWish<'a>) -> Result<(), Fault> {
    let Some(mut members) = object(reader)? else {
        return Ok(());
    };
    while let Some(key) = next(reader, &mut members)? {
        match &*key {
            b"includeThoughts" => wish.include = reader.bool(BOOL).within("includeThoughts")?,
            b"thinkingBudget" => budget(reader.number(NUMBER).within("thinkingBudget")?, wish),
            b"thinkingLevel" => level(word(reader).within("thinkingLevel")?, wish),
            _ => reader.extra(key, &mut wish.extras)?,
        }
    }
    Ok(())
}

/// 0 is off, and -1 leaves it to the model.
fn budget<'a>(budget: Option<Number<'a>>, wish: &mut ReasoningWish<'a>) {
    let Some(budget) = budget else { return };
    match budget.as_u64() {
        Some(0) => wish.mode = Some(ReasoningMode::Off),
        Some(_) => wish.mode = Some(ReasoningMode::On),
        None => {
            wish.mode = Some(ReasoningMode::Adaptive);
            return;
        }
    }
    wish.budget = Some(budget);
}

fn level<'a>(level: Option<Text<'a>>, wish: &mut ReasoningWish<'a>) {
    let Some(level) = level else { return };
    let name = level.get().to_ascii_lowercase();
    wish.effort = match &*name {
        "" | "thinking_level_unspecified" => return,
        _ => Some(Effort::named(Text::plain(name))),
    };
}

/// What is written: at most one of budget and level.
#[derive(Debug, Default, PartialEq)]
struct Config<'e> {
    include: Option<bool>,
    budget: Option<Budget>,
    level: Option<Text<'e>>,
}

#[derive(Copy, Clone, Debug, PartialEq)]
enum Budget {
    Dynamic,
    Tokens(u64),
}

/// Writes `thinkingConfig` where something was wished.
pub(super) fn write(
    request: &Request<'_>,
    target: &Target<'_>,
    object: &mut Object<'_>,
    losses: &mut Losses,
) {
    let wish = &request.reasoning;
    let own = request.dialect == Dialect::Gemini;
    if !own {
        for extra in &wish.extras {
            losses.dropped(extra.name.get().into_owned(), super::NO_SUCH);
        }
    }
    if wish.is_empty() {
        return;
    }
    let config = match own {
        true => as_wished(wish),
        false => match for_target(request, target, losses) {
            Some(config) => config,
            None => return,
        },
    };
    let extras: &Extras<'_> = if own { &wish.extras } else { &Vec::new() };
    if config == Config::default() && extras.is_empty() {
        return;
    }
    object.object("thinkingConfig", |object| {
        object.bool_if("includeThoughts", config.include);
        match config.budget {
            Some(Budget::Dynamic) => object.value("thinkingBudget").extend_from_slice(b"-1"),
            Some(Budget::Tokens(tokens)) => object.count("thinkingBudget", tokens),
            None => {}
        }
        object.text_if("thinkingLevel", config.level.as_ref());
        object.extras(extras);
    });
}

/// Another model of the family may be asked, but the caller knows this dialect and chose the words.
fn as_wished<'e>(wish: &'e ReasoningWish<'_>) -> Config<'e> {
    let tokens = wish.budget.as_ref().and_then(Number::as_u64).map(Budget::Tokens);
    let dynamic = (wish.mode == Some(ReasoningMode::Adaptive)).then_some(Budget::Dynamic);
    let effort = wish.effort.as_ref();
    Config {
        include: wish.include,
        budget: tokens.or(dynamic),
        level: effort.map(|effort| Text::plain(effort.name().get().to_ascii_uppercase())),
    }
}

/// None where the model cannot be told how to think.
fn for_target<'e>(request: &'e Request<'_>, target: &Target<'_>, losses: &mut Losses) -> Option<Config<'e>> {
    let wish = &request.reasoning;
    let family = Family::of(target.model);
    if target.reasoning == ReasoningSupport::None || family.is_before_thinking() {
        if !wish.is_off() {
            losses.dropped("reasoning", "the model cannot be told how to think");
        }
        return None;
    }
    let by_budget = match family.is_two_five() || family.is_third() {
        true => family.is_two_five(),
        false => target.reasoning == ReasoningSupport::Budget,
    };
    let mut config = match by_budget {
        true => Config {
            budget: budget_for(request, target, family, losses),
            ..Config::default()
        },
        false => Config {
            level: level_for(request, target, family, losses),
            ..Config::default()
        },
    };
    config.include = included(wish);
    Some(config)
}

/// Thoughts are shown unless the caller does not want them, or wants no thinking.
fn included(wish: &ReasoningWish<'_>) -> Option<bool> {
    let silent = wish
        .summary
        .as_ref()
        .is_some_and(|summary| summary.is("omitted") || summary.is("none"));
    match wish.include {
        Some(include) => Some(include),
        None if wish.is_off() => None,
        None => Some(!silent),
    }
}

fn budget_for(
    request: &Request<'_>,
    target: &Target<'_>,
    family: Family,
    losses: &mut Losses,
) -> Option<Budget> {
    let wish = &request.reasoning;
    let (least, most) = match (family.pro, family.lite) {
        (true, _) => (LEAST_PRO, MOST_PRO),
        (_, true) => (LEAST_LITE, MOST_FLASH),
        _ => (1, MOST_FLASH),
    };
    if wish.is_off() {
        if !family.pro {
            return Some(Budget::Tokens(0));
        }
        losses.changed("reasoning", "the model always thinks: it is given the least");
        return Some(Budget::Tokens(LEAST_PRO));
    }
    let output = request.max_output.as_ref().and_then(Number::as_u64);
    let output = output.or(target.max_output).unwrap_or(DEFAULT_OUTPUT);
    match wish.budget_tokens(least, output) {
        Some(tokens) => {
            let tokens = tokens.min(most);
            let asked = wish.budget.as_ref().and_then(Number::as_u64);
            if asked != Some(tokens) {
                losses.changed("reasoning", "goes as a budget within the model's bounds");
            }
            Some(Budget::Tokens(tokens))
        }
        None if wish.mode.is_some() => Some(Budget::Dynamic),
        None if wish.effort.is_some() || wish.budget.is_some() => {
            losses.dropped("reasoning", "there is no room for it, or its name says no amount");
            None
        }
        None => None,
    }
}

fn level_for(
    request: &Request<'_>,
    target: &Target<'_>,
    family: Family,
    losses: &mut Losses,
) -> Option<Text<'static>> {
    let wish = &request.reasoning;
    let most = request.max_output.as_ref().and_then(Number::as_u64);
    let effort = wish.effort_of(most.or(target.max_output))?;
    let least = if family.pro { "LOW" } else { "MINIMAL" };
    let (level, exact) = match &effort {
        Effort::None => (least, false),
        Effort::Minimal => (least, !family.pro),
        Effort::Low => ("LOW", true),
        Effort::Medium if family.has_no_medium() => ("HIGH", false),
        Effort::Medium => ("MEDIUM", true),
        Effort::High => ("HIGH", true),
        Effort::ExtraHigh | Effort::Max => ("HIGH", false),
        Effort::Other(_) => {
            losses.dropped("reasoning.effort", "its name says no amount");
            return None;
        }
    };
    if !exact || wish.effort.is_none() {
        losses.changed("reasoning", "goes as the nearest level that the model has");
    }
    Some(Text::plain(level))
}
