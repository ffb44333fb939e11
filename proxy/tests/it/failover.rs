//! The next target is tried exactly when it may do better, never once the caller has heard something; and what the
//! provider's trouble is, the caller is told without a secret.

use std::net::SocketAddr;

use serde_json::Value;

use crate::harness::calls::{
    ANSWER, CHAT, CHAT_PATH, CHAT_STREAM, DONE, ERROR_EVENT, FINISH, ROLE, error, says,
};
use crate::harness::gateway::{CREDENTIAL, Gateway, KEY, OTHER_CREDENTIAL};
use crate::harness::message::Message;
use crate::harness::provider::{Call, Provider, refusing};
use crate::harness::squeeze::compressed;
use crate::harness::{gateway, log};

/// Model `m` goes to `a`, then to `b`.
fn two(a: SocketAddr, b: SocketAddr, lines: &str) -> Gateway {
    Gateway::of(&format!(
        r#"
providers:
  a: {{base_url: "http://{a}/v1", credentials: ["env:CREDENTIAL"]}}
  b: {{base_url: "http://{b}/v1", credentials: ["env:OTHER_CREDENTIAL"]}}
models:
  - {{name: m, targets: [{{provider: a, model: m-of-a}}, {{provider: b, model: m-of-b}}]}}
{lines}
"#
    ))
}

/// The attempts of a record as `provider outcome status`.
fn attempts(record: &Value) -> Vec<String> {
    let attempts = record["attempts"].as_array().expect("a list");
    let show = |attempt: &Value| {
        let word = |name: &str| attempt[name].as_str().unwrap_or_default().to_owned();
        format!("{} {} {}", word("provider"), word("outcome"), attempt["status"])
    };
    attempts.iter().map(show).collect()
}

/// `a` does something, `b` answers: what the caller gets, and what was tried.
fn fails_over(a: impl Fn(Call), lines: &str) -> (Message, Vec<String>) {
    let (first, second) = (Provider::start(), Provider::start());
    let gateway = two(first.address, second.address, lines);
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    let call = first.call();
    assert_eq!(call.request.json()["model"], "m-of-a");
    a(call);
    let call = second.call();
    assert_eq!(call.request.json()["model"], "m-of-b");
    assert_eq!(
        call.request.header("authorization"),
        Some(format!("Bearer {OTHER_CREDENTIAL}").as_str())
    );
    call.answer_json(200, ANSWER);
    let answer = client.answer();
    assert_eq!((answer.status(), answer.text()), (200, ANSWER));
    assert_eq!(answer.header("x-penstock-provider"), Some("b"));
    assert_eq!(answer.header("x-penstock-model"), Some("m-of-b"));
    let record = gateway.record();
    assert_eq!(record["ending"], "complete");
    (answer, attempts(&record))
}

#[test]
fn pain_l04_a_status_that_another_target_may_not_have_moves_on_to_it() {
    for status in [408, 429, 500, 501, 502, 503, 504, 520, 529] {
        let (answer, tried) = fails_over(|call| call.answer_json(status, error("no")), "");
        assert_eq!(tried, [format!("a status {status}"), "b served 200".to_owned()]);
        assert_eq!(answer.header("x-penstock-attempts"), Some("2"));
    }
}

