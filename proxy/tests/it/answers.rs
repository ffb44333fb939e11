//! What a provider says reaches the caller byte for byte, however it is cut on the way.

use serde_json::Value;

use crate::harness::client::{Client, post};
use crate::harness::cuts::{self, Cut};
use crate::harness::gateway::{CREDENTIAL, Gateway, KEY};
use crate::harness::message::Message;
use crate::harness::provider::{Call, Provider};
use crate::harness::recordings::{self, Recording};

const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
const CHAT_STREAM: &str = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
const CHAT_STREAM_USAGE: &str = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}"#;

/// A gateway whose provider is not asked for usage, with `asked/*` for one that is.
fn gateway(provider: &Provider) -> Gateway {
    let url = provider.url();
    Gateway::of(&format!(
        r#"
providers:
  plain: {{base_url: "{url}", credentials: ["env:CREDENTIAL"], usage_option: false}}
  asked: {{base_url: "{url}", credentials: ["env:CREDENTIAL"]}}
models:
  - {{name: "asked/*", targets: [{{provider: asked, model: "*"}}]}}
  - {{name: "*", targets: [{{provider: plain, model: "*"}}]}}
"#
    ))
}

/// What the provider of a recording was asked, or, where the recorder lost it, something like it.
fn request_of(recording: &Recording) -> Vec<u8> {
    if recording.request.is_empty() {
        CHAT.as_bytes().to_vec()
    } else {
        recording.request.clone()
    }
}

fn play(call: &Call, recording: &Recording, cut: &Cut) {
    let mut headers = vec![("content-type", recording.content_type.as_str())];
    let length = recording.response.len().to_string();
    if recording.is_stream() {
        call.begin(recording.status, &headers);
        cut.pieces.iter().for_each(|piece| call.chunk(piece));
        call.end();
    } else if recording.response.len().is_multiple_of(2) {
        headers.push(("transfer-encoding", "chunked"));
        call.begin(recording.status, &headers[..1]);
        cut.pieces.iter().for_each(|piece| call.chunk(piece));
        call.end();
    } else {
        headers.push(("content-length", &length));
        let head: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        call.raw(format!("HTTP/1.1 {} Whatever\r\n{head}\r\n", recording.status).as_bytes());
        cut.pieces.iter().for_each(|piece| call.raw(piece));
    }
}

fn exchange(
    client: &mut Client,
    provider: &Provider,
    recording: &Recording,
    cut: &Cut,
    prefix: &str,
) -> Message {
    client.send(post(
        &format!("{prefix}{}", recording.path()),
        KEY,
        request_of(recording),
    ));
    play(&provider.call(), recording, cut);
    client.answer()
}

#[test]
fn every_recorded_answer_reaches_the_caller_byte_for_byte_wherever_it_is_cut() {
    let Some(recordings) = recordings::openai() else {
        return;
    };
    let provider = Provider::start();
    let gateway = gateway(&provider);
    let mut calls = 0;
    for recording in recordings.iter().filter(|recording| is_passed_on(recording)) {
        let mut client = gateway.connect();
        for (number, cut) in cuts::all(&recording.response).iter().enumerate() {
            let prefix = if number % 2 == 0 { "" } else { "/api" };
            let answer = exchange(&mut client, &provider, recording, cut, prefix);
            let what = format!("{} cut {}", recording.name, cut.name);
            assert_eq!(
                answer.status(),
                recording.status,
                "{what}: {:?}",
                String::from_utf8_lossy(&answer.body)
            );
            assert!(answer.is_whole, "{what}");
            assert_eq!(
                answer.header("content-type"),
                Some(recording.content_type.as_str()),
                "{what}"
            );
            assert!(
                answer.body == recording.response,
                "{what}: {:?}",
                String::from_utf8_lossy(&answer.body)
            );
            calls += 1;
        }
    }
    assert_eq!(gateway.records(calls).len(), calls);
}

/// A status that is the caller's business, and a body: one recorder kept none of a stream, and a stream without a word is
/// one that was cut off.
fn is_passed_on(recording: &Recording) -> bool {
    let is_callers = matches!(recording.status, 200..=299 | 400 | 404 | 422);
    is_callers && !(recording.is_stream() && recording.response.is_empty())
}

