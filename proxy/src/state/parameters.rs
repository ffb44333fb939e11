//! What a provider takes otherwise than its dialects say, for each kind of body: rules that were put in order when the
//! configuration was read.

use penstock_llm::model::Dialect;
use penstock_llm::openai::Operation;
use penstock_llm::rules::{Rule, Rules};

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

/// The rules by the bodies that they are for; none for most.
#[derive(Clone, Debug, Default)]
pub struct Parameters(Vec<(Body, Rules)>);

impl Parameters {
    /// Rules in the order of the file, each with its bodies.
    pub fn new(rules: &[(Vec<Body>, Rule)]) -> Self {
        let of = |body: Body| {
            let own = rules.iter().filter(|(bodies, _)| bodies.contains(&body));
            Rules::new(own.map(|(_, rule)| rule.clone()))
        };
        let all = Body::all().map(|body| (body, of(body)));
        Self(all.filter(|(_, rules)| !rules.is_empty()).collect())
    }

    /// The rules for a kind of body, if there are any.
    pub fn rules(&self, body: Body) -> Option<&Rules> {
        self.0
            .iter()
            .find(|(own, _)| *own == body)
            .map(|(_, rules)| rules)
    }
}