#[test]
fn pain_l04_a_target_that_refuses_connections_is_passed_over() {
    let provider = Provider::start();
    let gateway = two(refusing(), provider.address, "");
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    provider.call().answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
    assert_eq!(attempts(&gateway.record()), ["a connect null", "b served 200"]);
    assert!(
        gateway
            .metrics()
            .contains(r#"penstock_attempts_total{outcome="connect",provider="a"} 1"#)
    );
}

#[test]
fn pain_c13_a_target_that_does_not_answer_in_time_is_passed_over_and_let_go() {
    let (first, second) = (Provider::start(), Provider::start());
    let gateway = two(first.address, second.address, "timeouts: {first_byte_ms: 200}");
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    let hung = first.call();
    let call = second.call();
    hung.wait_gone();
    call.answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
    assert_eq!(attempts(&gateway.record()), ["a timeout null", "b served 200"]);
}

#[test]
fn a_target_that_breaks_off_before_its_answer_is_passed_over() {
    let (_, tried) = fails_over(|call| call.close(), "");
    assert_eq!(tried, ["a broken null", "b served 200"]);
    let (_, tried) = fails_over(Call::reset, "");
    assert_eq!(tried, ["a broken null", "b served 200"]);
    let (_, tried) = fails_over(
        |call| call.raw(b"HTTP/1.1 200 OK\r\ncontent-le"),
        "timeouts: {first_byte_ms: 300}",
    );
    assert_eq!(tried, ["a timeout null", "b served 200"]);
    let (_, tried) = fails_over(|call| call.raw(b"SSH-2.0-OpenSSH\r\n\r\n"), "");
    assert_eq!(tried, ["a broken null", "b served 200"]);
}

#[test]
fn a_body_that_is_cut_off_or_no_answer_is_passed_over() {
    let (_, tried) = fails_over(
        |call| {
            call.raw(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{\"id\":",
            );
            call.close();
        },
        "",
    );
    assert_eq!(tried, ["a broken 200", "b served 200"]);
    let (_, tried) = fails_over(|call| call.answer_json(200, "<html>hello</html>"), "");
    assert_eq!(tried, ["a broken 200", "b served 200"]);
    let (_, tried) = fails_over(|call| call.answer_json(200, ""), "");
    assert_eq!(tried, ["a broken 200", "b served 200"]);
    let (_, tried) = fails_over(|call| call.answer_json(200, &ANSWER[..40]), "");
    assert_eq!(tried, ["a broken 200", "b served 200"]);
    let (_, tried) = fails_over(
        |call| call.answer_with(302, &[("location", "http://169.254.169.254/")], ""),
        "",
    );
    assert_eq!(tried, ["a broken 302", "b served 200"]);
}

#[test]
fn pain_c03_an_error_in_a_200_is_an_error() {
    let (_, tried) = fails_over(|call| call.answer_json(200, error("Overloaded")), "");
    assert_eq!(tried, ["a error_event 200", "b served 200"]);
}

/// A streamed call: `a` says something that commits to nothing, then fails; `b` answers.
fn stream_fails_over(a: impl Fn(Call), lines: &str) -> Vec<String> {
    let (first, second) = (Provider::start(), Provider::start());
    let gateway = two(first.address, second.address, lines);
    let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
    a(first.call());
    let events = [&says("from b"), FINISH, DONE];
    second.call().stream(&events);
    let answer = client.answer();
    assert_eq!(
        (answer.status(), answer.text()),
        (200, events.concat().as_str()),
        "nothing of a's is left"
    );
    assert_eq!(answer.header("x-penstock-provider"), Some("b"));
    let record = gateway.record();
    assert_eq!(record["ending"], "complete");
    attempts(&record)
}

#[test]
fn pain_c05_an_error_event_before_the_first_token_moves_on_to_the_next_target() {
    let tried = stream_fails_over(|call| call.stream(&[ERROR_EVENT]), "");
    assert_eq!(tried, ["a error_event 200", "b served 200"]);
    let tried = stream_fails_over(|call| call.stream(&[": ping\n\n", ROLE, ROLE, ERROR_EVENT]), "");
    assert_eq!(tried, ["a error_event 200", "b served 200"]);
    let tried = stream_fails_over(
        |call| call.stream(&[ROLE, "event: error\ndata: {\"error\":\"overloaded\"}\n\n"]),
        "",
    );
    assert_eq!(tried, ["a error_event 200", "b served 200"]);
}

#[test]
fn a_stream_that_ends_before_the_first_token_moves_on_to_the_next_target() {
    let tried = stream_fails_over(|call| call.stream(&[ROLE]), "");
    assert_eq!(tried, ["a broken 200", "b served 200"]);
    let tried = stream_fails_over(|call| call.stream(&[]), "");
    assert_eq!(tried, ["a broken 200", "b served 200"]);
    let cut = |call: Call| {
        call.begin_stream();
        call.chunk(ROLE);
        call.reset();
    };
    let tried = stream_fails_over(cut, "");
    assert_eq!(tried, ["a broken 200", "b served 200"]);
    let tried = stream_fails_over(|call| call.stream(&["data: {not json\n\n"]), "");
    assert_eq!(tried, ["a broken 200", "b served 200"]);
}

#[test]
fn pain_c13_a_stream_that_falls_silent_before_the_first_token_moves_on_to_the_next_target() {
    let (first, second) = (Provider::start(), Provider::start());
    let gateway = two(first.address, second.address, "timeouts: {idle_ms: 200}");
    let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
    let silent = first.call();
    silent.begin_stream();
    silent.chunk(ROLE);
    let call = second.call();
    silent.wait_gone();
    call.stream(&[&says("b"), FINISH, DONE]);
    assert_eq!(client.answer().text(), [&says("b"), FINISH, DONE].concat());
}

#[test]
fn after_the_first_token_no_other_target_is_tried() {
    let (first, second) = (Provider::start(), Provider::start());
    let gateway = two(first.address, second.address, "");
    for fail in [
        |call: Call| call.reset(),
        |call: Call| call.end(),
        |call: Call| call.chunk(ERROR_EVENT),
    ] {
        let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
        let call = first.call();
        call.begin_stream();
        call.chunk(says("from a"));
        assert_eq!(client.head().header("x-penstock-provider"), Some("a"));
        assert_eq!(client.read_until("\n\n"), says("from a"));
        fail(call);
        let (rest, _) = client.rest();
        let rest = String::from_utf8(rest).unwrap();
        assert!(
            rest.contains("\"error\"") && !rest.contains("[DONE]") && !rest.contains("finish_reason"),
            "{rest}"
        );
    }
    second.saw_nothing();
    assert!(
        gateway
            .records(3)
            .iter()
            .all(|record| attempts(record).len() == 1)
    );
}

#[test]
fn what_is_the_callers_own_mistake_is_passed_on_and_never_tried_elsewhere() {
    let (first, second) = (Provider::start(), Provider::start());
    let gateway = two(first.address, second.address, "");
    let body = "{ \"error\" : {\"message\":\"bad temperature\",\"type\":\"invalid_request_error\",\"param\":\"temperature\",\"code\":null}}\n";
    for (number, status) in [400, 404, 409, 413, 415, 422].into_iter().enumerate() {
        for call in [CHAT, CHAT_STREAM] {
            let mut client = gateway.begin(CHAT_PATH, call);
            first
                .call()
                .answer(status, "application/json; charset=utf-8", body);
            let answer = client.answer();
            assert_eq!((answer.status(), answer.text()), (status, body));
            assert_eq!(
                answer.header("content-type"),
                Some("application/json; charset=utf-8")
            );
        }
        assert_eq!(
            attempts(&gateway.records(2 * number + 2)[2 * number]),
            [format!("a status {status}")]
        );
    }
    second.saw_nothing();
}

#[test]
fn pain_l04_the_last_error_is_the_last_providers_with_every_attempt_listed() {
    let (first, second) = (Provider::start(), Provider::start());
    let gateway = two(first.address, second.address, "");
    for (of_b, status, code) in [
        (500, 500, "upstream_error"),
        (503, 503, "upstream_overloaded"),
        (529, 503, "upstream_overloaded"),
        (504, 504, "upstream_timeout"),
        (599, 502, "upstream_error"),
    ] {
        let mut client = gateway.begin(CHAT_PATH, CHAT);
        first.call().answer_json(500, error("a is down"));
        second.call().answer_json(of_b, error("b is down too"));
        let answer = client.answer();
        assert_eq!((answer.status(), answer.error_code().as_str()), (status, code));
        assert!(
            answer.error_message().contains("provider b") && answer.error_message().contains("b is down too")
        );
        let listed = &answer.json()["error"]["attempts"];
        assert_eq!(
            listed[0],
            serde_json::json!({"provider":"a","model":"m-of-a","status":500,"outcome":"status"})
        );
        assert_eq!(
            listed[1],
            serde_json::json!({"provider":"b","model":"m-of-b","status":of_b,"outcome":"status"})
        );
        assert_eq!(listed.as_array().map(Vec::len), Some(2));
    }
    for record in gateway.records(5) {
        assert_eq!(record["ending"], "failed");
        assert_eq!(record["error"]["cause"], "provider");
    }
}

#[test]
fn a_streaming_caller_gets_the_last_error_as_a_status_while_nothing_was_said() {
    let (first, second) = (Provider::start(), Provider::start());
    let gateway = two(first.address, second.address, "");
    let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
    first.call().stream(&[ROLE, ERROR_EVENT]);
    second.call().stream(&[ROLE, ERROR_EVENT]);
    let answer = client.answer();
    assert_eq!(answer.status(), 503, "{}", answer.text());
    assert!(answer.error_message().contains("Overloaded"));
    assert_eq!(gateway.record()["ending"], "failed");
}

#[test]
fn pain_l03_a_target_that_asks_for_a_rest_gets_it() {
    let (first, second) = (Provider::start(), Provider::start());
    let gateway = two(first.address, second.address, "");
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    first.call().answer_with(
        429,
        &[("content-type", "application/json"), ("retry-after", "30")],
        error("slow down"),
    );
    second.call().answer_json(200, ANSWER);
    assert_eq!(client.answer().status(), 200);
    // b comes first now
    for _ in 0..3 {
        let mut client = gateway.begin(CHAT_PATH, CHAT);
        second.call().answer_json(200, ANSWER);
        assert_eq!(client.answer().header("x-penstock-attempts"), Some("1"));
    }
    assert_eq!(first.calls(), 1);
}

#[test]
fn pain_l03_the_rest_that_every_target_asks_for_is_told_to_the_caller() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    for (name, value, expected) in [("retry-after", "7", "7"), ("retry-after-ms", "1500", "2")] {
        let mut client = gateway.begin(CHAT_PATH, CHAT);
        provider
            .call()
            .answer_with(429, &[(name, value)], error("slow down"));
        let answer = client.answer();
        assert_eq!(
            (answer.status(), answer.error_code().as_str()),
            (429, "rate_limit_exceeded")
        );
        assert_eq!(answer.header("retry-after"), Some(expected), "{name}");
        assert_eq!(answer.json()["error"]["type"], "rate_limit_error");
    }
}

#[test]
fn feature_r39_a_refused_credential_is_never_the_callers_401() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    for status in [401, 403] {
        let mut client = gateway.begin(CHAT_PATH, CHAT);
        let echo = format!("Incorrect API key provided: {CREDENTIAL}");
        provider.call().answer_json(status, error(&echo));
        let answer = client.answer();
        assert_eq!(
            (answer.status(), answer.error_code().as_str()),
            (502, "upstream_credentials_rejected")
        );
        assert!(
            answer.error_message().contains("provider main"),
            "{}",
            answer.text()
        );
        assert!(!answer.text().contains("canary"), "{}", answer.text());
    }
    assert!(
        gateway
            .records(2)
            .iter()
            .all(|record| record["attempts"][0]["outcome"] == "credential")
    );
}

