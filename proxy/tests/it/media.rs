//! Media that a provider does not take as its caller sends them: URLs that the gateway fetches, or does not; documents
//! that go as their words.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::calls::{ANSWER, CHAT_PATH, DONE, FINISH, says};
use crate::harness::gateway::{CREDENTIAL, Gateway, KEY, document_reader};
use crate::harness::provider::{Call, Provider};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";

const CONVERSE: &str = r#"{"output":{"message":{"role":"assistant","content":[{"text":"A dot."}]}},"stopReason":"end_turn","usage":{"inputTokens":5,"outputTokens":3,"totalTokens":8}}"#;

/// A gateway in front of Converse, which fetches nothing, allowed to fetch from `hosts`.
fn before(provider: &Provider, fetch: &str) -> Gateway {
    Gateway::of(&format!(
        r#"
providers:
  main: {{base_url: "http://{}", dialects: [bedrock-converse], credentials: ["env:CREDENTIAL"]}}
{fetch}
"#,
        provider.address
    ))
}

fn allowing(files: &Provider, more: &str) -> String {
    format!(
        "fetch: {{enabled: true, hosts: [\"http://{}\"]{more}}}",
        files.address
    )
}

fn url_of(files: &Provider, path: &str) -> String {
    format!("http://{}{path}", files.address)
}

fn asks(urls: &[String]) -> String {
    let mut parts = vec![json!({"type": "text", "text": "What is this?"})];
    parts.extend(
        urls.iter()
            .map(|url| json!({"type": "image_url", "image_url": {"url": url}})),
    );
    json!({"model": "m", "messages": [{"role": "user", "content": parts}]}).to_string()
}

fn sent_image(call: &Call) -> Vec<u8> {
    let sent = call.request.json();
    let image = &sent["messages"][0]["content"][1]["image"];
    assert_eq!(image["format"], "png", "{sent}");
    STANDARD
        .decode(image["source"]["bytes"].as_str().expect("bytes"))
        .expect("base64")
}

#[test]
fn a32_an_image_at_a_url_is_fetched_for_a_provider_that_does_not_fetch() {
    let (provider, files) = (Provider::start(), Provider::start());
    let gateway = before(&provider, &allowing(&files, ""));
    let mut client = gateway.begin(CHAT_PATH, asks(&[url_of(&files, "/dot.png?token=canary")]));
    let fetch = files.call();
    assert_eq!(fetch.request.start_line(), "GET /dot.png?token=canary HTTP/1.1");
    // nothing of the caller's or the gateway's own goes there
    let all = format!("{:?}", fetch.request.headers().collect::<Vec<_>>());
    assert!(!all.contains(KEY) && !all.contains(CREDENTIAL), "{all}");
    assert!(fetch.request.header("authorization").is_none() && fetch.request.header("cookie").is_none());
    fetch.answer(200, "application/octet-stream", PNG);
    let call = provider.call();
    assert_eq!(sent_image(&call), PNG);
    call.answer_json(200, CONVERSE);
    assert_eq!(client.answer().status(), 200);
    let record = gateway.record();
    let note = &record["media"][0];
    assert_eq!(
        (&note["what"], &note["host"], &note["outcome"], &note["bytes"]),
        (
            &json!("fetch"),
            &json!("127.0.0.1"),
            &json!("fetched"),
            &json!(PNG.len())
        ),
        "{record}"
    );
    assert!(!record.to_string().contains("canary"), "{record}");
}

#[test]
fn a32_media_are_fetched_at_once_and_each_url_once() {
    let (provider, files) = (Provider::start(), Provider::start());
    let gateway = before(&provider, &allowing(&files, ""));
    let urls = ["/a.png", "/b.png", "/a.png"].map(|path| url_of(&files, path));
    let mut client = gateway.begin(CHAT_PATH, asks(&urls));
    // both are under way before either is answered
    let (one, other) = (files.call(), files.call());
    assert_ne!(one.request.path(), other.request.path());
    other.answer(200, "image/png", PNG);
    one.answer(200, "image/png", PNG);
    let call = provider.call();
    assert_eq!(
        call.request.json()["messages"][0]["content"]
            .as_array()
            .map(Vec::len),
        Some(4)
    );
    call.answer_json(200, CONVERSE);
    assert_eq!(client.answer().status(), 200);
    assert_eq!(files.calls(), 2);
}

