//! Who may call: keys, what they may use, until when.

use crate::startup::check::{Checker, NAME_RULE, Names, is_name};
use crate::startup::files::{self, Keys};
use crate::startup::problem::{Mark, suggestion};
use crate::startup::shape::Field;
use crate::state::clock;
use crate::state::secret::KeyHash;
use crate::state::snapshot::{Caller, Callers, ModelPattern};

/// The key of the embedded configuration, published on purpose: it opens a gateway on one's own machine.
pub const DEMO_KEY: &str = "sk-penstock-demo";

const NO_KEYS: &str =
    "add keys: [{name: NAME, key: \"env:NAME\", models: [\"*\"]}], or keys: anyone for an open gateway";

impl Checker<'_> {
    pub(super) fn callers(&mut self, field: &Field<Keys>, offered: &[String]) -> Callers {
        match self.required(field, Mark::default(), "`keys`", NO_KEYS) {
            None => Callers::default(),
            Some(Keys::Anyone) => {
                let message =
                    "no key is asked for: whoever reaches a listener spends the providers' credentials";
                self.findings
                    .warning(field.mark, message, "list keys to change that");
                Callers::anyone(anyone())
            }
            Some(Keys::Some(list)) => {
                if list.is_empty() {
                    self.findings.problem(field.mark, "no keys", NO_KEYS);
                }
                self.key_list(list, offered)
            }
        }
    }

    fn key_list(&mut self, list: &[Field<files::Key>], offered: &[String]) -> Callers {
        let (mut names, mut keys) = (Names::default(), Vec::<(KeyHash, Mark)>::new());
        let mut callers = Vec::new();
        for field in list {
            let Some(caller) = field
                .value
                .as_ref()
                .and_then(|key| self.caller(key, field.mark, &mut names, offered))
            else {
                continue;
            };
            if let Some((_, first)) = keys.iter().find(|(hash, _)| hash.matches(&caller.hash)) {
                let message = format!(
                    "caller `{}` has the same key as the one in line {}",
                    caller.name, first.line
                );
                self.findings
                    .problem(field.mark, message, "give each caller a key of its own");
            }
            keys.push((caller.hash, field.mark));
            callers.push(caller);
        }
        Callers::new(callers)
    }

    fn caller(
        &mut self,
        file: &files::Key,
        owner: Mark,
        names: &mut Names,
        offered: &[String],
    ) -> Option<Caller> {
        let name = self.required(
            &file.name,
            owner,
            "a key's `name`",
            "what records and metrics call the caller",
        );
        if let Some(name) = name {
            if is_name(name) {
                names.add("key", name, file.name.mark, self.findings);
            } else {
                self.findings
                    .problem(file.name.mark, "not a caller's name", NAME_RULE);
            }
        }
        let hash = self.required(
            &file.key,
            owner,
            "`key`",
            "env:NAME, file:path or sha256: and 64 hex digits",
        );
        let hash = hash.and_then(|text| self.key_hash(text, file.key.mark));
        let models = self.allowed(&file.models, owner, offered);
        let expires_ms = self.expiry(&file.expires);
        Some(Caller {
            name: name?.as_str().into(),
            hash: hash?,
            models,
            expires_ms,
        })
    }

    fn key_hash(&mut self, text: &str, mark: Mark) -> Option<KeyHash> {
        let hash = match text.strip_prefix("sha256:") {
            Some(hex) => parse_hash(hex).or_else(|| {
                self.findings.problem(
                    mark,
                    "`sha256:` is not followed by 64 hex digits",
                    "printf %s KEY | sha256sum",
                );
                None
            }),
            None => {
                let read = self.secret(text).map(|key| KeyHash::of(key.expose()));
                read.map_err(|missing| self.findings.problem(mark, missing.message, missing.remedy))
                    .ok()
            }
        }?;
        if hash.matches(&KeyHash::of(DEMO_KEY)) {
            let message = format!("the demo key {DEMO_KEY} is accepted: everybody knows it");
            self.findings
                .warning(mark, message, "fine on your own machine, nowhere else");
        }
        Some(hash)
    }

    fn allowed(&mut self, list: &files::List<String>, owner: Mark, offered: &[String]) -> Vec<ModelPattern> {
        if list.is_absent() || list.value.as_ref().is_some_and(Vec::is_empty) {
            self.findings.warning(
                owner,
                "a key without `models` may use nothing",
                "models: [\"*\"] allows all",
            );
        }
        let mut allowed = Vec::new();
        for field in list.value.iter().flatten() {
            let Some(text) = field.value.as_deref() else {
                continue;
            };
            if !self.pattern(text, field.mark) {
                continue;
            }
            let pattern = ModelPattern::parse(text);
            if !offered
                .iter()
                .any(|name| meet(&pattern, &ModelPattern::parse(name)))
                && text != "*"
            {
                let remedy = suggestion(text, offered.iter().map(String::as_str));
                self.findings
                    .problem(field.mark, format!("no entry of models offers `{text}`"), remedy);
            }
            allowed.push(pattern);
        }
        allowed
    }

    fn expiry(&mut self, field: &Field<String>) -> Option<u64> {
        let text = field.value.as_deref()?;
        let expires_ms = self.time(text, field.mark)?;
        if expires_ms <= self.now_ms {
            self.findings.warning(
                field.mark,
                format!("this key expired at {}", clock::rfc3339(expires_ms)),
                "",
            );
        }
        Some(expires_ms)
    }
}

/// Whoever calls a gateway without keys. Its hash is of no key: nothing hashes to zeros.
fn anyone() -> Caller {
    Caller {
        name: "anyone".into(),
        hash: KeyHash([0; 32]),
        models: vec![ModelPattern::Prefix("".into())],
        expires_ms: None,
    }
}

/// Whether some model is of both patterns.
fn meet(one: &ModelPattern, other: &ModelPattern) -> bool {
    match (one, other) {
        (ModelPattern::Exact(name), pattern) | (pattern, ModelPattern::Exact(name)) => pattern.matches(name),
        (ModelPattern::Prefix(a), ModelPattern::Prefix(b)) => a.starts_with(&**b) || b.starts_with(&**a),
    }
}

fn parse_hash(hex: &str) -> Option<KeyHash> {
    let digits: &[u8; 64] = hex.as_bytes().try_into().ok()?;
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |b: u8| char::from(b).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
    }
    Some(KeyHash(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_64_hex_digits() {
        assert!(
            parse_hash(&"aF".repeat(32))
                .unwrap()
                .matches(&KeyHash([0xaf; 32]))
        );
        for wrong in [
            String::new(),
            "a".repeat(63),
            "g".repeat(64),
            "é".repeat(32),
            "+1".repeat(32),
        ] {
            assert!(parse_hash(&wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn patterns_meet_where_a_model_is_of_both() {
        let pattern = ModelPattern::parse;
        assert!(meet(&pattern("openai/gpt-4o"), &pattern("openai/*")));
        assert!(meet(&pattern("o*"), &pattern("openai/*")));
        assert!(!meet(&pattern("gpt-*"), &pattern("openai/*")));
        assert!(!meet(&pattern("gpt-4o"), &pattern("gpt-4")));
    }
}
