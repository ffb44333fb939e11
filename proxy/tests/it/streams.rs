//! Streams while they run: broken ones never look complete, silent ones are kept warm and then ended, and a caller that
//! leaves takes its provider's work along.

use std::time::Duration;

use serde_json::Value;

use crate::harness::calls::{
    ANSWER, CHAT, CHAT_PATH, CHAT_STREAM, DONE, ERROR_EVENT, FINISH, ROLE, error, says,
};
use crate::harness::client::{Client, post};
use crate::harness::cuts;
use crate::harness::eventually;
use crate::harness::gateway::{Gateway, KEY};
use crate::harness::message::Message;
use crate::harness::provider::{Call, Provider};
use crate::harness::squeeze::{self, CODINGS};

const KEEP_ALIVE: &str = ": keep-alive\n\n";

/// A stream that has said its first word.
fn begun(gateway: &Gateway, provider: &Provider) -> (Client, Call) {
    let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
    let call = provider.call();
    call.begin_stream();
    call.chunk(ROLE);
    call.chunk(says("one"));
    assert_eq!(client.head().status(), 200);
    assert_eq!(client.read_until(&says("one")), format!("{ROLE}{}", says("one")));
    (client, call)
}

/// The stream's last event is an error, and nothing says that the answer is complete.
fn check_broken(rest: &str, code: &str) {
    assert!(
        !rest.contains("[DONE]") && !rest.contains("finish_reason"),
        "{rest}"
    );
    let event = rest
        .strip_suffix("\n\n")
        .unwrap_or_else(|| panic!("half an event: {rest:?}"));
    let data = event
        .rsplit("\n\n")
        .next()
        .and_then(|event| event.strip_prefix("data: "))
        .expect("an event");
    let error: Value = serde_json::from_str(data).expect("an error event is JSON");
    assert_eq!(error["error"]["code"], code, "{rest}");
    assert!(error["error"]["message"].is_string() && error["error"]["type"].is_string());
}

#[test]
fn a_stream_that_breaks_never_looks_complete() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let breaks: [(&str, &dyn Fn(Call)); 7] = [
        ("reset", &|call| call.reset()),
        ("closed within its framing", &|call| call.close()),
        ("ended in order, without a finish", &|call| call.end()),
        ("ended within an event", &|call| {
            call.chunk("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ha");
            call.end();
        }),
        ("closed within an event", &|call| {
            call.chunk("data: {\"choices\":[{\"index\":0,");
            call.close();
        }),
        ("cut within a chunk", &|call| {
            call.raw(b"ff\r\ndata: {");
            call.close();
        }),
        ("broken framing", &|call| call.raw(b"zz\r\n")),
    ];
    for (number, (name, break_off)) in breaks.iter().enumerate() {
        let (mut client, call) = begun(&gateway, &provider);
        break_off(call);
        let (rest, _) = client.rest();
        check_broken(&String::from_utf8(rest).unwrap(), "upstream_truncated");
        let record = gateway.records(number + 1).pop().unwrap();
        assert_eq!(
            (&record["ending"], &record["status"]),
            (&"truncated".into(), &200.into()),
            "{name}"
        );
        assert_eq!(record["error"]["code"], "upstream_truncated", "{name}");
    }
    assert!(
        gateway
            .metrics()
            .contains(r#"penstock_requests_total{ending="truncated",operation="chat",status="200"} 7"#)
    );
}

#[test]
fn data_that_is_no_json_breaks_the_stream() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let (mut client, call) = begun(&gateway, &provider);
    call.chunk("data: {\"choices\": oops}\n\n");
    let (rest, _) = client.rest();
    check_broken(&String::from_utf8(rest).unwrap(), "upstream_invalid");
    call.wait_gone();
    assert_eq!(gateway.record()["ending"], "truncated");
}