#[test]
fn recorded_answers_of_other_statuses_and_without_a_word_are_mapped() {
    let Some(recordings) = recordings::openai() else {
        return;
    };
    let provider = Provider::start();
    let gateway = gateway(&provider);
    let mut seen = 0;
    for recording in recordings.iter().filter(|recording| !is_passed_on(recording)) {
        let cut = cuts::random(&recording.response, 1);
        let answer = exchange(&mut gateway.connect(), &provider, recording, &cut, "");
        assert_eq!(answer.status(), 502, "{}", recording.name);
        let expected = match recording.status {
            401 | 403 => "upstream_credentials_rejected",
            _ => "upstream_truncated",
        };
        assert_eq!(answer.error_code(), expected, "{}", recording.name);
        seen += 1;
    }
    assert!(seen >= 2);
}

#[test]
fn a_recorded_stream_loses_only_the_usage_chunk_that_the_gateway_asked_for() {
    let Some(recordings) = recordings::openai() else {
        return;
    };
    let provider = Provider::start();
    let gateway = gateway(&provider);
    let mut hidden = 0;
    for recording in recordings
        .iter()
        .filter(|recording| recording.is_stream() && is_passed_on(recording))
    {
        let request = String::from_utf8(request_of(recording)).unwrap();
        let asked: Value = serde_json::from_str(&request).unwrap();
        let model = asked["model"].as_str().unwrap();
        let renamed = request.replacen(&format!("\"{model}\""), &format!("\"asked/{model}\""), 1);
        let usage = "data: {\"id\":\"x\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}}\n\n";
        let end = "data: [DONE]";
        let response = String::from_utf8(recording.response.clone()).unwrap();
        let with_usage = response.replacen(end, &format!("{usage}{end}"), 1);
        let callers_own = asked["stream_options"]["include_usage"] == true;
        for seed in 1..=2 {
            let mut client = gateway.begin(recording.path(), &renamed);
            let call = provider.call();
            call.begin_stream();
            cuts::random(with_usage.as_bytes(), seed)
                .pieces
                .iter()
                .for_each(|piece| call.chunk(piece));
            call.end();
            let expected = if callers_own { &with_usage } else { &response };
            assert!(client.answer().text() == expected, "{}", recording.name);
        }
        hidden += usize::from(!callers_own);
    }
    assert!(hidden > 3);
    let records = gateway.records_now();
    assert!(
        records
            .iter()
            .all(|record| record["usage"]["source"] == "provider"),
        "accounted for all the same"
    );
}

/// Everything that a stream may legally be, and much that it had better not be.
const ODD_STREAM: &str = concat!(
    "\u{feff}: a comment before all\n\n",
    "data: {\"id\" : \"c\",\"choices\":[{\"delta\":{\"role\":\"assistant\"},\"index\":0}], \"z\":1e0}\n\n",
    "event: message\r\nid: 7\r\ndata:{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"h\\u00e9 \u{1f600}\"}}]}\r\n\r\n",
    "retry: 10\rdata: {\"choices\":[{\"index\":0,\rdata: \"delta\":{\"content\":\"two lines\"}}]}\r\r",
    ":\n\n\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"x_unknown\":{\"b\":2,\"a\":1.50}}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n\n",
    "data:[DONE]\n\n",
);

#[test]
fn pain_c11_a_stream_in_any_legal_spelling_reaches_the_caller_as_it_was() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let mut client = gateway.connect();
    for cut in cuts::all(ODD_STREAM.as_bytes()) {
        client.send(post("/v1/chat/completions", KEY, CHAT_STREAM_USAGE));
        let call = provider.call();
        call.begin_stream();
        cut.pieces.iter().for_each(|piece| call.chunk(piece));
        call.end();
        let answer = client.answer();
        assert_eq!(answer.text(), ODD_STREAM, "cut {}", cut.name);
        assert!(answer.is_whole);
    }
}

