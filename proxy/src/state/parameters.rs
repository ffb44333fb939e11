//! What a provider and its models take otherwise than their dialects say, for each kind of body: rules that were put in
//! order when the configuration was read.

use std::cmp::Reverse;
use std::sync::Arc;

use penstock_llm::model::Dialect;
use penstock_llm::openai::Operation;
use penstock_llm::rules::{Rule, Rules};

use crate::state::snapshot::ModelPattern;

/// A kind of body that rules are for, as it goes to the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// A generation in a dialect.
    Generation(Dialect),
    Completions,
    /// Embeddings, in whichever dialect the provider is asked for them.
    Embeddings,
    Moderations,
    /// Reranking, in whichever dialect.
    Rerank,
}

impl Body {
    /// The body of an operation for a provider that is spoken to in `dialect`.
    pub fn of(operation: Operation, dialect: Dialect) -> Self {
        match operation {
            Operation::Chat => Self::Generation(dialect),
            Operation::Completions => Self::Completions,
            Operation::Embeddings => Self::Embeddings,
            Operation::Moderations => Self::Moderations,
        }
    }

    /// What the configuration calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Generation(dialect) => dialect.as_str(),
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
            Self::Moderations => "moderations",
            Self::Rerank => "rerank",
        }
    }

    pub fn all() -> impl Iterator<Item = Self> {
        let others = [
            Self::Completions,
            Self::Embeddings,
            Self::Moderations,
            Self::Rerank,
        ];
        let dialects = Dialect::ALL.iter().copied();
        dialects.map(Self::Generation).chain(others)
    }
}

/// A rule as it was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// The bodies that it is for; none for generations in the provider's first dialect.
    pub bodies: Option<Vec<Body>>,
    /// The models that it is for, by the provider's names for them; empty for all.
    pub models: Vec<ModelPattern>,
    pub rule: Rule,
}

/// The rules of a provider, or of one of its targets.
#[derive(Clone, Debug, Default)]
pub struct Parameters(Arc<Ordered>);

#[derive(Debug, Default)]
struct Ordered {
    /// In the order in which they are done.
    written: Vec<Written>,
    for_all: ByBody,
    /// For the models that rules name, with those for all: exact names first, then the longest prefix. Every pattern that a
    /// model matches also matches the one that is found first, which is why one is enough.
    for_models: Vec<(ModelPattern, ByBody)>,
}

/// Rules by the bodies that they are for; none for most.
type ByBody = Vec<(Body, Rules)>;

impl Parameters {
    /// The rules of a provider, in the order of the file.
    pub fn new(rules: &[Written]) -> Self {
        Self::default().and(rules.iter().cloned(), Dialect::OpenAiChat)
    }

    /// These rules, and `more` after them, for a provider that is usually spoken to in `first`.
    #[must_use]
    pub fn and(&self, more: impl IntoIterator<Item = Written>, first: Dialect) -> Self {
        let more = more.into_iter().map(|one| Written {
            bodies: Some(one.bodies.unwrap_or_else(|| vec![Body::Generation(first)])),
            ..one
        });
        let written: Vec<Written> = self.0.written.iter().cloned().chain(more).collect();
        if written.len() == self.0.written.len() {
            return self.clone();
        }
        let mut models: Vec<&ModelPattern> = written.iter().flat_map(|one| &one.models).collect();
        models.sort_by_key(|pattern| (pattern.is_prefix(), Reverse(pattern.text().len()), pattern.text()));
        models.dedup();
        Self(Arc::new(Ordered {
            for_all: by_body(&written, None),
            for_models: models
                .into_iter()
                .map(|model| (model.clone(), by_body(&written, Some(model))))
                .collect(),
            written,
        }))
    }

    /// The rules for a kind of body that goes to a model, if there are any.
    pub fn rules(&self, body: Body, model: &str) -> Option<&Rules> {
        let own = self
            .0
            .for_models
            .iter()
            .find(|(pattern, _)| pattern.matches(model));
        let rules = own.map_or(&self.0.for_all, |(_, rules)| rules);
        let of_body = rules.iter().find(|(own, _)| *own == body);
        of_body.map(|(_, rules)| rules)
    }
}

/// The rules for all models, and those for one or for all that it stands for.
fn by_body(written: &[Written], model: Option<&ModelPattern>) -> ByBody {
    let is_meant = |one: &&Written| {
        one.models.is_empty() || model.is_some_and(|model| one.models.iter().any(|own| own.covers(model)))
    };
    let of = |body: Body| {
        let own = written.iter().filter(is_meant);
        let own = own.filter(|one| one.bodies.as_ref().is_some_and(|bodies| bodies.contains(&body)));
        Rules::new(own.map(|one| one.rule.clone()))
    };
    let all = Body::all().map(|body| (body, of(body)));
    all.filter(|(_, rules)| !rules.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use penstock_llm::rules::{Action, FieldPath};

    use super::*;

    fn drop(field: &str, models: &[&str]) -> Written {
        Written {
            bodies: None,
            models: models.iter().map(|model| ModelPattern::parse(model)).collect(),
            rule: Rule {
                field: FieldPath::parse(field).unwrap(),
                action: Action::Drop,
            },
        }
    }

    /// The fields that are left for a model.
    fn left(parameters: &Parameters, model: &str) -> String {
        let mut body = br#"{"all":1,"o":1,"o3":1,"exact":1,"more":1}"#.to_vec();
        if let Some(rules) = parameters.rules(Body::Generation(Dialect::OpenAiChat), model) {
            rules.apply(&mut body).unwrap();
        }
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn every_rule_that_names_a_model_holds_for_it_however_it_is_named() {
        let first = Dialect::OpenAiChat;
        let provider = [
            drop("o3", &["x", "o3*"]),
            drop("o", &["o*"]),
            drop("exact", &["o3-mini"]),
            drop("all", &[]),
        ];
        let parameters = Parameters::new(&provider);
        assert_eq!(left(&parameters, "gpt"), r#"{"o":1,"o3":1,"exact":1,"more":1}"#);
        assert_eq!(left(&parameters, "o1"), r#"{"o3":1,"exact":1,"more":1}"#);
        assert_eq!(left(&parameters, "o3"), r#"{"exact":1,"more":1}"#);
        assert_eq!(left(&parameters, "o3-mini"), r#"{"more":1}"#);
        assert_eq!(left(&parameters, "x"), r#"{"o":1,"exact":1,"more":1}"#);
        let of_target = parameters.and([drop("more", &[])], first);
        assert_eq!(left(&of_target, "o3-mini"), "{}");
        assert_eq!(left(&of_target, "gpt"), r#"{"o":1,"o3":1,"exact":1}"#);
        assert!(parameters.rules(Body::Embeddings, "o3").is_none());
    }
}
