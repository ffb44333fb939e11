//! Where a field is in a body, as an operator writes it and as `x-penstock-dropped` names it.

use std::fmt;

/// Steps of one path; no field of any API is deeper.
const MOST_STEPS: usize = 8;

/// Where a field is: `logit_bias`, `response_format.json_schema.strict`, `messages[].name` for the field of every element.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldPath {
    text: Box<str>,
    steps: Box<[Step]>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
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

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
