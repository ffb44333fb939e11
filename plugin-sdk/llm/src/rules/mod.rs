//! What becomes of single fields of a body on its way to a provider that has them otherwise: dropped, renamed, bounded,
//! mapped, added, refused. Decided once, found in one walk over the objects that rules name, made as splices. Whose rules
//! they are, and for which bodies, is left to the gateway.

mod apply;
mod check;
mod path;

use std::mem::discriminant;

use crate::fault::BodyError;
use crate::json::{self, JsonLimits};
use crate::model::Json;
use crate::splice::{self, Splice};

pub use path::FieldPath;
use path::Step;

/// What becomes of a field. A value that is null is no value: only `Drop`, `Default` and `Set` are about it.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// It goes out as it came: the rules for it that come before this one count no more.
    Forward,
    /// It is left out.
    Drop,
    /// The call is refused.
    Refuse,
    /// It goes under another name in the same object, and under the rules that its value would have there. Where that
    /// name is taken already, the field is left out.
    Rename(Box<str>),
    /// Single values that become others: texts, numbers and truth values, however they are spelled.
    Map(Vec<(Json<'static>, Json<'static>)>),
    /// A number beyond these bounds does not pass; other values do.
    Clamp {
        least: Option<f64>,
        most: Option<f64>,
        otherwise: Otherwise,
    },
    /// Only these values pass, compared as for `Map`. None of them is nearest to another value.
    Allow {
        values: Vec<Json<'static>>,
        otherwise: Otherwise,
    },
    /// A list of more elements does not pass; other values do. Nearest is the list of the first ones.
    MostItems { most: usize, otherwise: Otherwise },
    /// What is sent where the field is not there or null, if the object around it is there.
    Default(Json<'static>),
    /// What is sent whatever the caller says, if the object around the field is there.
    Set(Json<'static>),
}

/// What becomes of a value that a rule does not let pass.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// The nearest that passes is sent; where there is none, nothing.
    Nearest,
    /// The field is left out.
    Drop,
    /// The call is refused.
    Refuse,
}

/// One field and what becomes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub field: FieldPath,
    pub action: Action,
}

/// The rules for one kind of body, in the form in which bodies are walked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    root: Object,
}

/// What rules make of one body.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    /// In order and apart.
    pub splices: Vec<Splice>,
    /// The fields that are not sent as they came, once each. What was added is not among them, nor are `model` and
    /// `stream`, which only move into the path.
    pub told: Vec<Box<str>>,
}

/// The fields of an object that rules are about.
#[derive(Clone, Debug, Default, PartialEq)]
struct Object {
    fields: Vec<Field>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Field {
    key: Box<str>,
    path: Box<str>,
    rename: Option<Box<str>>,
    /// In the order in which they are done; one of each kind.
    actions: Vec<Action>,
    /// Of its value, where that is an object.
    within: Object,
    /// Of every element of its value, where that is an array.
    each: Option<Box<Field>>,
}

impl Rules {
    /// Rules for the fields of a body as it comes, done in order. Of two for the same field and of the same kind the later
    /// one counts, and is done where it stands; `Drop` and `Refuse` are one kind.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Rules {
        let mut root = Object::default();
        for Rule { field, action } in rules {
            root.add(&field, action);
        }
        Rules { root }
    }

    pub fn is_empty(&self) -> bool {
        self.root.fields.is_empty()
    }

    /// What becomes of a body that is valid JSON. Costs one pass over its bytes for every level that a rule is about, and
    /// allocates nothing that lasts where none matches.
    ///
    /// # Errors
    /// A field that a rule refuses: which one, what it may be, and what to do. Or more members in one place than are looked
    /// through.
    pub fn edits(&self, body: &[u8]) -> Result<Edits, BodyError> {
        let mut edits = Edits::default();
        if !self.is_empty()
            && let Some(whole) = json::pointer(body, "")
        {
            let walked = self.root.walk(body, whole, &mut edits);
            walked.map_err(|fault| of_body(fault.into_body_error(body, JsonLimits::default().max_depth)))?;
        }
        Ok(edits)
    }

    /// Makes the edits in `body`, and gives the fields that are to be told.
    ///
    /// # Errors
    /// As for [`Rules::edits`]; `body` is then as it was.
    pub fn apply(&self, body: &mut Vec<u8>) -> Result<Vec<Box<str>>, BodyError> {
        let edits = self.edits(body)?;
        if !edits.splices.is_empty() {
            *body = splice::apply(body, &edits.splices);
        }
        Ok(edits.told)
    }
}

impl Object {
    fn add(&mut self, path: &FieldPath, action: Action) {
        let mut steps = path.steps().iter();
        let Some(Step::Key(first)) = steps.next() else {
            return;
        };
        let mut here = self.field(first);
        for step in steps {
            here = match step {
                Step::Key(key) => here.within.field(key),
                Step::Each => here.each.get_or_insert_default(),
            };
        }
        here.path = path.as_str().into();
        here.add(action);
    }

    fn field(&mut self, key: &str) -> &mut Field {
        let at = self.fields.iter().position(|field| *field.key == *key);
        let at = at.unwrap_or_else(|| {
            self.fields.push(Field {
                key: key.into(),
                ..Field::default()
            });
            self.fields.len() - 1
        });
        &mut self.fields[at]
    }
}

impl Field {
    fn add(&mut self, action: Action) {
        match action {
            Action::Forward => {
                self.rename = None;
                self.actions.clear();
            }
            Action::Rename(to) => self.rename = Some(to),
            action => {
                self.actions.retain(|other| !is_same_kind(other, &action));
                self.actions.push(action);
            }
        }
    }
}

/// What is wrong with no single field is wrong with the body.
fn of_body(error: BodyError) -> BodyError {
    match &error.param {
        Some(_) => error,
        None => BodyError {
            message: format!("the body {}", error.message),
            ..error
        },
    }
}

fn is_same_kind(one: &Action, other: &Action) -> bool {
    let leaves_out = |action: &Action| matches!(action, Action::Drop | Action::Refuse);
    discriminant(one) == discriminant(other) || (leaves_out(one) && leaves_out(other))
}
