//! What the guard does to text, split and whole; what the host makes of it is tested by `tests/cases.yaml`.

use penstock_plugin::prelude::*;
use penstock_plugin::testing::{configure, stream, whole};

use crate::GuardSecrets;
use crate::quick::Quick;

const PEM: &str = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAx7Zk\nQm9keSBvZiB0aGUga2V5\n-----END RSA PRIVATE KEY-----";

/// A secret of each rule. They are made up of parts, so that no scanner takes this file for a leak.
fn secrets() -> Vec<(&'static str, String)> {
    let body = |length: usize| "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY".repeat(8)[..length].to_string();
    let upper = |length: usize| "A1B2C3D4E5F6G7H8J9K0"[..length].to_string();
    let with = |prefix: &str, body: String| format!("{prefix}{body}");
    vec![
        ("openai", with("sk-", body(48))),
        ("openai", with("sk-proj-", body(20) + "_-" + &body(100))),
        ("anthropic", with("sk-ant-", "api03-".to_string() + &body(90))),
        ("openrouter", with("sk-or-", "v1-".to_string() + &body(60))),
        ("aws-access-key", with("AKIA", upper(16))),
        ("aws-access-key", with("ASIA", upper(16))),
        ("github", with("ghp_", body(36))),
        ("github", with("ghs_", body(40))),
        ("github", with("github_pat_", body(22) + "_" + &body(59))),
        ("gitlab", with("glpat-", body(20))),
        ("slack", with("xoxb-", "123456789012-".to_string() + &body(24))),
        ("google", with("AIza", body(35))),
        ("stripe", with("sk_live_", body(24))),
        ("stripe", with("rk_live_", body(24))),
        ("huggingface", with("hf_", body(34))),
        ("npm", with("npm_", body(36))),
        ("sendgrid", with("SG.", body(22) + "." + &body(43))),
        (
            "jwt",
            with(
                "eyJ",
                "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.".to_string() + &body(43),
            ),
        ),
        ("private-key", PEM.to_string()),
    ]
}

fn guard(settings: &str) -> GuardSecrets {
    configure(settings).expect(settings)
}

/// Numbers without a crate: xorshift64.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

fn pieces<'a>(text: &'a str, numbers: &mut Numbers, longest: usize) -> Vec<&'a str> {
    let (mut rest, mut out) = (text, Vec::new());
    while !rest.is_empty() {
        let mut at = (1 + numbers.below(longest)).min(rest.len());
        while !rest.is_char_boundary(at) {
            at += 1;
        }
        let (piece, after) = rest.split_at(at);
        out.push(piece);
        rest = after;
    }
    out
}

/// A text between the quotes of a JSON string, characters spelt one way or the other at random.
fn spelt(text: &str, escapes: usize, numbers: &mut Numbers) -> String {
    let one = |character: char, numbers: &mut Numbers| -> String {
        let mut units = [0; 2];
        let units = character.encode_utf16(&mut units);
        match (character, numbers.below(100) < escapes) {
            ('/', true) if numbers.below(2) == 0 => "\\/".to_string(),
            ('\n', _) => "\\n".to_string(),
            ('"' | '\\', false) => format!("\\{character}"),
            ('\0'..=' ', _) | (_, true) if numbers.below(2) == 0 => {
                units.iter().map(|unit| format!("\\u{unit:04X}")).collect()
            }
            ('\0'..'\u{20}', _) | (_, true) => units.iter().map(|unit| format!("\\u{unit:04x}")).collect(),
            _ => character.to_string(),
        }
    };
    text.chars().map(|character| one(character, numbers)).collect()
}

