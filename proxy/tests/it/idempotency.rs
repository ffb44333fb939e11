//! A call repeated with its `Idempotency-Key` is made once: the repeat joins the call in flight or gets its answer again.

use serde_json::Value;

use crate::harness::calls::{ANSWER, CHAT, CHAT_PATH, CHAT_STREAM, DONE, FINISH, error, says};
use crate::harness::client::{Client, post_with};
use crate::harness::eventually;
use crate::harness::gateway::{Gateway, KEY, OTHER_KEY};
use crate::harness::message::Message;
use crate::harness::provider::Provider;

fn begin_as(gateway: &Gateway, key: &str, name: &str, body: &str) -> Client {
    let mut client = gateway.connect();
    client.send(post_with(CHAT_PATH, key, &[("idempotency-key", name)], body));
    client
}

fn begin(gateway: &Gateway, name: &str, body: &str) -> Client {
    begin_as(gateway, KEY, name, body)
}

/// Waits until so many requests are in the gateway.
fn in_flight(gateway: &Gateway, count: u32) {
    eventually("the requests are in the gateway", || {
        ((gateway.metric("penstock_requests_in_flight") - f64::from(count)).abs() < 0.5).then_some(())
    });
}

fn is_repeat(answer: &Message) -> bool {
    answer.header("x-penstock-replayed") == Some("true")
}

#[test]
fn feature_a47_a_repeat_joins_the_call_in_flight() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let mut first = begin(&gateway, "k", CHAT);
    let call = provider.call();
    let mut repeats: Vec<Client> = (0..3).map(|_| begin(&gateway, "k", CHAT)).collect();
    in_flight(&gateway, 4);
    call.answer_json(200, ANSWER);
    let answer = first.answer();
    assert_eq!((answer.text(), is_repeat(&answer)), (ANSWER, false));
    for repeat in &mut repeats {
        let answer = repeat.answer();
        assert_eq!(
            (answer.status(), answer.text(), is_repeat(&answer)),
            (200, ANSWER, true)
        );
    }
    assert_eq!(provider.calls(), 1);
    let records = gateway.records(4);
    let tried = |record: &Value| record["attempts"].as_array().map_or(0, Vec::len);
    assert_eq!(records.iter().map(tried).sum::<usize>(), 1);
    assert_eq!(
        records
            .iter()
            .filter(|record| record["usage"]["total"] == 3)
            .count(),
        1,
        "tokens are spent once"
    );
}

#[test]
fn feature_a47_a_repeat_of_a_stream_gets_it_from_its_beginning_and_then_as_it_comes() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let mut first = begin(&gateway, "k", CHAT_STREAM);
    let call = provider.call();
    call.begin_stream();
    call.chunk(says("one"));
    first.head();
    assert_eq!(first.read_until("\n\n"), says("one"));
    let mut repeat = begin(&gateway, "k", CHAT_STREAM);
    assert!(is_repeat(&repeat.head()));
    assert_eq!(repeat.read_until("\n\n"), says("one"));
    call.chunk(says("two"));
    assert_eq!(first.read_until("\n\n"), says("two"));
    assert_eq!(repeat.read_until("\n\n"), says("two"));
    call.chunk([FINISH, DONE].concat());
    call.end();
    let rest = ([FINISH, DONE].concat().into_bytes(), true);
    assert_eq!((first.rest(), repeat.rest()), (rest.clone(), rest));
    // and once more when it is over
    let answer = begin(&gateway, "k", CHAT_STREAM).answer();
    assert_eq!(answer.text(), [&says("one"), &says("two"), FINISH, DONE].concat());
    assert_eq!(provider.calls(), 1);
}

#[test]
fn feature_a47_a_finished_answer_is_given_again() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let mut first = begin(&gateway, "k", CHAT);
    provider.call().answer_json(200, ANSWER);
    let first = first.answer();
    gateway.records(1);
    let again = begin(&gateway, "k", CHAT).answer();
    assert_eq!((again.text(), is_repeat(&again)), (ANSWER, true));
    assert_eq!(again.header("content-type"), first.header("content-type"));
    assert_eq!(again.header("x-penstock-provider"), Some("main"));
    assert_ne!(
        again.header("x-request-id"),
        first.header("x-request-id"),
        "it is another request all the same"
    );
    // the caller's own mistake would be the same again
    let mut first = begin(&gateway, "bad", CHAT);
    provider.call().answer_json(400, error("bad"));
    assert_eq!(first.answer().status(), 400);
    gateway.records(3);
    let again = begin(&gateway, "bad", CHAT).answer();
    assert_eq!((again.status(), again.text()), (400, error("bad").as_str()));
    assert_eq!(provider.calls(), 2);
}

