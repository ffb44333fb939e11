//! Ways out: pooled connections, HTTP/2, a CONNECT proxy, a private authority, a client certificate, names.

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;

use crate::harness::calls::{ANSWER, CHAT, CHAT_PATH, CHAT_STREAM, DONE, FINISH, says};
use crate::harness::client::{Client, post};
use crate::harness::eventually;
use crate::harness::gateway::{Gateway, KEY};
use crate::harness::http2;
use crate::harness::provider::Provider;
use crate::harness::tls::{self, Authority, Certified};
pub use crate::harness::tunnel::connect_proxy;

fn served(gateway: &Gateway, provider: &Provider) {
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    provider.call().answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
}

#[test]
fn pain_a03_calls_one_after_the_other_share_one_connection() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let mut client = gateway.connect();
    for number in 0..100 {
        if number % 2 == 0 {
            client.send(post(CHAT_PATH, KEY, CHAT));
            provider.call().answer_json(200, ANSWER);
            assert_eq!(client.answer().text(), ANSWER);
        } else {
            client.send(post(CHAT_PATH, KEY, CHAT_STREAM));
            provider.call().stream(&[&says("x"), FINISH, DONE]);
            assert!(client.answer().is_whole);
        }
    }
    assert_eq!(provider.connections(), 1);
}

#[test]
fn http2_to_a_provider_carries_many_calls_on_one_connection() {
    let events: &'static str = [&says("x"), FINISH, DONE].concat().leak();
    let authority = Authority::new();
    let own = authority.certify("localhost");
    let provider = http2::Provider::start(
        Authority::server(&own, None, &["h2"]),
        "text/event-stream",
        events,
    );
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "authority", &authority.pem());
    let config = format!(
        "providers:\n  main: {{base_url: \"https://localhost:{}/v1\", auth: none, ca: authority.pem, http2: true}}",
        provider.address.port()
    );
    let gateway = Gateway::within(folder, &config);

    let mut clients: Vec<_> = (0..40).map(|_| gateway.begin(CHAT_PATH, CHAT_STREAM)).collect();
    for client in &mut clients {
        let answer = client.answer();
        assert_eq!((answer.status(), answer.text()), (200, events));
    }
    for _ in 0..20 {
        assert_eq!(gateway.post(CHAT_PATH, CHAT_STREAM).text(), events);
    }
    assert_eq!(provider.connections(), 1);
}

/// A provider with TLS in front, and the folder with what it takes to reach it.
fn behind_tls(provider: &Provider, name: &str, clients: bool, lines: &str) -> (Gateway, Authority) {
    let authority = Authority::new();
    let own = authority.certify(name);
    let config = Authority::server(&own, clients.then_some(&authority), &["http/1.1"]);
    let address = tls::in_front_of(provider.address, config);
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "authority", &authority.pem());
    write(folder.path(), "stranger", &Authority::new().pem());
    let Certified { certificate, key } = authority.certify("gateway.test");
    write(folder.path(), "gateway", &certificate);
    write(folder.path(), "gateway-key", &key);
    let config = lines.replace("PORT", &address.port().to_string());
    (Gateway::within(folder, &config), authority)
}

fn write(folder: &Path, name: &str, pem: &str) {
    std::fs::write(folder.join(format!("{name}.pem")), pem).unwrap();
}

#[test]
fn a_provider_with_a_certificate_of_a_private_authority_is_reached_with_its_ca() {
    let provider = Provider::start();
    let lines =
        "providers:\n  main: {base_url: \"https://localhost:PORT/v1\", auth: none, ca: authority.pem}";
    let (gateway, _) = behind_tls(&provider, "localhost", false, lines);
    served(&gateway, &provider);
    served(&gateway, &provider);
    assert_eq!(provider.connections(), 1);
}

#[test]
fn a_provider_that_cannot_be_trusted_gets_nothing() {
    let provider = Provider::start();
    for (name, ca) in [("localhost", "stranger.pem"), ("another.test", "authority.pem")] {
        let lines =
            format!("providers:\n  main: {{base_url: \"https://localhost:PORT/v1\", auth: none, ca: {ca}}}");
        let (gateway, _) = behind_tls(&provider, name, false, &lines);
        let answer = gateway.post(CHAT_PATH, CHAT);
        assert_eq!(
            (answer.status(), answer.error_code().as_str()),
            (502, "upstream_unreachable"),
            "{name} {ca}"
        );
        assert_eq!(gateway.record()["attempts"][0]["outcome"], "connect");
    }
    let lines = "providers:\n  main: {base_url: \"https://localhost:PORT/v1\", auth: none}";
    let (gateway, _) = behind_tls(&provider, "localhost", false, lines);
    assert_eq!(gateway.post(CHAT_PATH, CHAT).error_code(), "upstream_unreachable");
    provider.saw_nothing();
}

