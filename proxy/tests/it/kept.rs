//! Answers of Responses that their callers come back to: each with the account that made it, for the key whose it is, and
//! accounted for once.

use serde_json::{Value, json};

use crate::harness::client::request;
use crate::harness::gateway::{CREDENTIAL, Gateway, KEY, OTHER_KEY};
use crate::harness::message::Message;
use crate::harness::plugins;
use crate::harness::provider::{Call, Provider};

const PATH: &str = "/v1/responses";

/// Two accounts of one provider that speaks Responses, another of chat completions alone, and two keys.
fn stand(keeper: &Provider, chat: &Provider, lines: &str) -> Gateway {
    Gateway::of(&format!(
        r#"
providers:
  keeper: {{base_url: "{}", dialects: [openai-responses], credentials: ["env:CREDENTIAL", "env:OTHER_CREDENTIAL"]}}
  chat: {{base_url: "{}", credentials: ["env:CREDENTIAL"]}}
models:
  - {{name: m, targets: [{{provider: keeper, model: gpt}}]}}
  - {{name: c, targets: [{{provider: chat, model: gpt}}]}}
keys:
  - {{name: team, key: "env:KEY", models: [m, c]}}
  - {{name: others, key: "env:OTHER_KEY", models: ["*"]}}
{lines}
"#,
        keeper.url(),
        chat.url()
    ))
}

fn asked(more: Value) -> String {
    let mut asked = json!({"model": "m", "input": "Hello"});
    let more = more.as_object().expect("members").clone();
    asked.as_object_mut().expect("members").extend(more);
    asked.to_string()
}

/// An answer with a spelling of its own.
fn response(status: &str, text: &str, usage: &str) -> String {
    format!(
        r#"{{"id":"resp_0", "object":"response","created_at":7e0,"status":"{status}","error":null,"model":"gpt","output":[{{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{{"type":"output_text","text":"{text}","annotations":[]}}]}}],"usage":{usage},"brand_new":1e0}}"#
    )
}

const QUEUED: &str =
    r#"{"id":"resp_0","object":"response","status":"queued","output":[],"model":"gpt","usage":null}"#;
const USED: &str = r#"{"input_tokens":5,"output_tokens":4,"total_tokens":9}"#;

fn done() -> String {
    response("completed", "Good day.", USED)
}

fn event(kind: &str, more: Value) -> String {
    let mut event = json!({"type": kind});
    let more = more.as_object().expect("members").clone();
    event.as_object_mut().expect("members").extend(more);
    format!("event: {kind}\ndata: {event}\n\n")
}

fn created() -> String {
    let response = json!({"id": "resp_0", "status": "in_progress", "output": [], "usage": null});
    event(
        "response.created",
        json!({"sequence_number": 0, "response": response}),
    )
}

fn delta(text: &str) -> String {
    let place = json!({"item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": text});
    event("response.output_text.delta", place)
}

fn completed(text: &str) -> String {
    let response: Value = serde_json::from_str(&response("completed", text, USED)).expect("JSON");
    event("response.completed", json!({"response": response}))
}

/// Asks for a page, and gives the call that the provider gets.
fn on_the_way(
    gateway: &Gateway,
    keeper: &Provider,
    method: &str,
    path: &str,
) -> (crate::harness::client::Client, Call) {
    let mut client = gateway.connect();
    client.send(request(method, path, KEY, &[]));
    (client, keeper.call())
}

fn page(gateway: &Gateway, keeper: &Provider, method: &str, path: &str, body: &str) -> Message {
    let (mut client, call) = on_the_way(gateway, keeper, method, path);
    assert_eq!(call.request.path(), path.replace("/api/v1/", "/v1/"), "{method}");
    assert!(call.request.start_line().starts_with(method));
    call.answer_json(200, body);
    client.answer()
}

/// An answer in the background, and the account that has it.
fn queued(gateway: &Gateway, keeper: &Provider) -> String {
    let mut client = gateway.begin(PATH, asked(json!({"background": true})));
    let call = keeper.call();
    let account = call
        .request
        .header("authorization")
        .expect("a credential")
        .to_owned();
    call.answer_json(200, QUEUED);
    assert_eq!(client.answer().text(), QUEUED);
    account
}

fn used(records: &[Value]) -> Vec<&Value> {
    let usage = records.iter().map(|record| &record["usage"]);
    usage.filter(|usage| usage["source"] != "none").collect()
}