#[test]
fn feature_r38_the_next_credential_is_used_when_one_is_refused_or_used_up() {
    let provider = Provider::start();
    let gateway = Gateway::of(&format!(
        r#"
providers:
  main: {{base_url: "{}", credentials: ["env:CREDENTIAL", "env:OTHER_CREDENTIAL"]}}
"#,
        provider.url()
    ));
    for status in [401, 402, 403, 429] {
        // a refused credential rests, so each round has a gateway of its own state only at first; the order may turn
        let mut client = gateway.begin(CHAT_PATH, CHAT);
        let call = provider.call();
        let refused = call.request.header("authorization").unwrap().to_owned();
        call.answer_json(status, error("no"));
        let call = provider.call();
        assert_ne!(
            call.request.header("authorization"),
            Some(refused.as_str()),
            "{status}"
        );
        call.answer_json(200, ANSWER);
        assert_eq!(client.answer().status(), 200, "{status}");
    }
    let record = gateway.records(4).remove(0);
    assert_ne!(
        record["attempts"][0]["credential"],
        record["attempts"][1]["credential"]
    );
}

#[test]
fn a_credential_file_and_a_header_of_the_providers_own_are_used() {
    let provider = Provider::start();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), format!("{CREDENTIAL}\n")).unwrap();
    let gateway = Gateway::within(
        folder,
        &format!(
            r#"
providers:
  main: {{base_url: "{}/", credentials: ["file:secret"], auth: {{header: api-key}}, headers: {{x-region: eu}}}}
"#,
            provider.url()
        ),
    );
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    let call = provider.call();
    assert_eq!(call.request.header("api-key"), Some(CREDENTIAL));
    assert_eq!(call.request.header("authorization"), None);
    assert_eq!(call.request.header("x-region"), Some("eu"));
    assert_eq!(call.request.path(), "/v1/chat/completions");
    call.answer_json(200, ANSWER);
    assert_eq!(client.answer().status(), 200);
}

