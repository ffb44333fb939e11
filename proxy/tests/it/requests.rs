//! What a caller sends reaches the provider byte for byte, except the model's name and the usage option.

use serde_json::Value;

use crate::harness::calls::CHAT;
use crate::harness::client::{post, request};
use crate::harness::gateway::{Gateway, KEY};
use crate::harness::http2;
use crate::harness::message::{Message, find};
use crate::harness::provider::Provider;
use crate::harness::recordings;

const ANSWER: &str = r#"{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}]}"#;
const LIST: &str = r#"{"object":"list","data":[]}"#;

/// `renamed-*` becomes `upstream/*` on the way; usage is asked for under `asked/*`.
fn gateway(provider: &Provider) -> Gateway {
    let url = provider.url();
    Gateway::of(&format!(
        r#"
providers:
  plain: {{base_url: "{url}", credentials: ["env:CREDENTIAL"], usage_option: false}}
  asked: {{base_url: "{url}", credentials: ["env:CREDENTIAL"]}}
models:
  - {{name: "asked/*", targets: [{{provider: asked, model: "*"}}]}}
  - {{name: "renamed-*", targets: [{{provider: plain, model: "upstream/*"}}]}}
  - {{name: "*", targets: [{{provider: plain, model: "*"}}]}}
"#
    ))
}

/// Sends a body; what the provider got of it.
fn forwarded(gateway: &Gateway, provider: &Provider, path: &str, body: &[u8]) -> Message {
    let mut client = gateway.begin(path, body);
    let call = provider.call();
    let answer = if path.ends_with("completions") {
        ANSWER
    } else {
        LIST
    };
    call.answer_json(200, answer);
    client.answer();
    call.request
}

/// `body` with the model's name written anew, found by this test's own means: the first `"model"` key of these bodies is
/// the top level's.
fn renamed(body: &str, model: &str, to: &str) -> String {
    let key = body.find("\"model\"").expect("a model");
    let literal = format!("\"{model}\"");
    let at = key + 7 + body[key + 7..].find(&literal).expect("its name");
    format!("{}\"{to}\"{}", &body[..at], &body[at + literal.len()..])
}

#[test]
fn every_recorded_request_reaches_the_provider_byte_for_byte() {
    let Some(recordings) = recordings::openai() else {
        return;
    };
    let provider = Provider::start();
    let gateway = gateway(&provider);
    let mut seen = 0;
    for recording in recordings
        .iter()
        .filter(|recording| !recording.request.is_empty())
    {
        let body = std::str::from_utf8(&recording.request).expect("UTF-8");
        let parsed: Value = serde_json::from_str(body).expect("JSON");
        let model = parsed["model"].as_str().expect("a model");
        let got = forwarded(&gateway, &provider, recording.path(), body.as_bytes());
        assert_eq!(got.path(), recording.path());
        assert!(
            got.body == recording.request,
            "{}: {}",
            recording.name,
            got.text()
        );
        let through = renamed(body, model, &format!("renamed-{model}"));
        let got = forwarded(
            &gateway,
            &provider,
            &format!("/api{}", recording.path()),
            through.as_bytes(),
        );
        assert_eq!(got.path(), recording.path());
        let expected = renamed(body, model, &format!("upstream/{model}"));
        assert!(
            got.body == expected.as_bytes(),
            "{}: {}",
            recording.name,
            got.text()
        );
        seen += 1;
    }
    assert!(seen > 50);
}

/// The recorded streams that did not ask for usage: one option more, and nothing else.
#[test]
fn a_recorded_stream_request_gets_the_usage_option_and_no_other_change() {
    let Some(recordings) = recordings::openai() else {
        return;
    };
    let provider = Provider::start();
    let gateway = gateway(&provider);
    let mut seen = 0;
    for recording in recordings
        .iter()
        .filter(|recording| !recording.request.is_empty())
    {
        let body = std::str::from_utf8(&recording.request).expect("UTF-8");
        let parsed: Value = serde_json::from_str(body).expect("JSON");
        let model = parsed["model"].as_str().expect("a model");
        let through = renamed(body, model, &format!("asked/{model}"));
        let got = forwarded(&gateway, &provider, recording.path(), through.as_bytes());
        let is_added = parsed["stream"] == true && parsed["stream_options"]["include_usage"] != true;
        let expected = if is_added {
            without_option(got.text())
        } else {
            got.text().to_owned()
        };
        assert_eq!(expected, body, "{}", recording.name);
        if is_added {
            let mut asked = parsed.clone();
            asked["stream_options"] = serde_json::json!({ "include_usage": true });
            assert_eq!(got.json(), asked, "{}", recording.name);
            seen += 1;
        }
    }
    assert!(seen > 3);
}

