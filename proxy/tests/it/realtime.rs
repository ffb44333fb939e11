//! Realtime sessions: who gets one, what each side sees of the other, what is counted, and how they end.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tokio_tungstenite::tungstenite;
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::HandshakeError;
use tungstenite::handshake::client::Response as Opened;
use tungstenite::handshake::server::{Request, Response};
use tungstenite::protocol::{Message, WebSocket, frame::CloseFrame};

use crate::harness::client::{self, request};
use crate::harness::gateway::{CREDENTIAL, Gateway, KEY, OTHER_KEY};
use crate::harness::message::find;
use crate::harness::provider::{self, Call, Provider};
use crate::harness::tls::{self, Authority};
use crate::harness::{PATIENCE, eventually, http2, log};

const PAGE: &str = "/v1/realtime?model=gpt-realtime";
const SESSIONS: &str = "penstock_realtime_sessions";

const HANDSHAKE: [(&str, &str); 4] = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

const RESPONSE_DONE: &str = r#"{"type":"response.done","event_id":"e","response":{"status":"completed","usage":{
    "total_tokens":30,"input_tokens":20,"output_tokens":10,
    "input_token_details":{"cached_tokens":4,"audio_tokens":8},"output_token_details":{"audio_tokens":7}}}}"#;

type Socket = WebSocket<TcpStream>;

/// A provider that speaks WebSocket.
struct Speaker(TcpListener);

/// The provider's end of a session.
struct Met {
    request: Request,
    socket: Socket,
}

impl Speaker {
    fn start() -> Speaker {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a listening socket");
        Speaker(listener)
    }

    fn url(&self) -> String {
        format!(
            "http://{}/v1",
            self.0.local_addr().expect("a bound socket has an address")
        )
    }

    fn gateway(&self) -> Gateway {
        Gateway::of(&crate::harness::gateway::providers(&[("main", &self.url())]))
    }

    fn met(&self) -> Met {
        self.met_with(&[])
    }

    /// Waits for the gateway and opens the session with headers of the test's.
    fn met_with(&self, headers: &'static [(&'static str, &'static str)]) -> Met {
        let stream = eventually("the gateway comes", || self.0.accept().ok()).0;
        patient(&stream);
        let mut seen = None;
        #[expect(clippy::result_large_err, reason = "the form that tungstenite asks for")]
        let look = |request: &Request, mut response: Response| {
            seen = Some(request.clone());
            for (name, value) in headers {
                response
                    .headers_mut()
                    .append(*name, value.parse().expect("a header"));
            }
            Ok(response)
        };
        let socket = tungstenite::accept_hdr(stream, look).expect("a handshake");
        Met {
            request: seen.expect("a handshake has a request"),
            socket,
        }
    }

    fn met_nobody(&self) {
        assert!(self.0.accept().is_err(), "the provider was contacted");
    }
}

impl Met {
    /// Everything that the provider was told, to look for what it must not hear.
    fn heard(&self) -> String {
        format!("{:?}", self.request)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    }
}

fn patient(stream: &TcpStream) {
    stream.set_nonblocking(false).expect("a TCP socket");
    stream.set_nodelay(true).expect("a TCP socket");
    stream.set_read_timeout(Some(PATIENCE)).expect("a TCP socket");
}

/// Opens a session while the test plays the provider.
fn dial(
    address: SocketAddr,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
) -> JoinHandle<(Socket, Opened)> {
    std::thread::spawn(move || {
        let url = format!("ws://gateway.test{path}");
        let mut request = url.into_client_request().expect("a request");
        for (name, value) in headers {
            request
                .headers_mut()
                .append(*name, value.parse().expect("a header"));
        }
        match tungstenite::client(request, client::socket(address)) {
            Ok(opened) => opened,
            Err(HandshakeError::Failure(error)) => panic!("no session: {error}"),
            Err(HandshakeError::Interrupted(_)) => panic!("no session in time"),
        }
    })
}

const AUTHORIZED: &[(&str, &str)] = &[("authorization", "Bearer sk-client-canary-7f3a9c")];

/// Both ends of a session.
fn session(gateway: &Gateway, speaker: &Speaker) -> (Socket, Met) {
    let dialled = dial(gateway.address, PAGE, AUTHORIZED);
    let met = speaker.met();
    (joined(dialled).0, met)
}

