//! Every dialect of a caller before every dialect of a provider: answers, streams, errors and nonsense. Whatever the provider
//! does the caller hears it in its own dialect, and one record says what became of it.

use serde_json::Value;

use crate::harness::dialects::{ALL, Heard, SAID, Spoken, USED, aws};
use crate::harness::gateway::Gateway;
use crate::harness::message::Message;
use crate::harness::provider::{Call, Provider};

/// A gateway in front of a provider that speaks a dialect.
fn before(provider: &Provider, speaks: Spoken) -> Gateway {
    Gateway::of(&format!(
        r#"
providers:
  main: {{base_url: "http://{}/v1", dialects: [{}], credentials: ["env:CREDENTIAL"]}}
"#,
        provider.address,
        speaks.name()
    ))
}

/// Calls of every dialect to every other, answered by `provider`; each leaves one record, which is given with what the caller
/// got.
fn every_pair(
    streams: bool,
    answer: impl Fn(Call, Spoken),
    check: impl Fn(&str, Spoken, Spoken, &Message, &Value),
) {
    for speaks in ALL {
        let provider = Provider::start();
        for caller in ALL {
            let gateway = before(&provider, speaks);
            let (path, body) = caller.request(streams);
            let mut client = gateway.begin(path, &body);
            answer(provider.call(), speaks);
            let got = client.answer();
            let what = format!("{} before {}", caller.name(), speaks.name());
            let record = gateway.record();
            assert_eq!(record["operation"], "chat", "{what}");
            check(&what, caller, speaks, &got, &record);
        }
    }
}

fn send_stream(call: &Call, speaks: Spoken, events: &[Vec<u8>]) {
    call.begin(200, &[("content-type", speaks.stream_type())]);
    events.iter().for_each(|event| call.chunk(event));
}

/// What a caller hears of a stream that may not have begun.
fn heard_or_told(what: &str, caller: Spoken, got: &Message) -> Heard {
    match got.status() {
        200 => caller.heard_in(&got.body),
        _ => Heard {
            error: Some(told(what, caller, got)),
            ..Heard::default()
        },
    }
}

/// An error in the caller's shape, with its words.
fn told(what: &str, caller: Spoken, got: &Message) -> String {
    let words = caller.told(&got.json());
    words.unwrap_or_else(|| panic!("{what}: not an error of {}: {}", caller.name(), got.text()))
}

#[test]
fn pain_d04_every_caller_is_answered_in_its_dialect_by_every_provider() {
    every_pair(
        false,
        |call, speaks| call.answer_json(200, speaks.answer()),
        |what, caller, _, got, record| {
            assert_eq!(got.status(), 200, "{what}: {}", got.text());
            let whole = Heard {
                text: SAID.concat(),
                is_complete: true,
                error: None,
            };
            assert_eq!(caller.heard(&got.json()), whole, "{what}: {}", got.text());
            assert_eq!(record["ending"], "complete", "{what}");
            assert_eq!(
                (
                    record["usage"]["prompt"].as_u64(),
                    record["usage"]["completion"].as_u64()
                ),
                (Some(USED.0), Some(USED.1)),
                "{what}"
            );
        },
    );
}

#[test]
fn pain_d04_every_caller_gets_every_providers_stream_in_its_dialect() {
    every_pair(
        true,
        |call, speaks| {
            let (start, texts, end) = speaks.stream();
            send_stream(&call, speaks, &[start, texts, end].concat());
            call.end();
        },
        |what, caller, _, got, record| {
            assert_eq!(
                got.status(),
                200,
                "{what}: {}",
                String::from_utf8_lossy(&got.body)
            );
            assert!(
                got.header("content-type")
                    .is_some_and(|kind| kind.starts_with(caller.stream_type())),
                "{what}"
            );
            let whole = Heard {
                text: SAID.concat(),
                is_complete: true,
                error: None,
            };
            assert_eq!(caller.heard_in(&got.body), whole, "{what}");
            assert_eq!(record["ending"], "complete", "{what}: {record}");
            // PAIN E08: streamed or not, the same tokens
            assert_eq!(
                (
                    record["usage"]["prompt"].as_u64(),
                    record["usage"]["completion"].as_u64()
                ),
                (Some(USED.0), Some(USED.1)),
                "{what}"
            );
        },
    );
}

