//! Kinds of providers: what is known of each, from the files in the program and from those of the operator. What a
//! configuration makes of them is `check`'s.

mod shape;
pub mod text;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, LazyLock};

use http::{HeaderName, HeaderValue};

use crate::startup::check::url::Url;
use crate::startup::files::List;
use crate::startup::manners::{self, Cloud, Manners, Way};
use crate::startup::problem::{Findings, Mark};
use crate::startup::shape::{self as reading, Entries, Field};
use crate::startup::yaml;
use crate::state::clock;
use crate::state::snapshot::Auth;
use text::{Text, Values};

/// Name and content of every file in policies/providers.
const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/provider_kinds.rs"));

/// What is known of one kind of provider.
#[derive(Debug)]
pub struct Kind {
    pub name: Arc<str>,
    pub base_url: Text,
    /// The usual way first.
    pub auth: Vec<Way>,
    /// Environment variables that usually hold its key.
    pub key: Vec<String>,
    /// In an order in which each depends on those before it only.
    pub variables: Vec<Variable>,
    pub headers: Vec<(HeaderName, Text)>,
    pub manners: Manners,
}

/// One variable of a kind.
#[derive(Debug)]
pub struct Variable {
    pub name: String,
    pub about: String,
    /// Environment variables that usually hold it.
    pub environment: Vec<String>,
    pub default: Option<Text>,
    pub choice: Option<Choice>,
}

/// What a variable is, by the value of another.
#[derive(Debug)]
pub struct Choice {
    pub by: String,
    pub cases: BTreeMap<String, Text>,
    pub otherwise: Option<Text>,
}

/// All kinds that a configuration may name.
#[derive(Clone, Debug)]
pub struct Kinds {
    known: BTreeMap<Arc<str>, Arc<Kind>>,
    /// Those whose files are wrong, which is noted there.
    wrong: BTreeSet<String>,
}

impl Kinds {
    /// Those in the program. A file of theirs that is wrong is a mistake of the program's, which its tests find.
    pub fn embedded() -> Self {
        static KINDS: LazyLock<Kinds> = LazyLock::new(|| {
            let kind = |(name, text): &(&str, &str)| read(name, text, &mut Findings::new("embedded".into()));
            let all = EMBEDDED.iter().filter_map(kind);
            Kinds {
                known: all.map(|kind| (kind.name.clone(), Arc::new(kind))).collect(),
                wrong: BTreeSet::new(),
            }
        });
        KINDS.clone()
    }

    /// Adds one, in the place of one that had its name.
    pub fn add(&mut self, kind: Kind) {
        self.known.insert(kind.name.clone(), Arc::new(kind));
    }

    /// There is a file for it, but not what it is.
    pub fn add_wrong(&mut self, name: &str) {
        self.known.remove(name);
        self.wrong.insert(name.to_owned());
    }

    pub fn find(&self, name: &str) -> Option<&Arc<Kind>> {
        self.known.get(name)
    }

    pub fn is_wrong(&self, name: &str) -> bool {
        self.wrong.contains(name)
    }

    /// In the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.known.values()
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.known.keys().map(|name| &**name)
    }
}

/// One line for each kind: its name, its base URL, what usually holds its key.
impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = self.names().map(str::len).max().unwrap_or_default();
        for kind in self.iter() {
            let url = kind.base_url.fill(&Values::new());
            let name = &kind.name;
            writeln!(f, "{name:longest$}  {url}  {}", kind.shown())?;
        }
        Ok(())
    }
}

impl Kind {
    /// What lets the gateway in where a configuration names nothing.
    fn shown(&self) -> String {
        match (self.way(false), self.key.as_slice()) {
            (Way::Key(Auth::None), _) => "(no key)".to_owned(),
            (Way::Identity(cloud), _) => format!("({})", cloud.as_str()),
            (Way::Key(_), []) => "(credentials)".to_owned(),
            (Way::Key(_), variables) => variables.join(" or "),
        }
    }

    /// The way to show what there is: a key, or nothing that anybody named.
    pub fn way(&self, has_key: bool) -> &Way {
        const BEARER: &Way = &Way::Key(Auth::Bearer);
        let is_key = |way: &&Way| matches!(way, Way::Key(auth) if *auth != Auth::None);
        let for_key = self.auth.iter().find(is_key).filter(|_| has_key);
        for_key.or(self.auth.first()).unwrap_or(BEARER)
    }

    /// The cloud whose identities it takes in place of a key.
    pub fn identity(&self) -> Option<Cloud> {
        self.auth.iter().find_map(|way| match way {
            Way::Identity(cloud) => Some(*cloud),
            Way::Key(_) => None,
        })
    }

    pub fn variable_names(&self) -> Vec<&str> {
        self.variables
            .iter()
            .map(|variable| variable.name.as_str())
            .collect()
    }
}

impl Variable {
    /// What it is where nobody says otherwise, by the values of those before it.
    pub fn usual(&self, before: &Values) -> Option<&Text> {
        let chosen = self.choice.as_ref().and_then(|choice| {
            let case = before.get(&choice.by).and_then(|value| choice.cases.get(value));
            case.or(choice.otherwise.as_ref())
        });
        chosen.or(self.default.as_ref())
    }
}

