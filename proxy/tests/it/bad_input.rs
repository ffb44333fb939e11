//! Bad input: the caller is told which field is wrong, in OpenAI's shape; nothing is forwarded; one record is written.

use penstock::accept::route;
use penstock_llm::model::Dialect;

use crate::harness::calls::{ANSWER, CHAT, CHAT_PATH};
use crate::harness::client::{post, request};
use crate::harness::eventually;
use crate::harness::gateway::{Gateway, KEY, OTHER_KEY};
use crate::harness::message::Message;
use crate::harness::provider::Provider;

/// What the caller must be told.
struct Told<'a> {
    status: u16,
    code: &'a str,
    param: &'a str,
}

fn check(answer: &Message, told: &Told<'_>, what: &str) {
    let got = (answer.status(), answer.error_code(), answer.error_param());
    assert_eq!(
        got,
        (told.status, told.code.to_owned(), told.param.to_owned()),
        "{what}: {}",
        answer.text()
    );
    assert_eq!(answer.header("content-type"), Some("application/json"), "{what}");
    assert!(answer.header("x-request-id").is_some(), "{what}");
}

/// Each body is refused so, by a gateway that forwards nothing and writes one record for each.
fn refused(cases: &[(&str, &[u8], Told<'_>)]) {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    for (number, (path, body, told)) in cases.iter().enumerate() {
        let what = format!(
            "case {number}, {}",
            String::from_utf8_lossy(&body[..body.len().min(200)])
        );
        check(&gateway.post(path, body), told, &what);
        check(&gateway.post(&format!("/api{path}"), body), told, &what);
    }
    provider.saw_nothing();
    for record in gateway.records(2 * cases.len()) {
        assert_eq!(record["ending"], "refused");
        assert_eq!(record["error"]["cause"], "caller");
        assert_eq!(record["attempts"].as_array().map(Vec::len), Some(0));
    }
    assert_eq!(gateway.stop().len(), 2 * cases.len());
}

fn told<'a>(status: u16, code: &'a str, param: &'a str) -> Told<'a> {
    Told { status, code, param }
}

#[test]
fn a_body_that_is_not_json_is_refused_with_the_place() {
    let bad = |body: &'static [u8]| (CHAT_PATH, body, told(400, "invalid_json", ""));
    refused(&[
        bad(b""),
        bad(b"{"),
        bad(b"not json"),
        bad(b"{\"model\":\"m\",\"messages\":[],}"),
        bad(b"{\"model\":\"m\",\"messages\":[]} trailing"),
        bad(b"{\"model\":\"m\",'messages':[]}"),
        bad(b"{\"model\":\"m\",\"x\":NaN,\"messages\":[]}"),
        bad(b"{\"model\":\"m\",\"x\":01,\"messages\":[]}"),
        bad(b"\xef\xbb\xbf{\"model\":\"m\",\"messages\":[]}"),
        // not UTF-8, cut in a character, a control character, half an escape
        bad(b"{\"model\":\"m\",\"x\":\"\xff\",\"messages\":[]}"),
        bad(b"{\"model\":\"m\",\"x\":\"\xc3"),
        bad(b"{\"model\":\"m\",\"x\":\"a\nb\",\"messages\":[]}"),
        bad(b"{\"model\":\"m\",\"x\":\"\\u12\",\"messages\":[]}"),
    ]);
}

#[test]
fn pain_q01_a_key_that_is_there_twice_is_refused_however_it_is_spelled() {
    let twice = |path: &'static str, body: &'static str, param: &'static str| {
        (path, body.as_bytes(), told(400, "duplicate_key", param))
    };
    refused(&[
        twice(CHAT_PATH, r#"{"model":"a","model":"b","messages":[]}"#, "model"),
        twice(
            CHAT_PATH,
            r#"{"model":"a","mod\u0065l":"b","messages":[]}"#,
            "model",
        ),
        twice(
            CHAT_PATH,
            r#"{"model":"a","messages":[],"temperature":1,"temperature":2}"#,
            "temperature",
        ),
        twice(
            CHAT_PATH,
            r#"{"model":"a","messages":[],"messages":[]}"#,
            "messages",
        ),
        twice(
            CHAT_PATH,
            r#"{"model":"a","messages":[],"stream":true,"stream_options":{"include_usage":true,"include_usag\u0065":false}}"#,
            "stream_options.include_usage",
        ),
        twice(
            CHAT_PATH,
            r#"{"model":"a","messages":[{"role":"user","content":"x"},{"role":"user","content":"x","content":"y"}]}"#,
            "messages[1].content",
        ),
        twice(
            CHAT_PATH,
            r#"{"model":"a","messages":[{"role":"user","content":[{"type":"text","text":"x","text":"y"}]}]}"#,
            "messages[0].content[0].text",
        ),
        twice(
            CHAT_PATH,
            r#"{"model":"a","messages":[{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"1","arguments":"2"}}]}]}"#,
            "messages[0].tool_calls[0].function.arguments",
        ),
        twice(
            "/v1/completions",
            r#"{"model":"a","prompt":"x","prompt":"y"}"#,
            "prompt",
        ),
        twice(
            "/v1/embeddings",
            r#"{"input":"x","model":"a","input":"y"}"#,
            "input",
        ),
        twice(
            "/v1/moderations",
            r#"{"input":"x","model":"a","model":"y"}"#,
            "model",
        ),
    ]);
}

#[test]
fn a_field_that_is_missing_or_of_another_type_is_named() {
    let bad = |path: &'static str, body: &'static str, code: &'static str, param: &'static str| {
        (path, body.as_bytes(), told(400, code, param))
    };
    refused(&[
        bad(
            CHAT_PATH,
            r#"{"messages":[]}"#,
            "missing_required_parameter",
            "model",
        ),
        bad(
            "/v1/completions",
            r#"{"prompt":"x"}"#,
            "missing_required_parameter",
            "model",
        ),
        bad(
            "/v1/embeddings",
            r#"{"input":"x"}"#,
            "missing_required_parameter",
            "model",
        ),
        bad(
            "/v1/moderations",
            r#"{"input":"x"}"#,
            "missing_required_parameter",
            "model",
        ),
        bad(
            CHAT_PATH,
            r#"{"model":"m"}"#,
            "missing_required_parameter",
            "messages",
        ),
        bad(
            CHAT_PATH,
            r#"{"model":"","messages":[]}"#,
            "invalid_value",
            "model",
        ),
        bad(CHAT_PATH, r#"{"model":7,"messages":[]}"#, "invalid_type", "model"),
        bad(
            CHAT_PATH,
            r#"{"model":null,"messages":[]}"#,
            "invalid_type",
            "model",
        ),
        bad(
            CHAT_PATH,
            r#"{"model":["m"],"messages":[]}"#,
            "invalid_type",
            "model",
        ),
        bad(
            CHAT_PATH,
            r#"{"model":"m","messages":"hi"}"#,
            "invalid_type",
            "messages",
        ),
        bad(
            CHAT_PATH,
            r#"{"model":"m","messages":{}}"#,
            "invalid_type",
            "messages",
        ),
        bad(
            CHAT_PATH,
            r#"{"model":"m","messages":["hi"]}"#,
            "invalid_type",
            "messages[0]",
        ),
        bad(
            CHAT_PATH,
            r#"{"model":"m","messages":[{"role":1,"content":"x"}]}"#,
            "invalid_type",
            "messages[0].role",
        ),
        bad(
            CHAT_PATH,
            r#"{"model":"m","messages":[],"stream":"true"}"#,
            "invalid_type",
            "stream",
        ),
        bad(
            CHAT_PATH,
            r#"{"model":"m","messages":[],"stream":1}"#,
            "invalid_type",
            "stream",
        ),
        bad(
            CHAT_PATH,
            r#"{"model":"m","messages":[],"stream_options":[]}"#,
            "invalid_type",
            "stream_options",
        ),
        bad(CHAT_PATH, r#"[]"#, "invalid_type", ""),
        bad(CHAT_PATH, r#""text""#, "invalid_type", ""),
    ]);
}

#[test]
fn a_body_that_is_nested_too_deep_is_refused() {
    let provider = Provider::start();
    let gateway = Gateway::with(&provider, "limits: {json_depth: 16}");
    let nested = |depth: usize| {
        format!(
            r#"{{"model":"m","messages":[],"x":{}{}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    check(
        &gateway.post(CHAT_PATH, nested(16)),
        &told(400, "json_too_deep", ""),
        "16 in 1",
    );
    check(
        &gateway.post(CHAT_PATH, nested(1_000_000)),
        &told(400, "json_too_deep", ""),
        "a million",
    );
    check(
        &gateway.post(CHAT_PATH, "[".repeat(1_000_000)),
        &told(400, "json_too_deep", ""),
        "a million and no end",
    );
    provider.saw_nothing();
    gateway.records(3);
}

#[test]
fn pain_b03_a_body_over_the_limit_is_told_the_limit() {
    let provider = Provider::start();
    let gateway = Gateway::with(&provider, "limits: {body_bytes: 1000}");
    let too_large = told(413, "request_too_large", "");
    let body = format!(r#"{{"model":"m","messages":[],"x":"{}"}}"#, "x".repeat(1000));
    let answer = gateway.post(CHAT_PATH, &body);
    check(&answer, &too_large, "declared");
    assert!(answer.error_message().contains("1000 bytes"), "{}", answer.text());
    // nothing of it has to be sent to be told
    let mut client = gateway.connect();
    client.send(request(
        "POST",
        CHAT_PATH,
        KEY,
        &[("content-length", "99999999999")],
    ));
    check(&client.answer(), &too_large, "declared, not sent");
    // chunked, and without end
    let mut client = gateway.connect();
    client.send(request(
        "POST",
        CHAT_PATH,
        KEY,
        &[("transfer-encoding", "chunked")],
    ));
    let chunk = format!("190\r\n{}\r\n", "x".repeat(400));
    for _ in 0..3 {
        client.send(&chunk);
    }
    check(&client.answer(), &too_large, "chunked with no end");
    while client.try_send(&chunk) {}
    provider.saw_nothing();
    for record in gateway.records(3) {
        assert_eq!(
            (&record["status"], &record["ending"]),
            (&413.into(), &"refused".into())
        );
    }
    // exactly at the limit it passes
    let frame = r#"{"model":"m","messages":[],"x":""}"#;
    let exact = frame.replace("\"\"", &format!("\"{}\"", "x".repeat(1000 - frame.len())));
    assert_eq!(exact.len(), 1000);
    let mut client = gateway.begin(CHAT_PATH, &exact);
    provider.call().answer_json(200, ANSWER);
    assert_eq!(client.answer().status(), 200);
}

#[test]
fn every_page_asks_for_its_method_and_for_a_key() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let (mut requests, mut refused) = (0, 0);
    for (methods, path) in route::pages() {
        let takes = |method: &str| methods.split(", ").any(|one| one == method);
        for other in ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "BREW"]
            .into_iter()
            .filter(|method| !takes(method))
        {
            refused += 1;
            let mut client = gateway.connect();
            client.send(request(other, &path, KEY, &[("content-length", "0")]));
            let answer = client.head();
            assert_eq!(answer.status(), 405, "{other} {path}");
            assert_eq!(answer.header("allow"), Some(&*methods), "{other} {path}");
            requests += 1;
        }
        let method = methods.split(", ").next().expect("a method");
        for (key, code) in [("", "missing_api_key"), ("wrong", "invalid_api_key")] {
            let answer = gateway.send(request(method, &path, key, &[("content-length", "0")]));
            match route::dialect_of(&path) {
                Dialect::OpenAiChat | Dialect::OpenAiResponses => check(&answer, &told(401, code, ""), &path),
                _ => assert_eq!(answer.status(), 401, "{path}"),
            }
            requests += 1;
        }
    }
    provider.saw_nothing();
    assert_eq!(
        gateway
            .records(requests)
            .iter()
            .filter(|record| record["status"] == 405)
            .count(),
        refused
    );
}

#[test]
fn a_page_that_does_not_exist_is_404() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let paths = [
        "/",
        "/v1",
        "/v1/",
        "/v1/chat",
        "/v1/chat/completions/",
        "/v2/chat/completions",
        "/api/v1",
        "//v1/chat/completions",
        "/V1/chat/completions",
        "/v1/models/",
        "/metrics",
        "/nobody/v1/x",
        "/main/../admin",
        "/main/%2e%2e/admin",
    ];
    for path in paths {
        check(&gateway.post(path, CHAT), &told(404, "unknown_url", ""), path);
    }
    provider.saw_nothing();
    for record in gateway.records(paths.len()) {
        assert_eq!(
            (&record["operation"], &record["ending"]),
            (&"unknown".into(), &"refused".into())
        );
    }
}

#[test]
fn what_is_no_http_is_answered_400_closed_and_recorded() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let mut ids = Vec::new();
    for bytes in [
        "GARBAGE OF SOME LENGTH\r\n\r\n",
        "GET / HTTP/9.9\r\nhost: gateway.test\r\n\r\n",
        "POST /v1/chat/completions HTTP/1.1\r\nbad header\r\n\r\n",
    ] {
        let mut client = gateway.connect();
        client.send(bytes);
        let answer = client.answer();
        assert_eq!(
            (answer.status(), answer.error_code().as_str()),
            (400, "invalid_http"),
            "{bytes:?}"
        );
        assert_eq!(answer.header("x-penstock-generation"), Some("1"));
        ids.push(answer.header("x-request-id").expect("an id").to_owned());
        assert!(client.is_closed());
    }
    provider.saw_nothing();
    let records = gateway.records(3);
    for (record, id) in records.iter().zip(&ids) {
        assert_eq!(record["id"], *id);
        assert_eq!(
            (&record["status"], &record["ending"], &record["error"]["code"]),
            (&400.into(), &"refused".into(), &"invalid_http".into())
        );
        assert_eq!(
            (&record["client"], &record["unrecorded"]),
            (&"127.0.0.1".into(), &0.into())
        );
    }
    assert_eq!(
        gateway.metric(r#"penstock_turned_away_total{code="invalid_http"}"#),
        3.0
    );
    assert_eq!(gateway.stop().len(), 3);
}

#[test]
fn a_head_that_breaks_off_is_recorded() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let first = request("GET", "/v1/models", KEY, &[]);
    let starts: [&[u8]; 4] = [
        b"G",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway.test\r\nx-cut",
        &[&first, b"P".as_slice()].concat(),
        &[&first, b"POST /v1/chat/completions HTTP/1.1\r\n".as_slice()].concat(),
    ];
    for start in starts {
        let mut client = gateway.connect();
        client.send(start);
        if start.starts_with(&first) {
            assert_eq!(client.answer().status(), 200);
        }
        client.finish();
        let answer = client.answer();
        assert_eq!(
            (answer.status(), answer.error_code().as_str()),
            (400, "incomplete_http")
        );
        assert!(client.is_closed());
    }
    // one that does not even listen any more
    let mut client = gateway.connect();
    client.send(starts[1]);
    client.reset();
    let records = gateway.records(7);
    let is_cut = |record: &&serde_json::Value| record["error"]["code"] == "incomplete_http";
    assert_eq!(records.iter().filter(is_cut).count(), 5);
    provider.saw_nothing();
}

#[test]
fn a_connection_that_never_asks_for_anything_leaves_no_record() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    gateway.connect().close();
    gateway.connect().reset();
    let mut client = gateway.connect();
    client.send(request("GET", "/v1/models", KEY, &[]));
    assert_eq!(client.answer().status(), 200);
    client.close();
    assert_eq!(gateway.stop().len(), 1);
}

/// Whoever can open connections must not decide how fast a disk fills up.
#[test]
fn a_flood_of_what_is_no_request_is_no_flood_of_records() {
    const FLOOD: u32 = 150;
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let began = std::time::Instant::now();
    for _ in 0..FLOOD {
        let mut client = gateway.connect();
        client.send("GARBAGE OF SOME LENGTH\r\n\r\n");
        assert_eq!(client.answer().status(), 400);
    }
    let seconds = began.elapsed().as_secs() + 2;
    // the last ones are counted after they were answered
    eventually("all are counted", || {
        let counted = gateway.metric(r#"penstock_turned_away_total{code="invalid_http"}"#);
        (counted >= f64::from(FLOOD)).then(|| assert_eq!(counted, f64::from(FLOOD)))
    });
    let records = gateway.stop();
    let recorded = records.len() as u64;
    assert!(recorded >= 10, "{recorded} records");
    assert!(
        recorded <= 10 * seconds,
        "{recorded} records in {seconds} s at most"
    );
    let unrecorded: u64 = records
        .iter()
        .map(|record| record["unrecorded"].as_u64().expect("a number"))
        .sum();
    assert!(recorded + unrecorded <= u64::from(FLOOD));
}

/// Two readers of one message that disagree on where it ends are a hole.
#[test]
fn a_request_with_ambiguous_framing_is_refused() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let both = [("content-length", "5"), ("transfer-encoding", "chunked")];
    let twice = [("content-length", "5"), ("content-length", "6")];
    let odd: [&[(&str, &str)]; 5] = [
        &both,
        &twice,
        &[("content-length", "+5")],
        &[("content-length", "5, 5")],
        &[("transfer-encoding", "chunked, identity")],
    ];
    for headers in odd {
        let mut client = gateway.connect();
        client.send(request("POST", CHAT_PATH, KEY, headers));
        client.try_send("0\r\n\r\nGET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n");
        let answer = client.answer();
        assert_eq!(answer.status(), 400, "{headers:?}");
        answer.error_code();
        assert!(client.is_closed(), "{headers:?}");
    }
    provider.saw_nothing();
    for record in gateway.records(odd.len()) {
        assert_eq!(
            (&record["status"], &record["error"]["cause"]),
            (&400.into(), &"caller".into())
        );
    }
}

const KEYS: &str = r#"
keys:
  - {name: team, key: "env:KEY", models: ["m", "gpt-*"]}
  - {name: gone, key: "env:OTHER_KEY", models: ["*"], expires: "2020-01-01T00:00:00Z"}
  - {name: hashed, key: "sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b", models: ["gpt-4"]}
  - {name: powerless, key: "sha256:0000000000000000000000000000000000000000000000000000000000000001"}
"#;

#[test]
fn pain_q03_a_bad_key_is_refused_and_never_repeated() {
    let provider = Provider::start();
    let gateway = Gateway::with(&provider, KEYS);
    let cases = [
        ("", "missing_api_key"),
        ("sk-nobodys-canary-5522", "invalid_api_key"),
        (&KEY[..KEY.len() - 1], "invalid_api_key"),
        (OTHER_KEY, "expired_api_key"),
    ];
    for (key, code) in cases {
        let answer = gateway.send(post(CHAT_PATH, key, CHAT));
        check(&answer, &told(401, code, ""), key);
        assert!(!answer.text().contains("canary"), "{}", answer.text());
    }
    provider.saw_nothing();
    for record in gateway.records(cases.len()) {
        assert_eq!(
            (&record["status"], &record["key"]),
            (&401.into(), &serde_json::Value::Null)
        );
    }
    assert!(!gateway.records_text().contains("canary"));
    assert!(!gateway.metrics().contains("canary"));
}

#[test]
fn a_key_is_taken_where_each_sdk_puts_it() {
    let provider = Provider::start();
    let gateway = Gateway::with(&provider, KEYS);
    for (name, value) in [
        ("authorization", format!("Bearer {KEY}")),
        ("Authorization", format!("bearer   {KEY}")),
        ("x-api-key", KEY.to_owned()),
        ("api-key", KEY.to_owned()),
    ] {
        let answer = gateway.send(request("GET", "/v1/models", "", &[(name, &value)]));
        assert_eq!(answer.status(), 200, "{name}");
    }
    // its SHA-256 is in the configuration, the key itself is nowhere
    assert_eq!(
        gateway.send(request("GET", "/v1/models", "secret", &[])).status(),
        200
    );
}

#[test]
fn pain_q01_a_key_may_use_its_models_and_no_other() {
    let provider = Provider::start();
    let lines = "models:\n  - {name: m, targets: [{provider: main}]}\n  - {name: \"gpt-*\", targets: [{provider: main, model: \"*\"}]}\n  - {name: other, targets: [{provider: main}]}";
    let gateway = Gateway::with(&provider, &format!("{KEYS}\n{lines}"));
    let body = |model: &str| CHAT.replace("\"m\"", &format!("\"{model}\""));
    for (model, code, status) in [
        ("other", "model_not_allowed", 403),
        ("nonsense", "model_not_allowed", 403),
        ("GPT-4", "model_not_allowed", 403),
        ("m ", "model_not_allowed", 403),
        ("\\u006f\\u0074her", "model_not_allowed", 403),
    ] {
        check(
            &gateway.post(CHAT_PATH, body(model)),
            &told(status, code, "model"),
            model,
        );
    }
    // the query says nothing
    check(
        &gateway.post(&format!("{CHAT_PATH}?model=m"), body("other")),
        &told(403, "model_not_allowed", "model"),
        "query",
    );
    check(
        &gateway.get("/v1/models/other"),
        &told(403, "model_not_allowed", "model"),
        "page",
    );
    provider.saw_nothing();
    for model in ["m", "gpt-4o", "gpt-"] {
        let mut client = gateway.begin(CHAT_PATH, body(model));
        provider.call().answer_json(200, ANSWER);
        assert_eq!(client.answer().status(), 200, "{model}");
    }
    let answer = gateway.get("/v1/models");
    let listed: Vec<String> = answer.json()["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap().to_owned())
        .collect();
    assert!(
        listed.contains(&"m".to_owned()) && !listed.contains(&"other".to_owned()),
        "{listed:?}"
    );
    assert_eq!(gateway.get("/v1/models/gpt-4o").json()["id"], "gpt-4o");
}

#[test]
fn a_model_that_is_not_there_is_404_to_who_may_use_all() {
    let provider = Provider::start();
    let gateway = Gateway::with(&provider, "models: [{name: known, targets: [{provider: main}]}]");
    check(
        &gateway.post(CHAT_PATH, CHAT),
        &told(404, "model_not_found", "model"),
        "unknown model",
    );
    let long = format!("é{}", "x".repeat(300));
    let named = gateway.post(
        "/v1/rerank",
        format!(r#"{{"model":"{long}","query":"q","documents":["d"]}}"#),
    );
    assert_eq!(named.status(), 404);
    provider.saw_nothing();
    let records = gateway.records(2);
    assert_eq!(records[0]["error"]["code"], "model_not_found");
    // what was asked for is on record, as much of it as a name may be long
    assert_eq!(records[0]["model"], "m");
    assert_eq!(records[1]["model"], long[..256]);
}

/// PAIN R01: callers choose methods, paths and models; they must not choose the number of time series.
#[test]
fn pain_r01_what_callers_make_up_makes_no_new_time_series() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let series = |gateway: &Gateway| {
        gateway
            .metrics()
            .lines()
            .filter(|line| !line.starts_with('#'))
            .count()
    };
    let ask = |number: usize| {
        gateway.post(&format!("/nowhere/{number}"), CHAT);
        gateway.send(post(CHAT_PATH, &format!("key-{number}"), CHAT));
        gateway.send(request(&format!("M{number}"), CHAT_PATH, KEY, &[]));
        gateway.post(CHAT_PATH, format!(r#"{{"model":"model-{number}"}}"#));
    };
    ask(0);
    gateway.records(4);
    let before = series(&gateway);
    (1..30).for_each(ask);
    gateway.records(120);
    assert_eq!(series(&gateway), before);
}

#[test]
fn a_compressed_request_is_undone_and_a_bad_one_refused() {
    use crate::harness::client::post_with;
    use crate::harness::squeeze::{CODINGS, compressed};
    let provider = Provider::start();
    let gateway = Gateway::with(&provider, "limits: {body_bytes: 65536}");
    for coding in CODINGS {
        let mut client = gateway.connect();
        client.send(post_with(
            CHAT_PATH,
            KEY,
            &[("content-encoding", coding)],
            compressed(coding, CHAT.as_bytes()),
        ));
        let call = provider.call();
        assert_eq!(call.request.text(), CHAT, "{coding}");
        assert_eq!(call.request.header("content-encoding"), None);
        call.answer_json(200, ANSWER);
        assert_eq!(client.answer().status(), 200);
        let send =
            |body: &[u8]| gateway.send(post_with(CHAT_PATH, KEY, &[("content-encoding", coding)], body));
        let corrupt = told(400, "invalid_content_encoding", "");
        check(&send(CHAT.as_bytes()), &corrupt, coding);
        let squeezed = compressed(coding, CHAT.as_bytes());
        check(&send(&squeezed[..squeezed.len() / 2]), &corrupt, coding);
        let bomb = compressed(coding, &vec![b' '; 10 << 20]);
        assert!(bomb.len() < 65536);
        check(&send(&bomb), &told(413, "request_too_large", ""), coding);
    }
    let odd = gateway.send(post_with(CHAT_PATH, KEY, &[("content-encoding", "lzw")], CHAT));
    check(&odd, &told(415, "unsupported_content_encoding", ""), "lzw");
    assert_eq!(provider.calls(), CODINGS.len());
}

/// Callers branch on `type`, and SDKs choose the class of their error by the status.
#[test]
fn each_status_has_its_type() {
    let provider = Provider::start();
    let lines = r#"
limits: {body_bytes: 2000, body_deadline_ms: 200}
models: [{name: m, targets: [{provider: main}]}]
keys: [{name: team, key: "env:KEY", models: [m]}]
"#;
    let gateway = Gateway::with(&provider, lines);
    let chat = |body: &str| post(CHAT_PATH, KEY, body);
    let slow = request("POST", CHAT_PATH, KEY, &[("content-length", "100")]);
    let cases = [
        (chat("{"), 400, "invalid_request_error"),
        (post(CHAT_PATH, "wrong", CHAT), 401, "authentication_error"),
        (chat(&CHAT.replace("\"m\"", "\"other\"")), 403, "permission_error"),
        (post("/nowhere", KEY, CHAT), 404, "not_found_error"),
        (request("PUT", CHAT_PATH, KEY, &[]), 405, "invalid_request_error"),
        (slow, 408, "timeout"),
        (chat(&"x".repeat(3000)), 413, "request_too_large"),
    ];
    for (bytes, status, kind) in cases {
        let answer = gateway.send(bytes);
        let error = &answer.json()["error"];
        assert_eq!(
            (answer.status(), error["type"].as_str()),
            (status, Some(kind)),
            "{}",
            answer.text()
        );
    }
    provider.saw_nothing();
    for (status, kind) in [(429, "rate_limit_error"), (500, "server_error"), (504, "timeout")] {
        let mut client = gateway.begin(CHAT_PATH, CHAT);
        provider.call().answer_json(status, "{}");
        let answer = client.answer();
        assert_eq!(
            (answer.status(), answer.json()["error"]["type"].as_str()),
            (status, Some(kind))
        );
    }
}

#[test]
fn bad_input_over_http2_is_refused_alike() {
    use crate::harness::http2;
    let provider = Provider::start();
    let gateway = Gateway::with(&provider, "limits: {body_bytes: 1000}");
    let too_large = "x".repeat(2000);
    let cases: [(&str, &str, &str, u16, &str); 7] = [
        (CHAT_PATH, KEY, "{", 400, "invalid_json"),
        (
            CHAT_PATH,
            KEY,
            r#"{"model":"a","model":"b","messages":[]}"#,
            400,
            "duplicate_key",
        ),
        (
            CHAT_PATH,
            KEY,
            r#"{"messages":[]}"#,
            400,
            "missing_required_parameter",
        ),
        (CHAT_PATH, KEY, &too_large, 413, "request_too_large"),
        (CHAT_PATH, "wrong", CHAT, 401, "invalid_api_key"),
        ("/nowhere", KEY, CHAT, 404, "unknown_url"),
        ("/v1/models", KEY, CHAT, 405, "method_not_allowed"),
    ];
    http2::runtime().block_on(async {
        let mut client = http2::Client::connect(gateway.address).await;
        for (path, key, body, status, code) in cases {
            let answer = client.post(path, key, body.to_owned()).await;
            assert_eq!(answer.status().as_u16(), status, "{path} {code}");
            assert!(answer.headers().contains_key("x-request-id"));
            let body: serde_json::Value = serde_json::from_slice(&http2::whole(answer).await).unwrap();
            assert_eq!(body["error"]["code"], code);
        }
    });
    provider.saw_nothing();
    let records = gateway.records(cases.len());
    for (.., status, code) in cases {
        let is_it = |record: &&serde_json::Value| record["error"]["code"] == code;
        let record = records.iter().find(is_it).expect("a record of each");
        assert_eq!(record["status"], status, "{code}");
    }
}
