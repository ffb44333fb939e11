//! What a provider says of itself over what its kind says: the provider's word counts, entry by entry where there are
//! several.

use http::{HeaderName, HeaderValue};
use penstock_llm::model::Dialect;
use penstock_llm::rerank;

use crate::startup::check::Checker;
use crate::startup::check::kinds::Given;
use crate::startup::files;
use crate::startup::kinds::Kind;
use crate::startup::manners::{self, Manners};
use crate::startup::problem::Mark;

impl Checker<'_> {
    /// Its own, or its kind's, with the place to complain about.
    pub(super) fn base_url(
        &mut self,
        name: &str,
        file: &files::Provider,
        given: &Given,
        owner: Mark,
    ) -> Option<(String, Mark)> {
        let mark = file.base_url.mark;
        match (&given.kind, &file.base_url.value) {
            (Some(kind), None) if file.base_url.is_absent() => {
                Some((kind.base_url.fill(&given.values), file.kind.mark))
            }
            (Some(kind), Some(written)) => {
                let text = manners::text(written, mark, kind.variable_names(), self.findings)?;
                Some((text.fill(&given.values), mark))
            }
            _ => {
                let what = format!("`base_url` of provider `{name}`");
                let remedy = "such as https://api.openai.com/v1, or name its kind";
                let written = self.required(&file.base_url, owner, &what, remedy)?;
                Some((written.clone(), mark))
            }
        }
    }

    /// All that it says itself, what its kind says, and what is usual where neither says a thing.
    pub(super) fn manners(&mut self, file: &files::Provider, given: &Given) -> Manners {
        let kind = given.kind.as_deref();
        let variables = kind.map(Kind::variable_names).unwrap_or_default();
        let usual = kind.map(|kind| &*kind.manners.dialects).unwrap_or_default();
        let own = file.said().read(&variables, usual, self.findings);
        let mut manners = match kind {
            Some(kind) => own.over(&kind.manners),
            None => own,
        };
        // an adapter speaks for all dialects that are not named
        if manners.dialects.is_empty() && file.adapter.is_absent() {
            manners.dialects.push(Dialect::OpenAiChat);
        }
        let is_cohere = manners.dialects.first() == Some(&Dialect::Cohere);
        if is_cohere && file.rerank.is_absent() {
            manners.rerank = manners.rerank.or(Some(rerank::Dialect::CohereV2));
        }
        manners
    }

    /// Its kind's headers, but for those that it says itself.
    pub(super) fn usual_headers(
        &mut self,
        given: &Given,
        mark: Mark,
        headers: &mut Vec<(HeaderName, HeaderValue)>,
    ) {
        for (name, text) in given.kind.iter().flat_map(|kind| &kind.headers) {
            if headers.iter().any(|(own, _)| own == name) {
                continue;
            }
            match HeaderValue::try_from(text.fill(&given.values)) {
                Ok(value) => headers.push((name.clone(), value)),
                Err(_) => self
                    .findings
                    .problem(mark, format!("not a value for header `{name}`"), ""),
            }
        }
    }
}