#[test]
fn a_provider_that_asks_for_a_certificate_is_shown_the_gateways() {
    let provider = Provider::start();
    let with = "providers:\n  main: {base_url: \"https://localhost:PORT/v1\", auth: none, ca: authority.pem, client_certificate: gateway.pem, client_key: gateway-key.pem}";
    let (gateway, _) = behind_tls(&provider, "localhost", true, with);
    served(&gateway, &provider);
    let without =
        "providers:\n  main: {base_url: \"https://localhost:PORT/v1\", auth: none, ca: authority.pem}";
    let (gateway, _) = behind_tls(&provider, "localhost", true, without);
    assert_eq!(gateway.post(CHAT_PATH, CHAT).status(), 502);
    assert_eq!(provider.calls(), 1);
}

#[test]
fn http2_with_tls_is_agreed_on_and_http1_taken_where_it_is_not() {
    let authority = Authority::new();
    let own = authority.certify("localhost");
    let http2 = http2::Provider::start(
        Authority::server(&own, None, &["h2", "http/1.1"]),
        "application/json",
        ANSWER,
    );
    let http1 = Provider::start();
    let front = tls::in_front_of(http1.address, Authority::server(&own, None, &["http/1.1"]));
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "authority", &authority.pem());
    let config = format!(
        r#"
providers:
  new: {{base_url: "https://localhost:{}/v1", auth: none, ca: authority.pem, http2: true}}
  old: {{base_url: "https://localhost:{}/v1", auth: none, ca: authority.pem, http2: true}}
models: [{{name: m, targets: [{{provider: new}}]}}, {{name: old, targets: [{{provider: old}}]}}]
"#,
        http2.address.port(),
        front.port()
    );
    let gateway = Gateway::within(folder, &config);
    for _ in 0..3 {
        assert_eq!(gateway.post(CHAT_PATH, CHAT).text(), ANSWER);
    }
    assert_eq!(http2.connections(), 1);
    for _ in 0..3 {
        let mut client = gateway.begin(CHAT_PATH, CHAT.replace("\"m\"", "\"old\""));
        http1.call().answer_json(200, ANSWER);
        assert_eq!(client.answer().text(), ANSWER);
    }
    assert_eq!(http1.connections(), 1);
}

#[test]
fn a_provider_is_reached_through_a_connect_proxy_and_the_tunnel_is_kept() {
    let provider = Provider::start();
    let (proxy, asked) = connect_proxy(provider.address, "200 Connection established");
    let gateway = Gateway::of(&format!(
        "providers:\n  main: {{base_url: \"http://provider.invalid:81/v1\", auth: none, connect_proxy: \"http://{proxy}\"}}"
    ));
    served(&gateway, &provider);
    served(&gateway, &provider);
    let head = asked.recv().unwrap();
    assert!(
        head.starts_with("CONNECT provider.invalid:81 HTTP/1.1\r\nHost: provider.invalid:81\r\n"),
        "{head}"
    );
    assert!(asked.try_recv().is_err(), "one tunnel carried both calls");
}

#[test]
fn tls_goes_through_a_connect_proxy_end_to_end() {
    let provider = Provider::start();
    let authority = Authority::new();
    let own = authority.certify("provider.invalid");
    let front = tls::in_front_of(provider.address, Authority::server(&own, None, &[]));
    let (proxy, asked) = connect_proxy(front, "200 OK");
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "authority", &authority.pem());
    let config = format!(
        "providers:\n  main: {{base_url: \"https://provider.invalid/v1\", auth: none, ca: authority.pem, connect_proxy: \"http://{proxy}\"}}"
    );
    let gateway = Gateway::within(folder, &config);
    served(&gateway, &provider);
    assert!(
        asked
            .recv()
            .unwrap()
            .starts_with("CONNECT provider.invalid:443 HTTP/1.1\r\n")
    );
}