#[test]
fn pain_d05_every_providers_error_is_told_in_every_callers_dialect() {
    // who is asked, what is said
    for (status, expected) in [
        (400, 400),
        (404, 404),
        (413, 413),
        (429, 429),
        (500, 500),
        (503, 503),
        (529, 503),
        (401, 502),
        (403, 502),
    ] {
        every_pair(
            false,
            |call, speaks| call.answer_json(status, speaks.error()),
            |what, caller, speaks, got, record| {
                assert_eq!(got.status(), expected, "{what}, {status}: {}", got.text());
                let words = match caller == speaks && matches!(status, 400 | 404 | 413) {
                    true => {
                        assert_eq!(got.text(), speaks.error(), "{what}, {status}");
                        return;
                    }
                    false => told(what, caller, got),
                };
                assert_eq!(
                    words.contains("Overloaded"),
                    expected != 502,
                    "{what}, {status}: {words}"
                );
                assert_ne!(record["ending"], "complete", "{what}, {status}");
                assert_eq!(record["attempts"][0]["status"], status, "{what}");
            },
        );
    }
}

#[test]
fn pain_d05_an_error_within_a_stream_is_told_in_every_callers_dialect_and_ends_it() {
    every_pair(
        true,
        |call, speaks| {
            let (start, texts, _) = speaks.stream();
            let error = speaks.error_event();
            send_stream(
                &call,
                speaks,
                &[start, texts, error.into_iter().collect()].concat(),
            );
            match speaks.error_event() {
                Some(_) => call.end(),
                // its streams just break
                None => call.close(),
            }
        },
        |what, caller, speaks, got, record| {
            let heard = caller.heard_in(&got.body);
            assert_eq!(heard.text, SAID.concat(), "{what}");
            assert!(
                !heard.is_complete,
                "{what}: {}",
                String::from_utf8_lossy(&got.body)
            );
            let words = heard
                .error
                .unwrap_or_else(|| panic!("{what}: {}", String::from_utf8_lossy(&got.body)));
            assert_eq!(
                words.contains("Overloaded"),
                speaks.error_event().is_some(),
                "{what}: {words}"
            );
            assert!(
                matches!(record["ending"].as_str(), Some("failed" | "truncated")),
                "{what}: {record}"
            );
        },
    );
}

#[test]
fn pain_c03_a_stream_that_is_cut_never_looks_complete_to_any_caller() {
    every_pair(
        true,
        |call, speaks| {
            let (start, texts, _) = speaks.stream();
            send_stream(&call, speaks, &[start, texts].concat());
            call.end();
        },
        |what, caller, _, got, record| {
            let heard = caller.heard_in(&got.body);
            assert!(
                !heard.is_complete,
                "{what}: {}",
                String::from_utf8_lossy(&got.body)
            );
            assert!(
                heard.error.is_some(),
                "{what}: {}",
                String::from_utf8_lossy(&got.body)
            );
            assert_eq!(record["ending"], "truncated", "{what}");
        },
    );
}