fn joined<T>(thread: JoinHandle<T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The caller says goodbye, and both ends hear of the other's.
fn part(mut caller: Socket, mut met: Met) {
    caller.close(None).expect("a goodbye");
    assert!(matches!(met.socket.read(), Ok(Message::Close(_))));
    let _ = met.socket.flush();
    assert!(matches!(caller.read(), Ok(Message::Close(_))));
    drop(met);
    assert!(matches!(caller.read(), Err(tungstenite::Error::ConnectionClosed)));
}

/// A handshake in plain bytes, for answers that are none.
fn knock(gateway: &Gateway, path: &str, key: &str, headers: &[(&str, &str)]) -> client::Client {
    let mut caller = gateway.connect();
    caller.send(request("GET", path, key, &[&HANDSHAKE, headers].concat()));
    caller
}

fn usage(record: &Value) -> Value {
    record["usage"].clone()
}

#[test]
fn a16_a_session_passes_both_ways_as_it_is() {
    assert_eq!(AUTHORIZED[0].1, format!("Bearer {KEY}"));
    let speaker = Speaker::start();
    let gateway = Gateway::of(&format!(
        "providers:\n  main: {{base_url: \"{}\", credentials: [\"env:CREDENTIAL\"], headers: {{x-of-operator: yes-it-is}}}}\n\
         models: [{{name: \"rt/*\", targets: [{{provider: main, model: \"*\"}}]}}]",
        speaker.url()
    ));
    let dialled = dial(
        gateway.address,
        "/api/v1/realtime?model=rt%2Fgpt+4%26o",
        &[
            ("authorization", "Bearer sk-client-canary-7f3a9c"),
            ("openai-beta", "realtime=v1"),
            ("sec-websocket-extensions", "permessage-deflate"),
            ("cookie", "secret=cookie"),
            ("openai-organization", "org-of-caller"),
            ("connection", "host, authorization"),
        ],
    );
    let mut met = speaker.met_with(&[
        ("set-cookie", "session=provider"),
        ("openai-version", "2020-10-01"),
    ]);
    let (mut caller, opened) = joined(dialled);

    assert_eq!(met.request.uri(), "/v1/realtime?model=gpt%204%26o");
    assert_eq!(
        met.header("authorization"),
        Some(format!("Bearer {CREDENTIAL}").as_str())
    );
    assert_eq!(met.header("openai-beta"), Some("realtime=v1"));
    assert_eq!(met.header("x-of-operator"), Some("yes-it-is"));
    for absent in [
        "sec-websocket-extensions",
        "cookie",
        "openai-organization",
        "content-length",
    ] {
        assert_eq!(met.header(absent), None, "{absent}");
    }
    assert!(!met.heard().contains(KEY), "{}", met.heard());

    let header = |name: &str| opened.headers().get(name).and_then(|value| value.to_str().ok());
    assert_eq!(header("x-penstock-generation"), Some("1"));
    assert_eq!(header("x-penstock-provider"), Some("main"));
    assert_eq!(header("x-penstock-model"), Some("gpt 4&o"));
    assert_eq!(header("openai-version"), Some("2020-10-01"));
    assert_eq!(header("set-cookie"), None);
    let id = header("x-request-id").expect("an id").to_owned();

    let long = "sound ".repeat(50_000);
    for message in [
        Message::text("{\"type\":\"response.create\"}"),
        Message::binary(vec![0, 255, 128]),
        Message::text(long),
    ] {
        caller.send(message.clone()).expect("the session takes it");
        assert_eq!(met.socket.read().expect("it arrives"), message);
        met.socket.send(message.clone()).expect("the session takes it");
        assert_eq!(caller.read().expect("it arrives"), message);
    }
    met.socket.send(Message::Ping("there?".into())).expect("a ping");
    assert_eq!(caller.read().expect("a ping"), Message::Ping("there?".into()));
    caller.flush().expect("a pong");
    assert_eq!(met.socket.read().expect("a pong"), Message::Pong("there?".into()));
    part(caller, met);

    let record = gateway.record();
    assert_eq!(record["id"], id.as_str());
    assert_eq!(
        (&record["operation"], &record["status"]),
        (&"realtime".into(), &101.into())
    );
    assert_eq!(
        (&record["ending"], &record["stream"]),
        (&"complete".into(), &true.into())
    );
    assert_eq!(
        (&record["model"], &record["path"]),
        (&"rt/gpt 4&o".into(), &"/api/v1/realtime".into())
    );
    assert_eq!(
        (&record["metered"], &usage(&record)["source"]),
        (&false.into(), &"none".into())
    );
    assert_eq!(record["attempts"][0]["status"], 101);
    assert!(record["bytes"]["in"].as_u64() > Some(300_000), "{record}");
    assert!(record["bytes"]["out"].as_u64() > Some(300_000), "{record}");
    assert!(
        record["us"]["overhead"].as_u64() < record["us"]["total"].as_u64(),
        "{record}"
    );
}

#[test]
fn a16_a_session_is_metered_from_its_responses() {
    let speaker = Speaker::start();
    let gateway = speaker.gateway();
    let (mut caller, mut met) = session(&gateway, &speaker);
    eventually("the session is counted", || {
        (gateway.metric(SESSIONS) == 1.0).then_some(())
    });
    for event in [RESPONSE_DONE, r#"{"type":"rate_limits.updated"}"#, RESPONSE_DONE] {
        met.socket
            .send(Message::text(event))
            .expect("the session takes it");
        assert_eq!(caller.read().expect("it arrives"), Message::text(event));
    }
    part(caller, met);
    let record = gateway.record();
    assert_eq!(record["metered"], true);
    let used = usage(&record);
    assert_eq!(
        (&used["prompt"], &used["completion"], &used["total"]),
        (&40.into(), &20.into(), &60.into())
    );
    assert_eq!(
        (&used["cached"], &used["source"]),
        (&8.into(), &"provider".into())
    );
    assert_eq!(
        gateway.metric(r#"penstock_tokens_total{direction="prompt",provider="main"}"#),
        40.0
    );
    assert_eq!(gateway.metric(SESSIONS), 0.0);
}

#[test]
fn a_browsers_key_opens_a_session_and_goes_no_further() {
    let speaker = Speaker::start();
    let gateway = speaker.gateway();
    let dialled = dial(
        gateway.address,
        PAGE,
        &[(
            "sec-websocket-protocol",
            "realtime, openai-insecure-api-key.sk-client-canary-7f3a9c, openai-beta.realtime-v1",
        )],
    );
    let met = speaker.met_with(&[("sec-websocket-protocol", "realtime")]);
    let (caller, opened) = joined(dialled);
    assert_eq!(opened.headers()["sec-websocket-protocol"], "realtime");
    assert_eq!(
        met.header("sec-websocket-protocol"),
        Some("realtime, openai-beta.realtime-v1")
    );
    assert!(!met.heard().contains(KEY));
    part(caller, met);
    assert_eq!(gateway.record()["key"], "team");
    assert!(!gateway.records_text().contains(KEY));
    assert!(!log::has(&format!("openai-insecure-api-key.{KEY}")));
}

/// Path, key and headers of a handshake, and what it is answered.
type Refused<'t> = (&'t str, &'t str, &'t [(&'t str, &'t str)], u16, &'t str);

#[test]
fn pain_q01_what_may_not_have_a_session_never_reaches_a_provider() {
    let speaker = Speaker::start();
    let gateway = Gateway::of(&format!(
        "{}\nmodels:\n  - {{name: gpt-realtime, targets: [{{provider: main}}]}}\n  - {{name: dear, targets: [{{provider: main}}]}}\n\
         keys: [{{name: team, key: \"env:KEY\", models: [gpt-realtime]}}, {{name: all, key: \"env:OTHER_KEY\", models: [\"*\"]}}]",
        crate::harness::gateway::providers(&[("main", &speaker.url())])
    ));
    let refused: &[Refused] = &[
        (PAGE, "sk-wrong", &[], 401, "invalid_api_key"),
        (PAGE, "", &[], 401, "missing_api_key"),
        (
            PAGE,
            "",
            &[("sec-websocket-protocol", "openai-insecure-api-key.sk-wrong")],
            401,
            "invalid_api_key",
        ),
        ("/v1/realtime", KEY, &[], 400, "missing_required_parameter"),
        (
            "/v1/realtime?model=gpt-realtime&model=dear",
            KEY,
            &[],
            400,
            "duplicate_parameter",
        ),
        (
            "/v1/realtime?model=gpt-realtime&mod%65l=dear",
            KEY,
            &[],
            400,
            "duplicate_parameter",
        ),
        (
            "/v1/realtime?model=gpt-realtime&call_id=c",
            KEY,
            &[],
            400,
            "unknown_parameter",
        ),
        ("/v1/realtime?model=dear", KEY, &[], 403, "model_not_allowed"),
        (
            "/api/v1/realtime?model=gone",
            OTHER_KEY,
            &[],
            404,
            "model_not_found",
        ),
        (PAGE, KEY, &[("content-length", "5")], 400, "invalid_handshake"),
    ];
    for (path, key, headers, status, code) in refused {
        let answer = knock(&gateway, path, key, headers).answer();
        assert_eq!(
            (answer.status(), answer.error_code().as_str()),
            (*status, *code),
            "{path}"
        );
        assert!(answer.header("x-request-id").is_some());
    }
    speaker.met_nobody();
    let records = gateway.stop();
    assert_eq!(records.len(), refused.len());
    for (record, (.., status, code)) in records.iter().zip(refused) {
        assert_eq!(
            (&record["status"], &record["error"]["code"]),
            (&(*status).into(), &(*code).into())
        );
        assert_eq!(
            (&record["operation"], &record["ending"]),
            (&"realtime".into(), &"refused".into())
        );
        assert_eq!(record.get("metered"), None);
    }
}

#[test]
fn a_request_that_asks_for_no_upgrade_is_told_to() {
    let speaker = Speaker::start();
    let gateway = speaker.gateway();
    let answer = gateway.get(PAGE);
    assert_eq!(
        (answer.status(), answer.error_code().as_str()),
        (426, "upgrade_required")
    );
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    let other = gateway.send(request(
        "GET",
        PAGE,
        KEY,
        &[("connection", "Upgrade"), ("upgrade", "h2c")],
    ));
    assert_eq!(other.status(), 426);
    assert_eq!(gateway.post(PAGE, "{}").status(), 405);
    let over_http2 = http2::runtime().block_on(async {
        let (mut sender, connection) = {
            let stream = tokio::net::TcpStream::connect(gateway.address)
                .await
                .expect("a connection");
            let (executor, stream) = (
                hyper_util::rt::TokioExecutor::new(),
                hyper_util::rt::TokioIo::new(stream),
            );
            hyper::client::conn::http2::handshake(executor, stream)
                .await
                .expect("a handshake")
        };
        tokio::spawn(connection);
        let request = http::Request::get(format!("http://gateway.test{PAGE}"))
            .header("authorization", format!("Bearer {KEY}"))
            .body(http_body_util::Empty::<bytes::Bytes>::new())
            .expect("a request");
        let answer = sender.send_request(request).await.expect("an answer");
        (answer.status().as_u16(), http2::whole(answer).await)
    });
    assert_eq!(over_http2.0, 426);
    assert!(
        String::from_utf8_lossy(&over_http2.1).contains("HTTP/2"),
        "{over_http2:?}"
    );
    speaker.met_nobody();
}

/// A gateway's answer where the provider answers a handshake like this.
fn answered_by(answer: impl FnOnce(&Call)) -> (crate::harness::message::Message, Value) {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let mut caller = knock(&gateway, PAGE, KEY, &[]);
    answer(&provider.call());
    (caller.answer(), gateway.record())
}

#[test]
fn a_providers_refusal_is_no_refusal_of_the_callers_key() {
    for status in [401, 403] {
        let body = r#"{"error":{"message":"Incorrect API key provided: sk-upst***aa01"}}"#;
        let (answer, record) = answered_by(|call| call.answer_json(status, body));
        assert_eq!(answer.status(), 502);
        assert_eq!(answer.error_code(), "upstream_credentials_rejected");
        assert!(answer.error_message().contains("main"));
        assert!(!answer.text().contains("sk-upst"));
        assert_eq!(answer.json()["error"]["attempts"][0]["status"], status);
        assert_eq!(
            (&record["ending"], &record["status"]),
            (&"failed".into(), &502.into())
        );
        assert_eq!(record["attempts"][0]["outcome"], "credential");
    }
}

#[test]
fn a_refused_handshake_is_an_error_in_openais_shape() {
    let body = r#"{"error":{"message":"no such model","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#;
    let (answer, record) = answered_by(|call| call.answer_json(404, body));
    assert_eq!((answer.status(), answer.text()), (404, body));
    assert_eq!(answer.header("x-penstock-provider"), Some("main"));
    assert!(answer.header("x-request-id").is_some());
    assert_eq!(
        (&record["ending"], &record["error"]["code"]),
        (&"refused".into(), &"upstream_not_found".into())
    );
    assert_eq!(record.get("metered"), None);

    let (answer, _) = answered_by(|call| call.answer(400, "text/html", "<h1>Bad Request</h1>"));
    assert_eq!(
        (answer.status(), answer.error_code().as_str()),
        (400, "upstream_invalid_request")
    );
    assert!(!answer.text().contains("h1"));

    let (answer, record) = answered_by(|call| call.answer_with(429, &[("retry-after", "7")], ""));
    assert_eq!((answer.status(), answer.header("retry-after")), (429, Some("7")));
    assert_eq!(answer.error_code(), "rate_limit_exceeded");
    assert_eq!(record["attempts"][0]["outcome"], "status");

    for strange in [200, 302] {
        let (answer, _) = answered_by(|call| call.answer_json(strange, "{}"));
        assert_eq!(answer.status(), 502, "{strange}");
        answer.error_code();
    }
    let (answer, record) = answered_by(Call::close);
    assert_eq!(
        (answer.status(), answer.error_code().as_str()),
        (502, "upstream_broken")
    );
    assert_eq!(
        (&record["ending"], &record["attempts"][0]["outcome"]),
        (&"failed".into(), &"broken".into())
    );
}

#[test]
fn pain_q02_a_credential_that_a_refused_handshake_quotes_is_overwritten() {
    let error = |key: &str| {
        format!(r#"{{"error":{{"message":"Incorrect API key provided: {key} (see the manual)"}}}}"#)
    };
    for shown in [CREDENTIAL, "sk-upstr************4d01"] {
        let (said, hidden) = (error(shown), error(&"*".repeat(shown.len())));
        let (answer, _) = answered_by(|call| call.answer_json(400, &said));
        assert_eq!((answer.status(), answer.text()), (400, hidden.as_str()));
        // in pieces, however they are cut
        let (answer, _) = answered_by(|call| {
            call.begin(400, &[("content-type", "application/json")]);
            said.as_bytes().chunks(5).for_each(|piece| call.chunk(piece));
            call.end();
        });
        assert_eq!((answer.status(), answer.text()), (400, hidden.as_str()));
        assert!(answer.is_whole);
    }
}

#[test]
fn an_answer_that_changes_the_frames_opens_no_session() {
    let (answer, _) = answered_by(|call| {
        call.raw(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: x\r\nsec-websocket-extensions: permessage-deflate\r\n\r\n");
    });
    assert_eq!(
        (answer.status(), answer.error_code().as_str()),
        (502, "upstream_broken")
    );
}

#[test]
fn a_session_goes_to_the_next_target_until_it_is_open() {
    let (mut busy, speaker) = (Provider::start(), Speaker::start());
    busy.serve(|call| call.answer_json(503, "{}"));
    let gateway = Gateway::of(&format!(
        "{}\nmodels: [{{name: gpt-realtime, targets: [{{provider: gone}}, {{provider: busy}}, {{provider: open, model: other}}]}}]",
        crate::harness::gateway::providers(&[
            ("gone", &format!("http://{}/v1", provider::refusing())),
            ("busy", &busy.url()),
            ("open", &speaker.url()),
        ])
    ));
    let dialled = dial(gateway.address, PAGE, AUTHORIZED);
    let met = speaker.met();
    let (caller, opened) = joined(dialled);
    assert_eq!(met.request.uri(), "/v1/realtime?model=other");
    assert_eq!(opened.headers()["x-penstock-attempts"], "3");
    assert_eq!(opened.headers()["x-penstock-provider"], "open");
    part(caller, met);
    let record = gateway.record();
    let outcomes: Vec<&str> = (0..3)
        .filter_map(|index| record["attempts"][index]["outcome"].as_str())
        .collect();
    assert_eq!(outcomes, ["connect", "status", "served"]);
}

#[test]
fn a_session_that_no_target_takes_is_refused_with_every_attempt() {
    let gone = format!("http://{}/v1", provider::refusing());
    let gateway = Gateway::of(&crate::harness::gateway::providers(&[("main", &gone)]));
    let answer = knock(&gateway, PAGE, KEY, &[]).answer();
    assert_eq!(
        (answer.status(), answer.error_code().as_str()),
        (502, "upstream_unreachable")
    );
    assert_eq!(answer.json()["error"]["attempts"][0]["outcome"], "connect");
    assert_eq!(gateway.record()["attempts"][0]["outcome"], "connect");
}

#[test]
fn what_comes_with_the_101_is_neither_lost_nor_uncounted() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let mut caller = client::socket(gateway.address);
    caller
        .write_all(&request("GET", PAGE, KEY, &HANDSHAKE))
        .expect("a connection");
    let call = provider.call();
    let event = RESPONSE_DONE.as_bytes();
    let mut wire = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: x\r\n\r\n".to_vec();
    let mut frames = vec![0x81, 126];
    frames.extend(u16::try_from(event.len()).unwrap().to_be_bytes());
    frames.extend_from_slice(event);
    frames.extend_from_slice(&[0x88, 0]);
    wire.extend_from_slice(&frames);
    call.raw(&wire);
    call.close();
    let mut got = Vec::new();
    caller.read_to_end(&mut got).expect("the session ends");
    let head = find(&got, b"\r\n\r\n").expect("a head") + 4;
    assert!(got.starts_with(b"HTTP/1.1 101 "));
    assert_eq!(&got[head..], frames);
    let record = gateway.record();
    assert_eq!(
        (&record["ending"], &record["metered"]),
        (&"complete".into(), &true.into())
    );
    assert_eq!(usage(&record)["total"], 30);
    assert_eq!(record["bytes"]["out"], frames.len());
}

#[test]
fn what_a_hasty_caller_sends_with_its_handshake_is_not_lost() {
    let speaker = Speaker::start();
    let gateway = speaker.gateway();
    let mut caller = gateway.connect();
    let mut wire = request("GET", PAGE, KEY, &HANDSHAKE);
    // "hi", masked with zeros
    wire.extend_from_slice(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']);
    caller.send(wire);
    let mut met = speaker.met();
    assert_eq!(caller.head().status(), 101);
    assert_eq!(met.socket.read().expect("it arrives"), Message::text("hi"));
    caller.send([0x81, 0x82, 0, 0, 0, 0, b'h', b'o']);
    assert_eq!(met.socket.read().expect("it arrives"), Message::text("ho"));
}

#[test]
fn a_provider_that_says_goodbye_ends_the_session() {
    let speaker = Speaker::start();
    let gateway = speaker.gateway();
    let (mut caller, mut met) = session(&gateway, &speaker);
    let goodbye = CloseFrame {
        code: 1001.into(),
        reason: "session expired".into(),
    };
    met.socket.close(Some(goodbye.clone())).expect("a goodbye");
    assert_eq!(caller.read().expect("a goodbye"), Message::Close(Some(goodbye)));
    caller.flush().expect("the goodbye is answered");
    assert!(matches!(met.socket.read(), Ok(Message::Close(_))));
    drop(met);
    assert_eq!(gateway.record()["ending"], "complete");
}

#[test]
fn a_provider_that_breaks_off_is_no_complete_session() {
    let speaker = Speaker::start();
    let gateway = speaker.gateway();
    let (mut caller, mut met) = session(&gateway, &speaker);
    met.socket
        .send(Message::text(RESPONSE_DONE))
        .expect("the session takes it");
    met.socket.get_ref().shutdown(Shutdown::Both).expect("a socket");
    assert!(caller.read().is_ok());
    assert!(caller.read().is_err());
    let record = gateway.record();
    assert_eq!(
        (&record["ending"], &record["error"]["code"]),
        (&"truncated".into(), &"upstream_truncated".into())
    );
    assert_eq!(usage(&record)["total"], 30);
}

#[test]
fn a_caller_that_vanishes_takes_its_provider_with_it() {
    for is_reset in [false, true] {
        let speaker = Speaker::start();
        let gateway = speaker.gateway();
        let (caller, mut met) = session(&gateway, &speaker);
        if is_reset {
            let socket = socket2::SockRef::from(caller.get_ref());
            socket.set_linger(Some(Duration::ZERO)).expect("a TCP socket");
        }
        drop(caller);
        assert!(met.socket.read().is_err(), "the provider's side is closed");
        let record = gateway.record();
        assert_eq!(
            (&record["ending"], &record["status"]),
            (&"cancelled".into(), &101.into())
        );
        assert_eq!(gateway.metric(SESSIONS), 0.0);
    }
}

#[test]
fn a_caller_that_leaves_before_the_session_is_open_is_noticed() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let caller = knock(&gateway, PAGE, KEY, &[]);
    let call = provider.call();
    caller.close();
    call.wait_gone();
    let record = gateway.record();
    assert_eq!(
        (&record["ending"], &record["status"]),
        (&"cancelled".into(), &0.into())
    );
}

#[test]
fn pain_c13_a_provider_that_never_answers_the_handshake_is_a_504() {
    let provider = Provider::start();
    let gateway = Gateway::with(&provider, "timeouts: {connect_ms: 10000, first_byte_ms: 200}");
    for is_hasty in [false, true] {
        let mut caller = knock(&gateway, PAGE, KEY, &[]);
        if is_hasty {
            caller.send(b"\x81\x80\0\0\0\0");
        }
        let call = provider.call();
        // half a head is no answer either
        call.raw(b"HTTP/1.1 101 Switching");
        let answer = caller.answer();
        assert_eq!(
            (answer.status(), answer.error_code().as_str()),
            (504, "upstream_timeout")
        );
        assert!(answer.error_message().contains("main"), "{}", answer.text());
        assert_eq!(answer.json()["error"]["attempts"][0]["outcome"], "timeout");
        call.wait_gone();
        assert!(caller.is_closed());
    }
    for record in gateway.records(2) {
        assert_eq!(
            (&record["ending"], &record["error"]["code"], &record["status"]),
            (&"failed".into(), &"upstream_timeout".into(), &504.into())
        );
        assert_eq!(record["attempts"][0]["outcome"], "timeout");
    }
}

#[test]
fn pain_c13_a_session_goes_to_the_next_target_when_one_never_answers() {
    let (silent, speaker) = (Provider::start(), Speaker::start());
    let gateway = Gateway::of(&format!(
        "{}\nmodels: [{{name: gpt-realtime, targets: [{{provider: silent, timeouts: {{first_byte_ms: 200}}}}, {{provider: open}}]}}]",
        crate::harness::gateway::providers(&[("silent", &silent.url()), ("open", &speaker.url())])
    ));
    let dialled = dial(gateway.address, PAGE, AUTHORIZED);
    let unanswered = silent.call();
    let met = speaker.met();
    let (caller, opened) = joined(dialled);
    unanswered.wait_gone();
    assert_eq!(opened.headers()["x-penstock-provider"], "open");
    part(caller, met);
    let record = gateway.record();
    assert_eq!(
        (
            &record["attempts"][0]["outcome"],
            &record["attempts"][1]["outcome"]
        ),
        (&"timeout".into(), &"served".into())
    );
}

/// The time for the first byte is for the handshake only: afterwards either side may be silent for long.
#[test]
fn a_silence_in_an_open_session_is_no_missing_answer() {
    let speaker = Speaker::start();
    let gateway = Gateway::of(&format!(
        "{}\ntimeouts: {{first_byte_ms: 1000}}",
        crate::harness::gateway::providers(&[("main", &speaker.url())])
    ));
    let (caller, mut met) = session(&gateway, &speaker);
    let quiet = Duration::from_millis(1500);
    met.socket
        .get_ref()
        .set_read_timeout(Some(quiet))
        .expect("a TCP socket");
    let silence = met.socket.read().expect_err("nobody says anything");
    assert!(
        matches!(&silence, tungstenite::Error::Io(error) if error.kind() == std::io::ErrorKind::WouldBlock),
        "{silence}"
    );
    patient(met.socket.get_ref());
    part(caller, met);
}

#[test]
fn an_open_session_holds_its_place_among_the_requests() {
    let speaker = Speaker::start();
    let gateway = Gateway::of(&format!(
        "{}\nlimits: {{requests: 1}}",
        crate::harness::gateway::providers(&[("main", &speaker.url())])
    ));
    let (caller, met) = session(&gateway, &speaker);
    let answer = knock(&gateway, PAGE, KEY, &[]).answer();
    assert_eq!(
        (answer.status(), answer.error_code().as_str()),
        (503, "overloaded")
    );
    part(caller, met);
    gateway.records(2);
    let (caller, met) = session(&gateway, &speaker);
    part(caller, met);
}

#[test]
fn a_stopping_gateway_waits_for_its_sessions_but_not_for_ever() {
    let speaker = Speaker::start();
    let mut gateway = speaker.gateway();
    let (mut caller, mut met) = session(&gateway, &speaker);
    let running = gateway.take();
    let drained = std::thread::spawn(move || running.drain(Duration::from_millis(300)));
    met.socket
        .send(Message::text("still here"))
        .expect("the session goes on");
    assert_eq!(
        caller.read().expect("the session goes on"),
        Message::text("still here")
    );
    assert!(!joined(drained), "a session was still open");
    assert!(caller.read().is_err());
    assert!(met.socket.read().is_err());
    assert_eq!(gateway.record()["ending"], "cancelled");
}

#[test]
fn a_stopping_gateway_ends_with_its_last_session() {
    let speaker = Speaker::start();
    let mut gateway = speaker.gateway();
    let (caller, met) = session(&gateway, &speaker);
    let running = gateway.take();
    let drained = std::thread::spawn(move || running.drain(PATIENCE));
    part(caller, met);
    assert!(joined(drained));
}

#[test]
fn pain_n01_a_guard_of_answers_is_not_passed_by() {
    let speaker = Speaker::start();
    let with_guard = |fail: &str| {
        Gateway::of(&format!(
            "{}\nplugins:\n  - {{name: secrets, component: guard-secrets, settings: {{scan: [answers]}}, fail: {fail}}}\n  - {{name: router, component: route-balance, settings: {{strategy: weighted}}}}",
            crate::harness::gateway::providers(&[("main", &speaker.url())])
        ))
    };
    let closed = with_guard("closed");
    let answer = knock(&closed, PAGE, KEY, &[]).answer();
    assert_eq!(
        (answer.status(), answer.error_code().as_str()),
        (400, "realtime_not_guardable")
    );
    speaker.met_nobody();

    let open = with_guard("open");
    let (caller, met) = session(&open, &speaker);
    part(caller, met);
    let record = open.record();
    let runs: Vec<(&str, &str)> = (0..2)
        .map(|index| &record["plugins"][index])
        .map(|run| (run["name"].as_str().unwrap(), run["verdict"].as_str().unwrap()))
        .collect();
    assert_eq!(runs, [("secrets", "skipped"), ("router", "order")]);
}

#[test]
fn a_session_is_as_private_as_any_call() {
    let (speaker, authority) = (Speaker::start(), Authority::new());
    let own = authority.certify("gateway.test");
    let at = speaker.0.local_addr().expect("a bound socket has an address");
    // HTTP/2 is agreed on where it is offered; a session must not offer it
    let config = Authority::server(&authority.certify("localhost"), None, &["h2", "http/1.1"]);
    let front = tls::in_front_of(at, config);
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, pem) in [
        ("authority.pem", authority.pem()),
        ("own.pem", own.certificate),
        ("own.key", own.key),
    ] {
        std::fs::write(folder.path().join(name), pem).expect("a temporary folder can be written");
    }
    let config = format!(
        "listeners: [{{address: \"127.0.0.1:0\", tls: {{certificate: own.pem, key: own.key}}}}]\n\
         providers:\n  main: {{base_url: \"https://localhost:{}/v1\", credentials: [\"env:CREDENTIAL\"], ca: authority.pem, http2: true}}",
        front.port()
    );
    let gateway = Gateway::within(folder, &config);
    let config = Arc::new(authority.client(None, &["http/1.1"]));
    let address = gateway.address;
    let dialled = std::thread::spawn(move || {
        let name = "gateway.test".try_into().expect("a valid name");
        let connection = rustls::ClientConnection::new(config, name).expect("a configuration");
        let stream = rustls::StreamOwned::new(connection, client::socket(address));
        let mut request = format!("wss://gateway.test{PAGE}")
            .into_client_request()
            .expect("a request");
        let key = format!("Bearer {KEY}").parse().expect("a header");
        request.headers_mut().insert("authorization", key);
        tungstenite::client(request, stream)
            .unwrap_or_else(|_| panic!("no session"))
            .0
    });
    let mut met = speaker.met();
    let mut caller = joined(dialled);
    assert_eq!(
        met.header("host"),
        Some(format!("localhost:{}", front.port()).as_str())
    );
    met.socket
        .send(Message::text(RESPONSE_DONE))
        .expect("the session takes it");
    assert_eq!(caller.read().expect("it arrives"), Message::text(RESPONSE_DONE));
    caller.close(None).expect("a goodbye");
    assert!(matches!(met.socket.read(), Ok(Message::Close(_))));
    let _ = met.socket.flush();
    assert!(matches!(caller.read(), Ok(Message::Close(_))));
    drop(met);
    let record = gateway.record();
    assert_eq!(
        (&record["ending"], &record["metered"]),
        (&"complete".into(), &true.into())
    );
}

#[test]
fn frames_that_make_no_sense_pass_unmetered() {
    let speaker = Speaker::start();
    let gateway = speaker.gateway();
    let (caller, mut met) = session(&gateway, &speaker);
    met.socket
        .send(Message::text(RESPONSE_DONE))
        .expect("the session takes it");
    let nonsense = [0xFF, 0xFF, 0xFF, 0xFF];
    met.socket
        .get_mut()
        .write_all(&nonsense)
        .expect("the session takes it");
    met.socket.get_ref().shutdown(Shutdown::Write).expect("a socket");
    let mut got = Vec::new();
    caller.get_ref().read_to_end(&mut got).expect("the session ends");
    assert!(got.ends_with(&nonsense));
    let record = gateway.record();
    assert_eq!(
        (&record["metered"], &usage(&record)["total"]),
        (&false.into(), &30.into())
    );
}
