//! What one rule makes of one value: what is sent in its place, or the words in which the call is refused.

use std::borrow::Cow;
use std::fmt::Write;

use super::{Action, Otherwise};
use crate::fault::{BodyErrorKind, Fault};
use crate::json::{self, Span};
use crate::model::Json;

/// Values that a refusal lists; more would be no help.
const MOST_LISTED: usize = 20;

/// A value as JSON; none is a field that is not there.
pub(super) type Value<'v> = Option<Cow<'v, str>>;

impl Action {
    /// What is sent where `came` would be.
    pub(super) fn sent<'v>(&'v self, came: Value<'v>) -> Result<Value<'v>, Fault> {
        match self {
            Self::Drop => return Ok(None),
            Self::Set(value) => return Ok(Some(value.get().into())),
            Self::Forward | Self::Rename(_) => return Ok(came),
            _ => {}
        }
        let Some(value) = came.as_deref().filter(|value| *value != NULL) else {
            return Ok(match self {
                Self::Default(value) => Some(value.get().into()),
                _ => came,
            });
        };
        let (failed, otherwise) = match self {
            Self::Refuse => (Some(Failed { nearest: None }), Otherwise::Refuse),
            Self::Map(pairs) => return Ok(mapped(pairs, value).or(came)),
            Self::Clamp {
                least,
                most,
                otherwise,
            } => (beyond(*least, *most, value), *otherwise),
            Self::Allow { values, otherwise } => (unlisted(values, value), *otherwise),
            Self::MostItems { most, otherwise } => (too_many(*most, value), *otherwise),
            _ => return Ok(came),
        };
        match (failed, otherwise) {
            (None, _) => Ok(came),
            (Some(Failed { nearest }), Otherwise::Nearest) => Ok(nearest.map(Cow::Owned)),
            (Some(_), Otherwise::Drop) => Ok(None),
            (Some(_), Otherwise::Refuse) => Err(Fault::new(BodyErrorKind::Unsupported, "", self.demand())),
        }
    }

    /// What the field has to be, for a caller who sent something else.
    fn demand(&self) -> String {
        match self {
            Self::Clamp { least, most, .. } => match (least, most) {
                (Some(least), Some(most)) if least >= most => {
                    format!("can only be {most} for this model: send that, or leave it out")
                }
                (Some(least), Some(most)) => {
                    format!(
                        "must be between {least} and {most} for this model: send such a number, or leave it out"
                    )
                }
                (Some(least), None) => {
                    format!("must be at least {least} for this model: send more, or leave it out")
                }
                (None, Some(most)) => {
                    format!("must be at most {most} for this model: send less, or leave it out")
                }
                (None, None) => CANNOT.to_owned(),
            },
            Self::Allow { values, .. } => listed(values),
            Self::MostItems { most, .. } => {
                format!("can have at most {most} elements for this model: send fewer")
            }
            _ => CANNOT.to_owned(),
        }
    }
}

pub(super) const NULL: &str = "null";

const CANNOT: &str = "cannot be sent to this model: leave it out";

/// A value did not pass.
struct Failed {
    nearest: Option<String>,
}

fn mapped<'v>(pairs: &'v [(Json<'static>, Json<'static>)], value: &str) -> Value<'v> {
    let pair = pairs.iter().find(|(from, _)| is_same(from.get(), value));
    pair.map(|(_, to)| to.get().into())
}

/// A bound that is no number, which JSON cannot say, bounds nothing.
fn beyond(least: Option<f64>, most: Option<f64>, value: &str) -> Option<Failed> {
    let number: f64 = value.parse().ok()?;
    let least = least.filter(|least| least.is_finite() && number < *least);
    let most = most.filter(|most| most.is_finite() && number > *most);
    least.or(most).map(|bound| Failed {
        nearest: Some(bound.to_string()),
    })
}

fn unlisted(values: &[Json<'static>], value: &str) -> Option<Failed> {
    let is_listed = values.iter().any(|one| is_same(one.get(), value));
    (!is_listed).then_some(Failed { nearest: None })
}

fn too_many(most: usize, value: &str) -> Option<Failed> {
    let bytes = value.as_bytes();
    if bytes.first() != Some(&b'[') {
        return None;
    }
    let elements = json::first_children(bytes, Span::new(0, bytes.len()), most.saturating_add(1))?;
    if elements.len() <= most {
        return None;
    }
    let last = most.checked_sub(1).and_then(|last| elements.get(last));
    let end = last.map_or(1, |last| last.value.end);
    Some(Failed {
        nearest: value.get(..end).map(|kept| format!("{kept}]")),
    })
}

/// Whether two values say the same: texts however they are escaped, numbers however they are spelled.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.trim(), other.trim());
    if one == other {
        return true;
    }
    if one.starts_with('"') && other.starts_with('"') {
        return json::unescape(one.as_bytes()) == json::unescape(other.as_bytes());
    }
    matches!((one.parse::<f64>(), other.parse::<f64>()), (Ok(one), Ok(other)) if one.total_cmp(&other).is_eq())
}

fn listed(values: &[Json<'static>]) -> String {
    let mut demand = match values.len() {
        0 | 1 => "can only be ".to_owned(),
        _ => "must be one of ".to_owned(),
    };
    for (at, value) in values.iter().take(MOST_LISTED).enumerate() {
        let between = if at == 0 { "" } else { ", " };
        // writing into memory does not fail
        let _ = write!(demand, "{between}{}", value.get());
    }
    if values.len() > MOST_LISTED {
        demand.push_str(", ...");
    }
    demand.push_str(" for this model: send that, or leave it out");
    demand
}
