//! Plugins on real calls: what a guard takes out never reaches anybody, each sees what those before it left, and one that
//! misbehaves hurts nobody else.

use std::collections::BTreeMap;

use penstock::startup::{self, ConfigSource};
use serde_json::{Value, json};

use crate::harness::calls::{ANSWER, CHAT, CHAT_PATH, CHAT_STREAM, DONE, FINISH, says};
use crate::harness::client::post_with;
use crate::harness::cuts;
use crate::harness::eventually;
use crate::harness::gateway::{Gateway, KEY, completed, environment, providers};
use crate::harness::plugins::hostile_entry;
use crate::harness::provider::Provider;

const SECRET: &str = "ghp_0123456789abcdefABCDEF0123456789abcd";
const REDACTED: &str = "[redacted:github]";
const GUARD: &str =
    "plugins: [{component: guard-secrets, settings: {scan: [requests, answers], action: redact}}]";

/// All texts of a stream, by choice and the member that holds them.
fn texts(stream: &str) -> BTreeMap<(u64, String), String> {
    let mut texts = BTreeMap::<(u64, String), String>::new();
    for data in stream
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "))
        .filter(|data| *data != "[DONE]")
    {
        let event: Value = serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"));
        for choice in event["choices"].as_array().into_iter().flatten() {
            let index = choice["index"].as_u64().unwrap_or(0);
            let arguments = &choice["delta"]["tool_calls"][0]["function"]["arguments"];
            let named = [
                ("content", &choice["delta"]["content"]),
                ("reasoning_content", &choice["delta"]["reasoning_content"]),
                ("refusal", &choice["delta"]["refusal"]),
                ("arguments", arguments),
                ("text", &choice["text"]),
            ];
            for (name, text) in named {
                if let Some(text) = text.as_str() {
                    texts.entry((index, name.to_owned())).or_default().push_str(text);
                }
            }
        }
    }
    texts
}

fn event(index: u32, member: &str, text: &str) -> String {
    let choice = match member {
        "text" => json!({"index": index, "text": text, "finish_reason": null}),
        "arguments" => {
            json!({"index": index, "delta": {"tool_calls": [{"index": 0, "id": "t", "function": {"name": "f", "arguments": text}}]}})
        }
        member => json!({"index": index, "delta": {member: text}}),
    };
    format!("data: {}\n\n", json!({"id": "c", "choices": [choice]}))
}

fn finish(index: u32) -> String {
    format!("data: {{\"choices\":[{{\"index\":{index},\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\n")
}

/// No part of a secret that is long enough to be one.
fn check_clean(bytes: &str, what: &str) {
    assert!(
        !bytes.contains(SECRET) && !bytes.contains(&SECRET[..20]) && !bytes.contains(&SECRET[20..]),
        "{what}: {bytes}"
    );
}

