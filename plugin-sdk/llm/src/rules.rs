//! What becomes of single fields of a body on its way to a provider that has them otherwise: dropped, renamed, bounded,
//! added. Decided once, found in one walk over the objects that rules name, made as splices. Whose rules they are, and
//! for which bodies, is left to the gateway.

use std::fmt;

use crate::json::{self, Child, Span};
use crate::splice::{self, Splice};

/// Steps of one path; no field of any API is deeper.
const MOST_STEPS: usize = 8;

/// Where a field is, as `x-penstock-dropped` names it: `logit_bias`, `response_format.json_schema.strict`,
/// `messages[].name` for the field of every element.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldPath {
    text: Box<str>,
    steps: Box<[Step]>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    Key(Box<str>),
    /// Every element of an array.
    Each,
}

impl FieldPath {
    /// None for a text that is no path: an empty step, one that ends in `[]`, more than eight steps.
    pub fn parse(text: &str) -> Option<FieldPath> {
        let mut steps = Vec::new();
        for part in text.split('.') {
            let name = part.trim_end_matches("[]");
            if name.is_empty() || name.contains(['[', ']']) {
                return None;
            }
            steps.push(Step::Key(name.into()));
            steps.extend(std::iter::repeat_n(Step::Each, (part.len() - name.len()) / 2));
        }
        let is_field = matches!(steps.last(), Some(Step::Key(_)));
        (is_field && steps.len() <= MOST_STEPS).then(|| FieldPath {
            text: text.into(),
            steps: steps.into(),
        })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The field's own name, without the objects around it.
    pub fn name(&self) -> &str {
        match self.steps.last() {
            Some(Step::Key(name)) => name,
            _ => "",
        }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What becomes of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// It is left out.
    Drop,
    /// It goes under another name in the same object. Where that is taken already, the field is left out.
    Rename(Box<str>),
    /// A number is brought into these bounds; other values stay.
    Clamp { least: Option<f64>, most: Option<f64> },
    /// A JSON value for a field that is not there, if the object around it is.
    Default(Box<str>),
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
    drop: bool,
    rename: Option<Box<str>>,
    bounds: Option<(Option<f64>, Option<f64>)>,
    default: Option<Box<str>>,
    /// Of its value, where that is an object.
    within: Object,
    /// Of every element of its value, where that is an array.
    each: Option<Box<Field>>,
}

impl Rules {
    /// Rules in order: of two for the same field and with the same kind of action, the later one counts.
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
    pub fn edits(&self, body: &[u8]) -> Edits {
        let mut edits = Edits::default();
        if !self.is_empty()
            && let Some(whole) = json::pointer(body, "")
        {
            self.root.walk(body, whole, &mut edits);
        }
        edits
    }

    /// Makes the edits in `body`, and gives the fields that are to be told.
    pub fn apply(&self, body: &mut Vec<u8>) -> Vec<Box<str>> {
        let edits = self.edits(body);
        if !edits.splices.is_empty() {
            *body = splice::apply(body, &edits.splices);
        }
        edits.told
    }
}

impl Object {
    fn add(&mut self, path: &FieldPath, action: Action) {
        let mut steps = path.steps.iter();
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
        here.path = path.text.clone();
        match action {
            Action::Drop => here.drop = true,
            Action::Rename(to) => here.rename = Some(to),
            Action::Clamp { least, most } => here.bounds = Some((least, most)),
            Action::Default(value) => here.default = Some(value),
        }
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

    fn walk(&self, body: &[u8], span: Span, edits: &mut Edits) {
        if self.fields.is_empty() || body.get(span.start) != Some(&b'{') {
            return;
        }
        let Some(children) = json::children(body, span) else {
            return;
        };
        let members = Members {
            rules: children.iter().map(|child| self.rule_of(body, child)).collect(),
            children,
            body,
        };
        let last_kept = (0..members.children.len()).rev().find(|at| !members.goes(*at));
        for (at, child) in members.children.iter().enumerate() {
            let Some(field) = members.rules[at] else { continue };
            if !members.goes(at) {
                field.keep(body, child, edits);
            } else {
                edits.tell(field);
                if last_kept.is_some_and(|kept| at < kept) {
                    let until = members.children[at + 1].start();
                    edits
                        .splices
                        .push(Splice::delete(Span::new(child.start(), until)));
                }
            }
        }
        self.end(&members, span, last_kept, edits);
    }

    /// What is added at an object's end, and what is taken away there, with the comma before.
    fn end(&self, members: &Members<'_, '_>, span: Span, last_kept: Option<usize>, edits: &mut Edits) {
        let at = match (last_kept, members.children.first()) {
            (Some(kept), _) => members.children[kept].value.end,
            (None, Some(first)) => first.start(),
            (None, None) => span.start + 1,
        };
        let mut added = Vec::new();
        for field in &self.fields {
            let Some(value) = field.default.as_deref().filter(|_| !members.has(&field.key)) else {
                continue;
            };
            if last_kept.is_some() || !added.is_empty() {
                added.push(b',');
            }
            json::escape_into(&field.key, &mut added);
            added.push(b':');
            added.extend_from_slice(value.as_bytes());
        }
        if !added.is_empty() {
            edits.splices.push(Splice::insert(at, added));
        }
        if let Some(last) = members.children.last()
            && last_kept.is_none_or(|kept| kept + 1 < members.children.len())
        {
            edits.splices.push(Splice::delete(Span::new(at, last.value.end)));
        }
    }

    fn rule_of(&self, body: &[u8], child: &Child) -> Option<&Field> {
        let key = json::unescape(child.key?.of(body));
        self.fields.iter().find(|field| *field.key == *key)
    }
}

/// An object's members beside their rules.
struct Members<'b, 'r> {
    body: &'b [u8],
    children: Vec<Child>,
    rules: Vec<Option<&'r Field>>,
}

impl Members<'_, '_> {
    /// Whether a member is left out.
    fn goes(&self, at: usize) -> bool {
        self.rules[at].is_some_and(|field| {
            let taken = |to: &str| {
                let by_rename = |other: &usize| {
                    self.rules[*other].is_some_and(|other| !other.drop && other.rename.as_deref() == Some(to))
                };
                self.positions(to).any(|other| other != at) || (0..at).any(|other| by_rename(&other))
            };
            field.drop || field.rename.as_deref().is_some_and(taken)
        })
    }

    /// Whether there is such a member once all are renamed.
    fn has(&self, key: &str) -> bool {
        let renamed = |field: &&Field| !field.drop && field.rename.as_deref() == Some(key);
        self.rules.iter().flatten().any(renamed)
            || self
                .positions(key)
                .any(|at| self.rules[at].is_none_or(|field| !field.drop && field.rename.is_none()))
    }

    fn positions(&self, key: &str) -> impl Iterator<Item = usize> {
        let named = move |at: &usize| {
            let own = self.children[*at].key;
            own.is_some_and(|own| json::unescape(own.of(self.body)) == key)
        };
        (0..self.children.len()).filter(named)
    }
}

impl Field {
    /// The edits of a member that stays.
    fn keep(&self, body: &[u8], child: &Child, edits: &mut Edits) {
        if let (Some(to), Some(key)) = (&self.rename, child.key) {
            let mut literal = Vec::with_capacity(to.len() + 2);
            json::escape_into(to, &mut literal);
            edits.splices.push(Splice::new(key, literal));
            edits.tell(self);
        }
        self.value(body, child.value, edits);
    }

    fn value(&self, body: &[u8], value: Span, edits: &mut Edits) {
        if let Some(bound) = self.bound(value.of(body)) {
            edits.splices.push(Splice::new(value, bound.into_bytes()));
            edits.tell(self);
        }
        self.within.walk(body, value, edits);
        if let Some(each) = &self.each
            && body.get(value.start) == Some(&b'[')
        {
            for element in json::children(body, value).unwrap_or_default() {
                each.value(body, element.value, edits);
            }
        }
    }

    /// The bound that a number is beyond, as JSON.
    fn bound(&self, value: &[u8]) -> Option<String> {
        let (least, most) = self.bounds?;
        let is_number = value.first().is_some_and(|b| *b == b'-' || b.is_ascii_digit());
        let number: f64 = std::str::from_utf8(value)
            .ok()
            .filter(|_| is_number)?
            .parse()
            .ok()?;
        least
            .filter(|least| number < *least)
            .or(most.filter(|most| number > *most))
            .map(|bound| bound.to_string())
    }
}

impl Edits {
    fn tell(&mut self, field: &Field) {
        let moved = matches!(&*field.path, "model" | "stream");
        if !moved && !self.told.contains(&field.path) {
            self.told.push(field.path.clone());
        }
    }
}