#[test]
fn a32_what_was_fetched_is_kept_for_the_next_attempt() {
    let (provider, files) = (Provider::start(), Provider::start());
    let gateway = Gateway::of(&format!(
        r#"
providers:
  one: {{base_url: "http://{0}", dialects: [bedrock-converse], credentials: ["env:CREDENTIAL"]}}
  two: {{base_url: "http://{0}", dialects: [bedrock-converse], credentials: ["env:CREDENTIAL"]}}
models:
  - {{name: m, targets: [{{provider: one}}, {{provider: two}}]}}
{1}
"#,
        provider.address,
        allowing(&files, "")
    ));
    let mut client = gateway.begin(CHAT_PATH, asks(&[url_of(&files, "/dot.png")]));
    files.call().answer(200, "image/png", PNG);
    provider.call().answer_json(500, r#"{"message":"no"}"#);
    let call = provider.call();
    assert_eq!(sent_image(&call), PNG);
    call.answer_json(200, CONVERSE);
    assert_eq!(client.answer().status(), 200);
    assert_eq!(files.calls(), 1);
}

#[test]
fn pain_q06_nothing_is_fetched_unless_the_configuration_says_so() {
    let (provider, files) = (Provider::start(), Provider::start());
    let gateway = before(&provider, "");
    let answer = gateway.post(CHAT_PATH, asks(&[url_of(&files, "/dot.png")]));
    assert_eq!(answer.status(), 400);
    assert!(
        answer.error_message().contains("fetch.enabled"),
        "{}",
        answer.text()
    );
    assert_eq!(answer.json()["error"]["param"], "messages[0].content[1]");
    files.saw_nothing();
    provider.saw_nothing();
}

#[test]
fn pain_q06_a_host_that_is_not_listed_and_an_inner_address_are_never_connected_to() {
    let (provider, files) = (Provider::start(), Provider::start());
    let port = files.address.port();
    let listed = before(
        &provider,
        "fetch: {enabled: true, hosts: [\"https://cdn.example.org\"]}",
    );
    // 80 and 443 are all that is asked without a list, so what is refused here is the address
    let anywhere = before(&provider, "fetch: {enabled: true}");
    for (gateway, url) in [
        (&listed, format!("http://127.0.0.1:{port}/dot.png")),
        (&anywhere, format!("http://127.0.0.1:{port}/dot.png")),
        (&anywhere, "http://127.0.0.1/dot.png".to_owned()),
        (&anywhere, "http://2130706433/dot.png".to_owned()),
        (&anywhere, "http://[::1]/dot.png".to_owned()),
        (&anywhere, "http://[::ffff:127.0.0.1]/dot.png".to_owned()),
        (&anywhere, "http://169.254.169.254/latest/meta-data/".to_owned()),
    ] {
        let answer = gateway.post(CHAT_PATH, asks(std::slice::from_ref(&url)));
        assert_eq!(
            (answer.status(), answer.error_code().as_str()),
            (400, "media_not_fetched"),
            "{url}: {}",
            answer.text()
        );
        assert!(
            answer.error_message().contains("does not fetch from there"),
            "{}",
            answer.text()
        );
    }
    files.saw_nothing();
    provider.saw_nothing();
}

#[test]
fn pain_q06_a_redirect_is_followed_only_to_where_a_url_may_be() {
    let (provider, files, elsewhere) = (Provider::start(), Provider::start(), Provider::start());
    let gateway = before(&provider, &allowing(&files, ", redirects: 1"));
    // to another path of the host
    let mut client = gateway.begin(CHAT_PATH, asks(&[url_of(&files, "/old.png")]));
    files.call().answer_with(302, &[("location", "/new.png")], "");
    let fetch = files.call();
    assert_eq!(fetch.request.path(), "/new.png");
    fetch.answer(200, "image/png", PNG);
    provider.call().answer_json(200, CONVERSE);
    assert_eq!(client.answer().status(), 200);
    // once too often
    let mut client = gateway.begin(CHAT_PATH, asks(&[url_of(&files, "/old.png")]));
    files.call().answer_with(302, &[("location", "/new.png")], "");
    files.call().answer_with(302, &[("location", "/newer.png")], "");
    assert_eq!(client.answer().error_code(), "media_not_fetched");
    // to a host that is not listed
    let mut client = gateway.begin(CHAT_PATH, asks(&[url_of(&files, "/old.png")]));
    let place = url_of(&elsewhere, "/secret");
    files.call().answer_with(302, &[("location", &place)], "");
    assert_eq!(client.answer().error_code(), "media_not_fetched");
    elsewhere.saw_nothing();
}

#[test]
fn a32_limits_are_named_and_what_is_over_them_is_not_read_to_its_end() {
    let (provider, files) = (Provider::start(), Provider::start());
    let gateway = before(
        &provider,
        &allowing(&files, ", item_bytes: 40, call_bytes: 60, items: 2"),
    );
    let large = [PNG, &[0; 100][..]].concat();
    let mut client = gateway.begin(CHAT_PATH, asks(&[url_of(&files, "/dot.png")]));
    files.call().answer(200, "image/png", &large);
    let answer = client.answer();
    assert!(
        answer.error_message().contains("`fetch.item_bytes`"),
        "{}",
        answer.text()
    );
    let mut client = gateway.begin(
        CHAT_PATH,
        asks(&["/a.png", "/b.png"].map(|path| url_of(&files, path))),
    );
    files
        .call()
        .answer(200, "image/png", [PNG, &[0; 10][..]].concat());
    files
        .call()
        .answer(200, "image/png", [PNG, &[0; 10][..]].concat());
    let answer = client.answer();
    assert!(
        answer.error_message().contains("`fetch.call_bytes`"),
        "{}",
        answer.text()
    );
    let mut client = gateway.begin(
        CHAT_PATH,
        asks(&["/a.png", "/b.png", "/c.png"].map(|path| url_of(&files, path))),
    );
    files.call().answer(200, "image/png", &PNG[..25]);
    files.call().answer(200, "image/png", &PNG[..25]);
    let answer = client.answer();
    assert!(
        answer.error_message().contains("`fetch.items`"),
        "{}",
        answer.text()
    );
    assert_eq!(answer.status(), 400);
    provider.saw_nothing();
}

#[test]
fn a32_what_is_no_image_never_gets_to_the_model_and_is_not_told() {
    let (provider, files) = (Provider::start(), Provider::start());
    let gateway = before(&provider, &allowing(&files, ""));
    for (status, body) in [
        (200, "aws_secret_access_key = canary"),
        (200, "<html>canary</html>"),
        (404, "canary"),
        (500, "canary"),
    ] {
        let mut client = gateway.begin(CHAT_PATH, asks(&[url_of(&files, "/dot.png")]));
        files.call().answer(status, "image/png", body);
        let answer = client.answer();
        assert_eq!(
            (answer.status(), answer.error_code().as_str()),
            (400, "media_not_fetched")
        );
        assert!(!answer.text().contains("canary"), "{}", answer.text());
    }
    provider.saw_nothing();
    assert!(!gateway.records_text().contains("canary"));
}

#[test]
fn a32_a_target_that_takes_urls_is_tried_where_fetching_fails() {
    let (provider, chat, files) = (Provider::start(), Provider::start(), Provider::start());
    let gateway = Gateway::of(&format!(
        r#"
providers:
  converse: {{base_url: "http://{}", dialects: [bedrock-converse], credentials: ["env:CREDENTIAL"]}}
  chat: {{base_url: "{}", credentials: ["env:CREDENTIAL"]}}
models:
  - {{name: m, targets: [{{provider: converse}}, {{provider: chat}}]}}
{}
"#,
        provider.address,
        chat.url(),
        allowing(&files, "")
    ));
    let url = url_of(&files, "/dot.png");
    let body = asks(std::slice::from_ref(&url));
    let mut client = gateway.begin(CHAT_PATH, &body);
    files.call().answer(403, "text/plain", "no");
    let call = chat.call();
    assert_eq!(call.request.text(), body);
    call.answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
    provider.saw_nothing();
}

#[test]
fn a32_a_provider_of_the_callers_own_dialect_may_lack_the_web_too() {
    let (provider, files) = (Provider::start(), Provider::start());
    let gateway = Gateway::of(&format!(
        r#"
providers:
  main: {{base_url: "{}", credentials: ["env:CREDENTIAL"], fetches_urls: false}}
{}
"#,
        provider.url(),
        allowing(&files, "")
    ));
    let body = json!({"model": "m", "stream": true, "brand_new": 1, "messages": [{"role": "user", "content": [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": url_of(&files, "/dot.png"), "detail": "low"}},
    ]}]});
    let mut client = gateway.begin(CHAT_PATH, body.to_string());
    files.call().answer(200, "image/png", PNG);
    let call = provider.call();
    let sent = call.request.json();
    let image = &sent["messages"][0]["content"][1]["image_url"];
    assert_eq!(
        image["url"],
        format!("data:image/png;base64,{}", STANDARD.encode(PNG)),
        "{sent}"
    );
    assert_eq!((&image["detail"], &sent["brand_new"]), (&json!("low"), &json!(1)));
    call.stream(&[&says("A dot."), FINISH, DONE]);
    let answer = client.answer();
    assert!(
        answer.text().contains("A dot.") && answer.text().ends_with(DONE),
        "{}",
        answer.text()
    );
    // what needs no change goes as it came
    let plain = r#"{"model":"m", "messages":[{"role":"user","content":"hi"}],"brand_new":1e0}"#;
    let mut client = gateway.begin(CHAT_PATH, plain);
    let call = provider.call();
    assert_eq!(call.request.text(), plain);
    call.answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
}

/// A PDF of one page with a line on it.
fn pdf(line: &str) -> Vec<u8> {
    let stream = format!("BT /F1 12 Tf 72 720 Td ({line}) Tj ET");
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>"
            .to_owned(),
        format!("<</Length {}>>stream\n{stream}\nendstream", stream.len()),
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>".to_owned(),
    ];
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut places = Vec::new();
    for (number, object) in (1..).zip(&objects) {
        places.push(file.len());
        file.extend_from_slice(format!("{number} 0 obj{object}endobj\n").as_bytes());
    }
    let table = file.len();
    file.extend_from_slice(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).as_bytes());
    for place in places {
        file.extend_from_slice(format!("{place:010} 00000 n \n").as_bytes());
    }
    let trailer = format!(
        "trailer<</Size {}/Root 1 0 R>>\nstartxref\n{table}\n%%EOF",
        objects.len() + 1
    );
    file.extend_from_slice(trailer.as_bytes());
    file
}