#[test]
fn one_of_two_choices_without_an_end_is_a_broken_stream() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let (mut client, call) = begun(&gateway, &provider);
    call.chunk(crate::harness::calls::delta(1, "two"));
    call.chunk(FINISH);
    call.end();
    let (rest, _) = client.rest();
    let rest = String::from_utf8(rest).unwrap();
    let ours = rest
        .rsplit_once(FINISH)
        .expect("the first choice's end was the provider's")
        .1;
    check_broken(ours, "upstream_truncated");
}

#[test]
fn a_stream_that_says_all_but_done_is_complete_as_it_is() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let (mut client, call) = begun(&gateway, &provider);
    call.chunk(FINISH);
    call.end();
    assert_eq!(
        client.rest(),
        (FINISH.as_bytes().to_vec(), true),
        "no [DONE] is made up"
    );
    assert_eq!(gateway.record()["ending"], "complete");
}

#[test]
fn pain_c03_an_error_event_in_the_middle_is_the_end_and_a_failure() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let (mut client, call) = begun(&gateway, &provider);
    call.chunk(ERROR_EVENT);
    call.chunk(DONE);
    let (rest, _) = client.rest();
    assert_eq!(
        String::from_utf8(rest).unwrap(),
        ERROR_EVENT,
        "the provider's own words, and no [DONE]"
    );
    let record = gateway.record();
    assert_eq!(
        (&record["ending"], &record["status"]),
        (&"failed".into(), &200.into())
    );
}

#[test]
fn pain_c13_a_stream_that_falls_silent_is_ended_and_its_provider_let_go() {
    let provider = Provider::start();
    let gateway = Gateway::with(&provider, "timeouts: {idle_ms: 250}");
    let (mut client, call) = begun(&gateway, &provider);
    let (rest, _) = client.rest();
    check_broken(&String::from_utf8(rest).unwrap(), "upstream_idle_timeout");
    call.wait_gone();
    assert_eq!(gateway.record()["ending"], "truncated");
}

#[test]
fn pain_c13_a_call_that_takes_longer_than_all_is_ended() {
    let provider = Provider::start();
    let gateway = Gateway::with(&provider, "timeouts: {total_ms: 300}");
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    let call = provider.call();
    let answer = client.answer();
    assert_eq!((answer.status(), answer.error_code().as_str()), (504, "timeout"));
    call.wait_gone();
    let (mut client, call) = begun(&gateway, &provider);
    let (rest, _) = client.rest();
    check_broken(&String::from_utf8(rest).unwrap(), "timeout");
    call.wait_gone();
    assert_eq!(gateway.records(2).len(), 2);
}

#[test]
fn pain_c06_a_caller_that_leaves_before_the_first_byte_takes_the_call_along() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    for (number, (body, leave)) in [
        (CHAT, Client::close as fn(Client)),
        (CHAT_STREAM, Client::close),
        (CHAT, Client::reset),
        (CHAT_STREAM, Client::reset),
    ]
    .into_iter()
    .enumerate()
    {
        let client = gateway.begin(CHAT_PATH, body);
        let call = provider.call();
        leave(client);
        call.wait_gone();
        let record = gateway.records(number + 1).pop().unwrap();
        assert_eq!(
            (&record["ending"], &record["status"]),
            (&"cancelled".into(), &0.into())
        );
        assert_eq!(record["attempts"][0]["outcome"], "cancelled");
    }
    eventually("nothing is in flight", || {
        (gateway.metric("penstock_requests_in_flight") < 0.5).then_some(())
    });
}

#[test]
fn pain_c06_a_caller_that_leaves_in_the_middle_takes_the_stream_along() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    for (number, leave) in [Client::close as fn(Client), Client::reset]
        .into_iter()
        .enumerate()
    {
        let (client, call) = begun(&gateway, &provider);
        leave(client);
        // the provider says nothing more: it is not a failing write that tells
        call.wait_gone();
        let record = gateway.records(number + 1).pop().unwrap();
        assert_eq!(record["ending"], "cancelled");
        let attempt = &record["attempts"][0];
        assert_eq!(
            (&attempt["outcome"], &attempt["status"]),
            (&"cancelled".into(), &200.into())
        );
        assert!(attempt["us"].as_u64().unwrap() > 0, "{record}");
    }
    eventually("no stream is left", || {
        (gateway.metric("penstock_requests_in_flight") < 0.5).then_some(())
    });
}