/// PAIN Q02: a canary in every slot, every kind of failure, and a look everywhere.
#[test]
fn pain_q02_no_secret_turns_up_in_answers_records_metrics_or_logs() {
    let provider = Provider::start();
    let gateway = two(provider.address, refusing(), "timeouts: {first_byte_ms: 200}");
    let echo = format!("key {CREDENTIAL} and {KEY}");
    let mut seen = String::new();
    let plays: [&dyn Fn(Call); 6] = [
        &|call| call.answer_json(401, error(&echo)),
        &|call| call.answer_json(500, "<html>"),
        &|call| call.raw(b"HTTP/1.1 abc\r\n\r\n"),
        &|call| call.close(),
        &|call| call.answer_json(200, "{"),
        &|_| {},
    ];
    for play in plays {
        let mut client = gateway.begin(CHAT_PATH, CHAT);
        play(provider.call());
        let answer = client.answer();
        assert!(answer.status() >= 500);
        seen.push_str(&String::from_utf8_lossy(&answer.head));
        seen.push_str(answer.text());
    }
    gateway.send(crate::harness::client::post(
        CHAT_PATH,
        "sk-stranger-canary",
        CHAT,
    ));
    gateway.send(crate::harness::client::post(
        &format!("{CHAT_PATH}?key={KEY}"),
        "",
        CHAT,
    ));
    gateway.records(8);
    seen.push_str(&gateway.records_text());
    seen.push_str(&gateway.metrics());
    for canary in [
        KEY,
        CREDENTIAL,
        OTHER_CREDENTIAL,
        "sk-stranger-canary",
        gateway::OTHER_KEY,
    ] {
        assert!(!seen.contains(canary), "{seen}");
        assert!(!log::has(canary));
    }
}