#[test]
fn a04_an_answer_is_fetched_cancelled_and_deleted_where_it_is_kept() {
    let (keeper, chat) = (Provider::start(), Provider::start());
    let gateway = stand(&keeper, &chat, "");
    let account = queued(&gateway, &keeper);
    let items =
        r#"{"object":"list","data":[{"id":"msg_1", "content":[]}],"first_id":"msg_1","has_more":false}"#;
    let gone = r#"{"id":"resp_0","object":"response","deleted":true}"#;
    for (method, path, body) in [
        ("GET", "/v1/responses/resp_0", QUEUED),
        (
            "POST",
            "/v1/responses/resp_0/cancel",
            &*response("cancelled", "", "null"),
        ),
        (
            "GET",
            "/v1/responses/resp_0?include[]=reasoning.encrypted_content&x=%20",
            &*done(),
        ),
        ("GET", "/api/v1/responses/resp_0", &*done()),
        ("GET", "/v1/responses/resp_0/input_items?limit=2&order=asc", items),
        ("DELETE", "/v1/responses/resp_0", gone),
    ] {
        let (mut client, call) = on_the_way(&gateway, &keeper, method, path);
        assert_eq!(call.request.path(), path.replace("/api/v1/", "/v1/"), "{method}");
        assert_eq!(
            call.request.header("authorization"),
            Some(&*account),
            "{method} {path}"
        );
        call.answer_json(200, body);
        let answer = client.answer();
        assert_eq!((answer.status(), answer.text()), (200, body), "{method} {path}");
        assert_eq!(answer.header("x-penstock-provider"), Some("keeper"));
    }
    let records = gateway.records(7);
    assert!(
        records[1..]
            .iter()
            .all(|record| record["operation"] == "responses")
    );
    assert!(records.iter().all(|record| record["ending"] == "complete"));
    // what it used in the background is accounted for once
    assert_eq!(used(&records).len(), 1, "{records:?}");
    assert_eq!(used(&records)[0]["prompt"], 5);
    // and it is gone, here too
    let calls = keeper.calls();
    let answer = gateway.send(request("GET", "/v1/responses/resp_0", KEY, &[]));
    assert_eq!(
        (answer.status(), answer.error_code()),
        (404, "not_found".to_owned())
    );
    let answer = gateway.post(PATH, asked(json!({"previous_response_id": "resp_0"})));
    assert_eq!(
        (answer.status(), answer.error_code()),
        (400, "previous_response_not_found".to_owned())
    );
    assert_eq!((keeper.calls(), chat.calls()), (calls, 0));
}

#[test]
fn g02_another_keys_answer_and_an_unknown_one_are_not_found_in_the_same_words() {
    let (keeper, chat) = (Provider::start(), Provider::start());
    let gateway = stand(&keeper, &chat, "");
    queued(&gateway, &keeper);
    for (method, rest) in [
        ("GET", ""),
        ("GET", "/input_items"),
        ("POST", "/cancel"),
        ("DELETE", ""),
    ] {
        let ask = |id: &str, key: &str| {
            let path = format!("/v1/responses/{id}{rest}");
            gateway.send(request(method, &path, key, &[("content-length", "0")]))
        };
        let (others, unknown) = (ask("resp_0", OTHER_KEY), ask("resp_1", KEY));
        assert_eq!(others.status(), 404, "{method} {rest}");
        assert_eq!(
            (others.error_param(), others.error_code()),
            ("response_id".to_owned(), "not_found".to_owned())
        );
        assert_eq!(others.text(), unknown.text());
    }
    // and nobody has deleted it
    assert_eq!(
        page(&gateway, &keeper, "GET", "/v1/responses/resp_0", &done()).text(),
        done()
    );
    assert_eq!(keeper.calls(), 2);
}

#[test]
fn a04_pages_of_answers_say_which_methods_they_take() {
    let (keeper, chat) = (Provider::start(), Provider::start());
    let gateway = stand(&keeper, &chat, "");
    for (method, path, allow) in [
        ("POST", "/v1/responses/resp_0", "GET, DELETE"),
        ("PATCH", "/api/v1/responses/resp_0", "GET, DELETE"),
        ("GET", "/v1/responses/resp_0/cancel", "POST"),
        ("DELETE", "/v1/responses/resp_0/input_items", "GET"),
    ] {
        let answer = gateway.send(request(method, path, KEY, &[("content-length", "0")]));
        assert_eq!(
            (answer.status(), answer.header("allow")),
            (405, Some(allow)),
            "{method} {path}"
        );
    }
    for path in [
        "/v1/responses/",
        "/v1/responses/resp_0/output_items",
        "/v1/responses/resp_0/cancel/now",
    ] {
        let answer = gateway.send(request("GET", path, KEY, &[]));
        assert_eq!(
            (answer.status(), answer.error_code()),
            (404, "unknown_url".to_owned()),
            "{path}"
        );
    }
    keeper.saw_nothing();
}