#[test]
fn pain_n03_a_secret_split_anywhere_in_a_stream_never_reaches_the_caller() {
    let provider = Provider::start();
    let gateway = Gateway::with(&provider, GUARD);
    let members = [
        (CHAT_PATH, "content"),
        (CHAT_PATH, "reasoning_content"),
        (CHAT_PATH, "refusal"),
        (CHAT_PATH, "arguments"),
        ("/v1/completions", "text"),
    ];
    let mut calls = 0;
    for (path, member) in members {
        for split in 1..SECRET.len() {
            let body = if path == CHAT_PATH {
                CHAT_STREAM
            } else {
                r#"{"model":"m","stream":true,"prompt":"x"}"#
            };
            let mut client = gateway.begin(path, body);
            let call = provider.call();
            let (before, after) = SECRET.split_at(split);
            call.begin_stream();
            call.chunk(event(0, member, &format!("key {before}")));
            call.chunk(event(0, member, &format!("{after} end")));
            call.chunk([&finish(0), DONE].concat());
            call.end();
            let answer = client.answer();
            check_clean(answer.text(), member);
            let expected = BTreeMap::from([((0, member.to_owned()), format!("key {REDACTED} end"))]);
            assert_eq!(texts(answer.text()), expected, "{member} at {split}");
            assert!(answer.text().ends_with(DONE));
            calls += 1;
        }
    }
    let records = gateway.records(calls);
    assert!(records.iter().all(|record| record["ending"] == "complete"));
    assert!(
        records
            .iter()
            .all(|record| record["plugins"].to_string().contains(r#""verdict":"edit""#))
    );
    assert!(!gateway.records_text().contains(&SECRET[..12]));
}

#[test]
fn pain_n02_four_choices_character_by_character_are_all_guarded_wherever_the_bytes_are_cut() {
    let provider = Provider::start();
    let gateway = Gateway::with(&provider, GUARD);
    let mut stream = String::new();
    for (place, character) in SECRET.chars().enumerate() {
        for choice in 0..4_u32 {
            // each is at another place of its secret
            let text = if place == 0 {
                format!("{}{character}", "x ".repeat(choice as usize))
            } else {
                character.to_string()
            };
            stream.push_str(&event(choice, "content", &text));
        }
    }
    (0..4).for_each(|choice| stream.push_str(&finish(choice)));
    stream.push_str(DONE);
    let expected: BTreeMap<_, _> = (0..4_u64)
        .map(|choice| {
            (
                (choice, "content".to_owned()),
                format!("{}{REDACTED}", "x ".repeat(usize::try_from(choice).unwrap())),
            )
        })
        .collect();
    for cut in [
        cuts::random(stream.as_bytes(), 1),
        cuts::random(stream.as_bytes(), 2),
    ] {
        let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
        let call = provider.call();
        call.begin_stream();
        cut.pieces.iter().for_each(|piece| call.chunk(piece));
        call.end();
        let answer = client.answer();
        check_clean(answer.text(), &cut.name);
        assert_eq!(texts(answer.text()), expected, "{}", cut.name);
    }
}

#[test]
fn pain_n01_whole_answers_are_guarded_in_every_text_and_nothing_else_changes() {
    let provider = Provider::start();
    let gateway = Gateway::with(&provider, GUARD);
    let answer = format!(
        r#"{{ "id":"c","choices":[{{"index":0,"message":{{"role":"assistant","content":"a {SECRET} b"}}}},{{"index":1,"message":{{"content":null,"tool_calls":[{{"function":{{"name":"f","arguments":"{{\"k\":\"{SECRET}\"}}"}}}}]}}}},{{"index":2,"message":{{"content":"clean é"}}}},{{"index":3,"message":{{"reasoning_content":"{SECRET}","content":"x"}}}}],"n":1e0 }}"#
    );
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    provider.call().answer_json(200, &answer);
    let got = client.answer();
    assert_eq!(got.text(), answer.replace(SECRET, REDACTED));
    assert_eq!(
        got.header("content-length"),
        Some(got.body.len().to_string().as_str())
    );
    let completion = format!(r#"{{"choices":[{{"index":0,"text":"{SECRET}"}},{{"index":1,"text":"ok"}}]}}"#);
    let mut client = gateway.begin("/v1/completions", r#"{"model":"m","prompt":"x"}"#);
    provider.call().answer_json(200, &completion);
    assert_eq!(client.answer().text(), completion.replace(SECRET, REDACTED));
}

#[test]
fn a_secret_in_a_request_never_reaches_the_provider_and_can_be_refused() {
    let provider = Provider::start();
    let body = CHAT.replace("hi", &format!("my key {SECRET}"));
    let gateway = Gateway::with(&provider, GUARD);
    let mut client = gateway.begin(CHAT_PATH, &body);
    let call = provider.call();
    assert_eq!(
        call.request.text(),
        body.replace(SECRET, REDACTED),
        "only the text with the secret changes"
    );
    call.answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
    let provider = Provider::start();
    let gateway = Gateway::with(
        &provider,
        "plugins: [{component: guard-secrets, settings: {action: block}}]",
    );
    let answer = gateway.post(CHAT_PATH, &body);
    assert_eq!(
        (answer.status(), answer.error_code().as_str()),
        (400, "secret_detected")
    );
    check_clean(answer.text(), "refusal");
    provider.saw_nothing();
    let record = gateway.record();
    assert_eq!(
        (&record["ending"], &record["error"]["cause"]),
        (&"refused".into(), &"plugin".into())
    );
    assert_eq!(record["plugins"][0]["verdict"], "refuse");
    // in the middle of an answer it is the answer's end
    let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
    let call = provider.call();
    call.begin_stream();
    call.chunk(says("hello "));
    client.head();
    assert_eq!(client.read_until("\n\n"), says("hello "));
    call.chunk(says(SECRET));
    call.chunk(says(" more"));
    let (rest, _) = client.rest();
    let rest = String::from_utf8(rest).unwrap();
    check_clean(&rest, "stream");
    assert!(
        rest.contains("secret_detected") && !rest.contains("[DONE]") && !rest.contains("more"),
        "{rest}"
    );
    call.wait_gone();
    assert_eq!(gateway.records(2)[1]["ending"], "refused");
}

#[test]
fn a_later_plugin_sees_what_an_earlier_one_left() {
    let provider = Provider::start();
    let decorator = r#"{component: prompt-decorator, capabilities: [clock], settings: {append: [{role: user, text: "team {{header.x-team}} of {{caller}}"}]}}"#;
    let guard = "{component: guard-secrets, settings: {scan: [requests], action: redact}}";
    for (chain, seen) in [
        (format!("[{decorator}, {guard}]"), REDACTED),
        (format!("[{guard}, {decorator}]"), SECRET),
    ] {
        let gateway = Gateway::with(&provider, &format!("plugins: {chain}"));
        let mut client = gateway.connect();
        client.send(post_with(CHAT_PATH, KEY, &[("x-team", SECRET)], CHAT));
        let call = provider.call();
        let messages = call.request.json()["messages"].clone();
        assert_eq!(messages[0], json!({"role": "user", "content": "hi"}));
        assert_eq!(messages[1]["content"], format!("team {seen} of team"));
        call.answer_json(200, ANSWER);
        assert_eq!(client.answer().status(), 200);
        let record = gateway.record();
        let names: Vec<&str> = record["plugins"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["name"].as_str().unwrap())
            .collect();
        assert_eq!(names.len(), 2, "{record}");
        assert!(
            record["plugins"]
                .as_array()
                .unwrap()
                .iter()
                .all(|run| run["digest"].is_string() && run["us"].is_u64())
        );
    }
}

#[test]
fn a_router_chooses_among_the_targets_and_says_why() {
    let (first, second) = (Provider::start(), Provider::start());
    let gateway = Gateway::of(&format!(
        r#"
plugins: [{{component: route-balance, settings: {{strategy: cheapest}}}}]
providers:
  a: {{base_url: "{}", auth: none}}
  b: {{base_url: "{}", auth: none}}
models:
  - name: m
    targets:
      - {{provider: a, price: {{input_usd_per_million: 5, output_usd_per_million: 5}}}}
      - {{provider: b, price: {{input_usd_per_million: 1, output_usd_per_million: 1}}}}
"#,
        first.url(),
        second.url()
    ));
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    second.call().answer_json(200, ANSWER);
    assert_eq!(client.answer().header("x-penstock-provider"), Some("b"));
    let record = gateway.record();
    assert_eq!(record["plugins"][0]["verdict"], "order");
    assert!(
        record["attempts"][0]["reason"]
            .as_str()
            .is_some_and(|reason| !reason.is_empty()),
        "{record}"
    );
    first.saw_nothing();
}

fn with_hostile(provider: &Provider, mode: &str, more: &str) -> Gateway {
    Gateway::with(provider, &format!("plugins: [{}]", hostile_entry(mode, more)))
}

/// Modes that break a rule in the first hook already.
const BAD_REQUESTS: [&str; 7] = [
    "trap",
    "panic",
    "loop",
    "grow",
    "deep",
    "lie-past-the-end",
    "not-utf8",
];

#[test]
fn a_plugin_that_misbehaves_is_skipped_where_it_may_be_and_the_record_says_so() {
    let provider = Provider::start();
    for mode in BAD_REQUESTS {
        let gateway = with_hostile(&provider, mode, ", fail: open, limits: {hook_ms: 20}");
        for round in 1..=2 {
            let mut client = gateway.begin(CHAT_PATH, CHAT);
            let call = provider.call();
            assert_eq!(call.request.text(), CHAT, "{mode}");
            call.answer_json(200, ANSWER);
            assert_eq!(client.answer().text(), ANSWER, "{mode}");
            let record = gateway.records(round).pop().unwrap();
            assert_eq!(record["plugins"][0]["verdict"], "skipped", "{mode}");
        }
    }
}

#[test]
fn a_plugin_that_misbehaves_is_the_end_of_a_call_that_must_not_pass_it_by() {
    let provider = Provider::start();
    for mode in BAD_REQUESTS {
        let gateway = with_hostile(&provider, mode, ", limits: {hook_ms: 20}");
        let answer = gateway.post(CHAT_PATH, CHAT);
        assert_eq!(
            (answer.status(), answer.error_code().as_str()),
            (503, "plugin_failed"),
            "{mode}"
        );
        assert!(answer.error_message().contains("`hostile`"), "{}", answer.text());
        let record = gateway.record();
        assert_eq!(
            (&record["ending"], &record["plugins"][0]["verdict"]),
            (&"refused".into(), &"fault".into()),
            "{mode}"
        );
        // whoever needs no plugin is served
        assert_eq!(gateway.get("/v1/models").status(), 200);
    }
    provider.saw_nothing();
}

#[test]
fn a_plugin_that_returns_nonsense_about_a_stream_ends_it_or_is_skipped() {
    let provider = Provider::start();
    let events = [&says("hé secret"), &says("né two"), FINISH, DONE];
    for mode in [
        "outside",
        "overlap",
        "unsorted",
        "split-char",
        "hold-more",
        "state-too-big",
        "many-edits",
    ] {
        let gateway = with_hostile(&provider, mode, ", fail: open, limits: {hook_ms: 200}");
        let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
        provider.call().stream(&events);
        assert_eq!(client.answer().text(), events.concat(), "{mode}");
        let gateway = with_hostile(&provider, mode, ", limits: {hook_ms: 200}");
        let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
        provider.call().stream(&events);
        let answer = client.answer();
        assert!(
            answer.text().contains("plugin_failed"),
            "{mode}: {}",
            answer.text()
        );
        assert!(
            !answer.text().contains("[DONE]") && !answer.text().contains("finish_reason"),
            "{mode}"
        );
        assert_eq!(gateway.record()["ending"], "refused", "{mode}");
    }
}

#[test]
fn a_plugin_may_end_a_stream_in_its_own_words() {
    let provider = Provider::start();
    let gateway = with_hostile(&provider, "end", "");
    let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
    let call = provider.call();
    call.begin_stream();
    call.chunk(says("one"));
    let answer = client.answer();
    assert!(
        answer.text().contains("leak") && answer.text().contains("stopped"),
        "{}",
        answer.text()
    );
    assert!(!answer.text().contains("one"));
    call.wait_gone();
    assert_eq!(
        gateway.record()["plugins"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|run| run["verdict"] == "end" || run["verdict"] == "refuse")
            .count(),
        1
    );
}

#[test]
fn what_a_plugin_counts_is_on_the_metrics_page() {
    let provider = Provider::start();
    let gateway = with_hostile(&provider, "none-of-them", "");
    const CALLS: usize = 2;
    for number in 1..=CALLS {
        let mut client = gateway.begin(CHAT_PATH, CHAT);
        provider.call().answer_json(200, ANSWER);
        client.answer();
        gateway.records(number);
    }
    // the guest adds each answer's completion tokens when the call is over
    let series = "penstock_plugin_custom_total{name=\"ended_complete\",plugin=\"hostile\"}";
    eventually("both calls are counted", || {
        gateway.metrics().contains(&format!("{series} 4\n")).then_some(())
    });
    let entry = hostile_entry("other", "");
    let config = format!("{}\nplugins: [{entry}]", providers(&[("main", &provider.url())]));
    assert_eq!(gateway.change(&config), Ok(2));
    assert!(
        gateway.metrics().contains(&format!("{series} 4\n")),
        "a plugin that is swapped goes on counting"
    );
}

/// A caller who provokes a guard must not turn others away from a provider that does its work.
#[test]
fn a_plugin_that_ends_streams_is_no_mark_against_the_provider() {
    let provider = Provider::start();
    let gateway = with_hostile(&provider, "end", "");
    const CALLS: usize = 3;
    for number in 1..=CALLS {
        let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
        let call = provider.call();
        call.begin_stream();
        call.chunk(says("one"));
        let answer = client.answer();
        assert!(
            !answer.text().contains("attempts"),
            "nothing was tried in vain: {}",
            answer.text()
        );
        let record = gateway.records(number).pop().unwrap();
        assert_eq!(record["ending"], "refused");
        let attempt = &record["attempts"][0];
        assert_eq!(
            (&attempt["outcome"], &attempt["status"]),
            (&"served".into(), &200.into())
        );
        assert_eq!(
            record["usage"]["source"], "estimated",
            "the provider's work is metered"
        );
    }
    let served = gateway.metric("penstock_attempts_total{outcome=\"served\",provider=\"main\"}");
    assert!((served - CALLS as f64).abs() < 0.5, "{}", gateway.metrics());
    assert!(
        !gateway.metrics().contains("outcome=\"broken\""),
        "{}",
        gateway.metrics()
    );
}

#[test]
fn a_plugin_may_answer_in_a_providers_place_streamed_and_not() {
    let provider = Provider::start();
    let gateway = with_hostile(&provider, "capabilities", "");
    let answer = gateway.post(CHAT_PATH, CHAT);
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let said = answer.json();
    assert_eq!(
        (&said["object"], &said["choices"][0]["finish_reason"]),
        (&"chat.completion".into(), &"stop".into())
    );
    let text = said["choices"][0]["message"]["content"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(text.contains("true"), "{text}");
    let answer = gateway.post(CHAT_PATH, CHAT_STREAM);
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("text/event-stream")
    );
    assert!(answer.text().ends_with(DONE));
    assert!(texts(answer.text())[&(0, "content".to_owned())].contains("true"));
    let completion = gateway
        .post("/v1/completions", r#"{"model":"m","prompt":"x"}"#)
        .json();
    assert!(
        completion["choices"][0]["text"]
            .as_str()
            .unwrap()
            .contains("true")
    );
    provider.saw_nothing();
    for record in gateway.records(3) {
        assert_eq!(
            (&record["ending"], &record["plugins"][0]["verdict"]),
            (&"complete".into(), &"answer".into())
        );
        assert_eq!(record["attempts"], json!([]));
    }
}

#[test]
fn fresh_and_reused_instances_guard_alike() {
    let provider = Provider::start();
    for instances in ["fresh", "reused"] {
        let gateway = with_hostile(&provider, "echo", &format!(", instances: {instances}"));
        for _ in 0..3 {
            let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM.replace("hi", "a secret"));
            let call = provider.call();
            assert!(call.request.text().contains("a [x]"));
            call.stream(&[&says("se"), &says("cr"), &says("et!"), FINISH, DONE]);
            assert_eq!(
                texts(client.answer().text())[&(0, "content".to_owned())],
                "[x]!",
                "{instances}"
            );
        }
    }
}

#[test]
fn fresh_instances_that_cannot_start_configured_are_a_warning_at_their_line_and_work() {
    let provider = Provider::start();
    let entry = hostile_entry("seeded", ", instances: fresh");
    let lines = format!("plugins: [{entry}]");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("penstock.yaml");
    let config = completed(&format!("{}\n{lines}", providers(&[("main", &provider.url())])));
    std::fs::write(&path, &config).unwrap();
    let summary = startup::check(&ConfigSource::File(path), &environment()).unwrap();
    let warnings: Vec<String> = summary.warnings.iter().map(ToString::to_string).collect();
    let line = 1 + config
        .lines()
        .position(|line| line.contains("instances: fresh"))
        .unwrap();
    assert!(
        warnings.iter().any(|warning| {
            warning.contains(&format!("penstock.yaml:{line}:"))
                && warning.contains("plugin hostile: each call configures it anew: its `configure` asks")
        }),
        "{warnings:?}"
    );

    let gateway = Gateway::with(&provider, &lines);
    let said = || gateway.post(CHAT_PATH, CHAT).json()["choices"][0]["message"]["content"].clone();
    assert_ne!(said(), said());
}
