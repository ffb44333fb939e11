//! The mock at the wire: what a client reads for each operation, control and fault. Uses plain blocking sockets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use mock_provider::{Ending, MockProvider, Running};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(10);

fn start() -> Running {
    MockProvider::start("127.0.0.1:0".parse().expect("an address")).expect("a free port")
}

/// Sends a POST whose connection is closed by the answer, and reads all of it.
fn post(mock: &Running, path: &str, headers: &str, body: &Value) -> (String, Vec<u8>) {
    let body = body.to_string();
    let mut socket = open(mock);
    let length = body.len();
    write!(socket, "POST {path} HTTP/1.1\r\nhost: m\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}")
        .expect("sent");
    read_all(socket)
}

fn open(mock: &Running) -> TcpStream {
    let socket = TcpStream::connect(mock.address).expect("connected");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}

/// Head and de-chunked body; a broken end shows as a head that says so.
fn read_all(mut socket: TcpStream) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    let reset = socket.read_to_end(&mut bytes).is_err();
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return (if reset { "reset" } else { "closed" }.to_owned(), bytes);
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let mut body = bytes[end + 4..].to_vec();
    if head.contains("transfer-encoding: chunked") {
        let (joined, ended) = dechunked(&body);
        body = joined;
        if !ended {
            return (
                format!("{head}\r\nBROKEN{}", if reset { " reset" } else { "" }),
                body,
            );
        }
    }
    (head, body)
}

fn dechunked(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(line_end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..line_end]).expect("ASCII"), 16)
            .expect("a size");
        if size == 0 {
            return (body, true);
        }
        let start = line_end + 2;
        body.extend_from_slice(&bytes[start..start + size]);
        bytes = &bytes[start + size + 2..];
    }
    (body, false)
}

fn chat(model: &str, text: &str, more: Value) -> Value {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": text}]});
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body
}

fn answer(mock: &Running, body: &Value) -> Value {
    let (head, bytes) = post(mock, "/v1/chat/completions", "", body);
    assert!(
        head.starts_with("http/1.1 200"),
        "{head} {}",
        String::from_utf8_lossy(&bytes)
    );
    serde_json::from_slice(&bytes).expect("JSON")
}

/// The data of each event.
fn events(body: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(body).expect("UTF-8");
    text.split_terminator("\n\n")
        .map(|event| event.strip_prefix("data: ").expect("data").to_owned())
        .collect()
}

fn streamed(mock: &Running, body: &Value) -> (String, Vec<String>) {
    let (head, bytes) = post(mock, "/chat/completions", "", body);
    (head, events(&bytes))
}