#[test]
fn pain_c06_a_caller_that_hangs_up_with_the_last_event_has_left_nothing_early() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let asked = r#"{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}"#;
    for (number, (path, end)) in [
        (CHAT_PATH, "data: [DONE]\n\n"),
        ("/v1/messages", "data: {\"type\":\"message_stop\"}\n\n"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = gateway.begin(path, asked);
        let call = provider.call();
        call.begin_stream();
        call.chunk(says("x"));
        call.chunk("data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n");
        call.chunk("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1,\"total_tokens\":4}}\n\n");
        call.chunk("data: [DONE]\n\n");
        client.head();
        client.read_until(end);
        client.close();
        // the provider does not end its stream: it is the caller who does
        call.wait_gone();
        let record = gateway.records(number + 1).pop().unwrap();
        assert_eq!(record["ending"], "complete", "{record}");
        assert_eq!(record["usage"]["prompt"], 3, "{record}");
        assert_eq!(record["attempts"][0]["outcome"], "served", "{record}");
    }
}

#[test]
fn pain_c03_a_stream_that_breaks_after_it_began_is_a_failed_attempt() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let error = "data: {\"error\":{\"message\":\"Overloaded\",\"type\":\"overloaded_error\"}}\n\n";
    let said = says("x");
    let (broken, ended) = (vec![&*said], vec![&*said, error]);
    for (number, (events, outcome)) in [(broken, "broken"), (ended, "error_event")]
        .into_iter()
        .enumerate()
    {
        let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
        provider.call().stream(&events);
        client.answer();
        let record = gateway.records(number + 1).pop().unwrap();
        assert_eq!(record["attempts"][0]["outcome"], outcome, "{record}");
    }
    let failed = |outcome: &str| {
        gateway.metric(&format!(
            "penstock_attempts_total{{outcome=\"{outcome}\",provider=\"main\"}}"
        ))
    };
    assert!((failed("broken") - 1.0).abs() < 0.1 && (failed("error_event") - 1.0).abs() < 0.1);
    assert!(failed("served") < 0.1);
}

#[test]
fn pain_c06_a_caller_that_leaves_while_a_whole_answer_comes_takes_it_along() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let client = gateway.begin(CHAT_PATH, CHAT);
    let call = provider.call();
    call.raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{");
    client.close();
    call.wait_gone();
    assert_eq!(gateway.record()["ending"], "cancelled");
}

/// PAIN A02, shorter: what is opened and left leaves nothing behind.
#[test]
fn pain_a02_streams_left_at_any_moment_leave_nothing_behind() {
    let mut provider = Provider::start();
    provider.serve(|call| {
        call.begin_stream();
        let event = says("x");
        let chunk = format!("{:x}\r\n{event}\r\n", event.len());
        while !call.is_gone() && call.try_raw(chunk.as_bytes()) {}
    });
    let gateway = Gateway::before(&provider);
    let mut random = cuts::Random(7);
    const STREAMS: usize = 200;
    for _ in 0..STREAMS {
        let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
        if random.below(3) > 0 {
            client.head();
            for _ in 0..random.below(4) {
                client.piece();
            }
        }
        if random.below(2) == 0 {
            client.reset();
        } else {
            client.close();
        }
    }
    gateway.records(STREAMS);
    let idle = |name: &str| gateway.metric(name) < 0.5;
    eventually("everything is given back", || {
        (idle("penstock_requests_in_flight")
            && idle("penstock_connections")
            && idle("penstock_body_memory_bytes"))
        .then_some(())
    });
}