#[test]
fn what_is_no_answer_is_an_error_in_every_callers_dialect() {
    let nonsense: [(&str, &str); 6] = [
        ("text/html", "<html><body>Bad gateway, <b>nginx</b></body></html>"),
        ("application/json", "not json"),
        ("application/json", ""),
        ("application/json", "{}"),
        ("application/json", "[]"),
        ("application/json", r#"{"choices":"#),
    ];
    for (kind, body) in nonsense {
        every_pair(
            false,
            |call, _| call.answer(200, kind, body),
            |what, caller, speaks, got, record| {
                // an empty object of the caller's own dialect is the provider's to answer for
                if body == "{}" && caller == speaks && got.status() == 200 {
                    return;
                }
                assert_eq!(got.status(), 502, "{what}, {body}: {}", got.text());
                let words = told(what, caller, got);
                assert!(!words.contains("nginx"), "{what}: {words}");
                assert_eq!(record["ending"], "failed", "{what}, {body}");
                assert_eq!(record["error"]["cause"], "provider", "{what}, {body}");
            },
        );
    }
}

#[test]
fn an_error_under_a_good_status_is_an_error_to_every_caller() {
    every_pair(
        false,
        |call, speaks| call.answer_json(200, speaks.error()),
        |what, caller, speaks, got, record| {
            assert!(got.status() >= 500, "{what}: {} {}", got.status(), got.text());
            let words = told(what, caller, got);
            // Converse and Cohere have no mark of an error but its message
            if !matches!(speaks, Spoken::Converse | Spoken::Cohere) {
                assert!(words.contains("Overloaded"), "{what}: {words}");
            }
            assert_eq!(record["ending"], "failed", "{what}");
        },
    );
}

#[test]
fn an_html_page_with_an_error_status_is_told_without_its_markup() {
    for status in [400, 404, 500, 502] {
        every_pair(
            false,
            |call, _| call.answer(status, "text/html", "<html><h1>nginx says no</h1></html>"),
            |what, caller, speaks, got, record| {
                if caller == speaks && status < 500 {
                    assert_eq!(got.text(), "<html><h1>nginx says no</h1></html>", "{what}");
                } else {
                    let words = told(what, caller, got);
                    assert!(!words.contains("<h1>"), "{what}: {words}");
                }
                assert_eq!(got.status(), status, "{what}");
                assert_ne!(record["ending"], "complete", "{what}");
            },
        );
    }
}

#[test]
fn a_stream_of_nothing_or_of_nonsense_is_an_error_to_every_caller() {
    let nothing: [&[u8]; 3] = [b"", b": only a comment\n\n", b"data: not json\n\n"];
    for stream in nothing {
        every_pair(
            true,
            |call, speaks| {
                send_stream(&call, speaks, &[]);
                if !stream.is_empty() {
                    call.chunk(stream);
                }
                call.end();
            },
            |what, caller, _, got, record| {
                assert!(
                    heard_or_told(what, caller, got).error.is_some(),
                    "{what}: {}",
                    String::from_utf8_lossy(&got.body)
                );
                assert_ne!(record["ending"], "complete", "{what}");
            },
        );
    }
}

#[test]
fn a_converse_stream_with_a_wrong_sum_or_a_giant_message_is_never_passed_on() {
    let mut wrong = aws(
        "contentBlockDelta",
        r#"{"contentBlockIndex":0,"delta":{"text":"never"}}"#,
    );
    let at = wrong.len() - 6;
    wrong[at] ^= 1;
    // a message that says it has 2 GB
    let giant = [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0].to_vec();
    for bad in [wrong, giant] {
        let provider = Provider::start();
        for caller in ALL {
            let gateway = before(&provider, Spoken::Converse);
            let (path, body) = caller.request(true);
            let mut client = gateway.begin(path, &body);
            let (start, texts, _) = Spoken::Converse.stream();
            let call = provider.call();
            send_stream(
                &call,
                Spoken::Converse,
                &[start, texts, vec![bad.clone()]].concat(),
            );
            call.end();
            let got = client.answer();
            let what = caller.name();
            let heard = heard_or_told(what, caller, &got);
            assert!(
                !heard.text.contains("never") && !heard.is_complete,
                "{what}: {heard:?}"
            );
            assert!(heard.error.is_some(), "{what}: {heard:?}");
            let record = gateway.record();
            assert!(
                matches!(record["ending"].as_str(), Some("failed" | "truncated")),
                "{what}: {record}"
            );
        }
    }
}

#[test]
fn a_giant_event_is_never_passed_on_to_any_caller() {
    let piece = vec![b'x'; 1 << 20];
    every_pair(
        true,
        |call, speaks| {
            send_stream(&call, speaks, &[]);
            // an event that does not end; a message that says it is as long
            if speaks == Spoken::Converse {
                call.chunk([0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
            } else {
                call.chunk(b"data: ");
            }
            for _ in 0..64 {
                call.chunk(&piece);
            }
            call.end();
        },
        |what, caller, _, got, record| {
            assert!(got.body.len() < 1 << 16, "{what}: {} bytes", got.body.len());
            assert!(heard_or_told(what, caller, got).error.is_some(), "{what}");
            assert_ne!(record["ending"], "complete", "{what}");
        },
    );
}

#[test]
fn bad_requests_of_every_dialect_are_refused_in_it_and_go_nowhere() {
    use Spoken::{Chat, Cohere, Converse, Gemini, Messages};
    let gemini = |contents: &str| format!(r#"{{"contents":{contents}}}"#);
    let converse = |messages: &str| format!(r#"{{"messages":{messages}}}"#);
    let with_model = |messages: &str| format!(r#"{{"model":"m","max_tokens":9,"messages":{messages}}}"#);
    let cases: Vec<(Spoken, String, &str)> = vec![
        // not JSON, wrong types, keys that stand twice
        (Messages, "{".into(), ""),
        (Messages, with_model(r#""hi""#), "messages"),
        (
            Messages,
            with_model(r#"[{"role":"user","content":7}]"#),
            "content",
        ),
        (
            Messages,
            r#"{"model":"m","model":"n","max_tokens":9,"messages":[]}"#.into(),
            "model",
        ),
        (Gemini, gemini("7"), "contents"),
        (Gemini, gemini(r#"[{"role":"user","parts":"hi"}]"#), "parts"),
        (Gemini, r#"{"contents":[],"contents":[]}"#.into(), "contents"),
        (Converse, converse("7"), "messages"),
        (
            Converse,
            converse(r#"[{"role":"user","content":"hi"}]"#),
            "content",
        ),
        (Cohere, with_model("7"), "messages"),
        // roles that nobody knows
        (
            Messages,
            with_model(r#"[{"role":"wizard","content":"hi"}]"#),
            "role",
        ),
        (
            Gemini,
            gemini(r#"[{"role":"wizard","parts":[{"text":"hi"}]}]"#),
            "role",
        ),
        (
            Converse,
            converse(r#"[{"role":"wizard","content":[{"text":"hi"}]}]"#),
            "role",
        ),
        (
            Cohere,
            with_model(r#"[{"role":"wizard","content":"hi"}]"#),
            "role",
        ),
        // media that is no base64
        (
            Messages,
            with_model(
                r#"[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"%%%"}}]}]"#,
            ),
            "data",
        ),
        (
            Gemini,
            gemini(r#"[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"%%%"}}]}]"#),
            "data",
        ),
        (
            Converse,
            converse(r#"[{"role":"user","content":[{"image":{"format":"png","source":{"bytes":"%%%"}}}]}]"#),
            "bytes",
        ),
        (
            Chat,
            "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":7}]}".into(),
            "content",
        ),
    ];
    let provider = Provider::start();
    // a provider of another dialect than any of them: nothing is passed through unread
    for (caller, body, field) in &cases {
        let speaks = if *caller == Chat { Messages } else { Chat };
        let gateway = before(&provider, speaks);
        let (path, _) = caller.request(false);
        let got = gateway.post(path, body);
        let what = format!("{}: {body}", caller.name());
        assert_eq!(got.status(), 400, "{what}: {}", got.text());
        let words = told(&what, *caller, &got);
        assert!(words.contains(field), "{what}: {words}");
        let record = gateway.record();
        assert_eq!(
            (&record["ending"], &record["error"]["cause"]),
            (&"refused".into(), &"caller".into()),
            "{what}"
        );
        assert_eq!(record["attempts"], serde_json::json!([]), "{what}");
    }
    provider.saw_nothing();
}

#[test]
fn pain_d07_broken_tool_arguments_are_refused_with_the_calls_name_and_go_nowhere() {
    let provider = Provider::start();
    let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"},{"role":"assistant","tool_calls":[{"id":"call_7","type":"function","function":{"name":"f","arguments":"{\"a\":"}}]},{"role":"tool","tool_call_id":"call_7","content":"ok"}]}"#;
    for speaks in [Spoken::Messages, Spoken::Gemini, Spoken::Converse, Spoken::Cohere] {
        let gateway = before(&provider, speaks);
        let got = gateway.post("/v1/chat/completions", body);
        assert_eq!(got.status(), 400, "{}: {}", speaks.name(), got.text());
        assert!(
            got.error_message().contains("call_7"),
            "{}: {}",
            speaks.name(),
            got.text()
        );
        assert_eq!(gateway.record()["ending"], "refused");
    }
    provider.saw_nothing();
}

#[test]
fn a_tools_result_without_its_call_is_refused_or_told_and_never_crashes() {
    let provider = Provider::start();
    let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"},{"role":"tool","tool_call_id":"call_9","content":"ok"}]}"#;
    for speaks in [Spoken::Messages, Spoken::Gemini, Spoken::Converse, Spoken::Cohere] {
        let gateway = before(&provider, speaks);
        let got = gateway.post("/v1/chat/completions", body);
        assert_eq!(got.status(), 400, "{}: {}", speaks.name(), got.text());
        assert!(
            got.error_message().contains("call_9") || !got.error_param().is_empty(),
            "{}",
            got.text()
        );
    }
    provider.saw_nothing();
}
