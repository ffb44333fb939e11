//! Kinds of providers in a configuration: the operator's own files, the kind that a provider names, and what it has to give
//! for it.

use std::path::Path;
use std::sync::Arc;

use crate::startup::check::{Checker, is_name};
use crate::startup::files;
use crate::startup::kinds::text::Values;
use crate::startup::kinds::{self, Kind, Kinds, Variable};
use crate::startup::problem::{Findings, Mark, suggestion};
use crate::startup::secrets::is_variable_name;
use crate::startup::shape::Field;
use crate::startup::sources::reason;

/// What a provider has of its kind: nothing where it names none.
#[derive(Default)]
pub struct Given {
    pub kind: Option<Arc<Kind>>,
    pub values: Values,
    /// Why a provider that is optional is left out.
    pub unset: Vec<String>,
}

impl Checker<'_> {
    /// The kinds in the program, and those of the operator's folder over them.
    pub(super) fn kinds(&mut self, field: &Field<String>) -> Kinds {
        let mut kinds = Kinds::embedded();
        let Some(folder) = &field.value else { return kinds };
        let folder = self.folder.join(folder);
        let files = match self.seen.list(&folder) {
            Ok(files) => files,
            Err(error) => {
                let message = format!("{}: {}", folder.display(), reason(&error));
                self.findings
                    .problem(field.mark, message, "a folder with one file for each kind");
                return kinds;
            }
        };
        for path in files {
            match self.kind_file(&path, field.mark) {
                Some(kind) => kinds.add(kind),
                None => kinds.add_wrong(&path.file_stem().unwrap_or_default().to_string_lossy()),
            }
        }
        kinds
    }

    fn kind_file(&mut self, path: &Path, owner: Mark) -> Option<Kind> {
        let mut findings = Findings::new(path.display().to_string().into());
        let name = path.file_stem()?.to_str()?;
        if !is_name(name) {
            let message = format!("{}: not the name of a kind", path.display());
            self.findings.problem(owner, message, super::NAME_RULE);
            return None;
        }
        let content = self.seen.read(path).map_err(|error| reason(&error));
        let text = content.and_then(|content| String::from_utf8(content).map_err(|_| "not UTF-8".to_owned()));
        let kind = match text {
            Ok(text) => kinds::read(name, &text, &mut findings),
            Err(message) => {
                findings.problem(Mark::default(), message, "");
                None
            }
        };
        self.findings.absorb(findings);
        kind
    }

    /// The kind of a provider, and its variables' values. None where something is wrong, which is noted.
    pub(super) fn given(
        &mut self,
        name: &str,
        file: &files::Provider,
        owner: Mark,
        kinds: &Kinds,
    ) -> Option<Given> {
        let Some(wanted) = &file.kind.value else {
            if !file.variables.is_absent() {
                let remedy = "add kind: NAME, or write them into base_url and the rest";
                self.findings
                    .problem(file.variables.mark, "variables without a `kind`", remedy);
            }
            return file.kind.is_absent().then(Given::default);
        };
        if kinds.is_wrong(wanted) {
            return None;
        }
        let Some(kind) = kinds.find(wanted) else {
            let message = format!("unknown kind of provider `{wanted}`");
            self.findings
                .problem(file.kind.mark, message, suggestion(wanted, kinds.names()));
            return None;
        };
        let mut given = Given {
            kind: Some(kind.clone()),
            ..Given::default()
        };
        let mut is_complete = true;
        for variable in &kind.variables {
            match self.value(name, kind, variable, file, owner, &given.values) {
                Ok(Some(value)) => drop(given.values.insert(variable.name.clone(), value)),
                Ok(None) => is_complete = false,
                Err(unset) => given.unset.push(unset),
            }
        }
        self.unknown_variables(kind, file);
        is_complete.then_some(given)
    }

    fn unknown_variables(&mut self, kind: &Kind, file: &files::Provider) {
        for (name, _) in file.variables.value.iter().flat_map(|entries| &entries.0) {
            let Some(text) = &name.value else { continue };
            let known = kind.variable_names();
            if !known.contains(&text.as_str()) {
                let message = format!("kind `{}` has no variable `{text}`", kind.name);
                self.findings.problem(name.mark, message, suggestion(text, known));
            }
        }
    }

    /// What a variable stands for; nothing where that is a mistake, which is noted; why where it is left out.
    fn value(
        &mut self,
        name: &str,
        kind: &Kind,
        variable: &Variable,
        file: &files::Provider,
        owner: Mark,
        before: &Values,
    ) -> Result<Option<String>, String> {
        let mut entries = file.variables.value.iter().flat_map(|entries| &entries.0);
        let written = entries.find(|(name, _)| name.value.as_ref() == Some(&variable.name));
        if let Some((_, field)) = written {
            return self.written_value(field, file.optional.value == Some(true));
        }
        let of_environment =
            |name: &String| self.environment.variable(name).filter(|value| !value.is_empty());
        if let Some(value) = variable.environment.iter().find_map(of_environment) {
            return Ok(self.plain_value(&value, file.kind.mark));
        }
        if let Some(text) = variable.usual(before) {
            return Ok(Some(text.fill(before)));
        }
        match file.optional.value {
            Some(true) => Err(format!("no variable `{}`", variable.name)),
            _ => {
                self.missing_variable(name, kind, variable, owner);
                Ok(None)
            }
        }
    }

    fn missing_variable(&mut self, name: &str, kind: &Kind, variable: &Variable, owner: Mark) {
        let about = match variable.about.as_str() {
            "" => String::new(),
            about => format!(" ({about})"),
        };
        let message = format!(
            "provider `{name}` of kind `{}` needs the variable `{}`{about}",
            kind.name, variable.name
        );
        let mut remedy = format!("add variables: {{{}: VALUE}}", variable.name);
        if let Some(first) = variable.environment.first() {
            remedy.push_str(&format!(", or set {first} before the start"));
        }
        self.findings.problem(owner, message, remedy);
    }

    /// A value as it stands in the file, or in the environment variable that the file names.
    fn written_value(&mut self, field: &Field<String>, is_optional: bool) -> Result<Option<String>, String> {
        let Some(written) = &field.value else {
            return Ok(None);
        };
        let Some(name) = written.strip_prefix("env:") else {
            return Ok(self.plain_value(written, field.mark));
        };
        if !is_variable_name(name) {
            let message = "`env:` is not followed by the name of a variable";
            self.findings.problem(field.mark, message, "write env:NAME");
            return Ok(None);
        }
        match self.environment.variable(name).filter(|value| !value.is_empty()) {
            Some(value) => Ok(self.plain_value(&value, field.mark)),
            None if is_optional => Err(format!("environment variable {name} is not set")),
            None => {
                let message = format!("environment variable {name} is not set");
                let remedy = format!("set {name} before the start, or write the value here");
                self.findings.problem(field.mark, message, remedy);
                Ok(None)
            }
        }
    }

    /// A value that can stand in a host's name, a path, a header.
    fn plain_value(&mut self, value: &str, mark: Mark) -> Option<String> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._~:/@%-".contains(&b);
        if value.is_empty() || value.contains("://") || !value.bytes().all(is_plain) {
            let message = "the value of a variable is one word of letters, digits and ._~:/@%-";
            self.findings
                .problem(mark, message, "without https:// where it is a host");
            return None;
        }
        Some(value.to_owned())
    }
}
