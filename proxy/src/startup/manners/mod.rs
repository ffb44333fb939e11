//! How a provider is spoken with, which a provider of a configuration and a kind of provider say in the same words. Whose
//! word counts where both say something is decided here; URL and keys are `check`'s.

mod auth;
mod pages;

use penstock_llm::model::Dialect;
use penstock_llm::{embed, rerank};

use crate::startup::check::facts::facts;
use crate::startup::check::parameters::{WrittenRules, parameters};
use crate::startup::files::{self, List, ParameterRule};
use crate::startup::kinds::text::Text;
use crate::startup::problem::{Findings, Mark};
use crate::startup::shape::{Entries, Field};
use crate::state::facts::Facts;
use crate::state::snapshot::{Betas, MediaTaken};

pub use auth::{Cloud, Way, way};
pub use pages::{pages_of, text};

/// As it is written. A list that is absent says nothing.
pub struct Said<'f> {
    pub dialects: &'f List<String>,
    pub embeddings: &'f Field<String>,
    pub rerank: &'f Field<String>,
    pub betas: &'f Field<files::Betas>,
    pub facts: &'f Field<files::Facts>,
    pub usage_option: &'f Field<bool>,
    pub fetches_urls: &'f Field<bool>,
    pub reads_documents: &'f Field<bool>,
    pub paths: &'f Field<Entries<String>>,
    pub query: &'f Field<Entries<String>>,
    pub parameters: &'f List<ParameterRule>,
}

/// The same, checked.
#[derive(Clone, Debug, Default)]
pub struct Manners {
    /// What it does best first; empty where nothing is said.
    pub dialects: Vec<Dialect>,
    pub embeddings: Option<embed::Dialect>,
    pub rerank: Option<rerank::Dialect>,
    pub betas: Option<Betas>,
    pub facts: Facts,
    pub usage_option: Option<bool>,
    pub media: MediaTaken,
    /// Pages with where they are, below the base path.
    pub pages: Vec<(Box<str>, Text)>,
    pub query: Vec<(Box<str>, Text)>,
    pub parameters: Option<WrittenRules>,
}

impl Said<'_> {
    /// Checks what is said. Texts may hold `variables`; rules that do not say for which bodies are for the first dialect, of
    /// `usual` where none is said.
    pub fn read(&self, variables: &[&str], usual: &[Dialect], findings: &mut Findings) -> Manners {
        let dialects = dialects(self.dialects, findings);
        let first = dialects.first().or(usual.first()).copied();
        let first = first.unwrap_or(Dialect::OpenAiChat);
        let is_ruled = !self.parameters.is_absent();
        Manners {
            dialects,
            embeddings: embeddings(self.embeddings, findings),
            rerank: rerank(self.rerank, findings),
            betas: betas(self.betas),
            facts: facts(self.facts, findings),
            usage_option: self.usage_option.value,
            media: MediaTaken {
                fetches_urls: self.fetches_urls.value,
                reads_documents: self.reads_documents.value,
            },
            pages: pages::pages(self.paths, variables, findings),
            query: pages::query(self.query, variables, findings),
            parameters: is_ruled.then(|| parameters(self.parameters, first, findings)),
        }
    }
}

impl Manners {
    /// These, and those of `base` where nothing is said here; pages and query entry by entry, rules as a whole.
    #[must_use]
    pub fn over(self, base: &Manners) -> Manners {
        Manners {
            dialects: match self.dialects.is_empty() {
                true => base.dialects.clone(),
                false => self.dialects,
            },
            embeddings: self.embeddings.or(base.embeddings),
            rerank: self.rerank.or(base.rerank),
            betas: self.betas.or_else(|| base.betas.clone()),
            facts: self.facts.over(base.facts),
            usage_option: self.usage_option.or(base.usage_option),
            media: MediaTaken {
                fetches_urls: self.media.fetches_urls.or(base.media.fetches_urls),
                reads_documents: self.media.reads_documents.or(base.media.reads_documents),
            },
            pages: with_others(self.pages, &base.pages),
            query: with_others(self.query, &base.query),
            parameters: self.parameters.or_else(|| base.parameters.clone()),
        }
    }
}

fn with_others(mut own: Vec<(Box<str>, Text)>, base: &[(Box<str>, Text)]) -> Vec<(Box<str>, Text)> {
    for usual in base {
        if !own.iter().any(|(name, _)| *name == usual.0) {
            own.push(usual.clone());
        }
    }
    own
}

fn dialects(list: &List<String>, findings: &mut Findings) -> Vec<Dialect> {
    let mut dialects = Vec::new();
    for field in list.value.iter().flatten() {
        let Some(name) = &field.value else { continue };
        match Dialect::named(name).filter(|dialect| dialect.codec().is_some()) {
            Some(dialect) => dialects.push(dialect),
            None => {
                let known = Dialect::ALL.iter().filter(|dialect| dialect.codec().is_some());
                let known = known.map(|dialect| dialect.as_str());
                no_dialect(name, field.mark, "is no dialect", known, findings);
            }
        }
    }
    dialects
}

fn embeddings(field: &Field<String>, findings: &mut Findings) -> Option<embed::Dialect> {
    let name = field.value.as_deref()?;
    let known = embed::Dialect::named(name);
    if known.is_none() {
        let all = embed::CODECS.iter().map(|codec| codec.dialect().as_str());
        no_dialect(name, field.mark, "is no dialect of embeddings", all, findings);
    }
    known
}

fn rerank(field: &Field<String>, findings: &mut Findings) -> Option<rerank::Dialect> {
    let name = field.value.as_deref()?;
    let known = rerank::Dialect::named(name);
    if known.is_none() {
        let all = rerank::DIALECTS.iter().map(|dialect| dialect.as_str());
        no_dialect(name, field.mark, "is no dialect of reranking", all, findings);
    }
    known
}

fn no_dialect<'n>(
    name: &str,
    mark: Mark,
    what: &str,
    all: impl Iterator<Item = &'n str>,
    findings: &mut Findings,
) {
    let all: Vec<&str> = all.collect();
    findings.problem(
        mark,
        format!("`{name}` {what}"),
        format!("one of {}", all.join(", ")),
    );
}

/// Which beta headers go to a provider or a target; none where nothing is said.
pub fn betas(field: &Field<files::Betas>) -> Option<Betas> {
    Some(match field.value.as_ref()? {
        files::Betas::Forward => Betas::All,
        files::Betas::Drop => Betas::Only(Vec::new()),
        files::Betas::Only(names) => {
            let names = names.iter().filter_map(|name| name.value.as_deref());
            Betas::Only(names.map(Into::into).collect())
        }
    })
}