#[test]
fn pain_c01_a_caller_hears_something_before_the_first_byte_and_in_silences_and_nothing_after_the_end() {
    let provider = Provider::start();
    let gateway = Gateway::with(&provider, "keep_alive_ms: 60");
    let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
    let call = provider.call();
    let head = client.head();
    assert_eq!(head.status(), 200);
    assert!(
        head.header("content-type")
            .unwrap()
            .starts_with("text/event-stream")
    );
    assert!(head.header("x-request-id").is_some() && head.header("x-penstock-generation").is_some());
    assert_eq!(client.text(), KEEP_ALIVE);
    assert_eq!(client.text(), KEEP_ALIVE);
    call.begin_stream();
    call.chunk(ROLE);
    assert_eq!(client.text(), KEEP_ALIVE, "a role is no word yet");
    // half an event, then silence: what is heard meanwhile is not inside it
    let (half, rest) = (&says("one")[..20], &says("one")[20..]);
    call.chunk(half);
    assert_eq!(
        client
            .read_until(&[KEEP_ALIVE, KEEP_ALIVE].concat())
            .replace(KEEP_ALIVE, ""),
        ""
    );
    call.chunk(rest);
    assert_eq!(
        client.read_until(&says("one")).replace(KEEP_ALIVE, ""),
        format!("{ROLE}{}", says("one"))
    );
    assert_eq!(client.text(), KEEP_ALIVE);
    let second = says("two");
    call.chunk(&second[..30]);
    assert_eq!(
        client.read_until(KEEP_ALIVE).replace(KEEP_ALIVE, ""),
        "",
        "half an event waits for its other half"
    );
    call.chunk(&second[30..]);
    call.chunk(FINISH);
    call.chunk(DONE);
    let heard = client.read_until(DONE);
    assert_eq!(heard.replace(KEEP_ALIVE, ""), format!("{second}{FINISH}{DONE}"));
    // the provider has not closed its stream yet, the answer is over all the same
    call.end();
    assert_eq!(client.rest(), (Vec::new(), true), "nothing comes after the end");
    assert_eq!(gateway.record()["ending"], "complete");
}

#[test]
fn pain_c01_keep_alives_are_for_streams_and_can_be_turned_off() {
    let provider = Provider::start();
    let gateway = Gateway::with(&provider, "keep_alive_ms: 20\ntimeouts: {total_ms: 400}");
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    let _hung = provider.call();
    assert_eq!(
        client.answer().status(),
        504,
        "a whole answer has no place for them"
    );
    let gateway = Gateway::with(&provider, "keep_alive_ms: 0\ntimeouts: {total_ms: 400}");
    let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
    let _hung = provider.call();
    assert_eq!(client.answer().status(), 504);
}

#[test]
fn pain_c01_another_target_can_still_be_tried_after_a_keep_alive() {
    let (first, second) = (Provider::start(), Provider::start());
    let gateway = Gateway::of(&format!(
        r#"
keep_alive_ms: 50
providers:
  a: {{base_url: "{}", auth: none}}
  b: {{base_url: "{}", auth: none}}
models: [{{name: m, targets: [{{provider: a}}, {{provider: b}}]}}]
"#,
        first.url(),
        second.url()
    ));
    let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
    let call = first.call();
    client.head();
    assert_eq!(client.text(), KEEP_ALIVE);
    call.answer_json(500, error("no"));
    second.call().stream(&[&says("b"), FINISH, DONE]);
    let (rest, is_whole) = client.rest();
    assert_eq!(
        String::from_utf8(rest).unwrap().replace(KEEP_ALIVE, ""),
        [&says("b"), FINISH, DONE].concat()
    );
    assert!(is_whole);
    // and where none is left, the caller is told within the stream
    let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
    let call = first.call();
    client.head();
    assert_eq!(client.text(), KEEP_ALIVE);
    call.answer_json(500, error("no"));
    second.call().answer_json(429, error("slow down"));
    let (rest, _) = client.rest();
    check_broken(&String::from_utf8(rest).unwrap(), "rate_limit_exceeded");
    let record = gateway.records(2).pop().unwrap();
    assert_eq!(
        (&record["status"], &record["ending"]),
        (&200.into(), &"failed".into())
    );
    assert_eq!(record["attempts"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_burst_of_events_keeps_every_byte_and_each_event_leaves_as_it_comes() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let (mut client, call) = begun(&gateway, &provider);
    // one by one: each is there before the next is sent
    for number in 0..20 {
        let event = says(&format!("word {number}"));
        call.chunk(&event);
        assert_eq!(client.read_until("\n\n"), event);
    }
    let burst: String = (0..5000)
        .map(|number| says(&format!("word {number} é😀")))
        .collect();
    let expected = format!("{burst}{FINISH}{DONE}");
    let writer = std::thread::spawn(move || {
        call.chunk(burst);
        call.chunk(FINISH);
        call.chunk(DONE);
        call.end();
    });
    let (rest, is_whole) = client.rest();
    assert!(is_whole && rest == expected.as_bytes());
    writer.join().unwrap();
}

#[test]
fn pain_b03_an_event_of_5_mib_passes() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let (mut client, call) = begun(&gateway, &provider);
    let large = says(&"x".repeat(5 << 20));
    let expected = format!("{large}{FINISH}{DONE}");
    let writer = std::thread::spawn(move || {
        call.chunk(large);
        call.chunk(FINISH);
        call.chunk(DONE);
        call.end();
    });
    assert!(client.rest() == (expected.into_bytes(), true));
    writer.join().unwrap();
}

#[test]
fn an_event_without_end_is_cut_off() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let (mut client, call) = begun(&gateway, &provider);
    let writer = std::thread::spawn(move || {
        let piece = [b'x'; 1 << 20];
        call.chunk("data: \"");
        for _ in 0..64 {
            call.chunk(piece);
        }
        call.wait_gone();
    });
    let (rest, _) = client.rest();
    check_broken(&String::from_utf8(rest).unwrap(), "upstream_invalid");
    writer.join().unwrap();
}

