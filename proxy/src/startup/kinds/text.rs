//! Texts with `{variables}`, taken apart when they are read and filled in when a provider is made of its kind.

use std::collections::BTreeMap;

use crate::startup::problem::suggestion;

/// What each variable stands for.
pub type Values = BTreeMap<String, String>;

/// A text and the variables in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Fixed(String),
    Variable(String),
}

impl Text {
    /// Takes a text apart.
    ///
    /// # Errors
    /// What is wrong with its braces, and what to write: only `known` variables may stand there.
    pub fn parse<'k>(text: &str, known: impl IntoIterator<Item = &'k str>) -> Result<Self, (String, String)> {
        let known: Vec<&str> = known.into_iter().collect();
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, behind)) = after.split_once('}') else {
                return Err(("a `{` without its `}`".to_owned(), "write {variable}".to_owned()));
            };
            if !known.contains(&name) {
                return Err((format!("unknown variable `{name}`"), suggestion(name, known)));
            }
            pieces.push(Piece::Fixed(before.to_owned()));
            pieces.push(Piece::Variable(name.to_owned()));
            rest = behind;
        }
        pieces.push(Piece::Fixed(rest.to_owned()));
        Ok(Self(pieces))
    }

    /// The text with its variables' values. One without a value stays as it stands: pages have some that change with every
    /// call.
    pub fn fill(&self, values: &Values) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Fixed(fixed) => text.push_str(fixed),
                Piece::Variable(name) => match values.get(name) {
                    Some(value) => text.push_str(value),
                    None => text.push_str(&format!("{{{name}}}")),
                },
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in_and_unknown_ones_told_with_the_nearest() {
        let text = Text::parse("https://{region}.x/{model}", ["region", "model"]).unwrap();
        let values = Values::from([("region".to_owned(), "eu".to_owned())]);
        assert_eq!(text.fill(&values), "https://eu.x/{model}");
        let (message, remedy) = Text::parse("{regoin}", ["region"]).unwrap_err();
        assert_eq!(
            (message.as_str(), remedy.as_str()),
            ("unknown variable `regoin`", "did you mean `region`?")
        );
        assert!(Text::parse("{region", ["region"]).is_err());
    }
}
