//! Everything is bounded: connections, requests, body memory, time. Who meets a limit is told which, and when to come back.

use crate::harness::calls::{ANSWER, CHAT, CHAT_PATH, CHAT_STREAM, DONE, FINISH, ROLE, says};
use crate::harness::client::{post, post_with, request};
use crate::harness::eventually;
use crate::harness::gateway::{Gateway, KEY};
use crate::harness::message::Message;
use crate::harness::provider::Provider;

fn check_overloaded(answer: &Message, limit: &str) {
    assert_eq!(
        (answer.status(), answer.error_code().as_str()),
        (503, "overloaded"),
        "{}",
        answer.text()
    );
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(answer.error_message().contains(limit), "{}", answer.text());
}

#[test]
fn more_requests_than_the_limit_are_told_to_come_back() {
    let provider = Provider::start();
    let gateway = Gateway::with(&provider, "limits: {requests: 2}");
    let mut first = gateway.begin(CHAT_PATH, CHAT);
    let one = provider.call();
    let mut second = gateway.begin(CHAT_PATH, CHAT_STREAM);
    let two = provider.call();
    check_overloaded(&gateway.post(CHAT_PATH, CHAT), "limits.requests");
    check_overloaded(&gateway.get("/v1/models"), "limits.requests");
    assert!((gateway.metric("penstock_requests_in_flight") - 2.0).abs() < 0.1);
    one.answer_json(200, ANSWER);
    assert_eq!(first.answer().status(), 200);
    two.stream(&[ROLE, FINISH, DONE]);
    assert_eq!(second.answer().status(), 200);
    eventually("the requests are over", || {
        (gateway.metric("penstock_requests_in_flight") < 0.5).then_some(())
    });
    assert_eq!(gateway.get("/v1/models").status(), 200);
    let records = gateway.records(5);
    assert_eq!(
        records
            .iter()
            .filter(|record| record["status"] == 503 && record["ending"] == "refused")
            .count(),
        2
    );
    assert_eq!(provider.calls(), 2);
}