/// A caller that does not read holds its provider back; nothing grows without bound in between.
#[test]
fn a_caller_that_reads_slowly_slows_its_provider_and_loses_nothing() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let (mut client, call) = begun(&gateway, &provider);
    call.write_patience(Duration::from_millis(500));
    let event = says(&"y".repeat(64 << 10));
    let chunk = format!("{:x}\r\n{event}\r\n", event.len());
    // Far more than all socket buffers on the way hold.
    const MOST: usize = 2000;
    let mut taken = 0;
    while taken < MOST && call.try_raw(chunk.as_bytes()) {
        taken += 1;
    }
    assert!(taken < MOST, "the provider was never held back");
    drop(client.text());
    client.close();
    call.wait_gone();
    assert_eq!(gateway.record()["ending"], "cancelled");
}

#[test]
fn pain_b05_a_compressed_answer_is_undone_once_and_its_usage_counted() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    for coding in CODINGS {
        let mut client = gateway.connect();
        client.send(post(CHAT_PATH, KEY, CHAT));
        let headers = [("content-type", "application/json"), ("content-encoding", coding)];
        provider
            .call()
            .answer_with(200, &headers, squeeze::compressed(coding, ANSWER.as_bytes()));
        let answer = client.answer();
        assert_eq!(answer.text(), ANSWER, "{coding}");
        assert_eq!(answer.header("content-encoding"), None);
        // an error body too
        client.send(post(CHAT_PATH, KEY, CHAT));
        provider.call().answer_with(
            400,
            &headers,
            squeeze::compressed(coding, error("bad").as_bytes()),
        );
        let answer = client.answer();
        assert_eq!(
            (answer.status(), answer.text()),
            (400, error("bad").as_str()),
            "{coding}"
        );
        client.send(post(CHAT_PATH, KEY, CHAT));
        provider.call().answer_with(
            500,
            &headers,
            squeeze::compressed(coding, error("broken").as_bytes()),
        );
        assert!(client.answer().error_message().contains("broken"), "{coding}");
    }
    let usage = |record: &Value| record["status"] != 200 || record["usage"]["total"] == 3;
    assert!(gateway.records(3 * CODINGS.len()).iter().all(usage));
}