/// Takes the one inserted member out again.
fn without_option(body: &str) -> String {
    let member = r#""stream_options":{"include_usage":true}"#;
    let at = body
        .find(member)
        .unwrap_or_else(|| panic!("no usage option in {body}"));
    let end = at + member.len();
    match (body[..at].ends_with(','), body[end..].starts_with(',')) {
        (true, _) => format!("{}{}", &body[..at - 1], &body[end..]),
        (_, true) => format!("{}{}", &body[..at], &body[end + 1..]),
        _ => panic!("the option stands alone in {body}"),
    }
}

const ODD: &str = "\n {\t\"messages\" : [ { \"role\":\"user\" , \"content\":[{\"type\":\"text\",\"text\":\"\\u0065\\ud83d\\ude00 \u{1f600}\"}]},\r\n\
    {\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"t\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{ \\\"z\\\":1e0,\\\"a\\\":[ ]}\"}}]},\
    {\"role\":\"tool\",\"tool_call_id\":\"t\",\"content\":\"\"}],\"temperature\":1e0,\"top_p\":1.0E+0,\"seed\":123456789012345678901234567890,\
    \"x_unknown\":{\"b\":[1,  2],\"a\":-0.0,\"model\":\"not this\"},\"model\" : \"MODEL\" ,\"stream\" :STREAM, \"user\":\"\\/\\u00e9\"} \n";

fn odd(model: &str, stream: bool) -> String {
    ODD.replace("MODEL", model)
        .replace("STREAM", if stream { "true" } else { "false" })
}

#[test]
fn feature_p16_a_request_with_odd_spacing_numbers_escapes_and_unknown_keys_reaches_the_provider_as_it_was() {
    let provider = Provider::start();
    let gateway = gateway(&provider);
    for path in ["/v1/chat/completions", "/api/v1/chat/completions"] {
        let got = forwarded(&gateway, &provider, path, odd("m", false).as_bytes());
        assert_eq!(got.text(), odd("m", false));
        let got = forwarded(&gateway, &provider, path, odd("renamed-m", false).as_bytes());
        assert_eq!(
            got.text(),
            odd("upstream/m", false),
            "the name inside x_unknown is left alone"
        );
        let got = forwarded(&gateway, &provider, path, odd("m", true).as_bytes());
        assert_eq!(
            got.text(),
            odd("m", true),
            "a provider that takes no usage option is not sent one"
        );
        let got = forwarded(&gateway, &provider, path, odd("asked/m", true).as_bytes());
        assert_eq!(without_option(got.text()), odd("m", true));
    }
}

#[test]
fn a_usage_option_that_is_off_is_turned_on_in_place() {
    let provider = Provider::start();
    let gateway = gateway(&provider);
    let body = |model: &str, option: &str| {
        format!(
            r#"{{"model":"{model}","stream":true,"stream_options":{option},"messages":[{{"role":"user","content":"x"}}]}}"#
        )
    };
    let cases = [
        (
            r#"{ "include_usage" : false , "other":1}"#,
            r#"{ "include_usage" : true , "other":1}"#,
        ),
        (r#"{"include_usage":true}"#, r#"{"include_usage":true}"#),
        ("null", r#"{"include_usage":true}"#),
    ];
    for (sent, expected) in cases {
        let got = forwarded(
            &gateway,
            &provider,
            "/v1/chat/completions",
            body("asked/m", sent).as_bytes(),
        );
        assert_eq!(got.text(), body("m", expected));
    }
    for sent in ["{}", r#"{"other":1}"#] {
        let got = forwarded(
            &gateway,
            &provider,
            "/v1/chat/completions",
            body("asked/m", sent).as_bytes(),
        );
        assert_eq!(got.json()["stream_options"]["include_usage"], true);
    }
}

#[test]
fn a_model_that_is_spelled_with_escapes_is_the_model_that_is_authorised_and_sent() {
    let provider = Provider::start();
    let gateway = gateway(&provider);
    let body = r#"{"mod\u0065l":"r\u0065named-x","input":"a"}"#;
    let got = forwarded(&gateway, &provider, "/v1/embeddings", body.as_bytes());
    assert_eq!(got.text(), r#"{"mod\u0065l":"upstream/x","input":"a"}"#);
    let same = r#"{"mod\u0065l":"\u006d","input":"a"}"#;
    let got = forwarded(&gateway, &provider, "/v1/embeddings", same.as_bytes());
    assert_eq!(got.text(), same, "what need not change keeps its spelling");
    assert_eq!(gateway.records(2)[1]["model"], "m");
}

#[test]
fn pain_b03_a_request_of_20_mib_passes_by_default() {
    let provider = Provider::start();
    let gateway = gateway(&provider);
    let image = "iVBORw0KGgo".repeat(20 * 1024 * 1024 / 11);
    let body = format!(
        r#"{{"model":"renamed-m","messages":[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{image}"}}}}]}}]}}"#
    );
    let got = forwarded(&gateway, &provider, "/v1/chat/completions", body.as_bytes());
    assert!(got.body == body.replace("renamed-m", "upstream/m").as_bytes());
}

#[test]
fn a_chunked_request_reaches_the_provider_whole_and_with_a_length() {
    let provider = Provider::start();
    let gateway = gateway(&provider);
    let body = odd("renamed-m", false);
    let mut client = gateway.connect();
    client.send(request(
        "POST",
        "/v1/chat/completions",
        KEY,
        &[("transfer-encoding", "chunked")],
    ));
    for piece in body.as_bytes().chunks(7) {
        client.send(format!("{:x};ext=1\r\n", piece.len()));
        client.send(piece);
        client.send("\r\n");
    }
    client.send("0\r\ntrailer: x\r\n\r\n");
    let call = provider.call();
    assert_eq!(call.request.text(), odd("upstream/m", false));
    assert_eq!(
        call.request.header("content-length"),
        Some(call.request.body.len().to_string().as_str())
    );
    assert_eq!(call.request.header("transfer-encoding"), None);
    call.answer_json(200, ANSWER);
    assert_eq!(client.answer().status(), 200);
    // and the connection is ready for the next
    client.send(post("/v1/chat/completions", KEY, odd("m", false)));
    provider.call().answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
}

/// Trailers come after all that is decided by headers, so they decide nothing: neither who calls, nor where the body ends.
#[test]
fn trailers_of_a_request_are_taken_in_and_go_no_further() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let trailers =
        "content-length: 3\r\nauthorization: Bearer sk-trailer\r\nx-trailer: GET / HTTP/1.1\r\n\r\n";
    let end = format!("0\r\n{trailers}");
    let next = request("GET", "/v1/models", KEY, &[]);
    for size in [1, 7, usize::MAX] {
        let headers = [
            ("transfer-encoding", "chunked"),
            ("trailer", "x-trailer, content-length"),
            ("te", "trailers"),
        ];
        let mut client = gateway.connect();
        client.send(request("POST", "/v1/chat/completions", KEY, &headers));
        client.send(format!("{:x}\r\n{CHAT}\r\n", CHAT.len()));
        // the next request follows at once
        let rest = [end.as_bytes(), &next].concat();
        rest.chunks(size.min(rest.len()))
            .for_each(|piece| client.send(piece));
        let call = provider.call();
        assert_eq!(call.request.text(), CHAT);
        let head = String::from_utf8_lossy(&call.request.head).to_lowercase();
        assert!(
            !head.contains("trailer") && !head.contains("transfer-encoding"),
            "{head}"
        );
        call.answer_json(200, ANSWER);
        assert_eq!(client.answer().text(), ANSWER, "pieces of {size}");
        assert_eq!(client.answer().json()["object"], "list", "pieces of {size}");
    }
    // the caller is who the headers say, not the trailers
    let mut client = gateway.connect();
    client.send(request(
        "POST",
        "/v1/chat/completions",
        "",
        &[("transfer-encoding", "chunked")],
    ));
    client.try_send(format!(
        "{:x}\r\n{CHAT}\r\n0\r\nauthorization: Bearer {KEY}\r\n\r\n",
        CHAT.len()
    ));
    assert_eq!(client.answer().status(), 401);
    assert_eq!(provider.calls(), 3);
    gateway.records(7);
}

#[test]
fn trailers_of_an_http2_request_are_taken_in_and_go_no_further() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    http2::runtime().block_on(async {
        let mut client = http2::Client::connect(gateway.address).await;
        let trailers = [("x-trailer", "1"), ("authorization", "Bearer sk-trailer")];
        let (answer, ()) = tokio::join!(
            client.post_with_trailers("/v1/chat/completions", KEY, CHAT, &trailers),
            async {
                let call = tokio::task::block_in_place(|| provider.call());
                assert_eq!(call.request.text(), CHAT);
                assert_eq!(find(&call.request.head, b"trailer"), None);
                call.answer_json(200, ANSWER);
            }
        );
        assert_eq!(answer.status(), 200);
        assert_eq!(http2::whole(answer).await, ANSWER);
    });
    gateway.record();
}

#[test]
fn what_a_caller_may_tell_a_provider_is_a_short_list() {
    let provider = Provider::start();
    let gateway = gateway(&provider);
    let headers = [
        ("openai-beta", "assistants=v2"),
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        ("cookie", "secret=1"),
        ("x-forwarded-for", "1.2.3.4"),
        ("openai-organization", "org-of-the-caller"),
        ("x-stainless-lang", "python"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
    ];
    let mut client = gateway.connect();
    client.send(crate::harness::client::post_with(
        "/v1/embeddings",
        KEY,
        &headers,
        r#"{"model":"m","input":"a"}"#,
    ));
    let call = provider.call();
    let has = |name| call.request.header(name).is_some();
    assert!(has("openai-beta") && has("traceparent"));
    for name in [
        "cookie",
        "x-forwarded-for",
        "openai-organization",
        "x-stainless-lang",
        "x-hop",
        "x-api-key",
    ] {
        assert!(!has(name), "{name}");
    }
    assert_eq!(find(&call.request.head, KEY.as_bytes()), None);
    call.answer_json(200, LIST);
    assert_eq!(client.answer().status(), 200);
}
