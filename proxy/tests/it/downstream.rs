//! Ways in: TLS with several names, changed certificates and clients' own, HTTP/2, balancers that name the client, browsers.

use std::fs;

use http_body_util::BodyExt;

use crate::harness::calls::{ANSWER, CHAT, CHAT_PATH, CHAT_STREAM, DONE, FINISH, says};
use crate::harness::client::{Client, post, post_with, request};
use crate::harness::eventually;
use crate::harness::gateway::{Gateway, KEY};
use crate::harness::http2::{self, runtime};
use crate::harness::provider::Provider;
use crate::harness::tls::{self, Authority, Certified};

fn write(folder: &std::path::Path, name: &str, certified: &Certified) {
    fs::write(folder.join(format!("{name}.pem")), &certified.certificate).unwrap();
    fs::write(folder.join(format!("{name}.key")), &certified.key).unwrap();
}

const TLS: &str = r#"
listeners:
  - address: "127.0.0.1:0"
    tls:
      certificate: first.pem
      key: first.key
      sni: [{name: "*.second.test", certificate: second.pem, key: second.key}]
"#;

fn with_tls(provider: &Provider, authority: &Authority, lines: &str) -> Gateway {
    with_tls_in(tempfile::tempdir().unwrap(), provider, authority, lines)
}

fn with_tls_in(
    folder: tempfile::TempDir,
    provider: &Provider,
    authority: &Authority,
    lines: &str,
) -> Gateway {
    write(folder.path(), "first", &authority.certify("first.test"));
    write(folder.path(), "second", &authority.certify("*.second.test"));
    fs::write(folder.path().join("authority.pem"), authority.pem()).unwrap();
    let config = format!(
        "{}\n{lines}",
        crate::harness::gateway::providers(&[("main", &provider.url())])
    );
    Gateway::within(folder, &config)
}

fn calls_well(mut client: Client, provider: &Provider) {
    client.send(post(CHAT_PATH, KEY, CHAT));
    provider.call().answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
    client.send(post(CHAT_PATH, KEY, CHAT_STREAM));
    provider.call().stream(&[&says("x"), FINISH, DONE]);
    assert_eq!(client.answer().text(), [&says("x"), FINISH, DONE].concat());
}

#[test]
fn tls_shows_the_certificate_of_the_name_that_is_asked_for() {
    let (provider, authority) = (Provider::start(), Authority::new());
    let gateway = with_tls(&provider, &authority, TLS);
    for name in ["first.test", "api.second.test"] {
        calls_well(
            tls::client(gateway.address, authority.client(None, &[]), name, b""),
            &provider,
        );
    }
    calls_well(
        tls::client(
            gateway.address,
            authority.client(None, &["http/1.1"]),
            "first.test",
            b"",
        ),
        &provider,
    );
}

#[test]
fn a_changed_certificate_is_shown_to_new_connections_and_old_ones_go_on() {
    let (provider, authority) = (Provider::start(), Authority::new());
    let gateway = with_tls(&provider, &authority, TLS);
    let shown = || tls::shown_certificate(gateway.address, authority.client(None, &[]), "first.test");
    let before = shown();
    let mut old = tls::client(gateway.address, authority.client(None, &[]), "first.test", b"");
    old.send(post(CHAT_PATH, KEY, CHAT));
    let call = provider.call();
    let renewed = authority.certify("first.test");
    write(gateway.folder(), "first", &renewed);
    eventually("the new certificate is shown", || {
        (shown() == tls::der(&renewed)).then_some(())
    });
    assert_ne!(before, tls::der(&renewed));
    call.answer_json(200, ANSWER);
    assert_eq!(old.answer().text(), ANSWER);
    // one that does not fit its key changes nothing
    fs::write(
        gateway.folder().join("first.key"),
        authority.certify("first.test").key,
    )
    .unwrap();
    eventually("the bad key is refused", || {
        (gateway.metric("penstock_config_rejected_total") > 0.5).then_some(())
    });
    assert_eq!(shown(), tls::der(&renewed));
}

#[test]
fn a_listener_that_asks_for_certificates_lets_nobody_in_without() {
    let (provider, authority, stranger) = (Provider::start(), Authority::new(), Authority::new());
    let lines = TLS.replace("      sni", "      client_ca: authority.pem\n      sni");
    let gateway = with_tls(&provider, &authority, &lines);
    let own = authority.certify("client.test");
    calls_well(
        tls::client(
            gateway.address,
            authority.client(Some(&own), &[]),
            "first.test",
            b"",
        ),
        &provider,
    );
    for own in [None, Some(stranger.certify("client.test"))] {
        let mut client = tls::client(
            gateway.address,
            authority.client(own.as_ref(), &[]),
            "first.test",
            b"",
        );
        let sent = client.try_send(post(CHAT_PATH, KEY, CHAT));
        let is_let_in =
            sent && std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| client.head())).is_ok();
        assert!(!is_let_in);
    }
    assert_eq!(provider.calls(), 2);
}

