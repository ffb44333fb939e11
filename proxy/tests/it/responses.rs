//! `/v1/responses`: byte for byte where the provider speaks it, in its own words where the provider speaks another
//! dialect, and the other way round; streamed and not.

use serde_json::{Value, json};

use crate::harness::calls::{CHAT, CHAT_PATH, CHAT_STREAM};
use crate::harness::client::post_with;
use crate::harness::gateway::Gateway;
use crate::harness::plugins;
use crate::harness::provider::Provider;

const PATH: &str = "/v1/responses";
const ASKED: &str = r#"{"model":"m", "input":"Hello","instructions":"Be brief.","store":false}"#;
const ASKED_STREAM: &str = r#"{"model":"m","stream":true,"input":[{"role":"user","content":"Hello"}]}"#;

/// An answer with a field that nobody knows, odd spacing and a number spelled oddly.
const RESPONSE: &str = r#"{"id":"resp_1", "object":"response","created_at":7,"status":"completed","error":null,"incomplete_details":null,"model":"gpt-x","output":[{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Good day.","annotations":[]}]}],"usage":{"input_tokens":5,"input_tokens_details":{"cached_tokens":3},"output_tokens":4,"output_tokens_details":{"reasoning_tokens":1},"total_tokens":9},"brand_new":1e0}"#;