#[test]
fn one_key_for_two_calls_is_refused() {
    let provider = Provider::start();
    let gateway = Gateway::with(
        &provider,
        "keys:\n  - {name: one, key: \"env:KEY\", models: [\"*\"]}\n  - {name: two, key: \"env:OTHER_KEY\", models: [\"*\"]}",
    );
    let mut first = begin(&gateway, "k", CHAT);
    let call = provider.call();
    let refused = begin(&gateway, "k", CHAT_STREAM).answer();
    assert_eq!(
        (refused.status(), refused.error_code().as_str()),
        (422, "idempotency_key_reused")
    );
    call.answer_json(200, ANSWER);
    assert_eq!(first.answer().text(), ANSWER);
    let refused = begin(&gateway, "k", CHAT_STREAM).answer();
    assert_eq!(refused.status(), 422);
    for bad in ["", &"k".repeat(257)] {
        assert_eq!(
            begin(&gateway, bad, CHAT).answer().error_code(),
            "invalid_idempotency_key"
        );
    }
    // another caller's key is another key
    let mut other = begin_as(&gateway, OTHER_KEY, "k", CHAT);
    provider.call().answer_json(200, ANSWER);
    assert!(!is_repeat(&other.answer()));
    gateway.records(6);
}

#[test]
fn a_call_that_failed_can_be_tried_again_with_its_key() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let mut first = begin(&gateway, "k", CHAT);
    provider.call().answer_json(500, error("no"));
    assert_eq!(first.answer().status(), 500);
    gateway.records(1);
    let mut broken = begin(&gateway, "k", CHAT);
    let call = provider.call();
    let mut joined = begin(&gateway, "k", CHAT);
    in_flight(&gateway, 2);
    call.answer_json(500, error("no"));
    assert_eq!(broken.answer().status(), 500);
    assert!(
        matches!(joined.answer().status(), 409 | 500),
        "who joined a failure is told to try again"
    );
    gateway.records(3);
    let mut again = begin(&gateway, "k", CHAT);
    provider.call().answer_json(200, ANSWER);
    assert_eq!(again.answer().text(), ANSWER);
    // a stream that broke off is no answer to give again
    let mut stream = begin(&gateway, "s", CHAT_STREAM);
    let call = provider.call();
    call.begin_stream();
    call.chunk(says("one"));
    call.end();
    assert!(stream.answer().text().contains("upstream_truncated"));
    gateway.records(5);
    let mut again = begin(&gateway, "s", CHAT_STREAM);
    provider.call().stream(&[&says("one"), FINISH, DONE]);
    assert_eq!(again.answer().text(), [&says("one"), FINISH, DONE].concat());
}

#[test]
fn a_call_goes_on_for_its_repeat_when_the_first_caller_leaves() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let first = begin(&gateway, "k", CHAT);
    let call = provider.call();
    let mut repeat = begin(&gateway, "k", CHAT);
    in_flight(&gateway, 2);
    first.close();
    call.answer_json(200, ANSWER);
    assert_eq!(repeat.answer().text(), ANSWER);
    gateway.records(2);
    // and is dropped when both have left
    let first = begin(&gateway, "l", CHAT);
    let call = provider.call();
    let repeat = begin(&gateway, "l", CHAT);
    in_flight(&gateway, 2);
    repeat.close();
    in_flight(&gateway, 1);
    first.close();
    call.wait_gone();
    gateway.records(4);
}

#[test]
fn repeats_can_be_turned_off() {
    let provider = Provider::start();
    let gateway = Gateway::with(&provider, "idempotency: {window_ms: 0}");
    for _ in 0..2 {
        let mut client = begin(&gateway, "k", CHAT);
        provider.call().answer_json(200, ANSWER);
        assert!(!is_repeat(&client.answer()));
    }
}