#[test]
fn more_connections_than_the_limit_are_turned_away() {
    let provider = Provider::start();
    let gateway = Gateway::with(&provider, "limits: {connections: 2}");
    let mut first = gateway.connect();
    first.send(request("GET", "/v1/models", KEY, &[]));
    assert_eq!(first.answer().status(), 200);
    let mut second = gateway.connect();
    second.send(request("GET", "/v1/models", KEY, &[]));
    assert_eq!(second.answer().status(), 200);
    let mut third = gateway.connect();
    third.try_send(request("GET", "/v1/models", KEY, &[]));
    let answer = third.answer();
    check_overloaded(&answer, "limits.connections");
    assert!(third.is_closed());
    let record = gateway.records(3).remove(2);
    assert_eq!(
        Some(record["id"].as_str().unwrap()),
        answer.header("x-request-id")
    );
    assert_eq!(
        (&record["status"], &record["ending"], &record["error"]["code"]),
        (&503.into(), &"refused".into(), &"overloaded".into())
    );
    first.close();
    eventually("a place is free again", || {
        let mut next = gateway.connect();
        next.try_send(request("GET", "/v1/models", KEY, &[]));
        (next.answer().status() == 200).then_some(())
    });
    assert!(gateway.metric(r#"penstock_rejected_total{limit="limits.connections"}"#) > 0.5);
    // operators still get in
    assert_eq!(gateway.admin("/healthz").status(), 200);
}

#[test]
fn more_body_bytes_than_the_limit_are_told_to_come_back() {
    let provider = Provider::start();
    let gateway = Gateway::with(&provider, "limits: {body_bytes: 60KB, body_memory_bytes: 100KB}");
    let large = format!(r#"{{"model":"m","messages":[],"x":"{}"}}"#, "x".repeat(55_000));
    let mut first = gateway.begin(CHAT_PATH, &large);
    let one = provider.call();
    check_overloaded(&gateway.post(CHAT_PATH, &large), "limits.body_memory_bytes");
    // a length that is only announced takes its share too
    let mut client = gateway.connect();
    client.send(request("POST", CHAT_PATH, KEY, &[("content-length", "59000")]));
    check_overloaded(&client.answer(), "limits.body_memory_bytes");
    one.answer_json(200, ANSWER);
    assert_eq!(first.answer().status(), 200);
    eventually("the memory is free again", || {
        (gateway.metric("penstock_body_memory_bytes") < 0.5).then_some(())
    });
    let mut again = gateway.begin(CHAT_PATH, &large);
    provider.call().answer_json(200, ANSWER);
    assert_eq!(again.answer().status(), 200);
    assert_eq!(gateway.records(4).len(), 4);
}

#[test]
fn a_head_that_drips_is_cut_off() {
    let provider = Provider::start();
    let gateway = Gateway::with(&provider, "limits: {header_deadline_ms: 500}");
    let mut client = gateway.connect();
    client.send("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-drip: ");
    // as long as it is let
    let (mut stopped, pause) = (false, std::sync::mpsc::sync_channel::<()>(1));
    for _ in 0..1000 {
        let _ = pause.1.recv_timeout(std::time::Duration::from_millis(10));
        if !client.try_send("a") {
            stopped = true;
            break;
        }
    }
    assert!(stopped, "a dripping client was not cut off");
    // a connection that says nothing at all, too
    let mut client = gateway.connect();
    let answer = client.answer();
    assert_eq!(answer.status(), 408);
    assert!(client.is_closed());
    // and the second head of a connection, dripping or not
    let mut client = gateway.connect();
    client.send(request("GET", "/v1/models", KEY, &[]));
    assert_eq!(client.answer().status(), 200);
    client.send("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-drip: ");
    let answer = client.answer();
    assert_eq!(
        (answer.status(), answer.error_code().as_str()),
        (408, "request_timeout")
    );
    assert!(client.is_closed());
    provider.saw_nothing();
    let slow = gateway
        .records(4)
        .iter()
        .filter(|record| record["error"]["code"] == "request_timeout")
        .count();
    assert_eq!(slow, 3);
}

#[test]
fn trailers_are_bounded_and_cannot_hide_a_request() {
    let provider = Provider::start();
    let gateway = Gateway::with(&provider, "limits: {body_deadline_ms: 500}");
    let begun = || {
        let mut client = gateway.connect();
        client.send(request(
            "POST",
            CHAT_PATH,
            KEY,
            &[("transfer-encoding", "chunked")],
        ));
        client.send(format!("{:x}\r\n{CHAT}\r\n0\r\n", CHAT.len()));
        client
    };
    // too many of them; a bare line feed; a body's end that is none
    let long = format!("x-trailer: {}\r\n", "x".repeat(1000)).repeat(100);
    let hidden = "GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n";
    for trailers in [
        format!("{long}\r\n"),
        format!("x: y\n\r\n{hidden}"),
        format!("x: y\r\r\n\r\n{hidden}"),
    ] {
        let mut client = begun();
        client.try_send(&trailers);
        let answer = client.answer();
        assert_eq!(
            (answer.status(), answer.error_code().as_str()),
            (400, "invalid_body"),
            "{}",
            &trailers[..20]
        );
        assert!(client.is_closed(), "{}", &trailers[..20]);
    }
    // without an end
    let mut client = begun();
    client.send("x-trailer: y\r\n");
    let answer = client.answer();
    assert_eq!(
        (answer.status(), answer.error_code().as_str()),
        (408, "request_timeout")
    );
    assert!(client.is_closed());
    provider.saw_nothing();
    gateway.records(4);
    // what looks like a request is a trailer, for us as for anybody who stands before us
    let mut client = begun();
    client.send(hidden);
    let call = provider.call();
    assert_eq!(call.request.text(), CHAT);
    call.answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
    client.close();
    assert_eq!(gateway.stop().len(), 5);
}

#[test]
fn a_body_that_drips_is_refused() {
    let provider = Provider::start();
    let gateway = Gateway::with(&provider, "limits: {body_deadline_ms: 200}");
    for headers in [[("content-length", "100")], [("transfer-encoding", "chunked")]] {
        let mut client = gateway.connect();
        client.send(request("POST", CHAT_PATH, KEY, &headers));
        client.send("5\r\n{\"mod");
        let answer = client.answer();
        assert_eq!(
            (answer.status(), answer.error_code().as_str()),
            (408, "request_timeout")
        );
        assert!(client.is_closed());
    }
    provider.saw_nothing();
    assert_eq!(gateway.records(2).len(), 2);
}

#[test]
fn a_body_that_breaks_off_is_recorded_and_forwards_nothing() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let mut client = gateway.connect();
    client.send(request("POST", CHAT_PATH, KEY, &[("content-length", "100")]));
    client.send("{\"model\"");
    client.close();
    let record = gateway.record();
    assert_ne!(record["ending"], "complete");
    let mut client = gateway.connect();
    client.send(request(
        "POST",
        CHAT_PATH,
        KEY,
        &[("transfer-encoding", "chunked")],
    ));
    client.send("zz\r\n");
    assert_eq!(client.answer().status(), 400);
    gateway.records(2);
    provider.saw_nothing();
}

#[test]
fn a_client_that_waits_for_100_continue_gets_it_or_is_refused_at_once() {
    let provider = Provider::start();
    let gateway = Gateway::with(&provider, "limits: {body_bytes: 1000}");
    let length = CHAT.len().to_string();
    let mut client = gateway.connect();
    client.send(request(
        "POST",
        CHAT_PATH,
        KEY,
        &[("content-length", &length), ("expect", "100-continue")],
    ));
    assert_eq!(client.head().status(), 100);
    client.send(CHAT);
    let call = provider.call();
    assert_eq!(call.request.text(), CHAT);
    assert_eq!(call.request.header("expect"), None);
    call.answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
    for (key, length, status) in [("wrong", "10", 401), (KEY, "1001", 413)] {
        let mut client = gateway.connect();
        client.send(request(
            "POST",
            CHAT_PATH,
            key,
            &[("content-length", length), ("expect", "100-continue")],
        ));
        assert_eq!(client.answer().status(), status, "no 100 first");
        assert!(client.is_closed(), "its body may or may not come now");
    }
    assert_eq!(provider.calls(), 1);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let mut client = gateway.connect();
    let third = CHAT.replace("hi", "third");
    client.send(
        [
            post(CHAT_PATH, KEY, CHAT),
            post(CHAT_PATH, KEY, CHAT_STREAM),
            post(CHAT_PATH, KEY, &third),
        ]
        .concat(),
    );
    provider.call().answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
    let call = provider.call();
    assert_eq!(call.request.json()["stream"], true);
    call.stream(&[&says("x"), FINISH, DONE]);
    assert_eq!(client.answer().text(), [&says("x"), FINISH, DONE].concat());
    let call = provider.call();
    assert_eq!(call.request.text(), third);
    call.answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
    assert_eq!(gateway.records(3).len(), 3);
}

#[test]
fn a_connection_can_be_used_again_after_every_ending() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let mut client = gateway.connect();
    for round in 0..2 {
        client.send(post(CHAT_PATH, KEY, "{"));
        assert_eq!(client.answer().status(), 400);
        client.send(post(CHAT_PATH, "wrong", CHAT));
        assert_eq!(client.answer().status(), 401);
        client.send(post("/nowhere", KEY, CHAT));
        assert_eq!(client.answer().status(), 404);
        client.send(request("DELETE", CHAT_PATH, KEY, &[]));
        assert_eq!(client.answer().status(), 405);
        client.send(post(CHAT_PATH, KEY, CHAT));
        provider.call().answer_json(500, "{}");
        assert_eq!(client.answer().status(), 500);
        client.send(post(CHAT_PATH, KEY, CHAT_STREAM));
        provider.call().stream(&[&says("x"), FINISH, DONE]);
        assert_eq!(client.answer().text(), [&says("x"), FINISH, DONE].concat());
        client.send(request("GET", "/v1/models", KEY, &[]));
        assert_eq!(client.answer().status(), 200);
        assert_eq!(gateway.records(7 * (round + 1)).len(), 7 * (round + 1));
    }
    assert_eq!(provider.connections(), 1, "and so can the provider's");
}

#[test]
fn a_connection_ends_where_the_client_says_so() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let mut client = gateway.connect();
    client.send(post_with(CHAT_PATH, KEY, &[("connection", "close")], CHAT));
    provider.call().answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
    assert!(client.is_closed());
    // HTTP/1.0 knows no chunks
    let mut client = gateway.connect();
    let wire = String::from_utf8(post(CHAT_PATH, KEY, CHAT_STREAM))
        .unwrap()
        .replacen("HTTP/1.1", "HTTP/1.0", 1);
    client.send(wire);
    provider.call().stream(&[&says("x"), FINISH, DONE]);
    let answer = client.answer();
    assert_eq!(answer.header("transfer-encoding"), None);
    assert_eq!(answer.text(), [&says("x"), FINISH, DONE].concat());
}

#[test]
fn a_stale_connection_to_the_provider_is_replaced_without_anybody_noticing() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    for round in 0..3 {
        let mut client = gateway.begin(CHAT_PATH, CHAT);
        let call = provider.call();
        assert_eq!(call.connection, round + 1);
        call.answer_json(200, ANSWER);
        assert_eq!(client.answer().text(), ANSWER);
        // closes an idle connection, as servers do after a while
        call.close();
    }
    assert!(
        gateway
            .records(3)
            .iter()
            .all(|record| record["attempts"].as_array().map(Vec::len) == Some(1))
    );
}
