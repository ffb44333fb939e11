use penstock_llm::json::{JsonErrorKind, JsonLimits, escape_into, pointer, unescape, validate};
use proptest::prelude::*;

use crate::make::{Dice, cases};

const ANY_DEPTH: JsonLimits = JsonLimits {
    max_depth: usize::MAX,
};

/// What serde_json says: UTF-8 and grammar, no limit of depth, no judgement of numbers' sizes or of surrogates.
fn serde_takes(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
}

fn kind(text: &str) -> JsonErrorKind {
    validate(text.as_bytes(), &JsonLimits::default())
        .expect_err(text)
        .kind
}

#[test]
fn valid_json_is_taken() {
    let taken = [
        "{}",
        "[]",
        "\"\"",
        "0",
        "-0",
        "-0.0e+10",
        "1E5",
        " null ",
        "\n[1 , 2]\t",
        "{\"a\":{\"a\":[{}]}}",
        "1e999",
        "\"\\ud800\"",
        "\"\\u0000\"",
        "\"\\/\\b\\f\\n\\r\\t\\\"\\\\\"",
        "\"\u{7f}\u{80}\u{2028}\"",
        "[[],[[]],{}]",
    ];
    for text in taken {
        assert_eq!(
            validate(text.as_bytes(), &JsonLimits::default()),
            Ok(()),
            "{text}"
        );
        assert!(serde_takes(text.as_bytes()), "{text}");
    }
}

#[test]
fn what_is_not_json_is_refused_with_the_reason() {
    use JsonErrorKind::*;
    let refused = [
        ("", UnexpectedEnd),
        ("  ", UnexpectedEnd),
        ("{", UnexpectedEnd),
        ("[1,", UnexpectedEnd),
        ("\"abc", UnexpectedEnd),
        ("\"\\u12", UnexpectedEnd),
        ("\u{feff}{}", ExpectedValue),
        ("nul", ExpectedValue),
        ("[1,]", ExpectedValue),
        ("{,}", ExpectedKey),
        ("{\"a\":1,}", ExpectedKey),
        ("{a:1}", ExpectedKey),
        ("{\"a\" 1}", ExpectedColon),
        ("[1 2]", ExpectedCommaOrEnd),
        ("[1}", ExpectedCommaOrEnd),
        ("{\"a\":1]", ExpectedCommaOrEnd),
        ("\"\n\"", ControlCharacter),
        ("\"12345678\u{1f}\"", ControlCharacter),
        ("\"\\x\"", BadEscape),
        ("\"\\u12g4\"", BadEscape),
        ("01", TrailingBytes),
        ("-", BadNumber),
        ("1.", BadNumber),
        ("1.e1", BadNumber),
        ("1e", BadNumber),
        (".5", ExpectedValue),
        ("+1", ExpectedValue),
        ("NaN", ExpectedValue),
        ("{} x", TrailingBytes),
        ("nullx", TrailingBytes),
        ("'a'", ExpectedValue),
        ("[1]//", TrailingBytes),
    ];
    for (text, reason) in refused {
        assert_eq!(kind(text), reason, "{text}");
        assert!(!serde_takes(text.as_bytes()), "{text}");
    }
    assert_eq!(
        validate(b"\"\xff\"", &ANY_DEPTH).expect_err("not UTF-8").kind,
        InvalidUtf8
    );
    assert_eq!(
        validate(b"\"\xed\xa0\x80\"", &ANY_DEPTH)
            .expect_err("a raw surrogate")
            .kind,
        InvalidUtf8
    );
}

#[test]
fn nesting_is_limited_without_recursing() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let objects = |depth: usize| "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth);
    for text in [nested(128), objects(128)] {
        assert_eq!(validate(text.as_bytes(), &JsonLimits::default()), Ok(()));
    }
    for text in [nested(129), objects(129), "[".repeat(3_000_000)] {
        assert_eq!(kind(&text), JsonErrorKind::TooDeep);
    }
    assert_eq!(validate(nested(1024).as_bytes(), &ANY_DEPTH), Ok(()));
    assert_eq!(
        validate(nested(1025).as_bytes(), &ANY_DEPTH)
            .expect_err("too deep")
            .kind,
        JsonErrorKind::TooDeep
    );
}

#[test]
fn an_error_tells_line_and_column() {
    let text = b"{\n  \"a\": 1,\n  b\n}";
    let error = validate(text, &JsonLimits::default()).expect_err("b is no key");
    assert_eq!(error.line_column(text), (3, 3));
    assert_eq!(error.to_string(), "expected a key in double quotes at byte 14");
}