/// Bodies of one text each, with a secret, part of one or none, spelt plainly or not, once or within a JSON text again.
#[test]
fn the_look_at_the_whole_body_passes_none_in_which_a_text_holds_a_secret() {
    let rules = || {
        let own = |prefix| crate::rules::token("own", prefix, crate::charset::Charset::HEX, 8);
        let mut all = crate::rules::builtin();
        all.extend([own("acme_"), own("=x=")]);
        all
    };
    let quick = Quick::new(&rules()).expect("no slashes");
    let scanner = crate::scan::Scanner::new(rules(), "x").expect("the rules");
    let mut numbers = Numbers(0x1357_9bdf_2468_ace1);
    let mut secrets: Vec<String> = secrets().into_iter().map(|(_, secret)| secret).collect();
    secrets.push("acme_0123456789abcdef".to_string());
    secrets.push("=x=0123456789abcdef".to_string());
    secrets.push(format!("AccountKey={}==", "aB3d".repeat(22)));
    secrets.push(format!("Secret Access Key: {}", "aB3d".repeat(10)));
    let around = [
        "",
        "é",
        "\u{1f600}",
        "\\",
        "\"",
        "u0",
        "\\u0",
        "\n",
        "second -- task-",
        "{\"a\":\"",
        "/",
        "00e9",
    ];
    let (mut held, mut passed) = (0, 0);
    for round in 0..30_000 {
        let secret = &secrets[numbers.below(secrets.len())];
        let cut = if numbers.below(3) == 0 {
            numbers.below(12)
        } else {
            secret.len()
        };
        let mut text = around[numbers.below(around.len())].repeat(numbers.below(12));
        text.push_str(secret.get(..cut).unwrap_or_default());
        text.push_str(around[numbers.below(around.len())]);
        for _ in 0..numbers.below(3) {
            let escapes = [0, 0, 1, 5, 50][numbers.below(5)];
            text = format!("{{\"k\":\"{}\"}}", spelt(&text, escapes, &mut numbers));
        }
        let escapes = [0, 0, 1, 5, 50][numbers.below(5)];
        let body = format!("{{\"content\":\"{}\"}}", spelt(&text, escapes, &mut numbers));
        let read: serde_json::Value = serde_json::from_str(&body).expect("valid JSON");
        assert_eq!(read["content"], text, "round {round}: {body}");
        let slow = !scanner
            .scan(&text, true, crate::scan::State::default())
            .hits
            .is_empty();
        let fast = quick.may_hold(|offset, length| {
            let from = (offset as usize).min(body.len());
            body.as_bytes()[from..(from + length as usize).min(body.len())].to_vec()
        });
        assert!(fast || !slow, "round {round}: {body}");
        held += usize::from(slow);
        passed += usize::from(!fast);
    }
    assert!(
        held > 10_000 && passed > 1_000,
        "{held} held, {passed} passed at once"
    );
}

#[test]
fn the_look_at_a_long_body_sees_what_lies_across_windows() {
    let quick = Quick::new(&crate::rules::builtin()).expect("no slashes");
    let holds = |body: &[u8]| {
        quick.may_hold(|offset, length| {
            let from = (offset as usize).min(body.len());
            body[from..(from + length as usize).min(body.len())].to_vec()
        })
    };
    let window = 1 << 18;
    for sign in ["-----BEGIN ", "github_pat_", "sk-", "\\u0073", "\\u006B"] {
        for at in (window - 24..window + 4).chain(2 * window - 80..2 * window) {
            let mut body = vec![b'x'; 2 * window + 100];
            assert!(!holds(&body));
            body[at..at + sign.len()].copy_from_slice(sign.as_bytes());
            assert!(holds(&body), "{sign} at {at}");
        }
    }
    for harmless in [
        "caf\\u00e9 \\ud83d\\ude00 \\u4e00",
        "task second ---",
        "\\n\\\"\\/",
    ] {
        assert!(!holds(harmless.as_bytes()), "{harmless}");
    }
}

