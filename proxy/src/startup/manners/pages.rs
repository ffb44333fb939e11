//! Where a provider has its pages, and what every query holds.

use super::Manners;
use crate::dispatch::page;
use crate::startup::kinds::text::{Text, Values};
use crate::startup::problem::{Findings, Mark, suggestion};
use crate::startup::shape::{Entries, Field};
use crate::state::pages::{OwnPage, Pages, PathTemplate};

/// The page that stands for all others.
const OTHER_PAGES: &str = "*";

/// What follows a page's name where only streamed answers are meant.
const STREAMED: &str = "#stream";

/// A text of a setting, with `known` variables in it.
pub fn text<'k>(
    written: &str,
    mark: Mark,
    known: impl IntoIterator<Item = &'k str>,
    findings: &mut Findings,
) -> Option<Text> {
    Text::parse(written, known)
        .map_err(|(message, remedy)| findings.problem(mark, message, remedy))
        .ok()
}

/// Pages with where they are, below the base path.
pub(super) fn pages(
    field: &Field<Entries<String>>,
    variables: &[&str],
    findings: &mut Findings,
) -> Vec<(Box<str>, Text)> {
    let known = page::known();
    let mut pages = Vec::new();
    for (name, value) in field.value.iter().flat_map(|entries| &entries.0) {
        let (Some(page), Some(written)) = (&name.value, &value.value) else {
            continue;
        };
        let plain = page.strip_suffix(STREAMED).unwrap_or(page);
        if page != OTHER_PAGES && !known.contains(&plain) {
            let remedy = suggestion(plain, known.iter().copied());
            findings.problem(name.mark, format!("`{page}` is no page"), remedy);
        }
        let is_path = written.is_empty() || written.starts_with('/') || written.starts_with("{path}");
        if !is_path || written.contains('#') {
            let remedy = "it begins with a slash, below the base URL";
            findings.problem(value.mark, "not a path", remedy);
            continue;
        }
        let all = variables.iter().copied().chain(["model", "path"]);
        pages.extend(text(written, value.mark, all, findings).map(|text| (page.as_str().into(), text)));
    }
    pages
}

/// Names and values of a query's parameters.
pub(super) fn query(
    field: &Field<Entries<String>>,
    variables: &[&str],
    findings: &mut Findings,
) -> Vec<(Box<str>, Text)> {
    let mut query = Vec::new();
    for (name, value) in field.value.iter().flat_map(|entries| &entries.0) {
        let (Some(parameter), Some(written)) = (&name.value, &value.value) else {
            continue;
        };
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~:/{}".contains(&b);
        if parameter.is_empty() || !parameter.bytes().chain(written.bytes()).all(is_plain) {
            let remedy = "letters, digits and -_.~:/ only";
            findings.problem(name.mark, "not a parameter of a query", remedy);
            continue;
        }
        let known = variables.iter().copied();
        query
            .extend(text(written, value.mark, known, findings).map(|text| (parameter.as_str().into(), text)));
    }
    query
}

/// The pages of a provider, with its variables filled in.
pub fn pages_of(manners: &Manners, values: &Values) -> Pages {
    let own_page = |(page, text): &(Box<str>, Text)| {
        let plain = page.strip_suffix(STREAMED);
        Some(OwnPage {
            streamed: plain.is_some(),
            path: PathTemplate::parse(&text.fill(values))?,
            page: plain.map_or_else(|| page.clone(), Into::into),
        })
    };
    let all = manners.pages.iter().filter_map(own_page);
    let (others, own) = all.partition::<Vec<_>, _>(|own| *own.page == *OTHER_PAGES);
    let filled = |(name, text): &(Box<str>, Text)| (name.clone(), text.fill(values).into());
    Pages {
        own,
        others: others.into_iter().next().map(|own| own.path),
        query: manners.query.iter().map(filled).collect(),
    }
}