#[test]
fn escaped_surrogates_without_a_partner_become_replacement_characters() {
    let cases = [
        (r#""\ud83d\ude00""#, "😀"),
        (r#""\ud83d""#, "\u{fffd}"),
        (r#""\ude00x""#, "\u{fffd}x"),
        (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
        (r#""\ud83d\n""#, "\u{fffd}\n"),
        (r#""a\u0000b""#, "a\0b"),
        (r#""\ud83d\u0041""#, "\u{fffd}A"),
        (r#""""#, ""),
        (r#""\\\"\/""#, "\\\"/"),
    ];
    for (literal, text) in cases {
        assert_eq!(unescape(literal.as_bytes()), text, "{literal}");
    }
    for broken in [&b""[..], b"\"", b"\"\\", b"\\u12", b"abc", b"\"\xff\\n"] {
        drop(unescape(broken));
    }
}

#[test]
fn pointers_find_values() {
    let body = br#"{"a":{"b":[10,{"c/d":"x","e~f":true}]},"":{"":1},"k":1,"k":2,"mod\u0065l":"m"}"#;
    let at = |path: &str| pointer(body, path).map(|span| std::str::from_utf8(span.of(body)).expect("ASCII"));
    assert_eq!(at("/a/b/0"), Some("10"));
    assert_eq!(at("/a/b/1/c~1d"), Some("\"x\""));
    assert_eq!(at("/a/b/1/e~0f"), Some("true"));
    assert_eq!(at("//"), Some("1"));
    assert_eq!(at("/k"), Some("2"));
    assert_eq!(at("/model"), Some("\"m\""));
    assert_eq!(at("").map(str::len), Some(body.len()));
    for nowhere in [
        "a",
        "/x",
        "/a/b/2",
        "/a/b/-",
        "/a/b/00",
        "/a/b/01",
        "/a/b/0/x",
        "/a~2",
        "/a~",
        "/a/b/99999999999999999999",
    ] {
        assert_eq!(at(nowhere), None, "{nowhere}");
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn takes_and_refuses_what_serde_json_does(seed: u64) {
        let mut dice = Dice::new(seed);
        dice.lone_surrogates = true;
        let valid = dice.value(5).into_bytes();
        prop_assert_eq!(validate(&valid, &ANY_DEPTH), Ok(()));
        for _ in 0..8 {
            let bytes = dice.mutated(valid.clone());
            prop_assert_eq!(validate(&bytes, &ANY_DEPTH).is_ok(), serde_takes(&bytes), "{}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn takes_and_refuses_any_short_text_as_serde_json_does(text in r#"[\[\]{},:"0-9eE.+\-\\ua \n\t\u{1}tfnrls]{0,12}"#) {
        prop_assert_eq!(validate(text.as_bytes(), &ANY_DEPTH).is_ok(), serde_takes(text.as_bytes()));
    }

    #[test]
    fn texts_survive_being_written_and_read(text: String) {
        let mut literal = Vec::new();
        escape_into(&text, &mut literal);
        prop_assert_eq!(validate(&literal, &ANY_DEPTH), Ok(()));
        prop_assert_eq!(&unescape(&literal), &text);
        prop_assert_eq!(serde_json::from_slice::<String>(&literal).ok(), Some(text));
    }

    #[test]
    fn texts_are_read_as_serde_json_reads_them(seed: u64) {
        let mut dice = Dice::new(seed);
        let literal = dice.words();
        prop_assert_eq!(unescape(literal.as_bytes()).into_owned(), serde_json::from_str::<String>(&literal).expect("valid"));
    }

    #[test]
    fn pointers_find_what_serde_json_finds(seed: u64, path in "(/(a|b|c~1d|e~0f|x_unknown|0|1|2)){0,4}") {
        let body = Dice::new(seed).value(5);
        let value: serde_json::Value = serde_json::from_str(&body).expect("valid");
        let found = pointer(body.as_bytes(), &path).map(|span| serde_json::from_slice(span.of(body.as_bytes())).expect("valid"));
        prop_assert_eq!(found.as_ref(), value.pointer(&path));
    }
}

#[test]
fn a_text_that_ends_with_an_escaped_quote_is_read_whole() {
    use penstock_llm::model::Json;
    for literal in [r#""say \"hi\"""#, r#""\"""#, r#""\\\"""#] {
        let json = Json::new(literal).expect("JSON");
        let by_serde: String = serde_json::from_str(literal).expect("JSON");
        assert_eq!(json.as_text().expect("a text").get(), by_serde);
    }
}