/// A gateway in front of a provider whose models know no documents.
fn wordy(provider: &Provider, more: &str) -> Gateway {
    Gateway::of(&format!(
        r#"
providers:
  main: {{base_url: "{}", credentials: ["env:CREDENTIAL"], reads_documents: false}}
{more}
"#,
        provider.url()
    ))
}

fn file(name: &str, media_type: &str, bytes: &[u8]) -> String {
    let data = format!("data:{media_type};base64,{}", STANDARD.encode(bytes));
    json!({"model": "m", "messages": [{"role": "user", "content": [
        {"type": "text", "text": "Sum it up."},
        {"type": "file", "file": {"filename": name, "file_data": data}},
    ]}]})
    .to_string()
}

/// What the model got in the place of the document.
fn words_of(gateway: &Gateway, provider: &Provider, body: &str) -> String {
    let mut client = gateway.begin(CHAT_PATH, body);
    let call = provider.call();
    let sent: Value = call.request.json();
    let part = &sent["messages"][0]["content"][1];
    assert_eq!(part["type"], "text", "{sent}");
    call.answer_json(200, ANSWER);
    let answer = client.answer();
    assert_eq!(answer.status(), 200);
    let dropped = answer.header("x-penstock-dropped").unwrap_or_default();
    assert!(dropped.contains("messages[0].content[1]"), "{dropped}");
    part["text"].as_str().expect("a text").to_owned()
}