/// What a provider says of the credential that it was shown, and what is left of it.
fn echoes() -> [(String, String); 3] {
    let masked = format!(
        "{}****************{}",
        &CREDENTIAL[..7],
        &CREDENTIAL[CREDENTIAL.len() - 4..]
    );
    let dotted = format!("{}...", &CREDENTIAL[..12]);
    [CREDENTIAL.to_owned(), masked, dotted].map(|shown| {
        let hidden = "*".repeat(shown.len());
        let say = |key: &str| format!("Incorrect API key provided: {key} (see the manual)");
        (say(&shown), say(&hidden))
    })
}

fn check_unseen(gateway: &Gateway, seen: &str) {
    let everything = [seen, &gateway.records_text(), &gateway.metrics()].concat();
    for canary in [CREDENTIAL, &CREDENTIAL[..12]] {
        assert!(!everything.contains(canary), "{canary} in {everything}");
        assert!(!log::has(canary), "{canary} was logged");
    }
    // too short to look for among ids
    assert!(!seen.contains(&CREDENTIAL[CREDENTIAL.len() - 4..]), "{seen}");
}

/// PAIN Q02: a provider that quotes the gateway's credential in its error, in full or masked, is not quoted so.
#[test]
fn pain_q02_a_credential_that_a_provider_quotes_in_an_error_is_overwritten() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let mut seen = String::new();
    for (said, shown) in echoes() {
        // the caller's own mistake: the provider's body as it is, but for the key
        for status in [400, 404, 409, 422] {
            let mut client = gateway.begin(CHAT_PATH, CHAT);
            provider.call().answer_json(status, error(&said));
            let answer = client.answer();
            assert_eq!((answer.status(), answer.text()), (status, error(&shown).as_str()));
            seen.push_str(answer.text());
        }
        let mut client = gateway.begin(CHAT_PATH, CHAT);
        provider.call().answer_with(
            400,
            &[("content-type", "application/json"), ("content-encoding", "gzip")],
            compressed("gzip", error(&said).as_bytes()),
        );
        assert_eq!(client.answer().text(), error(&shown));
        // any other is quoted in an error of the gateway's
        let quoting: [&dyn Fn(Call); 4] = [
            &|call| call.answer_json(429, error(&said)),
            &|call| call.answer_json(500, error(&said)),
            &|call| call.answer_json(200, error(&said)),
            &|call| call.stream(&[&format!("data: {}\n\n", error(&said))]),
        ];
        for quote in quoting {
            let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
            quote(provider.call());
            let answer = client.answer();
            assert!(answer.status() >= 429, "{}", answer.text());
            assert!(answer.error_message().contains(&shown), "{}", answer.text());
            seen.push_str(answer.text());
        }
        // and one that breaks an answer off stands in the answer
        let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
        let event = |said: &str| format!("data: {}\n\n", error(said));
        provider.call().stream(&[ROLE, &says("x"), &event(&said)]);
        let answer = client.answer();
        assert_eq!(answer.text(), [ROLE, &says("x"), &event(&shown)].concat());
        seen.push_str(answer.text());
    }
    // what is no HTTP is told to nobody, but logged
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    provider
        .call()
        .raw(format!("HTTP/1.1 key {CREDENTIAL}\r\n\r\n").as_bytes());
    seen.push_str(client.answer().text());
    gateway.records(3 * 10 + 1);
    check_unseen(&gateway, &seen);
}