fn joined(events: &[String], choice: u64) -> String {
    let read = events
        .iter()
        .filter_map(|event| serde_json::from_str::<Value>(event).ok());
    let choices = read.flat_map(|event| event["choices"].as_array().cloned().unwrap_or_default());
    let mine = choices.filter(|one| one["index"] == choice);
    mine.filter_map(|one| one["delta"]["content"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn an_answer_echoes_the_last_user_text() {
    let mock = start();
    let body = json!({"model": "gpt-4o-mini", "messages": [
        {"role": "system", "content": "rules"}, {"role": "user", "content": [{"type": "text", "text": "Grüße\n\"x\""}]},
    ]});
    let said = answer(&mock, &body);
    assert_eq!(said["choices"][0]["message"]["content"], "You said: Grüße\n\"x\"");
    assert_eq!(said["model"], "gpt-4o-mini");
    assert_eq!(said["choices"][0]["finish_reason"], "stop");
    let usage = &said["usage"];
    let sum = usage["prompt_tokens"]
        .as_u64()
        .zip(usage["completion_tokens"].as_u64())
        .map(|(p, c)| p + c);
    assert_eq!(usage["total_tokens"].as_u64(), sum);
}

#[test]
fn a_stream_says_the_same_as_the_whole_answer() {
    let mock = start();
    let (head, all) = streamed(&mock, &chat("m", "one two three", json!({"stream": true})));
    assert!(head.contains("text/event-stream"));
    assert_eq!(joined(&all, 0), "You said: one two three");
    assert_eq!(all.last().map(String::as_str), Some("[DONE]"));
    assert!(all.iter().all(|event| !event.contains("\"usage\"")));
}

#[test]
fn usage_comes_last_with_no_choices_and_only_when_asked() {
    let mock = start();
    let options = json!({"stream": true, "stream_options": {"include_usage": true}});
    let (_, all) = streamed(&mock, &chat("m", "hello", options));
    let read: Vec<Value> = all
        .iter()
        .filter_map(|event| serde_json::from_str(event).ok())
        .collect();
    let (last, earlier) = read.split_last().expect("events");
    assert_eq!(last["choices"], json!([]));
    assert!(last["usage"]["total_tokens"].as_u64() > Some(0));
    assert!(
        earlier
            .iter()
            .all(|event| event.get("usage") == Some(&Value::Null))
    );
}

#[test]
fn several_choices_stop_texts_and_token_limits_are_obeyed() {
    let mock = start();
    let said = answer(&mock, &chat("m", "a b c STOP d", json!({"n": 2, "stop": "STOP"})));
    assert_eq!(said["choices"].as_array().map(Vec::len), Some(2));
    assert_eq!(said["choices"][1]["message"]["content"], "You said: a b c ");
    let said = answer(&mock, &chat("m", "a b c", json!({"max_completion_tokens": 3})));
    assert_eq!(said["choices"][0]["finish_reason"], "length");
    assert_eq!(said["usage"]["completion_tokens"], 3);
    let (_, all) = streamed(&mock, &chat("m", "x", json!({"stream": true, "n": 2})));
    assert_eq!(
        (joined(&all, 0), joined(&all, 1)),
        ("You said: x".to_owned(), "You said: x".to_owned())
    );
}

#[test]
fn a_tool_is_called_when_mentioned_or_forced_and_not_after_its_result() {
    let mock = start();
    let parameters =
        json!({"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}});
    let tools = json!([{"type": "function", "function": {"name": "weather", "parameters": parameters}}]);
    let said = answer(&mock, &chat("m", "the weather?", json!({"tools": tools})));
    let call = &said["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(said["choices"][0]["finish_reason"], "tool_calls");
    let arguments: Value =
        serde_json::from_str(call["function"]["arguments"].as_str().expect("text")).expect("JSON");
    assert_eq!(arguments, json!({"city": "the weather?", "days": 1}));

    let forced = json!({"tools": tools, "tool_choice": {"type": "function", "function": {"name": "weather"}}, "stream": true});
    let (_, all) = streamed(&mock, &chat("m", "hello", forced));
    let pieces = all
        .iter()
        .filter_map(|event| serde_json::from_str::<Value>(event).ok())
        .filter_map(|event| {
            event["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"]
                .as_str()
                .map(str::to_owned)
        });
    assert_eq!(
        pieces.collect::<String>(),
        json!({"city": "hello", "days": 1}).to_string()
    );

    let mut after = chat("m", "the weather?", json!({"tools": tools}));
    let result = json!({"role": "tool", "tool_call_id": "x", "content": "sunny"});
    after["messages"].as_array_mut().expect("a list").push(result);
    assert_eq!(
        answer(&mock, &after)["choices"][0]["message"]["content"],
        "The tool said: sunny"
    );
    let quiet = answer(&mock, &chat("m", "hello", json!({"tools": tools})));
    assert!(quiet["choices"][0]["message"].get("tool_calls").is_none());
}

#[test]
fn structured_output_has_the_properties_of_the_schema() {
    let mock = start();
    let schema = json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}});
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "s", "strict": true, "schema": schema}});
    let said = answer(&mock, &chat("m", "x", json!({"response_format": format})));
    assert_eq!(said["choices"][0]["message"]["content"], "{\"n\":1}");
}

