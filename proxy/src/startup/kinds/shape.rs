//! The file of a provider kind as it is written: every key, what it takes, its default. The file's name is the kind's.
//! Texts may hold `{variable}`.

use serde::Deserialize;

use crate::startup::files::{Auth, Betas, Facts, List, ParameterRule};
use crate::startup::manners::Said;
use crate::startup::shape::{Entries, Field};

/// One kind of provider.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kind {
    /// What people call it.
    pub name: Field<String>,
    /// The public pages that say what stands here.
    pub source: List<String>,
    /// When they said so: `2026-08-22`.
    pub known: Field<String>,
    /// As a provider's.
    pub base_url: Field<String>,
    /// As a provider's. Default: `openai-chat`.
    pub dialects: List<String>,
    pub embeddings: Field<String>,
    pub rerank: Field<String>,
    pub betas: Field<Betas>,
    pub facts: Field<Facts>,
    /// How a key may be shown, the usual way first. With `none` among them, a key is not needed. Default: `bearer`.
    pub auth: List<Auth>,
    /// Environment variables that usually hold the key; the first that is set counts.
    pub key: List<String>,
    /// What a configuration has to give, or may.
    pub variables: Field<Entries<Variable>>,
    /// As a provider's, without secrets.
    pub headers: Field<Entries<String>>,
    pub query: Field<Entries<String>>,
    pub paths: Field<Entries<String>>,
    pub parameters: List<ParameterRule>,
    pub usage_option: Field<bool>,
    pub fetches_urls: Field<bool>,
    pub reads_documents: Field<bool>,
    /// What else is known, in a sentence each; for readers.
    pub notes: List<String>,
}

impl Kind {
    pub fn said(&self) -> Said<'_> {
        Said {
            dialects: &self.dialects,
            embeddings: &self.embeddings,
            rerank: &self.rerank,
            betas: &self.betas,
            facts: &self.facts,
            usage_option: &self.usage_option,
            fetches_urls: &self.fetches_urls,
            reads_documents: &self.reads_documents,
            paths: &self.paths,
            query: &self.query,
            parameters: &self.parameters,
        }
    }
}

/// What a `{variable}` stands for.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Variable {
    /// What to give, such as `the AWS region, such as us-east-1`.
    pub about: Field<String>,
    /// Environment variables that usually hold it.
    pub environment: List<String>,
    /// What it is where nobody says otherwise.
    pub default: Field<String>,
    /// The variable before it that it depends on; it is then what `cases` has for that one's value, else `otherwise`.
    pub by: Field<String>,
    pub cases: Field<Entries<String>>,
    pub otherwise: Field<String>,
}