#[test]
fn a_connect_proxy_that_refuses_is_told_as_a_connect_error() {
    let provider = Provider::start();
    let (proxy, _asked) = connect_proxy(provider.address, "407 Proxy Authentication Required");
    let gateway = Gateway::of(&format!(
        "providers:\n  main: {{base_url: \"http://provider.invalid/v1\", auth: none, connect_proxy: \"http://{proxy}\"}}"
    ));
    let answer = gateway.post(CHAT_PATH, CHAT);
    assert_eq!(
        (answer.status(), answer.error_code().as_str()),
        (502, "upstream_unreachable")
    );
    provider.saw_nothing();
}

#[test]
fn a_name_that_does_not_exist_is_told_as_such() {
    let gateway = Gateway::of(
        "providers:\n  main: {base_url: \"http://provider.invalid/v1\", auth: none}\ntimeouts: {connect_ms: 2000}",
    );
    let answer = gateway.post(CHAT_PATH, CHAT);
    assert_eq!(
        (answer.status(), answer.error_code().as_str()),
        (502, "upstream_unreachable")
    );
    assert_eq!(gateway.record()["attempts"][0]["outcome"], "connect");
}

/// One write is what makes the fast path fast; on a loopback it arrives as one read.
#[test]
fn a_request_reaches_its_provider_in_one_write() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let gateway = Gateway::of(&crate::harness::gateway::providers(&[("main", &url)]));
    let client = gateway.begin(CHAT_PATH, CHAT);
    let (mut stream, _) = listener.accept().unwrap();
    let mut read = vec![0; 64 * 1024];
    let length = stream.read(&mut read).unwrap();
    assert!(read.starts_with(b"POST /v1/chat/completions HTTP/1.1\r\n"));
    assert!(read[..length].ends_with(CHAT.as_bytes()));
    client.close();
}

/// Handshakes are what costs: a burst at a cold start must not begin one for every call at once, and one that never ends
/// is given up on like any connection that does not come about.
#[test]
fn pain_a03_only_so_many_handshakes_with_a_provider_are_under_way_at_a_time() {
    const AT_ONCE: usize = 32;
    const CALLS: u16 = 40;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    silent.set_nonblocking(true).unwrap();
    let gateway = Gateway::of(&format!(
        "providers:\n  main: {{base_url: \"https://127.0.0.1:{}/v1\", auth: none}}\ntimeouts: {{connect_ms: 3000}}",
        silent.local_addr().unwrap().port()
    ));
    let mut clients: Vec<Client> = (0..CALLS).map(|_| gateway.begin(CHAT_PATH, CHAT)).collect();
    let mut accepted = Vec::new();
    let mut accept = || accepted.extend(std::iter::from_fn(|| silent.accept().ok()));
    eventually("every call is under way", || {
        accept();
        (gateway.metric("penstock_requests_in_flight") > f64::from(CALLS) - 0.5).then_some(())
    });
    accept();
    assert!(accepted.len() <= AT_ONCE, "{} at once", accepted.len());
    // the others have their turn when the first are given up on
    for client in &mut clients {
        let answer = client.answer();
        assert_eq!(
            (answer.status(), answer.error_code().as_str()),
            (502, "upstream_unreachable")
        );
    }
    for record in gateway.records(CALLS.into()) {
        assert_eq!(record["attempts"][0]["outcome"], "connect");
    }
}

#[test]
fn pain_a03_behind_a_dead_provider_nobody_waits_for_everybody_else() {
    const CALLS: usize = 10;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    silent.set_nonblocking(true).unwrap();
    let provider = Provider::start();
    let gateway = Gateway::of(&format!(
        r#"
providers:
  dead: {{base_url: "https://127.0.0.1:{}/v1", auth: none, http2: true, timeouts: {{connect_ms: 1000}}}}
  alive: {{base_url: "{}", auth: none}}
models: [{{name: m, targets: [{{provider: dead}}, {{provider: alive}}]}}]
"#,
        silent.local_addr().unwrap().port(),
        provider.url()
    ));
    let mut clients: Vec<Client> = (0..CALLS).map(|_| gateway.begin(CHAT_PATH, CHAT)).collect();
    for _ in 0..CALLS {
        provider.call().answer_json(200, ANSWER);
    }
    for client in &mut clients {
        assert_eq!(client.answer().text(), ANSWER);
    }
    // one handshake at a time with HTTP/2: had each had its turn, there would have been as many as calls
    let handshakes = std::iter::from_fn(|| silent.accept().ok()).count();
    assert!((1..CALLS).contains(&handshakes), "{handshakes}");
    for record in gateway.records(CALLS) {
        assert_eq!(record["attempts"][0]["outcome"], "connect");
    }
}