#[test]
fn a_client_whose_authority_was_taken_away_cannot_resume_its_session() {
    let (provider, authority, successor) = (Provider::start(), Authority::new(), Authority::new());
    let lines = TLS.replace("      sni", "      client_ca: clients.pem\n      sni");
    let folder = tempfile::tempdir().unwrap();
    let write_clients = |folder: &std::path::Path, authority: &Authority| {
        fs::write(folder.join("clients.pem"), authority.pem()).unwrap();
    };
    write_clients(folder.path(), &authority);
    let gateway = with_tls_in(folder, &provider, &authority, &lines);
    let own = authority.certify("client.test");
    let ask = request("GET", "/v1/models", KEY, &[]);
    for versions in [[&rustls::version::TLS13], [&rustls::version::TLS12]] {
        let config = authority.client_with(&versions, Some(&own), &[]);
        let call = || tls::resumed(gateway.address, &config, "first.test", &ask);
        assert_eq!(call(), (false, Some(200)));
        assert_eq!(call(), (true, Some(200)));
        // any other change of the files leaves its session alone
        write(gateway.folder(), "second", &authority.certify("*.second.test"));
        gateway.running().reload.reload_now().unwrap();
        assert_eq!(call(), (true, Some(200)));
        write_clients(gateway.folder(), &successor);
        gateway.running().reload.reload_now().unwrap();
        assert_eq!(call().1, None);
        write_clients(gateway.folder(), &authority);
        gateway.running().reload.reload_now().unwrap();
    }
    let codes: Vec<serde_json::Value> = gateway
        .records(8)
        .iter()
        .map(|record| record["error"]["code"].clone())
        .filter(|code| !code.is_null())
        .collect();
    assert_eq!(
        codes,
        ["client_certificate_refused", "client_certificate_refused"]
    );
}

#[test]
fn feature_a46_http2_without_and_with_tls_carries_many_calls_at_once() {
    let (mut provider, authority) = (Provider::start(), Authority::new());
    let lines = format!("{TLS}  - address: \"127.0.0.1:0\"\n");
    let gateway = with_tls(&provider, &authority, &lines);
    provider.serve(|call| match call.request.json()["stream"] == true {
        true => call.stream(&[&says("x"), FINISH, DONE]),
        false => call.answer_json(200, ANSWER),
    });
    runtime().block_on(async {
        let plain = http2::Client::connect(gateway.running().addresses[1]).await;
        let secure =
            http2::Client::connect_tls(gateway.address, authority.client(None, &[]), "first.test").await;
        for client in [plain, secure] {
            let calls = (0..50).map(|number| {
                let mut client = client.clone();
                async move {
                    let (body, expected) = match number % 2 {
                        0 => (CHAT, ANSWER.to_owned()),
                        _ => (CHAT_STREAM, [&says("x"), FINISH, DONE].concat()),
                    };
                    let answer = client.post(CHAT_PATH, KEY, body).await;
                    assert_eq!(answer.status(), 200);
                    assert!(answer.headers().contains_key("x-penstock-generation"));
                    assert!(!answer.headers().contains_key("transfer-encoding"));
                    assert_eq!(http2::whole(answer).await, expected);
                }
            });
            futures::future::join_all(calls).await;
            let mut client = client.clone();
            let refused = client.post(CHAT_PATH, "wrong", CHAT).await;
            assert_eq!(refused.status(), 401);
            assert!(String::from_utf8_lossy(&http2::whole(refused).await).contains("invalid_api_key"));
        }
    });
    assert_eq!(
        gateway
            .records(102)
            .iter()
            .filter(|record| record["ending"] == "complete")
            .count(),
        100
    );
}

#[test]
fn pain_c06_an_http2_stream_that_is_reset_takes_its_call_along_and_leaves_its_siblings() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    runtime().block_on(async {
        let mut client = http2::Client::connect(gateway.address).await;
        let mut other = client.clone();
        let (left, kept) = tokio::join!(client.post(CHAT_PATH, KEY, CHAT_STREAM), async {
            let one = tokio::task::block_in_place(|| provider.call());
            one.begin_stream();
            one.chunk(says("one"));
            one
        });
        let mut left = left.into_body();
        assert!(left.frame().await.is_some());
        drop(left);
        tokio::task::block_in_place(|| kept.wait_gone());
        // the connection goes on
        let (answer, ()) = tokio::join!(other.post(CHAT_PATH, KEY, CHAT), async {
            tokio::task::block_in_place(|| provider.call()).answer_json(200, ANSWER);
        });
        assert_eq!(http2::whole(answer).await, ANSWER);
    });
    let mut endings: Vec<String> = gateway
        .records(2)
        .iter()
        .map(|record| record["ending"].as_str().unwrap().to_owned())
        .collect();
    endings.sort();
    assert_eq!(endings, ["cancelled", "complete"]);
}

