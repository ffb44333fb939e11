//! Expressions in the host: what operators are told of mistakes, what evaluations come to, and that none takes long.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::call::{CallBody, HeaderList};

fn call() -> Call {
    let headers = [("x-team", "blue"), ("authorization", "Bearer sk-1")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Call {
        id: "req-1".into(),
        operation: Operation::Chat,
        model: "gpt-4o".into(),
        streamed: true,
        caller: "team-a".into(),
        generation: 7,
        headers: Arc::new(HeaderList(headers.into())),
        catalogue: None,
        body: CallBody::Raw(Bytes::new()),
    }
}

fn compiled(text: &str, variables: &[&str]) -> Result<Expression, String> {
    Expression::compile(&Source {
        text: text.to_owned(),
        variables: variables.iter().map(|name| (*name).to_owned()).collect(),
    })
}

/// The value as JSON, with the variables that the JSON has.
fn evaluated(text: &str, variables: &str) -> Result<String, Failure> {
    let given = value::read(variables, LONGEST_JSON).expect("an object");
    let names: Vec<&str> = given.iter().map(|(name, _)| name.as_str()).collect();
    let expression = compiled(text, &names).unwrap_or_else(|why| panic!("{text}: {why}"));
    let value = expression.evaluate(&call(), variables)?;
    value::write(&value, LONGEST_JSON).map_err(Failure::Failed)
}

fn failed(why: &str) -> Result<String, Failure> {
    Err(Failure::Failed(why.to_owned()))
}

#[test]
fn conditions_on_the_call_and_on_variables_have_their_value() {
    let variables =
        r#"{"tags": ["a", "b"], "limits": {"tokens": 100, "usd": 0.5}, "big": 18446744073709551615}"#;
    let cases = [
        (
            r#"caller == "team-a" && model.startsWith("gpt-") && streamed"#,
            "true",
        ),
        (r#"operation in ["chat", "completions"]"#, "true"),
        (r#"header("X-Team") == "blue""#, "true"),
        (
            r#"header("authorization") == null && header("x-none") == null"#,
            "true",
        ),
        (r#"tags.exists(t, t == "b") && !tags.all(t, t == "b")"#, "true"),
        ("tags.map(t, t + '!')", r#"["a!","b!"]"#),
        ("tags.filter(t, t > 'a').size()", "1"),
        ("tags.map(t, t > 'a', t + t)", r#"["bb"]"#),
        ("tags.exists_one(t, t == 'a') ? limits.tokens + 1 : 0", "101"),
        ("has(limits.tokens) && !has(limits.none)", "true"),
        ("limits.usd * 2.0 == 1.0 && limits['tokens'] % 7 == 2", "true"),
        ("big > 5", "true"),
        ("-(int('12')) + size('é')", "-11"),
        ("{'a': [1, null, true], 'b': 1.5}.a", "[1,null,true]"),
        ("'x' in {'x': 1} && 2 in [1, 2]", "true"),
        ("limits.none == 1 || true", "true"),
    ];
    for (text, expected) in cases {
        assert_eq!(evaluated(text, variables).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn a_mistake_is_told_with_its_line_and_column_and_the_remedy() {
    let cases = [
        ("tags.exists(t, t ==)", "line 1, column 20: "),
        (
            "streamed &&\n  callr == 'a'",
            "line 2, column 3: there is no `callr`; there are tags, caller, model",
        ),
        (
            "tags.exist(t, true)",
            "there is no function `exist`; there are size, string",
        ),
        ("now() > 1", "there is no function `now`"),
        ("model.matches('gpt.*')", "there is no function `matches`"),
        (
            "timestamp('2026-01-01T00:00:00Z') == 1",
            "there is no function `timestamp`",
        ),
        ("optional.of(1).hasValue()", "there is no function `hasValue`"),
        ("tags.?a", "line 1, column "),
        ("Msg{a: 1}", "there are no messages here"),
        ("", "line 1, column "),
        ("tags.exists(t, true) && t", "there is no `t`"),
        ("\u{0}\u{1}", "line 1, column "),
    ];
    for (text, expected) in cases {
        let told = compiled(text, &["tags"]).map(drop).expect_err(text);
        assert!(told.contains(expected), "{text}: {told}");
    }
    assert!(compiled("1", &["a b"]).is_err_and(|told| told.contains("no name of a variable")));
    assert!(compiled("1", &["model"]).is_err_and(|told| told.contains("the call's own")));
}

#[test]
fn an_evaluation_that_has_no_value_says_why_without_any_value() {
    let cases = [
        ("limits.none == 1", "there is no `none`"),
        ("1 / (limits.tokens - 100)", "division by zero"),
        ("9223372036854775807 + limits.tokens", "the number is too large"),
        ("tags[7]", "the index is out of bounds"),
        ("tags < 1", "`_<_` does not take (list, int)"),
        ("int(tags[0])", "`int` failed"),
        ("!tags[0]", "`!_` does not take (string)"),
        ("tags[0] && true", "`_&&_` does not take (string, bool)"),
        ("{tags: 1}", "the values are not of the types that it takes"),
        ("tags.all(t, 1)", "`_&&_` does not take (bool, int)"),
    ];
    let variables = r#"{"tags": ["secret-canary"], "limits": {"tokens": 100}}"#;
    for (text, expected) in cases {
        let got = evaluated(text, variables);
        assert!(!format!("{got:?}").contains("canary"), "{text}: {got:?}");
        assert_eq!(got, failed(expected), "{text}");
    }
    assert_eq!(
        evaluated("0.0 / 0.0", "{}"),
        failed("its value is not a number that JSON has")
    );
    assert_eq!(evaluated("b'ab'", "{}"), failed("JSON has no bytes"));
}

#[test]
fn variables_are_a_bounded_object_of_the_names_that_were_told() {
    let expression = compiled("tags == 1", &["tags"]).expect("compiles");
    let with = |variables: &str| expression.evaluate(&call(), variables);
    let told = |variables: &str| match with(variables) {
        Err(Failure::Variables(why)) => why,
        other => panic!("{variables}: {other:?}"),
    };
    assert!(told("[1]").contains("line 1, column 0") || told("[1]").contains("not a JSON object"));
    assert!(told(r#"{"tags": secret}"#).starts_with("not a JSON object: line 1"));
    assert!(told(r#"{"other": 1}"#).contains("`other` was not named"));
    assert!(told(&format!(r#"{{"tags": "{}"}}"#, "x".repeat(LONGEST_JSON))).contains("at most 65536"));
    let deep = format!(r#"{{"tags": {}1{}}}"#, "[".repeat(200), "]".repeat(200));
    assert!(told(&deep).contains("not a JSON object"));
    assert_eq!(
        with("{}"),
        Err(Failure::Failed("`tags` was not given".to_owned()))
    );
    assert_eq!(with(r#"{"tags": 1}"#), Ok(Value::Bool(true)));
    assert_eq!(with(""), Err(Failure::Failed("`tags` was not given".to_owned())));
}

fn numbers(count: usize) -> String {
    format!("[{}]", vec!["1"; count].join(","))
}

#[test]
fn expressions_of_every_hostile_shape_are_refused_or_end_soon() {
    let nested =
        |open: &str, close: &str, depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    let mut sources = vec![
        "l.all(a, l.all(b, l.all(c, l.all(d, l.all(e, a == b)))))".to_owned(),
        "l.map(a, l.map(b, l.map(c, l.map(d, l))))".to_owned(),
        "l.map(a, l).map(b, b + b).map(c, c + c).map(d, d + d)".to_owned(),
        "l.all(a, (l + 'x') == 1 || true)".to_owned(),
        "l.all(a, l + l == l + l)".to_owned(),
        "s.all(a, s + s + s + s + s + s + s + s != '')".to_owned(),
        "l.map(a, s + s).map(a, a + a).map(a, a + a).map(a, a + a)".to_owned(),
        "l.map(a, l) == l.map(b, l)".to_owned(),
        "l.all(a, a in l && l in [l, l, l])".to_owned(),
        "l.map(a, {a: l, a + 1: l})".to_owned(),
        "d.all(x, x.a.all(y, y.b.all(z, z == y || true)))".to_owned(),
        "l.filter(a, l.exists(b, l.exists_one(c, a == c)))".to_owned(),
        vec!["l"; 800].join(" + "),
        vec!["(l == l)"; 400].join(" && "),
        vec!["l.all(a, a in l)"; 200].join(" || "),
        format!("[{}].map(a, a).map(b, b)", vec!["l"; 1500].join(",")),
        format!("l{}", ".map(a, a)".repeat(40)),
        format!("l{}", "[0]".repeat(1000)),
        format!("l{}", ".l".repeat(2000)),
        format!("{}true", "!".repeat(4000)),
        format!("{}1", "-".repeat(4000)),
        format!("{}1", "true ? 1 : ".repeat(300)),
        "\"".repeat(4096),
        "a b ".repeat(1000),
        "'\\u0000\\U0010FFFF'".repeat(200),
    ];
    for depth in [40, 47, 60, 100, 1000] {
        for (open, close) in [
            ("(", ")"),
            ("[", "]"),
            ("{1: ", "}"),
            ("size(", ")"),
            ("l.all(a, ", ")"),
            ("(1 + ", ")"),
        ] {
            sources.push(nested(open, close, depth));
            sources.push(open.repeat(depth));
        }
    }
    let sizes = [0, 1, 3, 10, 30, 100, 300, 1000, 3000, 10_000];
    let (mut ran, mut refused) = (0, 0);
    for source in sources {
        let start = Instant::now();
        let read = compiled(&source, &["l", "s", "d"]);
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "{source}: read in {:?}",
            start.elapsed()
        );
        let Ok(expression) = read else { continue };
        for size in sizes {
            let l = numbers(size);
            let variables = format!(
                r#"{{"l": {l}, "s": "{}", "d": [{{"a": [{{"b": {l}, "t": "{}"}}]}}]}}"#,
                "x".repeat(size),
                "y".repeat(size)
            );
            let start = Instant::now();
            let evaluated = expression.evaluate(&call(), &variables);
            let took = start.elapsed();
            // a hundred times what it takes; one that got away would take minutes
            assert!(took < Duration::from_secs(1), "{source} with {size}: {took:?}");
            match evaluated {
                Err(Failure::TooMuch) => refused += 1,
                _ => ran += 1,
            }
        }
    }
    assert!(ran > 100 && refused > 50, "{ran} ran, {refused} were refused");
}

#[test]
fn a_source_that_is_too_long_or_too_deep_is_refused_with_the_limit() {
    let told = compiled(&" ".repeat(LONGEST_SOURCE + 1), &[])
        .map(drop)
        .expect_err("too long");
    assert!(told.contains("an expression has 4096 at most"), "{told}");
    let told = compiled(&"(".repeat(1000), &[]).map(drop).expect_err("too deep");
    assert_eq!(told, "it is nested too deeply");
    let told = compiled(&vec!["1"; 100].join("+"), &[])
        .map(drop)
        .expect_err("too deep");
    assert!(told.ends_with("it is nested too deeply"), "{told}");
}

#[test]
fn a_long_header_is_no_value() {
    let mut call = call();
    call.headers = Arc::new(HeaderList(vec![(
        "x-long".to_owned(),
        "x".repeat(LONGEST_HEADER + 1),
    )]));
    let expression = compiled("header('x-long') == 'x'", &[]).expect("compiles");
    let failed = Failure::Failed("`header` failed".to_owned());
    assert_eq!(expression.evaluate(&call, ""), Err(failed));
}
