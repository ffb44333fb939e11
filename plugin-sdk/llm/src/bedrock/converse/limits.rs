//! What Converse takes for ids and names.

use std::borrow::Cow;

use crate::model::{Names, Text, tamed};

/// Longest id of a call, and longest name of a tool.
pub(super) const LONGEST: usize = 64;

/// Longest name of a document.
const LONGEST_DOCUMENT: usize = 200;

/// A call's id as Converse takes it: another's id is made into one, always the same, so that a call and its result still
/// meet.
pub(super) fn call_id<'t>(id: &'t Text<'_>) -> Cow<'t, str> {
    let takes = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
    let id = id.get();
    match !id.is_empty() && id.len() <= LONGEST && id.chars().all(takes) {
        true => id,
        false => Cow::Owned(tamed(&id, LONGEST, takes)),
    }
}

/// A tool's name as Converse takes it.
pub(super) fn tool_name<'t>(name: &'t Text<'_>, names: &mut Names) -> Cow<'t, str> {
    names.sent(name, LONGEST, |c| {
        c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
    })
}

/// Names of a request's documents: letters, digits, single spaces, hyphens and brackets, each name once. A model sees
/// them, so what can be kept of a title is.
#[derive(Debug, Default)]
pub(super) struct DocumentNames {
    taken: Vec<String>,
}

impl DocumentNames {
    /// The name for a title, whose extension says what the format says again.
    pub fn of(&mut self, title: Option<&str>) -> String {
        let title = title.unwrap_or_default();
        let stem = match title.rsplit_once('.') {
            Some((stem, extension)) if is_extension(extension) && !stem.is_empty() => stem,
            _ => title,
        };
        let tame: String = stem.chars().map(tame).collect();
        let words: Vec<&str> = tame.split(' ').filter(|word| !word.is_empty()).collect();
        let mut name: String = words.join(" ").chars().take(LONGEST_DOCUMENT - 12).collect();
        name.truncate(name.trim_end().len());
        if name.is_empty() {
            name.push_str("Document");
        }
        self.unique(name)
    }

    /// A name that its caller chose.
    pub fn take(&mut self, name: &str) {
        self.taken.push(name.to_owned());
    }

    fn unique(&mut self, name: String) -> String {
        let mut unique = name.clone();
        let mut count = 2u32;
        while self.taken.contains(&unique) {
            unique = format!("{name} ({count})");
            count = count.saturating_add(1);
        }
        self.taken.push(unique.clone());
        unique
    }
}

fn is_extension(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn tame(c: char) -> char {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '(' | ')' | '[' | ']' => c,
        _ if c.is_whitespace() => ' ',
        _ => '-',
    }
}