#[test]
fn a_balancer_may_name_the_client_by_the_proxy_protocol() {
    let provider = Provider::start();
    let gateway = Gateway::with(
        &provider,
        "listeners: [{address: \"127.0.0.1:0\", proxy_protocol: true}]",
    );
    let mut v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    v2.extend_from_slice(&[192, 0, 2, 8, 10, 0, 0, 1, 0x13, 0x88, 1, 0xbb]);
    let starts: [(&[u8], &str); 3] = [
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 443\r\n", "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 5000 443\r\n", "2001:db8::7"),
        (&v2, "192.0.2.8"),
    ];
    for (number, (start, address)) in starts.into_iter().enumerate() {
        let mut client = gateway.connect();
        client.send(start);
        client.send(request("GET", "/v1/models", KEY, &[]));
        assert_eq!(client.answer().status(), 200);
        assert_eq!(gateway.records(number + 1)[number]["client"], address);
    }
    let mut client = gateway.connect();
    client.try_send(request("GET", "/v1/models", KEY, &[]));
    assert!(client.is_closed(), "without the header nobody is let in");
    let record = gateway.records(4).remove(3);
    assert_eq!(
        (&record["status"], &record["error"]["code"]),
        (&0.into(), &"invalid_proxy_header".into())
    );
}

#[test]
fn a_balancer_may_name_the_client_before_the_tls_handshake() {
    let (provider, authority) = (Provider::start(), Authority::new());
    let gateway = with_tls(
        &provider,
        &authority,
        &TLS.replace("    tls:", "    proxy_protocol: true\n    tls:"),
    );
    let start = b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 443\r\n";
    calls_well(
        tls::client(gateway.address, authority.client(None, &[]), "first.test", start),
        &provider,
    );
    assert!(
        gateway
            .records(2)
            .iter()
            .all(|record| record["client"] == "192.0.2.7")
    );
}

#[test]
fn x_forwarded_for_is_believed_from_trusted_proxies_only() {
    let provider = Provider::start();
    let ask = |gateway: &Gateway| {
        let headers = [("x-forwarded-for", "6.6.6.6, 198.51.100.7, 10.1.2.3")];
        assert_eq!(
            gateway.send(request("GET", "/v1/models", KEY, &headers)).status(),
            200
        );
        gateway.record()["client"].as_str().unwrap().to_owned()
    };
    assert_eq!(ask(&Gateway::before(&provider)), "127.0.0.1");
    assert_eq!(
        ask(&Gateway::with(
            &provider,
            "trusted_proxies: [\"127.0.0.0/8\", \"10.0.0.0/8\"]"
        )),
        "198.51.100.7"
    );
}

#[test]
fn a_browser_page_may_call_if_its_origin_is_listed() {
    let provider = Provider::start();
    let gateway = Gateway::with(
        &provider,
        "cors: {origins: [\"https://app.example\"], max_age_s: 77}",
    );
    let preflight = |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            (
                "access-control-request-headers",
                "authorization, content-type, x-stainless-os",
            ),
        ];
        gateway.send(request("OPTIONS", CHAT_PATH, "", &headers))
    };
    let answer = preflight("https://app.example");
    assert_eq!(answer.status(), 204, "a browser shows no key yet");
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://app.example")
    );
    assert_eq!(
        answer.header("access-control-allow-headers"),
        Some("authorization, content-type, x-stainless-os")
    );
    assert!(
        answer
            .header("access-control-allow-methods")
            .unwrap()
            .contains("POST")
    );
    assert_eq!(answer.header("access-control-max-age"), Some("77"));
    let answer = preflight("https://evil.example");
    assert_eq!(answer.status(), 405);
    assert_eq!(answer.header("access-control-allow-origin"), None);
    let mut client = gateway.connect();
    client.send(post_with(
        CHAT_PATH,
        KEY,
        &[("origin", "https://app.example")],
        CHAT,
    ));
    provider.call().answer_json(200, ANSWER);
    let answer = client.answer();
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://app.example")
    );
    // an error can be read by the page too
    let wrong = gateway.send(post_with(
        CHAT_PATH,
        "wrong",
        &[("origin", "https://app.example")],
        CHAT,
    ));
    assert_eq!(
        (wrong.status(), wrong.header("access-control-allow-origin")),
        (401, Some("https://app.example"))
    );
    let other = gateway.send(post_with(
        CHAT_PATH,
        "wrong",
        &[("origin", "https://evil.example")],
        CHAT,
    ));
    assert_eq!(other.header("access-control-allow-origin"), None);
    assert_eq!(provider.calls(), 1);
}