/// A long message is cut; not in the middle of a key.
#[test]
fn pain_q02_half_a_credential_is_not_left_where_a_message_is_cut() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    for length in 970..1000 {
        let mut client = gateway.begin(CHAT_PATH, CHAT);
        provider
            .call()
            .answer_json(500, error(&format!("{} {CREDENTIAL}", "x".repeat(length))));
        assert!(!client.answer().text().contains("sk-upstream"));
    }
}

#[test]
fn pain_q02_a_credential_that_a_raw_answer_quotes_is_overwritten() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let mut seen = String::new();
    for (said, shown) in echoes() {
        for (status, kind) in [
            (400, "application/json"),
            (500, "text/plain"),
            (503, "application/octet-stream"),
            (404, "text/event-stream"),
        ] {
            let mut client = gateway.begin("/main/audio/speech", r#"{"model":"m"}"#);
            provider.call().answer(status, kind, error(&said));
            let answer = client.answer();
            assert_eq!((answer.status(), answer.text()), (status, error(&shown).as_str()));
            assert_eq!(answer.header("content-type"), Some(kind));
            seen.push_str(answer.text());
        }
    }
    check_unseen(&gateway, &seen);
}

/// Its header may hold a secret of the provider's, too, and need not be the credential.
#[test]
fn pain_q02_a_secret_header_that_a_provider_quotes_is_overwritten() {
    let provider = Provider::start();
    let gateway = Gateway::of(&format!(
        "providers:\n  main: {{base_url: \"{}\", auth: none, headers: {{x-tenant: \"env:OTHER_CREDENTIAL\"}}}}",
        provider.url()
    ));
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    provider
        .call()
        .answer_json(400, error(&format!("unknown tenant {OTHER_CREDENTIAL}")));
    let hidden = "*".repeat(OTHER_CREDENTIAL.len());
    assert_eq!(client.answer().text(), error(&format!("unknown tenant {hidden}")));
}
