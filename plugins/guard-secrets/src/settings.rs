//! The settings of guard-secrets, read and checked once.

use penstock_plugin::prelude::{Deserialize, Kinds};

use crate::charset::Charset;
use crate::prefilter::WIDTH;
use crate::rules::{self, Rule};

/// A custom secret, prefix included: anything shorter hits words.
pub const SHORTEST_CUSTOM: usize = 8;

/// A run that must not be longer is held back until its end is seen; the host holds 8 KiB back at most.
const LONGEST_CUSTOM: usize = 4096;

const LONGEST_REPLACEMENT: usize = 256;

/// See the table in README.md.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub scan: Vec<Side>,
    pub action: Action,
    pub replacement: String,
    rules: RuleNames,
    custom: Vec<Custom>,
    kinds: Vec<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    Requests,
    Answers,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    #[default]
    Redact,
    Block,
}

/// `all`, or a list.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum RuleNames {
    Word(String),
    List(Vec<String>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Custom {
    name: String,
    prefix: String,
    #[serde(default = "default_charset")]
    charset: String,
    min: usize,
    max: Option<usize>,
}

fn default_charset() -> String {
    "base64url".to_string()
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            scan: vec![Side::Requests, Side::Answers],
            action: Action::Redact,
            replacement: "[redacted:{rule}]".to_string(),
            rules: RuleNames::Word("all".to_string()),
            custom: Vec::new(),
            kinds: KINDS.iter().map(|(name, _)| (*name).to_string()).collect(),
        }
    }
}

const KINDS: [(&str, Kinds); 5] = [
    ("text", Kinds::TEXT),
    ("reasoning", Kinds::REASONING),
    ("refusal", Kinds::REFUSAL),
    ("tool-arguments", Kinds::TOOL_ARGUMENTS),
    ("tool-result", Kinds::TOOL_RESULT),
];

impl Settings {
    /// The rules to apply; an error names the setting.
    pub fn rules(&self) -> Result<Vec<Rule>, String> {
        if self.replacement.len() > LONGEST_REPLACEMENT {
            return Err(format!("replacement: at most {LONGEST_REPLACEMENT} bytes"));
        }
        let mut chosen = self.builtin()?;
        for custom in &self.custom {
            chosen.push(custom.rule()?);
        }
        if chosen.is_empty() {
            return Err("rules: none is left, and custom is empty: there is nothing to look for".to_string());
        }
        Ok(chosen)
    }

    fn builtin(&self) -> Result<Vec<Rule>, String> {
        let names = match &self.rules {
            RuleNames::Word(word) if word == "all" => return Ok(rules::builtin()),
            RuleNames::Word(word) => {
                return Err(format!("rules: expected `all` or a list of names, not `{word}`"));
            }
            RuleNames::List(names) => names,
        };
        let known = rules::names();
        if let Some(name) = names.iter().find(|name| !known.contains(name)) {
            return Err(format!(
                "rules: there is no `{name}`; there are {}",
                known.join(", ")
            ));
        }
        Ok(rules::builtin()
            .into_iter()
            .filter(|rule| names.contains(&rule.name))
            .collect())
    }

    /// The kinds of text to look at.
    pub fn kinds(&self) -> Result<Kinds, String> {
        let mut kinds = Kinds::empty();
        for name in &self.kinds {
            let known = KINDS.iter().find(|(known, _)| known == name);
            let names = || KINDS.map(|(known, _)| known).join(", ");
            kinds |= known
                .ok_or_else(|| format!("kinds: there is no `{name}`; there are {}", names()))?
                .1;
        }
        if kinds.is_empty() {
            return Err("kinds: expected at least one".to_string());
        }
        Ok(kinds)
    }
}

impl Custom {
    fn rule(&self) -> Result<Rule, String> {
        let wrong = |why: String| format!("custom: {}: {why}", self.name);
        let name = self
            .name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if self.name.is_empty() || self.name.len() > 64 || !name {
            return Err(format!(
                "custom: name `{}`: expected letters, digits, - and _, at most 64",
                self.name
            ));
        }
        let graphic = self
            .prefix
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte));
        if !graphic || self.prefix.len() < WIDTH || self.prefix.len() > 64 {
            return Err(wrong(format!(
                "prefix: expected {WIDTH} to 64 characters without quotes and backslashes"
            )));
        }
        if self.min == 0 || self.prefix.len() + self.min < SHORTEST_CUSTOM {
            return Err(wrong(format!(
                "min: prefix and body make fewer than {SHORTEST_CUSTOM} characters"
            )));
        }
        let charset = Charset::parse(&self.charset).map_err(wrong)?;
        let most = self.max.unwrap_or(self.min);
        if most < self.min || most > LONGEST_CUSTOM {
            return Err(format!(
                "custom: {}: expected min <= max <= {LONGEST_CUSTOM}",
                self.name
            ));
        }
        Ok(match self.max {
            Some(max) => rules::bounded(&self.name, &self.prefix, charset, self.min, max),
            None => rules::token(&self.name, &self.prefix, charset, self.min),
        })
    }
}