#[test]
fn a34_a_pdf_goes_as_its_words_to_a_model_that_reads_none() {
    if document_reader().is_none() {
        return;
    }
    let provider = Provider::start();
    let gateway = wordy(&provider, "");
    let body = file(
        "Q3 \"report\".pdf",
        "application/pdf",
        &pdf("Revenue rose by 7 percent."),
    );
    let words = words_of(&gateway, &provider, &body);
    assert!(words.contains("Revenue rose by 7 percent."), "{words}");
    assert!(
        words.starts_with("<document name=\"Q3  report .pdf\">"),
        "{words}"
    );
    let record = gateway.record();
    assert_eq!(
        (&record["media"][0]["what"], &record["media"][0]["outcome"]),
        (&json!("read"), &json!("read")),
        "{record}"
    );
    assert!(!record.to_string().contains("Revenue"), "{record}");
}

#[test]
fn a34_web_pages_and_texts_go_as_their_words_too() {
    if document_reader().is_none() {
        return;
    }
    let provider = Provider::start();
    let gateway = wordy(&provider, "");
    let page = b"<html><head><style>p{color:red}</style><script>alert(1)</script></head><body><h1>Title</h1><p>One &amp; two.</p></body></html>";
    let words = words_of(&gateway, &provider, &file("page.html", "text/html", page));
    assert!(words.contains("Title") && words.contains("One & two."), "{words}");
    assert!(!words.contains("alert") && !words.contains("color"), "{words}");
}

