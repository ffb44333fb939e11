//! A gateway that stops lets what is in flight end, takes nothing new, and waits for nothing else.

use std::time::{Duration, Instant};

use crate::harness::calls::{ANSWER, CHAT, CHAT_PATH, CHAT_STREAM, DONE, FINISH, says};
use crate::harness::client::{Client, post, request};
use crate::harness::eventually;
use crate::harness::gateway::{Gateway, KEY, completed, providers, read_records};
use crate::harness::process::Process;
use crate::harness::provider::Provider;

#[test]
fn a_stopping_gateway_ends_its_streams_in_order_and_then_stops_at_once() {
    let provider = Provider::start();
    let mut gateway = Gateway::before(&provider);
    let mut idle = gateway.connect();
    idle.send(request("GET", "/v1/models", KEY, &[]));
    assert_eq!(idle.answer().status(), 200);
    let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
    let call = provider.call();
    call.begin_stream();
    call.chunk(says("one"));
    client.head();
    assert_eq!(client.read_until("\n\n"), says("one"));
    let (address, admin) = (gateway.address, gateway.running().admin);
    let running = gateway.take();
    let draining = std::thread::spawn(move || running.drain(Duration::from_secs(30)));
    eventually("it says that it is not ready", || {
        let mut client = Client::connect(admin);
        client.send(request("GET", "/readyz", "", &[]));
        (client.answer().status() == 503).then_some(())
    });
    assert!(idle.is_closed(), "an idle connection has nothing to wait for");
    eventually("it takes no more connections", || {
        std::net::TcpStream::connect(address).is_err().then_some(())
    });
    call.chunk(says("two"));
    assert_eq!(client.read_until("\n\n"), says("two"));
    assert!(!draining.is_finished());
    call.chunk([FINISH, DONE].concat());
    call.end();
    assert_eq!(client.rest(), ([FINISH, DONE].concat().into_bytes(), true));
    let ended = Instant::now();
    assert!(draining.join().unwrap(), "all of it ended");
    assert!(ended.elapsed() < Duration::from_secs(5), "{:?}", ended.elapsed());
    let records = gateway.records(2);
    assert!(records.iter().all(|record| record["ending"] == "complete"));
}

#[test]
fn a_stopping_gateway_does_not_wait_for_ever() {
    let provider = Provider::start();
    let mut gateway = Gateway::before(&provider);
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    let call = provider.call();
    let running = gateway.take();
    assert!(
        !running.drain(Duration::from_millis(200)),
        "something was still in flight"
    );
    assert!(client.is_closed());
    call.wait_gone();
    assert_eq!(gateway.record()["ending"], "cancelled");
}

#[test]
fn pain_o05_sigterm_drains_and_exits_as_soon_as_nothing_is_in_flight() {
    let provider = Provider::start();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("penstock.yaml");
    std::fs::write(&config, completed(&providers(&[("main", &provider.url())]))).unwrap();
    let mut process = Process::start(&config);
    let mut done = process.connect();
    done.send(post(CHAT_PATH, KEY, CHAT));
    provider.call().answer_json(200, ANSWER);
    assert_eq!(done.answer().text(), ANSWER);
    let mut client = process.connect();
    client.send(post(CHAT_PATH, KEY, CHAT_STREAM));
    let call = provider.call();
    call.begin_stream();
    call.chunk(says("one"));
    client.head();
    assert_eq!(client.read_until("\n\n"), says("one"));
    process.signal("-TERM");
    eventually("it takes no more connections", || {
        std::net::TcpStream::connect(process.address)
            .is_err()
            .then_some(())
    });
    assert!(!process.has_ended());
    call.stream_rest(&[&says("two"), FINISH, DONE]);
    assert_eq!(
        client.rest(),
        ([&says("two"), FINISH, DONE].concat().into_bytes(), true)
    );
    let ended = Instant::now();
    assert_eq!(process.ended().code(), Some(0));
    assert!(ended.elapsed() < Duration::from_secs(5), "{:?}", ended.elapsed());
    let records = read_records(&folder.path().join("records.jsonl"));
    assert_eq!(
        records
            .iter()
            .filter(|record| record["ending"] == "complete")
            .count(),
        2
    );
}

#[test]
fn a_bad_configuration_does_not_start_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("penstock.yaml");
    std::fs::write(&config, "listenrs: []\n").unwrap();
    for command in ["run", "check"] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_penstock"))
            .args([command, "--config"])
            .arg(&config)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(78));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains("penstock.yaml:1") && said.contains("listeners"),
            "{said}"
        );
    }
}
