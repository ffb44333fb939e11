//! Secrets from where the configuration says they are: `env:NAME`, `file:path`. What goes wrong is told without any part
//! of the secret, not even of one that was written into the configuration by mistake.

use std::path::{Path, PathBuf};

use crate::startup::sources::{Environment, Seen, reason};
use crate::state::secret::Secret;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    Variable(String),
    File(PathBuf),
}

/// Why there is no secret, as a sentence that may be shown, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Missing {
    pub message: String,
    pub remedy: String,
    /// The place is right, there is just nothing there: what an `optional` provider may be without.
    pub is_unset: bool,
}

impl Reference {
    /// Reads `env:NAME` and `file:path`; anything else may be the secret itself and is not repeated.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, Missing> {
        if let Some(name) = text.strip_prefix("env:") {
            if !is_variable_name(name) {
                return Err(Missing::wrong(
                    "`env:` is not followed by the name of a variable",
                    "write env:NAME",
                ));
            }
            return Ok(Self::Variable(name.to_owned()));
        }
        match text.strip_prefix("file:") {
            Some("") => Err(Missing::wrong(
                "`file:` is not followed by a path",
                "write file:path",
            )),
            Some(path) => Ok(Self::File(folder.join(path))),
            None => Err(Missing::wrong(
                "a secret does not belong into this file",
                "put it into an environment variable and write env:NAME, or into a file and write file:path",
            )),
        }
    }

    /// The secret itself, without the line end that editors put after it.
    pub fn read(&self, environment: &Environment, seen: &mut Seen) -> Result<Secret, Missing> {
        let text = self.text(environment, seen)?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        match text {
            "" => Err(self.empty()),
            // What cannot stand in a header can neither be sent nor be presented.
            _ if !text.bytes().all(|b| b.is_ascii_graphic()) => Err(Missing::wrong(
                format!("{} holds blanks, line ends or letters outside ASCII", self.name()),
                "a key is one word",
            )),
            _ => Ok(Secret::new(text)),
        }
    }

    /// A secret of several lines: a document, a key in PEM.
    pub fn read_document(&self, environment: &Environment, seen: &mut Seen) -> Result<Secret, Missing> {
        let text = self.text(environment, seen)?;
        if text.trim().is_empty() {
            return Err(self.empty());
        }
        Ok(Secret::new(text))
    }

    fn text(&self, environment: &Environment, seen: &mut Seen) -> Result<String, Missing> {
        match self {
            Self::Variable(name) => environment.variable(name).ok_or_else(|| Missing::unset(name)),
            Self::File(path) => {
                let content = seen.read(path).map_err(|error| Missing {
                    is_unset: error.kind() == std::io::ErrorKind::NotFound,
                    ..Missing::wrong(
                        format!("{}: {}", path.display(), reason(&error)),
                        "put the key, and nothing else, into that file",
                    )
                })?;
                let not_text = |_| Missing::wrong(format!("{}: not text", path.display()), "");
                String::from_utf8(content).map_err(not_text)
            }
        }
    }

    fn empty(&self) -> Missing {
        Missing {
            is_unset: true,
            ..Missing::wrong(format!("{} is empty", self.name()), "put the key into it")
        }
    }

    /// What to call it in a message.
    pub fn name(&self) -> String {
        match self {
            Self::Variable(name) => format!("environment variable {name}"),
            Self::File(path) => format!("file {}", path.display()),
        }
    }
}

impl Missing {
    fn wrong(message: impl Into<String>, remedy: &str) -> Self {
        Self {
            message: message.into(),
            remedy: remedy.to_owned(),
            is_unset: false,
        }
    }

    fn unset(name: &str) -> Self {
        Self {
            message: format!("environment variable {name} is not set"),
            remedy: format!("set {name} before the start"),
            is_unset: true,
        }
    }
}

pub fn is_variable_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, environment: &Environment) -> Result<Secret, Missing> {
        Reference::parse(text, Path::new("/nowhere"))?.read(environment, &mut Seen::default())
    }

    #[test]
    fn one_line_end_is_not_part_of_a_secret() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), "sk-1\r\n").unwrap();
        let reference = Reference::parse("file:key", folder.path()).unwrap();
        assert_eq!(
            reference
                .read(&Environment::of([]), &mut Seen::default())
                .unwrap()
                .expose(),
            "sk-1"
        );
    }

    #[test]
    fn pain_q02_no_message_holds_a_part_of_the_secret() {
        let environment = Environment::of([
            ("SPACED", "sk-canary two"),
            ("LINES", "sk-canary\n\n"),
            ("EMPTY", ""),
        ]);
        for text in [
            "sk-canary",
            "env:sk-canary",
            "vault:sk-canary",
            "env:SPACED",
            "env:LINES",
            "env:EMPTY",
            "env:UNSET",
        ] {
            let missing = read(text, &environment).unwrap_err();
            assert!(!format!("{missing:?}").contains("canary"), "{missing:?}");
        }
    }

    #[test]
    fn an_unset_variable_is_told_by_name_with_the_remedy() {
        let missing = read("env:OPENAI_API_KEY", &Environment::of([])).unwrap_err();
        assert_eq!(missing.message, "environment variable OPENAI_API_KEY is not set");
        assert!(missing.is_unset);
    }
}