#[test]
fn a_prefix_with_a_slash_is_never_looked_for_in_the_whole_body() {
    let guard = guard(r#"{"custom": [{"name": "s", "prefix": "a/b/", "min": 8}]}"#);
    assert!(guard.quick.is_none());
}

#[test]
fn every_rule_redacts_its_secret_wherever_it_stands() {
    let guard = guard("{}");
    for (rule, secret) in secrets() {
        let surroundings = [
            ("", ""),
            ("use ", " now"),
            ("key=", ";"),
            ("(`", "`)"),
            ("é", "é"),
            ("\n", "\n"),
            (":", ","),
        ];
        for (before, after) in surroundings {
            let text = format!("{before}{secret}{after}");
            let got = whole(&guard, Kind::Text, &text).expect("redacted");
            assert_eq!(got, format!("{before}[redacted:{rule}]{after}"), "{text}");
        }
    }
}

#[test]
fn pain_n03_a_secret_split_at_any_place_is_caught_and_nothing_of_it_gets_out_early() {
    let guard = guard("{}");
    for (rule, secret) in secrets() {
        let text = format!("the key is {secret} as agreed");
        for cut in (1..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
            let sent = stream(&guard, Kind::Text, &[&text[..cut], &text[cut..]]).expect("redacted");
            assert_eq!(
                sent.concat(),
                format!("the key is [redacted:{rule}] as agreed"),
                "cut at {cut}"
            );
            assert!(
                !sent[0].contains(&secret[..8]),
                "{rule}, cut at {cut}: {}",
                sent[0]
            );
        }
        let characters: Vec<String> = text.chars().map(String::from).collect();
        let characters: Vec<&str> = characters.iter().map(String::as_str).collect();
        let sent = stream(&guard, Kind::Text, &characters).expect("redacted");
        assert_eq!(
            sent.concat(),
            format!("the key is [redacted:{rule}] as agreed"),
            "{rule}, by character"
        );
    }
}

#[test]
fn any_split_of_any_text_gives_what_the_whole_text_gives() {
    let custom =
        r#"{"custom": [{"name": "acme", "prefix": "acme-", "charset": "a-z0-9", "min": 5, "max": 9}]}"#;
    let guard = guard(custom);
    let mut words: Vec<String> = secrets().into_iter().map(|(_, secret)| secret).collect();
    words.extend(
        [
            "sk-",
            "ghp_",
            "eyJ",
            ".eyJ",
            "-----BEGIN ",
            "-----",
            "PRIVATE KEY",
            "-----END ",
            "\\n",
            "\\",
            "\\u0073k-",
            "\\u00",
            "\\\\n",
            "\"",
            " ",
            "é",
            "😀",
            "a",
            "Zz9",
            "_",
            "-",
            ".",
            "secret_access_key",
            "\": \"",
            "AKIA",
            "acme-12345",
            "acme-1234567890",
            "0123456789abcdefABCDEF0123456789abcdefAB",
            "\n",
            "AccountKey=",
        ]
        .map(String::from),
    );
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for round in 0..4000 {
        let mut text = String::new();
        for _ in 0..1 + numbers.below(12) {
            let word = &words[numbers.below(words.len())];
            let at = if numbers.below(3) == 0 {
                numbers.below(word.len())
            } else {
                word.len()
            };
            text.push_str(&word[..word.floor_char_boundary(at.max(1))]);
        }
        let expected = whole(&guard, Kind::ToolArguments, &text).expect("redacted");
        for longest in [1, 4, 40] {
            let deltas = pieces(&text, &mut numbers, longest);
            let sent = stream(&guard, Kind::ToolArguments, &deltas).expect("redacted");
            assert_eq!(sent.concat(), expected, "round {round}: {deltas:?}");
        }
    }
}

#[test]
fn ordinary_text_stays_as_it_is_and_is_not_held_longer_than_a_word() {
    let guard = guard("{}");
    let texts = [
        "The task-force asked for a risk-assessment-of-everything-we-have-done, highly-likely.",
        "sk-learn, sk-loading-spinner-container-wrapper-element, hf_hub, npm_config_registry, SG.x",
        "the eyJ prefix, AKIA, ghp_ and glpat- are prefixes; -----BEGIN PRIVATE KEY----- is the first line",
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZI\n-----END PUBLIC KEY-----",
        "| a | b |\n|-------|--------|\n",
        "C:\\new\\table\\u12 \\q",
        "commit 0123456789abcdef0123456789abcdef01234567",
    ];
    for text in texts {
        assert_eq!(whole(&guard, Kind::Text, text).expect("passed"), text);
        let words: Vec<&str> = text.split_inclusive(' ').collect();
        assert_eq!(stream(&guard, Kind::Text, &words).expect("passed").concat(), text);
    }
    let sent = stream(
        &guard,
        Kind::Text,
        &["Hello", ", words", " and s", "o on! As", " ask"],
    )
    .expect("passed");
    assert_eq!(sent, ["Hello", ", words", " and ", "so on! As", " ask", ""]);
}

#[test]
fn pain_n02_tool_arguments_stay_json_and_escaped_secrets_are_caught() {
    let guard = guard(r#"{"replacement": "\"{rule}\""}"#);
    let key = format!("sk-{}", "aB3dE5fG7hJ9".repeat(4));
    let escaped = format!("\\u0073\\u006b\\u002d{}", &key[3..]);
    for spelt in [&key, &escaped] {
        let arguments = format!(r#"{{"env": "line\n{spelt}\nend", "n": 1}}"#);
        let got = whole(&guard, Kind::ToolArguments, &arguments).expect("redacted");
        assert_eq!(got, r#"{"env": "line\n\"openai\"\nend", "n": 1}"#);
    }
    let pem = PEM.replace('\n', "\\n");
    let arguments = format!(r#"{{"key": "{pem}", "n": 1}}"#);
    assert_eq!(
        whole(&guard, Kind::ToolArguments, &arguments).expect("redacted"),
        r#"{"key": "\"private-key\"", "n": 1}"#
    );
    // cut off by a token limit: the string ends, so the key does
    let cut = format!(r#"{{"key": "{}", "n": 1}}"#, &pem[..60]);
    assert_eq!(
        whole(&guard, Kind::ToolArguments, &cut).expect("redacted"),
        r#"{"key": "\"private-key\"", "n": 1}"#
    );
}

#[test]
fn a_value_is_redacted_where_its_name_makes_it_a_secret() {
    let guard = guard("{}");
    let value = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzzzz";
    for (before, after) in [
        ("aws_secret_access_key = ", "\n"),
        ("AWS_SECRET_ACCESS_KEY=", ""),
        ("\"SecretAccessKey\": \"", "\"}"),
        ("{\\\"secretAccessKey\\\": \\\"", "\\\"}"),
    ] {
        let got = whole(&guard, Kind::Text, &format!("{before}{value}{after}")).expect("redacted");
        assert_eq!(got, format!("{before}[redacted:aws-secret-key]{after}"));
    }
    assert_eq!(whole(&guard, Kind::Text, value).expect("passed"), value);
}

#[test]
fn a_custom_secret_of_bounded_length_is_no_longer_one_when_it_goes_on() {
    let guard = guard(
        r#"{"rules": [], "custom": [{"name": "acme", "prefix": "acme-", "charset": "a-f0-9", "min": 8, "max": 10}]}"#,
    );
    let cases = [
        ("acme-1234567", "acme-1234567"),
        ("acme-12345678", "[redacted:acme]"),
        ("acme-1234567890 x", "[redacted:acme] x"),
        ("acme-12345678901", "acme-12345678901"),
        ("xacme-12345678", "xacme-12345678"),
    ];
    for (text, expected) in cases {
        assert_eq!(whole(&guard, Kind::Text, text).expect("done"), expected);
        let (before, after) = text.split_at(9);
        assert_eq!(
            stream(&guard, Kind::Text, &[before, after])
                .expect("done")
                .concat(),
            expected
        );
    }
}

#[test]
fn pain_n05_a_refusal_names_the_rule_and_never_the_secret() {
    let guard = guard(r#"{"action": "block"}"#);
    for (rule, secret) in secrets() {
        let refusal = whole(&guard, Kind::Text, &secret).expect_err("blocked");
        assert_eq!((refusal.status, refusal.code.as_str()), (400, "secret_detected"));
        assert_eq!(
            refusal.message,
            format!("the answer contains a secret (rule {rule})")
        );
    }
}

#[test]
fn hostile_text_takes_linear_time() {
    let guard = guard(
        r#"{"custom": [{"name": "long", "prefix": "abc-", "charset": "a-z-", "min": 5, "max": 4096}]}"#,
    );
    for word in [
        "-eyJ",
        "-----BEGIN ",
        "-----BEGIN A PRIVATE KEY-----",
        "sk-",
        "abc-",
        "\\u0073k-",
        "eyJaaaaaaaa.",
        "-",
    ] {
        let text = word.repeat((1 << 20) / word.len());
        let started = std::time::Instant::now();
        whole(&guard, Kind::Text, &text).expect("redacted");
        // unoptimised, on a loaded machine; quadratic time would be minutes
        assert!(started.elapsed().as_secs() < 5, "{word}: {:?}", started.elapsed());
    }
}

#[test]
fn interests_follow_the_settings() {
    let hooks = |settings: &str| {
        let settings = serde_json_settings(settings);
        GuardSecrets::new(settings)
            .map(|(guard, _)| guard.block)
            .map_err(|error| error.to_string())
    };
    assert_eq!(hooks(r#"{"action": "block"}"#), Ok(true));
    let wrong = [
        (r#"{"rules": ["githup"]}"#, "rules: there is no `githup`"),
        (r#"{"rules": "some"}"#, "rules: expected `all` or a list"),
        (r#"{"rules": []}"#, "rules: none is left"),
        (r#"{"kinds": ["texts"]}"#, "kinds: there is no `texts`"),
        (r#"{"kinds": []}"#, "kinds: expected at least one"),
        (
            r#"{"custom": [{"name": "a b", "prefix": "abc", "min": 9}]}"#,
            "custom: name `a b`",
        ),
        (
            r#"{"custom": [{"name": "a", "prefix": "ab", "min": 9}]}"#,
            "custom: a: prefix",
        ),
        (
            r#"{"custom": [{"name": "a", "prefix": "abc", "min": 2}]}"#,
            "custom: a: min",
        ),
        (
            r#"{"custom": [{"name": "a", "prefix": "abc", "min": 9, "max": 5}]}"#,
            "custom: a: expected min",
        ),
        (
            r#"{"custom": [{"name": "a", "prefix": "abc", "min": 9, "charset": "a b"}]}"#,
            "custom: a: charset",
        ),
    ];
    for (settings, expected) in wrong {
        let error = hooks(settings).expect_err(settings);
        assert!(error.starts_with(expected), "{error}");
    }
}

fn serde_json_settings(text: &str) -> crate::Settings {
    serde_json::from_str(text).expect(text)
}
