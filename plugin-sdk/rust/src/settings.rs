//! Reads a plugin's settings, and says what is wrong with them in the operator's terms: by the setting's name, not by a
//! position in JSON that the operator has never seen.

use serde::de::DeserializeOwned;

/// The settings from JSON. An error is a sentence that starts with the setting's place, such as `custom[0].min`.
pub fn read<S: DeserializeOwned>(json: &str) -> Result<S, String> {
    serde_json::from_str(json).map_err(|error| {
        let position = format!(" at line {} column {}", error.line(), error.column());
        let message = error.to_string();
        let message = message.strip_suffix(&position).unwrap_or(&message);
        let place = place(json, offset(json, &error), message.starts_with("unknown field"));
        if place.is_empty() {
            format!("settings: {message}")
        } else {
            format!("{place}: {message}")
        }
    })
}

/// How many bytes had been read when the error was found.
fn offset(json: &str, error: &serde_json::Error) -> usize {
    let before = json
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum::<usize>();
    (before + error.column()).min(json.len())
}

/// An object or an array that has begun and not ended.
enum Open<'j> {
    /// The key that was read last, as it is written.
    Object(Option<&'j str>),
    /// The place of the current element.
    Array(usize),
}

/// The way to the value that ends at `end`. The text was read without an error up to there, so it is well formed. A name
/// that is itself the mistake (`of_owner`) is left to the message.
fn place(json: &str, end: usize, of_owner: bool) -> String {
    let bytes = &json.as_bytes()[..end];
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut expects_key = false;
    let mut at = 0;
    while at < end {
        match bytes[at] {
            b'"' => {
                let after = string_end(bytes, at);
                if let (true, Some(Open::Object(key))) = (expects_key, open.last_mut()) {
                    *key = json.get(at + 1..after.saturating_sub(1));
                    expects_key = false;
                }
                at = after;
                continue;
            }
            // what begins at the very end is the value that is wrong
            b'{' if at + 1 < end => {
                open.push(Open::Object(None));
                expects_key = true;
            }
            b'[' if at + 1 < end => open.push(Open::Array(0)),
            b'}' | b']' => {
                open.pop();
                expects_key = false;
            }
            b',' => match open.last_mut() {
                Some(Open::Array(index)) => *index += 1,
                _ => expects_key = true,
            },
            _ => {}
        }
        at += 1;
    }
    if of_owner {
        open.pop();
    }
    written(&open)
}

/// Behind the closing quote, or the end.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn written(open: &[Open<'_>]) -> String {
    let mut out = String::new();
    for step in open {
        match step {
            Open::Object(Some(key)) if out.is_empty() => out.push_str(key),
            Open::Object(Some(key)) => out.extend([".", key]),
            Open::Object(None) => {}
            Open::Array(index) => out.push_str(&format!("[{index}]")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Settings {
        action: Option<Action>,
        most: u8,
        custom: Vec<Custom>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Action {
        Redact,
        Block,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the errors are looked at")]
    struct Custom {
        name: String,
        min: u8,
    }

    fn error(json: &str) -> String {
        read::<Settings>(json).unwrap_err()
    }

    #[test]
    fn a_wrong_setting_is_named_where_it_stands() {
        let cases = [
            (
                r#"{"action":"redakt"}"#,
                "action: unknown variant `redakt`, expected `redact` or `block`",
            ),
            (r#"{"most":"9"}"#, "most: invalid type: string \"9\", expected u8"),
            (
                r#"{"most":999}"#,
                "most: invalid value: integer `999`, expected u8",
            ),
            (
                r#"{"custom":[{"name":"a","min":1},{"name":"b","min":[]}]}"#,
                "custom[1].min: invalid type: sequence, expected u8",
            ),
            (
                r#"{"custom":[{"name":"a","min":1},{"name":"b"}],"most":1}"#,
                "custom[1]: missing field `min`",
            ),
            (
                r#"{"custom":[{"name":"a","mni":1}]}"#,
                "custom[0]: unknown field `mni`, expected `name` or `min`",
            ),
            (
                r#"{"mots":1}"#,
                "settings: unknown field `mots`, expected one of `action`, `most`, `custom`",
            ),
            (
                r#"{"custom":{"name":"a"}}"#,
                "custom: invalid type: map, expected a sequence",
            ),
            (
                "{\n  \"most\": 1,\n  \"custom\": [7]\n}",
                "custom[0]: invalid type: integer `7`, expected struct Custom",
            ),
            (
                r#"{"custom":[{"name":"a \" {[,","min":false}]}"#,
                "custom[0].min: invalid type: boolean `false`, expected u8",
            ),
            (
                "7",
                "settings: invalid type: integer `7`, expected struct Settings",
            ),
        ];
        for (json, expected) in cases {
            assert_eq!(error(json), expected, "{json}");
        }
    }

    #[test]
    fn no_settings_text_makes_the_reader_panic() {
        let text = r#"{"custom":[{"name":"\u00e9é","min":1}, "most": {"#;
        for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
            let _ = read::<Settings>(&text[..end]);
        }
    }
}