#[test]
fn a34_a_pdf_goes_as_its_words_where_the_dialect_knows_none() {
    if document_reader().is_none() {
        return;
    }
    let provider = Provider::start();
    let gateway = Gateway::of(&format!(
        r#"
providers:
  main: {{base_url: "http://{}/v2", dialects: [cohere], credentials: ["env:CREDENTIAL"]}}
"#,
        provider.address
    ));
    let body = file("r.pdf", "application/pdf", &pdf("Revenue rose."));
    let mut client = gateway.begin(CHAT_PATH, body);
    let call = provider.call();
    assert!(
        call.request.text().contains("Revenue rose."),
        "{}",
        call.request.text()
    );
    call.answer_json(
        200,
        r#"{"id":"c","finish_reason":"COMPLETE","message":{"role":"assistant","content":[{"type":"text","text":"ok"}]},"usage":{"tokens":{"input_tokens":1,"output_tokens":1}}}"#,
    );
    assert_eq!(client.answer().status(), 200);
}

#[test]
fn a34_a_pdf_at_a_url_is_fetched_and_read() {
    if document_reader().is_none() {
        return;
    }
    let (provider, files) = (Provider::start(), Provider::start());
    let gateway = wordy(&provider, &allowing(&files, ""));
    let body = json!({"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": [
        {"type": "text", "text": "Sum it up."},
        {"type": "document", "source": {"type": "url", "url": url_of(&files, "/report.pdf")}},
    ]}]});
    let mut client = gateway.begin("/v1/messages", body.to_string());
    files.call().answer(200, "application/pdf", pdf("Revenue rose."));
    let call = provider.call();
    let sent = call.request.json();
    let text = sent["messages"][0]["content"][1]["text"]
        .as_str()
        .expect("a text")
        .to_owned();
    assert!(
        text.contains("report.pdf") && text.contains("Revenue rose."),
        "{text}"
    );
    call.answer_json(200, ANSWER);
    assert_eq!(client.answer().status(), 200);
}

#[test]
fn a34_texts_need_no_reader() {
    let provider = Provider::start();
    let gateway = wordy(&provider, "");
    let words = words_of(&gateway, &provider, &file("a.csv", "text/csv", b"a,b\n1,2\n"));
    assert_eq!(words, "<document name=\"a.csv\">\na,b\n1,2\n\n</document>");
}

#[test]
fn a34_documents_are_refused_where_the_configuration_says_so() {
    let provider = Provider::start();
    let gateway = wordy(&provider, "documents: refuse");
    let answer = gateway.post(CHAT_PATH, file("r.pdf", "application/pdf", &pdf("x")));
    assert_eq!(
        (answer.status(), answer.error_code().as_str()),
        (400, "unsupported_value")
    );
    assert_eq!(answer.json()["error"]["param"], "messages[0].content[1]");
    provider.saw_nothing();
}

#[test]
fn a34_a_hostile_document_is_refused_and_the_gateway_lives_on() {
    if document_reader().is_none() {
        return;
    }
    let provider = Provider::start();
    let gateway = wordy(&provider, "");
    let good = pdf("fine");
    // a page tree that contains itself, a stream without end, a page without its box, half a file, noise
    let text = String::from_utf8(good.clone()).expect("it is ASCII");
    let hostile = [
        text.replace("/Kids[3 0 R]", "/Kids[2 0 R]"),
        text.replace("/MediaBox[0 0 612 792]", "/MediaBox[0]"),
        text.replace("/Contents 4 0 R", "/Contents 3 0 R"),
        text[..text.len() / 2].to_owned(),
        format!("%PDF-1.7\n{}", "[".repeat(1 << 20)),
        format!("%PDF-1.7\n{}", "<<".repeat(1 << 20)),
    ];
    for document in &hostile {
        let body = file("x.pdf", "application/pdf", document.as_bytes());
        let answer = gateway.post(CHAT_PATH, body);
        assert_eq!(
            (answer.status(), answer.error_code().as_str()),
            (400, "document_not_read"),
            "{}",
            answer.text()
        );
    }
    provider.saw_nothing();
    let words = words_of(&gateway, &provider, &file("good.pdf", "application/pdf", &good));
    assert!(words.contains("fine"));
}