#[test]
fn pain_b05_a_compressed_stream_is_undone_event_by_event() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n\n";
    let events = [ROLE, &says("one"), &says("two é😀"), FINISH, usage, DONE];
    let pieces: Vec<&[u8]> = events.iter().map(|event| event.as_bytes()).collect();
    let expected = [&events[..4], &events[5..]].concat().concat();
    for coding in CODINGS {
        let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
        let call = provider.call();
        let headers = [
            ("content-type", "text/event-stream"),
            ("content-encoding", coding),
        ];
        call.begin(200, &headers);
        let parts = squeeze::parts(coding, &pieces);
        call.chunk(&parts[0]);
        call.chunk(&parts[1]);
        assert_eq!(client.head().header("content-encoding"), None);
        assert_eq!(
            client.read_until(&says("one")),
            [ROLE, &says("one")].concat(),
            "{coding}: at once"
        );
        parts[2..]
            .iter()
            .filter(|part| !part.is_empty())
            .for_each(|part| call.chunk(part));
        call.end();
        let (rest, is_whole) = client.rest();
        assert_eq!(
            String::from_utf8(rest).unwrap(),
            expected[ROLE.len() + says("one").len()..],
            "{coding}"
        );
        assert!(is_whole);
        // all at once, cut anywhere
        for cut in cuts::all(&parts.concat()) {
            let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
            let call = provider.call();
            call.begin(200, &headers);
            cut.pieces.iter().for_each(|piece| call.chunk(piece));
            call.end();
            assert_eq!(client.answer().text(), expected, "{coding} cut {}", cut.name);
        }
    }
    let records = gateway.records_now();
    assert!(
        records.iter().all(|record| record["usage"]["total"] == 3),
        "{records:#?}"
    );
}

fn corrupt(whole: &[u8]) -> Vec<u8> {
    whole[..whole.len() * 2 / 3].to_vec()
}

#[test]
fn pain_b05_a_compressed_answer_that_is_corrupt_or_a_bomb_is_refused() {
    let provider = Provider::start();
    let gateway = Gateway::with(&provider, "limits: {decompressed_bytes: 100000}");
    let refused = |coding: &str, body: &[u8]| -> Message {
        let mut client = gateway.begin(CHAT_PATH, CHAT);
        let headers = [("content-type", "application/json"), ("content-encoding", coding)];
        provider.call().answer_with(200, &headers, body);
        client.answer()
    };
    for coding in CODINGS {
        let answer = refused(coding, &corrupt(&squeeze::compressed(coding, ANSWER.as_bytes())));
        assert_eq!(
            (answer.status(), answer.error_code().as_str()),
            (502, "upstream_invalid"),
            "{coding}"
        );
        let answer = refused(coding, ANSWER.as_bytes());
        assert_eq!(
            (answer.status(), answer.error_code().as_str()),
            (502, "upstream_invalid"),
            "{coding}"
        );
        let bomb = squeeze::compressed(coding, &vec![b' '; 20 << 20]);
        let answer = refused(coding, &bomb);
        assert_eq!(
            (answer.status(), answer.error_code().as_str()),
            (502, "upstream_too_large"),
            "{coding}"
        );
        assert!(answer.error_message().contains("100000"), "{}", answer.text());
        // streamed
        let headers = [
            ("content-type", "text/event-stream"),
            ("content-encoding", coding),
        ];
        let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
        let call = provider.call();
        call.begin(200, &headers);
        call.chunk(&bomb);
        let answer = client.answer();
        assert!(
            answer.status() >= 500 || answer.text().contains("\"error\""),
            "{coding}: {}",
            answer.text()
        );
        call.wait_gone();
        let whole = squeeze::compressed(coding, [&says("one"), FINISH, DONE].concat().as_bytes());
        let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
        let call = provider.call();
        call.begin(200, &headers);
        call.chunk(corrupt(&whole));
        call.end();
        let answer = client.answer();
        assert!(
            !answer.text().contains("[DONE]") && answer.text().contains("\"error\""),
            "{coding}: {}",
            answer.text()
        );
    }
    let records = gateway.records(5 * CODINGS.len());
    assert!(
        records.iter().all(|record| record["ending"] != "complete"),
        "{records:#?}"
    );
}