#[test]
fn feature_p16_an_answer_with_odd_spacing_and_unknown_fields_reaches_the_caller_as_it_was() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let odd = "\r\n { \"id\" :\t\"\\u0065\\/x\",\n\"choices\":[ {\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,\
               \"tool_calls\":[{\"id\":\"t\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{ \\\"a\\\" : 1e0 }\"}}]},\
               \"finish_reason\":\"tool_calls\"} ],\"created\":1e0,\"big\":123456789012345678901234567890.10,\"x\":{\"b\":1,\"a\":-0.0} } \n";
    for cut in cuts::all(odd.as_bytes()) {
        let mut client = gateway.begin("/v1/chat/completions", CHAT);
        let call = provider.call();
        call.begin(200, &[("content-type", "application/json")]);
        cut.pieces.iter().for_each(|piece| call.chunk(piece));
        call.end();
        assert_eq!(client.answer().text(), odd, "cut {}", cut.name);
    }
}

#[test]
fn an_answer_that_ends_with_its_connection_is_whole_too() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let mut client = gateway.begin("/v1/chat/completions", CHAT_STREAM_USAGE);
    let call = provider.call();
    call.raw(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n");
    call.raw(ODD_STREAM.as_bytes());
    call.close();
    assert_eq!(client.answer().text(), ODD_STREAM);
    assert_eq!(gateway.record()["ending"], "complete");
}

#[test]
fn trailers_of_an_answer_are_taken_in_and_the_connection_serves_the_next_call() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let whole = r#"{ "choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}"#;
    for (request, kind, body) in [
        (CHAT, "application/json", whole),
        (CHAT_STREAM_USAGE, "text/event-stream", ODD_STREAM),
    ] {
        let mut client = gateway.begin("/v1/chat/completions", request);
        let call = provider.call();
        let headers = [("content-type", kind), ("trailer", "x-checksum")];
        call.begin(200, &headers);
        call.chunk(body);
        call.raw(b"0\r\nx-checksum: 1\r\ncontent-length: 7\r\n\r\n");
        let answer = client.answer();
        assert_eq!(answer.text(), body);
        assert_eq!(answer.header("x-checksum"), None);
    }
    assert_eq!(provider.connections(), 1);
}

/// PAIN L06, R03: who served it, on which generation, after how many tries, and under which id the record has it.
#[test]
fn pain_l06_an_answer_says_who_served_it_and_the_record_says_the_same() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let mut client = gateway.begin("/v1/chat/completions", CHAT);
    let body = r#"{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":2}}}"#;
    let headers = [
        ("content-type", "application/json"),
        ("x-request-id", "theirs"),
        ("x-ratelimit-remaining-requests", "9"),
        ("set-cookie", "a=b"),
        ("server", "theirs"),
    ];
    provider.call().answer_with(200, &headers, body);
    let answer = client.answer();
    assert_eq!(answer.text(), body);
    let header = |name| answer.header(name).unwrap_or_default().to_owned();
    assert_eq!(header("x-penstock-generation"), "1");
    assert_eq!(header("x-penstock-provider"), "main");
    assert_eq!(header("x-penstock-model"), "m");
    assert_eq!(header("x-penstock-attempts"), "1");
    assert_eq!(header("x-upstream-request-id"), "theirs");
    assert_eq!(header("x-ratelimit-remaining-requests"), "9");
    assert_eq!(
        (answer.header("set-cookie"), header("server").as_str() == "theirs"),
        (None, false)
    );
    let record = gateway.record();
    assert_eq!(record["id"], header("x-request-id"));
    assert_eq!(
        (&record["key"], &record["operation"], &record["model"]),
        (&"team".into(), &"chat".into(), &"m".into())
    );
    assert_eq!(
        (&record["status"], &record["ending"]),
        (&200.into(), &"complete".into())
    );
    assert_eq!(record["attempts"][0]["provider"], "main");
    assert_eq!(record["attempts"][0]["outcome"], "served");
    let usage = &record["usage"];
    assert_eq!(
        (&usage["prompt"], &usage["completion"], &usage["cached"]),
        (&5.into(), &7.into(), &2.into())
    );
    assert_eq!(
        (&record["bytes"]["in"], &record["bytes"]["out"]),
        (&CHAT.len().into(), &body.len().into())
    );
    assert_eq!(record["error"], Value::Null);
    let tokens = gateway.metric(r#"penstock_tokens_total{direction="completion",provider="main"}"#);
    assert!((tokens - 7.0).abs() < 0.1);
    assert!(
        !gateway.records_text().contains("hello"),
        "a record has no content"
    );
}