/// Reads the text of a kind's file; what is wrong with it is noted, and there is no kind then.
pub fn read(name: &str, text: &str, findings: &mut Findings) -> Option<Kind> {
    let root = match yaml::parse(text) {
        Ok(root) => root,
        Err((mark, message)) => {
            findings.problem(mark, message, "");
            return None;
        }
    };
    let file: shape::Kind = reading::read(&root, findings);
    sources(&file, findings);
    let variables = variables(&file.variables, findings);
    let names: Vec<&str> = variables.iter().map(|variable| variable.name.as_str()).collect();
    let kind = Kind {
        name: name.into(),
        base_url: base_url(&file.base_url, &names, findings).unwrap_or_default(),
        auth: ways(&file, findings),
        key: texts(&file.key),
        headers: headers(&file.headers, &names, findings),
        manners: file.said().read(&names, &[], findings),
        variables,
    };
    findings.is_clean().then_some(kind)
}

/// A fact without a source is a rumour.
fn sources(file: &shape::Kind, findings: &mut Findings) {
    if file.name.is_absent() {
        findings.problem(Mark::default(), "`name` is missing", "what people call it");
    }
    let sources = texts(&file.source);
    if sources.is_empty() || sources.iter().any(|source| !source.starts_with("https://")) {
        findings.problem(
            file.source.mark,
            "`source` is missing or no list of public pages",
            "source: [\"https://...\"], the pages that say what stands here",
        );
    }
    let date = file.known.value.as_deref().unwrap_or_default();
    if clock::parse_rfc3339(&format!("{date}T00:00:00Z")).is_none() {
        findings.problem(
            file.known.mark,
            "`known` is missing or no date",
            "such as 2026-08-22",
        );
    }
}

fn texts(list: &List<String>) -> Vec<String> {
    let fields = list.value.iter().flatten();
    fields.filter_map(|field| field.value.clone()).collect()
}

fn base_url(field: &Field<String>, names: &[&str], findings: &mut Findings) -> Option<Text> {
    let Some(written) = &field.value else {
        if field.is_absent() {
            findings.problem(
                Mark::default(),
                "`base_url` is missing",
                "such as https://api.openai.com/v1",
            );
        }
        return None;
    };
    let text = manners::text(written, field.mark, names.iter().copied(), findings)?;
    // any value will do to see whether the rest is a URL
    let sample: Values = names
        .iter()
        .map(|name| ((*name).to_owned(), "x".to_owned()))
        .collect();
    if let Err((message, remedy)) = Url::parse(&text.fill(&sample)) {
        findings.problem(field.mark, message, remedy);
    }
    Some(text)
}

fn ways(file: &shape::Kind, findings: &mut Findings) -> Vec<Way> {
    let written = file.auth.value.iter().flatten();
    let ways: Vec<Way> = written
        .filter_map(|field| manners::way(field, findings))
        .collect();
    if ways.is_empty() && file.auth.is_absent() {
        return vec![Way::Key(Auth::Bearer)];
    }
    ways
}

fn headers(
    field: &Field<Entries<String>>,
    names: &[&str],
    findings: &mut Findings,
) -> Vec<(HeaderName, Text)> {
    let mut headers = Vec::new();
    for (name, value) in field.value.iter().flat_map(|entries| &entries.0) {
        let (Some(written), Some(content)) = (&name.value, &value.value) else {
            continue;
        };
        let Ok(header) = HeaderName::try_from(written) else {
            findings.problem(name.mark, "not the name of a header", "");
            continue;
        };
        if HeaderValue::try_from(content).is_err() {
            findings.problem(value.mark, "not the value of a header", "");
        }
        let text = manners::text(content, value.mark, names.iter().copied(), findings);
        headers.extend(text.map(|text| (header, text)));
    }
    headers
}

fn variables(field: &Field<Entries<shape::Variable>>, findings: &mut Findings) -> Vec<Variable> {
    let mut variables: Vec<Variable> = Vec::new();
    for (name, value) in field.value.iter().flat_map(|entries| &entries.0) {
        let (Some(text), Some(file)) = (&name.value, &value.value) else {
            continue;
        };
        let is_name = text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        if text.is_empty() || !is_name || ["model", "path"].contains(&text.as_str()) {
            findings.problem(
                name.mark,
                "not a variable's name",
                "a-z and `_`, and neither `model` nor `path`",
            );
            continue;
        }
        let before: Vec<&str> = variables.iter().map(|variable| variable.name.as_str()).collect();
        let default = file.default.value.as_ref();
        let variable = Variable {
            name: text.clone(),
            about: file.about.value.clone().unwrap_or_default(),
            environment: texts(&file.environment),
            default: default.and_then(|written| {
                manners::text(written, file.default.mark, before.iter().copied(), findings)
            }),
            choice: choice(file, &before, findings),
        };
        variables.push(variable);
    }
    variables
}

fn choice(file: &shape::Variable, before: &[&str], findings: &mut Findings) -> Option<Choice> {
    let by = file.by.value.clone()?;
    if !before.contains(&by.as_str()) {
        let message = format!("`{by}` is no variable before this one");
        findings.problem(
            file.by.mark,
            message,
            "the one whose value decides stands before it",
        );
    }
    let mut text = |written: &Field<String>| {
        manners::text(
            written.value.as_ref()?,
            written.mark,
            before.iter().copied(),
            findings,
        )
    };
    let entries = file.cases.value.iter().flat_map(|entries| &entries.0);
    let cases = entries
        .filter_map(|(name, value)| Some((name.value.clone()?, text(value)?)))
        .collect();
    Some(Choice {
        by,
        cases,
        otherwise: text(&file.otherwise),
    })
}
