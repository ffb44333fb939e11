//! The settings of prompt-decorator, read and checked once.

use std::collections::BTreeMap;

use penstock_plugin::prelude::{Deserialize, Role};

use crate::template::{Template, is_taken};

/// More messages than this are a conversation, not a decoration.
const MOST_MESSAGES: usize = 32;

/// See the table in README.md.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    prepend: Vec<Entry>,
    append: Vec<Entry>,
    variables: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    role: RoleName,
    text: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RoleName {
    System,
    Developer,
    User,
    Assistant,
}

/// A message that was checked.
#[derive(Debug)]
pub struct Message {
    pub role: Role,
    pub template: Template,
}

impl Settings {
    /// What to put before and after; an error names the setting.
    pub fn messages(self) -> Result<(Vec<Message>, Vec<Message>), String> {
        if let Some(name) = self.variables.keys().find(|name| is_taken(name)) {
            return Err(format!(
                "variables: `{name}` is filled in by each call: take another name"
            ));
        }
        Ok((
            self.checked("prepend", &self.prepend)?,
            self.checked("append", &self.append)?,
        ))
    }

    fn checked(&self, setting: &str, entries: &[Entry]) -> Result<Vec<Message>, String> {
        if entries.len() > MOST_MESSAGES {
            return Err(format!(
                "{setting}: {} messages, at most {MOST_MESSAGES}",
                entries.len()
            ));
        }
        let message = |(place, entry): (usize, &Entry)| {
            let template = Template::parse(&entry.text, &self.variables)
                .map_err(|why| format!("{setting}[{place}].text: {why}"))?;
            Ok(Message {
                role: entry.role.into(),
                template,
            })
        };
        entries.iter().enumerate().map(message).collect()
    }
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Role {
        match name {
            RoleName::System => Role::System,
            RoleName::Developer => Role::Developer,
            RoleName::User => Role::User,
            RoleName::Assistant => Role::Assistant,
        }
    }
}