#[test]
fn the_usage_chunk_is_left_out_only_if_the_gateway_asked_for_it() {
    let provider = Provider::start();
    let gateway = gateway(&provider);
    let content = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n";
    let filter = "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n";
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n\n";
    let done = "data: [DONE]\n\n";
    let all = [filter, content, usage, done];
    let cases = [
        // who is called, does the caller ask, does the caller see it
        ("m", false, true),
        ("m", true, true),
        ("asked/m", true, true),
        ("asked/m", false, false),
    ];
    for (model, asks, sees) in cases {
        let body = if asks { CHAT_STREAM_USAGE } else { CHAT_STREAM };
        let mut client = gateway.begin(
            "/v1/chat/completions",
            body.replace("\"m\"", &format!("\"{model}\"")),
        );
        let call = provider.call();
        let option = call.request.text().matches("include_usage").count();
        assert_eq!(
            option,
            usize::from(asks || model == "asked/m"),
            "{}",
            call.request.text()
        );
        call.stream(&all);
        let expected: String = all
            .iter()
            .filter(|event| sees || **event != usage)
            .copied()
            .collect();
        assert_eq!(client.answer().text(), expected, "{model} {asks}");
    }
    assert!(
        gateway
            .records(4)
            .iter()
            .all(|record| record["usage"]["total"] == 3)
    );
}

/// The credential goes to the provider and the caller's key stays here.
#[test]
fn the_provider_gets_its_own_credential_and_not_the_callers_key() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let client = gateway.begin("/v1/chat/completions", CHAT);
    let call = provider.call();
    assert_eq!(
        call.request.header("authorization"),
        Some(format!("Bearer {CREDENTIAL}").as_str())
    );
    assert!(!String::from_utf8_lossy(&call.request.head).contains(KEY));
    assert_eq!(
        call.request.header("host"),
        Some(provider.address.to_string().as_str())
    );
    assert_eq!(
        call.request.header("accept-encoding"),
        None,
        "nothing is asked for that has to be undone"
    );
    drop(client);
}

/// An age of 0 would be 1970; one that changes from call to call would be none.
#[test]
fn a_model_is_as_old_as_the_configuration_says_or_as_it_has_been_here() {
    let provider = Provider::start();
    let config = |models: &str| {
        format!(
            "providers: {{main: {{base_url: \"{}\", auth: none}}}}\nmodels:\n{models}",
            provider.url()
        )
    };
    let targets = "targets: [{provider: main, model: \"x\"}]";
    let dated = format!("  - {{name: dated, created: \"2024-07-18T00:00:00Z\", {targets}}}\n");
    let plain = format!("  - {{name: plain, {targets}}}\n  - {{name: \"any/*\", {targets}}}\n");
    let now = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.expect("after 1970").as_secs()
    };
    let before = now();
    let gateway = Gateway::of(&config(&format!("{dated}{plain}")));
    let after = now();
    let ages = || -> Vec<(String, u64)> {
        let list = gateway.get("/v1/models").json();
        let models = list["data"].as_array().expect("a list");
        let age = |model: &Value| Some((model["id"].as_str()?.to_owned(), model["created"].as_u64()?));
        models.iter().map(|model| age(model).expect("a model")).collect()
    };
    let first = ages();
    assert_eq!(first[0], ("dated".to_owned(), 1_721_260_800));
    for (name, created) in &first[1..] {
        assert!((before..=after).contains(created), "{name}: {created}");
    }
    assert_eq!(ages(), first);
    assert_eq!(gateway.get("/v1/models/any/thing").json()["created"], first[2].1);
    // what is known of a model is not forgotten when the configuration changes
    let undated = dated.replace("created: \"2024-07-18T00:00:00Z\", ", "");
    let new = format!("  - {{name: new, {targets}}}\n");
    assert_eq!(gateway.change(&config(&format!("{undated}{plain}{new}"))), Ok(2));
    let changed = ages();
    assert_eq!(changed[..3], first);
    assert!((before..=now()).contains(&changed[3].1));
    let refused = gateway.change(&config(&dated.replace("2024-07-18T00", "yesterday")));
    assert!(refused.expect_err("no time").contains("not a time of RFC 3339"));
}