#[test]
fn j01_an_answer_that_goes_on_without_its_caller_is_accounted_for_when_it_is_over() {
    let (keeper, chat) = (Provider::start(), Provider::start());
    let gateway = stand(&keeper, &chat, "");
    let mut client = gateway.begin(PATH, asked(json!({"background": true, "stream": true})));
    let call = keeper.call();
    call.begin_stream();
    call.chunk(created());
    call.chunk(delta("Good "));
    client.head();
    client.read_until(&delta("Good "));
    client.close();
    call.wait_gone();
    // what it used is not over yet, and is not guessed at
    let record = gateway.records(1)[0].clone();
    assert_eq!(
        (&record["ending"], &record["usage"]["source"]),
        (&json!("cancelled"), &json!("none"))
    );
    // it is heard from where it was left
    let path = "/v1/responses/resp_0?stream=true&starting_after=1";
    let (mut client, call) = on_the_way(&gateway, &keeper, "GET", path);
    assert_eq!(call.request.path(), path);
    let rest = [delta("day."), completed("Good day.")];
    call.stream(&[&rest[0], &rest[1]]);
    let answer = client.answer();
    assert_eq!(answer.text(), rest.concat());
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    // to its very end, which is no news
    let (mut client, call) = on_the_way(&gateway, &keeper, "GET", path);
    call.stream(&[&rest[1]]);
    assert_eq!(client.answer().text(), rest[1]);
    page(&gateway, &keeper, "GET", "/v1/responses/resp_0", &done());
    let records = gateway.records(4);
    assert_eq!(used(&records), [&records[1]["usage"]], "{records:?}");
    assert_eq!(
        (&records[1]["usage"]["prompt"], &records[1]["stream"]),
        (&json!(5), &json!(true))
    );
    assert!(records[1..].iter().all(|record| record["ending"] == "complete"));
}

#[test]
fn j01_an_answer_that_came_at_once_is_not_accounted_for_again() {
    let (keeper, chat) = (Provider::start(), Provider::start());
    let gateway = stand(&keeper, &chat, "");
    let mut client = gateway.begin(PATH, asked(json!({"store": true})));
    keeper.call().answer_json(200, done());
    client.answer();
    page(&gateway, &keeper, "GET", "/v1/responses/resp_0", &done());
    // an answer that says what it used so far is not over
    let mut client = gateway.begin(PATH, asked(json!({"background": true})));
    let running = response(
        "in_progress",
        "Good",
        r#"{"input_tokens":5,"output_tokens":1,"total_tokens":6}"#,
    );
    keeper
        .call()
        .answer_json(200, running.replace("resp_0", "resp_1"));
    client.answer();
    page(
        &gateway,
        &keeper,
        "GET",
        "/v1/responses/resp_1",
        &done().replace("resp_0", "resp_1"),
    );
    let records = gateway.records(4);
    assert_eq!(
        used(&records),
        [&records[0]["usage"], &records[3]["usage"]],
        "{records:?}"
    );
}

