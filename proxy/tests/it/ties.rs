//! Calls that only one account can answer: those that go on from an answer that it keeps, and those that bring back
//! thoughts that it alone can read (PAIN G01, G02).

use serde_json::{Value, json};

use crate::harness::client::post_with;
use crate::harness::gateway::{CREDENTIAL, Gateway, OTHER_CREDENTIAL, OTHER_KEY};
use crate::harness::provider::{Call, Provider};

const PATH: &str = "/v1/responses";

/// Two accounts of one provider, and another provider with its own; all serve `m`, and `a` alone serves `of-a`.
fn two(a: &Provider, b: &Provider) -> Gateway {
    Gateway::of(&format!(
        r#"
providers:
  a: {{base_url: "{}", dialects: [openai-responses], credentials: ["env:CREDENTIAL", "env:OTHER_CREDENTIAL"]}}
  b: {{base_url: "{}", dialects: [openai-responses], credentials: ["env:CREDENTIAL"]}}
models:
  - {{name: m, targets: [{{provider: a, model: gpt}}, {{provider: b, model: gpt}}]}}
  - {{name: of-b, targets: [{{provider: b, model: gpt}}]}}
keys:
  - {{name: team, key: "env:KEY", models: ["*"]}}
  - {{name: others, key: "env:OTHER_KEY", models: ["*"]}}
"#,
        a.url(),
        b.url()
    ))
}

fn answer(id: &str, secret: &str) -> String {
    json!({"id": id, "object": "response", "created_at": 7, "status": "completed", "error": null, "model": "gpt",
        "output": [
            {"type": "reasoning", "id": format!("rs_{id}"), "summary": [], "encrypted_content": secret},
            {"type": "function_call", "id": format!("fc_{id}"), "call_id": format!("c_{id}"), "name": "f", "arguments": "{}", "status": "completed"},
        ],
        "usage": {"input_tokens": 5, "output_tokens": 4, "total_tokens": 9}})
    .to_string()
}

fn asked(member: &str, value: Value) -> String {
    let mut asked = json!({"model": "m", "input": "Hello"});
    asked[member] = value;
    asked.to_string()
}

fn account(call: &Call) -> String {
    call.request
        .header("authorization")
        .expect("a credential")
        .to_owned()
}

fn bearer(credential: &str) -> String {
    format!("Bearer {credential}")
}

#[test]
fn g02_a_call_goes_on_where_its_previous_answer_is_kept_whatever_turn_it_is() {
    let (a, b) = (Provider::start(), Provider::start());
    let gateway = two(&a, &b);
    let mut client = gateway.begin(PATH, asked("store", json!(true)));
    let call = a.call();
    let first = account(&call);
    call.answer_json(200, answer("resp_0", "gAAA"));
    assert_eq!(client.answer().status(), 200);
    for turn in 0..5 {
        let body = asked("previous_response_id", json!(format!("resp_{turn}")));
        let mut client = gateway.begin(PATH, &body);
        let call = a.call();
        assert_eq!(account(&call), first, "turn {turn}");
        assert_eq!(
            call.request.json()["previous_response_id"],
            format!("resp_{turn}")
        );
        call.answer_json(200, answer(&format!("resp_{}", turn + 1), "gAAA"));
        assert_eq!(client.answer().status(), 200);
    }
    assert_eq!(b.calls(), 0);
}

#[test]
fn g02_a_streamed_answer_is_kept_from_its_first_event_on() {
    let (a, b) = (Provider::start(), Provider::start());
    let gateway = two(&a, &b);
    let stream = [
        "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_s\",\"status\":\"in_progress\",\"output\":[]}}\n\n",
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":0,\"delta\":\"Hi\"}\n\n",
        "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_s\",\"status\":\"completed\",\"output\":[],\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n",
    ];
    let mut client = gateway.begin(PATH, asked("stream", json!(true)));
    let call = a.call();
    let first = account(&call);
    call.stream(&stream);
    assert_eq!(client.answer().text(), stream.concat());
    let mut client = gateway.begin(PATH, asked("previous_response_id", json!("resp_s")));
    let call = a.call();
    assert_eq!(account(&call), first);
    call.answer_json(200, answer("resp_t", "gAAA"));
    client.answer();
}