#[test]
fn completions_embeddings_moderations_and_models_answer() {
    let mock = start();
    let read = |path: &str, body: Value| -> Value {
        let (head, bytes) = post(&mock, path, "", &body);
        assert!(head.starts_with("http/1.1 200"), "{head}");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    let said = read("/completions", json!({"model": "m", "prompt": ["a", "b"]}));
    assert_eq!(said["choices"][1]["text"], "You said: b");
    let floats = read(
        "/v1/embeddings",
        json!({"model": "m", "input": ["a", "b", "a"], "dimensions": 4}),
    );
    assert_eq!(floats["data"][0]["embedding"], floats["data"][2]["embedding"]);
    assert_ne!(floats["data"][0]["embedding"], floats["data"][1]["embedding"]);
    let packed = read(
        "/embeddings",
        json!({"model": "m", "input": [1, 2], "dimensions": 3, "encoding_format": "base64"}),
    );
    assert_eq!(packed["data"][0]["embedding"].as_str().map(str::len), Some(16));
    let flagged = read("/moderations", json!({"input": ["hello", "I will attack"]}));
    assert_eq!(
        (
            &flagged["results"][0]["flagged"],
            &flagged["results"][1]["flagged"]
        ),
        (&json!(false), &json!(true))
    );

    let mut socket = open(&mock);
    write!(
        socket,
        "GET /v1/models/mock HTTP/1.1\r\nconnection: close\r\n\r\n"
    )
    .expect("sent");
    let (head, body) = read_all(socket);
    assert!(head.starts_with("http/1.1 200") && String::from_utf8_lossy(&body).contains("\"id\":\"mock\""));
}

#[test]
fn every_status_has_an_openai_error_body() {
    let mock = start();
    for status in [400, 401, 403, 404, 408, 409, 422, 429, 500, 502, 503, 504, 529] {
        let body = chat(
            &format!("m+status={status}+retry-after=7"),
            "x",
            json!({"stream": true}),
        );
        let (head, bytes) = post(&mock, "/v1/chat/completions", "", &body);
        assert!(
            head.starts_with(&format!("http/1.1 {status} ")) && head.contains("retry-after: 7"),
            "{head}"
        );
        let error: Value = serde_json::from_slice(&bytes).expect("JSON");
        for member in ["message", "type", "param", "code"] {
            assert!(error["error"].get(member).is_some(), "{status} lacks {member}");
        }
    }
}

#[test]
fn bad_requests_are_answered_not_dropped() {
    let mock = start();
    let (head, _) = post(&mock, "/v1/chat/completions", "", &json!({"model": 3}));
    assert!(head.starts_with("http/1.1 400"));
    let (head, _) = post(&mock, "/v1/nothing", "", &json!({}));
    assert!(head.starts_with("http/1.1 404"));
    let (head, body) = post(
        &mock,
        "/v1/chat/completions",
        "x-mock-speed: 3\r\n",
        &chat("m", "x", json!({})),
    );
    assert!(head.starts_with("http/1.1 400") && String::from_utf8_lossy(&body).contains("speed"));
    let mut socket = open(&mock);
    write!(socket, "nonsense\r\n\r\n").expect("sent");
    assert!(read_all(socket).0.starts_with("http/1.1 400"));
}

#[test]
fn a_misbehaviour_can_be_limited_to_the_first_requests() {
    let mock = start();
    let body = chat("m+status=500+times=2", "x", json!({}));
    let statuses = (0..4).map(|_| post(&mock, "/v1/chat/completions", "", &body).0[9..12].to_owned());
    assert_eq!(statuses.collect::<Vec<_>>(), ["500", "500", "200", "200"]);
}

#[test]
fn events_have_the_asked_number_size_and_stamp() {
    let mock = start();
    let model = "m+events=100+event-bytes=280+burst=1+stamp=1";
    let (_, bytes) = post(
        &mock,
        "/chat/completions",
        "",
        &chat(model, "hi", json!({"stream": true})),
    );
    let sized = String::from_utf8(bytes).expect("UTF-8");
    let content = sized
        .split_inclusive("\n\n")
        .filter(|event| event.len() == 280 && event.contains("mock_sent_us"));
    assert_eq!(content.count(), 100);
}

#[test]
fn broken_streams_break_as_asked() {
    let mock = start();
    let run = |fault: &str| {
        let model = format!("m+events=4+fault-after=2+fault={fault}");
        post(
            &mock,
            "/v1/chat/completions",
            "",
            &chat(&model, "x", json!({"stream": true})),
        )
    };
    let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
    assert_eq!(run("reset-head").0, "reset");
    assert_eq!(run("close-head").0, "closed");
    assert!(run("reset-mid").0.ends_with("BROKEN reset"));
    assert!(run("close-mid").0.ends_with("BROKEN"));
    for fault in ["truncated", "error-event", "garbage", "no-done"] {
        let (head, body) = run(fault);
        assert!(
            !head.contains("BROKEN") && !text(&body).contains("[DONE]"),
            "{fault}"
        );
        assert_eq!(text(&body).contains("\"error\""), fault == "error-event");
        assert_eq!(
            text(&body).contains("\"finish_reason\":\"stop\""),
            fault == "no-done"
        );
    }
    let (head, body) = run("close-after");
    assert!(!head.contains("BROKEN") && text(&body).ends_with("data: [DONE]\n\n"));
}

#[test]
fn a_caller_that_leaves_is_seen_while_the_answer_is_awaited_or_under_way() {
    let mock = start();
    for model in [
        "m+fault=hang",
        "m+delay-ms=60000",
        "m+events=9+fault-after=1+fault=hang-mid",
        "m+event-delay-ms=50",
    ] {
        mock.clear();
        let body = chat(
            model,
            "one two three four five six seven",
            json!({"stream": true}),
        )
        .to_string();
        let mut socket = open(&mock);
        write!(
            socket,
            "POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("sent");
        assert!(mock.wait_until(PATIENCE, |list| list.len() == 1
            && list[0].ending == Ending::Answering));
        drop(socket);
        assert!(
            mock.wait_until(PATIENCE, |list| list[0].ending == Ending::Disconnected),
            "{model}"
        );
    }
}

#[test]
fn what_was_received_is_kept_byte_for_byte() {
    let mock = start();
    let odd = "{ \"model\" : \"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\\u0065\"}],\"x\":1e0}";
    let chunked = format!(
        "{:x}\r\n{}\r\n{:x};ext=1\r\n{}\r\n0\r\n\r\n",
        7,
        &odd[..7],
        odd.len() - 7,
        &odd[7..]
    );
    let mut socket = open(&mock);
    write!(socket, "POST /v1/chat/completions HTTP/1.1\r\nX-Odd: Yes\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n{chunked}")
        .expect("sent");
    assert!(read_all(socket).0.starts_with("http/1.1 200"));
    let received = mock.requests();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].body, odd.as_bytes());
    assert_eq!(received[0].header("x-odd"), Some("Yes"));
    assert_eq!((received[0].status, received[0].ending), (200, Ending::Complete));

    let mut socket = open(&mock);
    write!(
        socket,
        "GET /__mock/requests HTTP/1.1\r\nconnection: close\r\n\r\n"
    )
    .expect("sent");
    let shown: Value = serde_json::from_slice(&read_all(socket).1).expect("JSON");
    assert_eq!(
        (&shown[0]["body"], &shown[0]["ending"]),
        (&json!(odd), &json!("complete"))
    );
    mock.clear();
    assert!(mock.requests().is_empty());
}

#[test]
fn encoded_bodies_are_announced_and_differ_from_plain_ones() {
    let mock = start();
    for encoding in ["gzip", "br", "zstd", "deflate"] {
        for stream in [true, false] {
            let body = chat(
                &format!("m+encoding={encoding}"),
                "hello",
                json!({"stream": stream}),
            );
            let (head, bytes) = post(&mock, "/v1/chat/completions", "", &body);
            assert!(head.contains(&format!("content-encoding: {encoding}")) && !head.contains("BROKEN"));
            assert!(!bytes.is_empty() && !String::from_utf8_lossy(&bytes).contains("You said"));
        }
    }
}

#[test]
fn one_connection_serves_many_requests_and_pipelined_ones() {
    let mock = start();
    let body = chat("m", "x", json!({})).to_string();
    let one = format!(
        "POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let last = one.replace("\r\ncontent", "\r\nconnection: close\r\ncontent");
    let mut socket = open(&mock);
    write!(socket, "{one}{one}{last}").expect("sent");
    let mut all = String::new();
    socket.read_to_string(&mut all).expect("read");
    assert_eq!(all.matches("HTTP/1.1 200 OK").count(), 3);
}