const CHAT_ANSWER: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"gpt","choices":[{"index":0,"message":{"role":"assistant","content":"Good day."},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":4}}}"#;

const CHAT_EVENTS: [&str; 4] = [
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Good \"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"day.\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,\"total_tokens\":12}}\n\ndata: [DONE]\n\n",
];

const MESSAGE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[{"type":"thinking","thinking":"Hm.","signature":"c2ln"},{"type":"text","text":"Good day."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":5,"output_tokens":4}}"#;

/// The stream of an answer that says `first` and `second`.
fn stream(first: &str, second: &str) -> Vec<String> {
    let text = format!("{first}{second}");
    let item = json!({"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": []}]});
    let response = |status: &str, output: Value, usage: Value| json!({"id": "resp_1", "object": "response", "created_at": 7, "status": status, "model": "gpt-x", "output": output, "usage": usage});
    let place = |kind: &str| json!({"type": kind, "item_id": "msg_1", "output_index": 0, "content_index": 0});
    let with = |mut event: Value, name: &str, value: Value| {
        event[name] = value;
        event
    };
    let used = json!({"input_tokens": 5, "output_tokens": 4, "total_tokens": 9});
    let events = [
        json!({"type": "response.created", "response": response("in_progress", json!([]), Value::Null)}),
        json!({"type": "response.in_progress", "response": response("in_progress", json!([]), Value::Null)}),
        json!({"type": "response.output_item.added", "output_index": 0,
            "item": {"type": "message", "id": "msg_1", "status": "in_progress", "role": "assistant", "content": []}}),
        with(
            place("response.content_part.added"),
            "part",
            json!({"type": "output_text", "text": "", "annotations": []}),
        ),
        with(place("response.output_text.delta"), "delta", json!(first)),
        with(place("response.output_text.delta"), "delta", json!(second)),
        with(place("response.output_text.done"), "text", json!(text)),
        with(
            place("response.content_part.done"),
            "part",
            item["content"][0].clone(),
        ),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": response("completed", json!([item]), used)}),
    ];
    let numbered = events.into_iter().enumerate();
    numbered
        .map(|(number, event)| {
            let kind = event["type"].as_str().expect("a type").to_owned();
            format!(
                "event: {kind}\ndata: {}\n\n",
                with(event, "sequence_number", json!(number))
            )
        })
        .collect()
}

fn borrowed(stream: &[String]) -> Vec<&str> {
    stream.iter().map(String::as_str).collect()
}

/// A gateway in front of a provider that speaks `dialect`.
fn before(provider: &Provider, dialect: &str, lines: &str) -> Gateway {
    Gateway::of(&format!(
        r#"
providers:
  main: {{base_url: "{}", dialects: [{dialect}], credentials: ["env:CREDENTIAL"]}}
models:
  - {{name: "*", targets: [{{provider: main, model: "*"}}]}}
{lines}
"#,
        provider.url()
    ))
}

fn chain(entry: &str) -> String {
    format!(
        "plugin_dir: \"{}\"\nplugins: [{entry}]",
        plugins::folder().display()
    )
}

/// The JSON of each event of a stream, whose names are their types.
fn events(stream: &str) -> Vec<Value> {
    let frames = stream.split("\n\n").filter(|frame| frame.contains("data: {"));
    frames
        .map(|frame| {
            let data = frame
                .lines()
                .find_map(|line| line.strip_prefix("data: "))
                .expect("data");
            let event: Value = serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"));
            if let Some(name) = frame.lines().find_map(|line| line.strip_prefix("event: ")) {
                assert_eq!(event["type"], name);
            }
            event
        })
        .collect()
}

#[test]
fn a04_a_provider_of_responses_gets_and_gives_every_byte_as_it_came() {
    let provider = Provider::start();
    let gateway = before(&provider, "openai-responses", "");
    let mut client = gateway.begin(PATH, ASKED);
    let call = provider.call();
    assert_eq!(call.request.path(), "/v1/responses");
    assert_eq!(call.request.text(), ASKED);
    call.answer_json(200, RESPONSE);
    assert_eq!(client.answer().text(), RESPONSE);
    let told = stream("Good ", "day.");
    let mut client = gateway.begin(PATH, ASKED_STREAM);
    let call = provider.call();
    assert_eq!(call.request.text(), ASKED_STREAM);
    call.stream(&borrowed(&told));
    assert_eq!(client.answer().text(), told.concat());
    for record in gateway.records(2) {
        assert_eq!(record["ending"], "complete", "{record}");
        assert_eq!(record["usage"]["prompt"], 5, "{record}");
        assert_eq!(record["usage"]["completion"], 4, "{record}");
    }
}

#[test]
fn a04_only_the_models_name_changes_where_the_target_has_another_one() {
    let provider = Provider::start();
    let gateway = Gateway::of(&format!(
        r#"
providers:
  main: {{base_url: "{}", dialects: [openai-responses], credentials: ["env:CREDENTIAL"]}}
models:
  - {{name: m, targets: [{{provider: main, model: gpt-5}}]}}
"#,
        provider.url()
    ));
    let mut client = gateway.begin(PATH, ASKED);
    let call = provider.call();
    assert_eq!(call.request.text(), ASKED.replace(r#""m""#, r#""gpt-5""#));
    call.answer_json(200, RESPONSE);
    client.answer();
}

#[test]
fn a04_a_provider_of_chat_completions_answers_a_caller_of_responses() {
    let provider = Provider::start();
    let gateway = before(&provider, "openai-chat", "");
    let mut client = gateway.begin(PATH, ASKED);
    let call = provider.call();
    assert_eq!(call.request.path(), "/v1/chat/completions");
    let sent = call.request.json();
    assert_eq!(
        sent["messages"],
        json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}])
    );
    call.answer_json(200, CHAT_ANSWER);
    let answer = client.answer();
    let told = answer.json();
    assert_eq!(
        (&told["object"], &told["status"]),
        (&json!("response"), &json!("completed"))
    );
    assert_eq!(told["output"][0]["content"][0]["text"], "Good day.");
    // what was asked is said again, as the API does
    assert_eq!(
        (&told["instructions"], &told["store"]),
        (&json!("Be brief."), &json!(false))
    );
    assert_eq!(told["usage"]["input_tokens"], 9);
    assert_eq!(told["usage"]["input_tokens_details"]["cached_tokens"], 4);
    assert_eq!(gateway.record()["usage"]["prompt"], 9);
}

#[test]
fn s12_a_stream_of_chat_completions_is_items_with_numbered_events_to_a_caller_of_responses() {
    let provider = Provider::start();
    let gateway = before(&provider, "openai-chat", "");
    let mut client = gateway.begin(PATH, ASKED_STREAM);
    let call = provider.call();
    assert_eq!(call.request.json()["stream_options"]["include_usage"], true);
    call.stream(&CHAT_EVENTS);
    let answer = client.answer();
    assert_eq!(
        answer.header("content-type"),
        Some("text/event-stream; charset=utf-8")
    );
    let told = events(answer.text());
    for (number, event) in told.iter().enumerate() {
        assert_eq!(event["sequence_number"], number, "{event}");
    }
    let said: String = told
        .iter()
        .filter(|event| event["type"] == "response.output_text.delta")
        .filter_map(|event| event["delta"].as_str())
        .collect();
    assert_eq!(said, "Good day.");
    let last = &told.last().expect("an end")["response"];
    assert_eq!(last["status"], "completed");
    assert_eq!(last["output"][0]["content"][0]["text"], "Good day.");
    assert_eq!(last["usage"]["total_tokens"], 12);
    assert!(!answer.text().contains("[DONE]"));
    let record = gateway.record();
    assert_eq!(
        (&record["ending"], &record["usage"]["completion"]),
        (&json!("complete"), &json!(3))
    );
}

#[test]
fn a_claude_answers_a_caller_of_responses_and_gets_its_thoughts_back() {
    let provider = Provider::start();
    let gateway = before(&provider, "anthropic-messages", "");
    let mut client = gateway.begin(PATH, ASKED);
    let call = provider.call();
    assert_eq!(call.request.path(), "/v1/messages");
    assert_eq!(call.request.json()["system"], "Be brief.");
    call.answer_json(200, MESSAGE);
    let told = client.answer().json();
    assert_eq!(told["output"][0]["content"][0]["text"], "Hm.");
    assert_eq!(told["output"][1]["content"][0]["text"], "Good day.");
    let mut input = vec![json!({"role": "user", "content": "Hello"})];
    input.extend(told["output"].as_array().expect("items").clone());
    input.push(json!({"role": "user", "content": "And?"}));
    let mut client = gateway.begin(PATH, json!({"model": "m", "input": input}).to_string());
    let call = provider.call();
    assert_eq!(
        call.request.json()["messages"][1]["content"][0],
        json!({"type": "thinking", "thinking": "Hm.", "signature": "c2ln"})
    );
    call.answer_json(200, MESSAGE);
    client.answer();
}

#[test]
fn callers_of_chat_and_of_messages_are_answered_by_a_provider_of_responses() {
    let provider = Provider::start();
    let gateway = before(&provider, "openai-responses", "");
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    let call = provider.call();
    assert_eq!(call.request.path(), "/v1/responses");
    let sent = call.request.json();
    assert_eq!(
        (&sent["input"][0]["content"], &sent["store"]),
        (&json!("hi"), &json!(false))
    );
    call.answer_json(200, RESPONSE);
    let told = client.answer().json();
    assert_eq!(told["choices"][0]["message"]["content"], "Good day.");
    assert_eq!(told["usage"]["prompt_tokens"], 5);
    let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
    provider.call().stream(&borrowed(&stream("Good ", "day.")));
    let answer = client.answer();
    let said: String = events(answer.text())
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(said, "Good day.");
    assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    let asked =
        r#"{"model":"m","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"Hello"}]}"#;
    let mut client = gateway.begin("/v1/messages", asked);
    provider.call().stream(&borrowed(&stream("Good ", "day.")));
    let answer = client.answer();
    assert!(
        answer
            .text()
            .ends_with("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
        "{}",
        answer.text()
    );
    for record in gateway.records(3) {
        assert_eq!(
            (&record["ending"], &record["usage"]["completion"]),
            (&json!("complete"), &json!(4)),
            "{record}"
        );
    }
}

#[test]
fn g02_what_only_one_provider_keeps_is_refused_by_name_where_another_answers() {
    let provider = Provider::start();
    let gateway = before(&provider, "openai-chat", "");
    for (member, value) in [
        ("conversation", json!("conv_1")),
        ("prompt", json!({"id": "pmpt_1"})),
        ("store", json!(true)),
        ("background", json!(true)),
    ] {
        let mut asked: Value = serde_json::from_str(ASKED).expect("JSON");
        asked[member] = value;
        let answer = gateway.post(PATH, asked.to_string());
        assert_eq!(answer.status(), 400, "{member}: {}", answer.text());
        assert_eq!(answer.json()["error"]["param"], member);
        assert!(answer.error_message().contains("send "), "{}", answer.text());
    }
    provider.saw_nothing();
}

#[test]
fn bad_input_is_told_with_the_field_in_openais_shape() {
    let provider = Provider::start();
    let gateway = before(&provider, "openai-responses", "");
    for (asked, param) in [
        (r#"{"model":"m"}"#, json!("input")),
        (r#"{"input":"x"}"#, json!("model")),
        (
            r#"{"model":"m","input":[{"role":"chef","content":"x"}]}"#,
            json!("input[0].role"),
        ),
        (
            r#"{"model":"m","input":"x","tools":[{"type":"function"}]}"#,
            json!("tools[0].name"),
        ),
        (r#"{"model":"m","input":"x","model":"n"}"#, json!("model")),
        (r#"{"model":"m","input":"#, json!(null)),
    ] {
        let answer = gateway.post(PATH, asked);
        assert_eq!(answer.status(), 400, "{asked}: {}", answer.text());
        let error = &answer.json()["error"];
        assert_eq!(
            (&error["param"], &error["type"]),
            (&param, &json!("invalid_request_error")),
            "{asked}"
        );
    }
    let answer = gateway.send(post_with(PATH, "wrong", &[], ASKED));
    assert_eq!(
        (answer.status(), answer.error_code()),
        (401, "invalid_api_key".to_owned())
    );
    provider.saw_nothing();
}

#[test]
fn pain_d04_a_providers_error_is_passed_on_or_told_in_openais_shape() {
    let provider = Provider::start();
    let gateway = before(&provider, "openai-responses", "");
    let error =
        r#"{"error":{"message":"No.","type":"invalid_request_error","param":"input","code":null}, "more":1}"#;
    let mut client = gateway.begin(PATH, ASKED);
    provider.call().answer_json(400, error);
    let answer = client.answer();
    assert_eq!((answer.status(), answer.text()), (400, error));
    // to a caller of another dialect
    let mut client = gateway.begin(
        "/v1/messages",
        r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}]}"#,
    );
    provider.call().answer_json(400, error);
    let answer = client.answer();
    assert_eq!(
        (answer.status(), &answer.json()["error"]["type"]),
        (400, &json!("invalid_request_error"))
    );
    // of another dialect's provider
    let claude = before(&provider, "anthropic-messages", "");
    let mut client = claude.begin(PATH, ASKED);
    provider.call().answer_json(
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 3 tokens > 2 maximum"}}"#,
    );
    let answer = client.answer();
    assert_eq!(
        (answer.status(), answer.error_code()),
        (400, "context_length_exceeded".to_owned())
    );
    // a response that failed, under a good status
    let mut client = gateway.begin(PATH, ASKED);
    provider.call().answer_json(
        200,
        r#"{"id":"resp_1","object":"response","status":"failed","error":{"code":"server_error","message":"Broke."},"output":[]}"#,
    );
    let answer = client.answer();
    assert_eq!(answer.status(), 502, "{}", answer.text());
    assert!(answer.error_message().contains("Broke."), "{}", answer.text());
}

#[test]
fn pain_c03_a_stream_of_responses_that_breaks_or_fails_never_looks_complete() {
    let provider = Provider::start();
    let gateway = before(&provider, "openai-responses", "");
    let told = stream("Good ", "day.");
    // broken off: the gateway's own error, which SDKs raise
    let mut client = gateway.begin(PATH, ASKED_STREAM);
    provider.call().stream(&borrowed(&told[..6]));
    let answer = client.answer();
    assert!(
        answer.text().starts_with(&told[..6].concat()),
        "{}",
        answer.text()
    );
    let last = events(answer.text()).pop().expect("an event");
    assert_eq!(
        (&last["type"], &last["code"]),
        (&json!("error"), &json!("upstream_truncated"))
    );
    assert_eq!(last["error"]["code"], "upstream_truncated");
    assert!(!answer.text().contains("response.completed"));
    assert_eq!(gateway.records(1)[0]["ending"], "truncated");
    // failed: the provider's own words are the last
    let failed = "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"id\":\"resp_1\",\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"Broke.\"},\"output\":[]}}\n\n";
    let mut client = gateway.begin(PATH, ASKED_STREAM);
    let sent: Vec<&str> = borrowed(&told[..6]).into_iter().chain([failed]).collect();
    provider.call().stream(&sent);
    let answer = client.answer();
    assert!(answer.text().ends_with(failed), "{}", answer.text());
    assert_eq!(gateway.records(2)[1]["ending"], "failed");
    // and both of them, where it says them both
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"code\":\"server_error\",\"message\":\"Broke.\"}}\n\n";
    let mut client = gateway.begin(PATH, ASKED_STREAM);
    let both = format!("{error}{failed}");
    let sent: Vec<&str> = borrowed(&told[..6]).into_iter().chain([&*both]).collect();
    provider.call().stream(&sent);
    let answer = client.answer();
    assert!(answer.text().ends_with(&both), "{}", answer.text());
    assert_eq!(gateway.records(3)[2]["ending"], "failed");
    // however late the second comes, and whether the caller waits for it or not
    for waits in [true, false] {
        let mut client = gateway.begin(PATH, ASKED_STREAM);
        let call = provider.call();
        call.begin_stream();
        told[..6].iter().for_each(|event| call.chunk(event));
        call.chunk(error);
        client.head();
        let heard = client.read_until(error);
        match waits {
            true => {
                call.stream_rest(&[failed]);
                assert_eq!(heard + &client.read_until(failed), told[..6].concat() + &both);
            }
            false => {
                client.close();
                call.wait_gone();
            }
        }
        let record = gateway
            .records(if waits { 4 } else { 5 })
            .pop()
            .expect("a record");
        assert_eq!(record["ending"], "failed", "{record}");
        assert_eq!(record["attempts"][0]["outcome"], "error_event", "{record}");
    }
    // before anything was said it is an answer of its own
    let mut client = gateway.begin(PATH, ASKED_STREAM);
    let sent: Vec<&str> = borrowed(&told[..2]).into_iter().chain([failed]).collect();
    provider.call().stream(&sent);
    let answer = client.answer();
    assert_eq!(answer.status(), 502, "{}", answer.text());
    gateway.records(6);
    // of another dialect's provider
    let chat = before(&provider, "openai-chat", "");
    let mut client = chat.begin(PATH, ASKED_STREAM);
    provider.call().stream(&CHAT_EVENTS[..2]);
    let answer = client.answer();
    let last = events(answer.text()).pop().expect("an event");
    assert_eq!(
        (&last["type"], &last["code"]),
        (&json!("error"), &json!("upstream_truncated"))
    );
    assert_eq!(chat.records(1)[0]["ending"], "truncated");
    let mut client = chat.begin(PATH, ASKED_STREAM);
    let busy = "data: {\"error\":{\"message\":\"Busy.\",\"code\":\"overloaded\"}}\n\n";
    provider.call().stream(&[CHAT_EVENTS[0], busy]);
    let answer = client.answer();
    let mut all = events(answer.text());
    let last = all.pop().expect("an event");
    assert_eq!(
        (&last["type"], &last["response"]["error"]["message"]),
        (&json!("response.failed"), &json!("Busy."))
    );
    // what SDKs raise is before it
    let raised = all.pop().expect("an event");
    assert_eq!(
        (&raised["type"], &raised["error"]["message"]),
        (&json!("error"), &json!("Busy."))
    );
    assert_eq!(chat.records(2)[1]["ending"], "failed");
}

#[test]
fn pain_p10_a_guard_holds_in_responses_wherever_a_text_is_repeated() {
    let provider = Provider::start();
    let chain = chain(
        "{name: secrets, component: guard-secrets, settings: {scan: [requests, answers], action: redact}, fail: closed}",
    );
    let gateway = before(&provider, "openai-responses", &chain);
    let secret = concat!("sk-proj", "-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH");
    let mut client = gateway.begin(PATH, ASKED.replace("Hello", &format!("My key is {secret}")));
    let call = provider.call();
    assert!(!call.request.text().contains(secret), "{}", call.request.text());
    assert!(
        call.request
            .text()
            .starts_with(r#"{"model":"m", "input":"My key is "#)
    );
    call.answer_json(200, RESPONSE.replace("Good day.", &format!("It is {secret}.")));
    let answer = client.answer();
    assert!(!answer.text().contains(secret), "{}", answer.text());
    assert!(
        answer.text().ends_with(r#""brand_new":1e0}"#),
        "{}",
        answer.text()
    );
    // split over two pieces, then said four times more, whole
    let (one, two) = secret.split_at(20);
    let told = stream(&format!("It is {one}"), &format!("{two}. Bye."));
    let mut client = gateway.begin(PATH, ASKED_STREAM);
    provider.call().stream(&borrowed(&told));
    let answer = client.answer();
    assert!(
        !answer.text().contains(one) && !answer.text().contains(two),
        "{}",
        answer.text()
    );
    let all = events(answer.text());
    let last = &all.last().expect("an end")["response"];
    let said = last["output"][0]["content"][0]["text"].as_str().expect("a text");
    assert!(said.starts_with("It is ") && said.ends_with(" Bye."), "{said}");
    let pieces: String = all
        .iter()
        .filter(|event| event["type"] == "response.output_text.delta")
        .filter_map(|event| event["delta"].as_str())
        .collect();
    assert_eq!(pieces, said);
    // and in a translated one
    let chat = before(&provider, "openai-chat", &chain);
    let mut client = chat.begin(PATH, ASKED_STREAM);
    let mut sent = CHAT_EVENTS.map(str::to_owned);
    sent[0] = sent[0].replace("Good ", one);
    sent[1] = sent[1].replace("day.", two);
    provider
        .call()
        .stream(&sent.iter().map(String::as_str).collect::<Vec<_>>());
    let answer = client.answer();
    assert!(
        !answer.text().contains(one) && !answer.text().contains(two),
        "{}",
        answer.text()
    );
    assert!(answer.text().contains("response.completed"));
}

#[test]
fn a_decorator_puts_instructions_where_responses_have_them() {
    let provider = Provider::start();
    let chain = chain(
        r#"{name: rules, component: prompt-decorator, capabilities: [clock], settings: {prepend: [{role: system, text: "House rules."}]}}"#,
    );
    let gateway = before(&provider, "openai-responses", &chain);
    let mut client = gateway.begin(PATH, ASKED);
    let call = provider.call();
    assert_eq!(call.request.json()["instructions"], "House rules.\n\nBe brief.");
    call.answer_json(200, RESPONSE);
    client.answer();
    let mut client = gateway.begin(PATH, ASKED_STREAM);
    let call = provider.call();
    assert_eq!(call.request.json()["instructions"], "House rules.");
    call.stream(&borrowed(&stream("Good ", "day.")));
    client.answer();
}

#[test]
fn pain_c01_a_caller_of_responses_hears_a_comment_while_it_waits() {
    let provider = Provider::start();
    let gateway = before(&provider, "openai-responses", "keep_alive_ms: 50");
    let told = stream("Good ", "day.");
    let mut client = gateway.begin(PATH, ASKED_STREAM);
    let call = provider.call();
    assert_eq!(client.head().status(), 200);
    client.read_until(": keep-alive\n\n");
    call.stream(&borrowed(&told));
    let (rest, is_whole) = client.rest();
    assert!(is_whole && rest.ends_with(told[9].as_bytes()));
}