#[test]
fn g02_an_answer_that_is_not_known_or_another_keys_is_refused_before_anything_is_sent() {
    let (a, b) = (Provider::start(), Provider::start());
    let gateway = two(&a, &b);
    let mut client = gateway.begin(PATH, asked("store", json!(true)));
    a.call().answer_json(200, answer("resp_0", "gAAA"));
    client.answer();
    let unknown = gateway.post(PATH, asked("previous_response_id", json!("resp_9")));
    let known = gateway.send(post_with(
        PATH,
        OTHER_KEY,
        &[],
        asked("previous_response_id", json!("resp_0")),
    ));
    // nobody learns which of the two it is
    assert_eq!(unknown.text(), known.text());
    let error = &unknown.json()["error"];
    assert_eq!(
        (unknown.status(), &error["code"]),
        (400, &json!("previous_response_not_found"))
    );
    assert_eq!(error["param"], "previous_response_id");
    // a model that is not served where the answer is
    let elsewhere = json!({"model": "of-b", "input": "x", "previous_response_id": "resp_0"}).to_string();
    let elsewhere = gateway.post(PATH, &elsewhere);
    assert_eq!(elsewhere.status(), 400, "{}", elsewhere.text());
    assert!(
        elsewhere.error_message().contains("does not serve this model"),
        "{}",
        elsewhere.text()
    );
    assert_eq!((a.calls(), b.calls()), (1, 0));
}

/// The conversation of `turns` turns, each with the thoughts and the call of the answer before.
fn conversation(answers: &[String]) -> Value {
    let mut input = vec![json!({"role": "user", "content": "Hello"})];
    for answer in answers {
        let answer: Value = serde_json::from_str(answer).expect("JSON");
        let output = answer["output"].as_array().expect("items").clone();
        let call = output[1]["call_id"].clone();
        input.extend(output);
        input.push(json!({"type": "function_call_output", "call_id": call, "output": "r"}));
    }
    json!(input)
}

#[test]
fn pain_g01_encrypted_thoughts_go_back_to_the_account_that_made_them_for_five_turns() {
    let (a, b) = (Provider::start(), Provider::start());
    let gateway = two(&a, &b);
    let mut answers = Vec::new();
    let mut first = None;
    for turn in 0..5 {
        let mut client = gateway.begin(PATH, asked("input", conversation(&answers)));
        let call = a.call();
        let account = account(&call);
        assert_eq!(*first.get_or_insert(account.clone()), account, "turn {turn}");
        let sent = call.request.text().to_owned();
        assert!(
            (0..turn).all(|turn| sent.contains(&format!("secret-{turn}"))),
            "{sent}"
        );
        let told = answer(&format!("r{turn}"), &format!("secret-{turn}"));
        call.answer_json(200, &told);
        assert_eq!(client.answer().header("x-penstock-dropped"), None);
        answers.push(told);
    }
    assert_eq!(b.calls(), 0);
}