#[test]
fn pain_c03_a_fetched_stream_that_breaks_or_failed_never_looks_complete() {
    let (keeper, chat) = (Provider::start(), Provider::start());
    let gateway = stand(&keeper, &chat, "");
    queued(&gateway, &keeper);
    let path = "/v1/responses/resp_0?stream=true";
    let (mut client, call) = on_the_way(&gateway, &keeper, "GET", path);
    call.stream(&[&created(), &delta("Good ")]);
    let answer = client.answer();
    assert!(
        answer.text().contains(r#""code":"upstream_truncated""#),
        "{}",
        answer.text()
    );
    assert!(!answer.text().contains("response.completed"));
    assert_eq!(gateway.records(2)[1]["ending"], "truncated");
    // what failed before is looked at as it is
    let failed = r#"{"id":"resp_0","object":"response","status":"failed","error":{"code":"server_error","message":"Broke."},"output":[],"usage":null}"#;
    let answer = page(&gateway, &keeper, "GET", "/v1/responses/resp_0", failed);
    assert_eq!((answer.status(), answer.text()), (200, failed));
    // and what its provider says of an answer that it lost
    let (mut client, call) = on_the_way(&gateway, &keeper, "GET", "/v1/responses/resp_0");
    let lost = r#"{"error":{"message":"Response with id 'resp_0' not found.","type":"invalid_request_error","param":null,"code":null}}"#;
    call.answer_json(404, lost);
    let answer = client.answer();
    assert_eq!((answer.status(), answer.text()), (404, lost));
}

#[test]
fn pain_p10_a_guard_of_answers_holds_when_they_are_fetched_too() {
    let (keeper, chat) = (Provider::start(), Provider::start());
    let chain = format!(
        "plugin_dir: \"{}\"\nplugins: [{{name: secrets, component: guard-secrets, settings: {{scan: [answers], action: redact}}, fail: closed}}]",
        plugins::folder().display()
    );
    let gateway = stand(&keeper, &chat, &chain);
    queued(&gateway, &keeper);
    let secret = concat!("sk-proj", "-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH");
    let text = format!("It is {secret}.");
    for (path, body) in [
        ("/v1/responses/resp_0", response("completed", &text, USED)),
        (
            "/v1/responses/resp_0",
            response("failed", &text, USED).replace("null", r#"{"message":"Broke."}"#),
        ),
        (
            "/v1/responses/resp_0/input_items",
            format!(r#"{{"object":"list","data":[{{"id":"msg_1","content":"{text}"}}]}}"#),
        ),
    ] {
        let answer = page(&gateway, &keeper, "GET", path, &body);
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert!(!answer.text().contains(secret), "{}", answer.text());
        answer.json();
    }
    let (one, two) = text.split_at(20);
    let (mut client, call) = on_the_way(&gateway, &keeper, "GET", "/v1/responses/resp_0?stream=true");
    call.stream(&[&created(), &delta(one), &delta(two), &completed(&text)]);
    let answer = client.answer();
    assert!(answer.text().contains("It is ") && answer.text().contains("response.completed"));
    assert!(
        !answer.text().contains(&secret[..14]) && !answer.text().contains(&secret[20..]),
        "{}",
        answer.text()
    );
}

#[test]
fn a04_an_answer_that_nobody_keeps_says_so_when_it_is_asked_for() {
    let (keeper, chat) = (Provider::start(), Provider::start());
    let gateway = stand(&keeper, &chat, "");
    let ask = json!({"model": "c", "input": "Hello"}).to_string();
    let mut client = gateway.begin(PATH, &ask);
    chat.call().answer_json(
        200,
        r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}"#,
    );
    let whole = client.answer().json()["id"].as_str().expect("an id").to_owned();
    assert!(whole.ends_with("chatcmpl-1"), "{whole}");
    let mut client = gateway.begin(PATH, ask.replace("\"input\"", "\"stream\":true,\"input\""));
    chat.call().stream(&[
        "data: {\"id\":\"chatcmpl-2\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\n",
        "data: [DONE]\n\n",
    ]);
    let answer = client.answer();
    let streamed = whole.replace("chatcmpl-1", "chatcmpl-2");
    assert_eq!(answer.text().matches(&streamed).count(), 3, "{}", answer.text());
    for id in [&whole, &streamed] {
        for (method, rest) in [
            ("GET", ""),
            ("GET", "/input_items"),
            ("POST", "/cancel"),
            ("DELETE", ""),
        ] {
            let path = format!("/v1/responses/{id}{rest}");
            let answer = gateway.send(request(method, &path, KEY, &[("content-length", "0")]));
            assert_eq!(
                (answer.status(), answer.error_code()),
                (404, "response_not_kept".to_owned())
            );
            assert!(answer.error_message().contains("not kept"), "{}", answer.text());
        }
        let answer = gateway.post(PATH, asked(json!({"previous_response_id": id})));
        assert_eq!(answer.error_code(), "previous_response_not_found");
        assert!(answer.error_message().contains("not kept"), "{}", answer.text());
    }
    // an answer in the background needs somebody who keeps it
    let answer = gateway.post(
        PATH,
        json!({"model": "c", "input": "x", "background": true}).to_string(),
    );
    assert_eq!(
        (answer.status(), answer.error_param()),
        (400, "background".to_owned())
    );
    keeper.saw_nothing();
}

#[test]
fn g02_an_answer_whose_credential_is_gone_is_not_asked_of_another() {
    let (keeper, chat) = (Provider::start(), Provider::start());
    let config = |credential: &str| {
        format!(
            "providers:\n  main: {{base_url: \"{}\", dialects: [openai-responses], credentials: [\"env:{credential}\"]}}\n",
            keeper.url()
        )
    };
    let gateway = Gateway::of(&config("CREDENTIAL"));
    let account = queued(&gateway, &keeper);
    assert_eq!(account, format!("Bearer {CREDENTIAL}"));
    gateway
        .change(&config("OTHER_CREDENTIAL"))
        .expect("a good configuration");
    let answer = gateway.send(request("GET", "/v1/responses/resp_0", KEY, &[]));
    assert_eq!(
        (answer.status(), answer.error_code()),
        (404, "not_found".to_owned())
    );
    assert_eq!((keeper.calls(), chat.calls()), (1, 0));
}