#[test]
fn pain_g01_where_the_account_is_not_there_its_thoughts_are_dropped_and_named() {
    let (a, b) = (Provider::start(), Provider::start());
    let gateway = two(&a, &b);
    let mut client = gateway.begin(PATH, asked("input", json!("Hello")));
    let call = a.call();
    let first = account(&call);
    let told = answer("r0", "secret-0");
    call.answer_json(200, &told);
    client.answer();
    // both accounts of the provider are out of order, so the other provider has to do without
    let body = asked("input", conversation(&[told]));
    let mut client = gateway.begin(PATH, &body);
    let call = a.call();
    assert_eq!(
        (account(&call), call.request.text().contains("secret-0")),
        (first, true)
    );
    call.answer_json(500, r#"{"error":{"message":"down"}}"#);
    let call = b.call();
    let sent = call.request.json();
    assert!(!call.request.text().contains("secret-0"), "{sent}");
    assert_eq!(sent["input"][1]["type"], "function_call", "{sent}");
    assert_eq!(sent["input"][2]["type"], "function_call_output");
    call.answer_json(200, answer("r1", "secret-1"));
    let answer = client.answer();
    assert_eq!(answer.status(), 200);
    assert_eq!(
        answer.header("x-penstock-dropped"),
        Some("messages[1].content[0]")
    );
}

#[test]
fn pain_g01_thoughts_of_an_unknown_account_are_dropped_once_a_provider_cannot_read_them() {
    let (a, b) = (Provider::start(), Provider::start());
    let gateway = two(&a, &b);
    // from before the gateway was started
    let body = asked("input", conversation(&[answer("r0", "secret-0")]));
    let mut client = gateway.begin(PATH, &body);
    let call = a.call();
    assert_eq!(
        call.request.text(),
        body.replace(r#""model":"m""#, r#""model":"gpt""#)
    );
    let first = account(&call);
    call.answer_json(
        400,
        r#"{"error":{"message":"The encrypted content could not be verified.","type":"invalid_request_error","param":null,"code":"invalid_encrypted_content"}}"#,
    );
    let call = a.call();
    assert_eq!(account(&call), first);
    assert!(
        !call.request.text().contains("secret-0"),
        "{}",
        call.request.text()
    );
    call.answer_json(200, answer("r1", "secret-1"));
    let answer = client.answer();
    assert_eq!(
        (answer.status(), answer.header("x-penstock-dropped")),
        (200, Some("messages[1].content[0]"))
    );
    // only once: what is refused without them is refused
    let mut client = gateway.begin(PATH, &body);
    let refused = r#"{"error":{"message":"encrypted content","code":"invalid_encrypted_content"}}"#;
    a.call().answer_json(400, refused);
    a.call().answer_json(400, refused);
    assert_eq!(client.answer().text(), refused);
    assert_eq!(b.calls(), 0);
}

#[test]
fn pain_g01_callers_of_chat_and_of_messages_bring_thoughts_back_to_their_account_too() {
    let (a, b) = (Provider::start(), Provider::start());
    let gateway = two(&a, &b);
    // chat completions
    let mut messages = vec![json!({"role": "user", "content": "Hello"})];
    let mut first = None;
    for turn in 0..5 {
        let mut client = gateway.begin(
            "/v1/chat/completions",
            json!({"model": "m", "messages": messages}).to_string(),
        );
        let call = a.call();
        let account = account(&call);
        assert_eq!(*first.get_or_insert(account.clone()), account, "turn {turn}");
        let sent = call.request.text().to_owned();
        assert!(
            (0..turn).all(|turn| sent.contains(&format!("secret-{turn}"))),
            "{sent}"
        );
        call.answer_json(200, answer(&format!("r{turn}"), &format!("secret-{turn}")));
        let told = client.answer().json();
        let id = told["choices"][0]["message"]["tool_calls"][0]["id"].clone();
        messages.push(told["choices"][0]["message"].clone());
        messages.push(json!({"role": "tool", "tool_call_id": id, "content": "r"}));
    }
    // messages
    let mut messages = vec![json!({"role": "user", "content": "Hello"})];
    let mut first = None;
    for turn in 0..5 {
        let body = json!({"model": "m", "max_tokens": 99, "messages": messages}).to_string();
        let mut client = gateway.begin("/v1/messages", &body);
        let call = a.call();
        let account = account(&call);
        assert_eq!(*first.get_or_insert(account.clone()), account, "turn {turn}");
        let sent = call.request.text().to_owned();
        assert!(
            (0..turn).all(|turn| sent.contains(&format!("other-{turn}"))),
            "{sent}"
        );
        call.answer_json(200, answer(&format!("r{turn}"), &format!("other-{turn}")));
        let told = client.answer().json();
        let content = told["content"].as_array().expect("blocks");
        let id = content.last().expect("a call")["id"].clone();
        messages.push(json!({"role": "assistant", "content": content}));
        messages.push(
            json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "r"}]}),
        );
    }
    assert_eq!(b.calls(), 0);
    assert!([bearer(CREDENTIAL), bearer(OTHER_CREDENTIAL)].contains(&first.expect("an account")));
}
