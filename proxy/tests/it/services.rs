//! Plugins that ask a service: what reaches it, what never does, and that nobody else waits for it.

use crate::harness::calls::{ANSWER, CHAT, CHAT_PATH, CHAT_STREAM, DONE, FINISH, says};
use crate::harness::gateway::{CREDENTIAL, Gateway, KEY};
use crate::harness::plugins::{calls, calls_entry};
use crate::harness::provider::{Provider, refusing};

/// Where a service that is played by a `Provider` is, and the entry that lists it.
fn listed(service: &Provider) -> (String, String) {
    let host = format!("http://{}", service.address);
    (format!("{host}/check"), format!("hosts: [\"{host}\"]"))
}

/// The same with all the time that a busy machine may need.
fn place(service: &Provider) -> (String, String) {
    let (url, hosts) = listed(service);
    (url, format!("{hosts}, wait_ms: 60000"))
}

/// A gateway whose only plugin asks `service` at one hook.
fn asking(provider: &Provider, service: &Provider, mode: &str, hook: &str, more: &str) -> Gateway {
    let (url, hosts) = place(service);
    Gateway::with(
        provider,
        &format!("plugins: [{}]", calls_entry(mode, hook, &url, &hosts, more)),
    )
}

/// The same with other terms than a plain list.
fn on_terms(provider: &Provider, url: &str, mode: &str, terms: &str) -> Gateway {
    let entry = calls_entry(mode, "on-request", url, terms, "");
    Gateway::with(provider, &format!("plugins: [{entry}]"))
}

/// What the plugin answered in the provider's place.
fn said(gateway: &Gateway) -> String {
    let answer = gateway.post(CHAT_PATH, CHAT);
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let text = &answer.json()["choices"][0]["message"]["content"];
    text.as_str().expect("a text").to_owned()
}

#[test]
fn a_service_lets_a_request_through_or_has_it_refused() {
    let (provider, service) = (Provider::start(), Provider::start());
    let gateway = asking(&provider, &service, "ask", "on-request", "");
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    let asked = service.call();
    assert_eq!(
        (asked.request.start_line(), asked.request.text()),
        ("POST /check HTTP/1.1", "hi")
    );
    assert_eq!(
        asked.request.header("host"),
        Some(service.address.to_string().as_str())
    );
    let all = format!("{:?}", asked.request.headers().collect::<Vec<_>>());
    assert!(
        !all.contains(KEY) && !all.contains(CREDENTIAL) && asked.request.header("authorization").is_none(),
        "{all}"
    );
    asked.answer(200, "text/plain", "yes");
    let call = provider.call();
    assert_eq!(call.request.text(), CHAT);
    call.answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    let asked = service.call();
    assert_eq!(asked.connection, 1, "connections are kept");
    asked.answer(200, "text/plain", "no");
    let refused = client.answer();
    assert_eq!((refused.status(), refused.error_code().as_str()), (403, "policy"));
    assert_eq!(provider.calls(), 1);
    let records = gateway.records(2);
    assert_eq!(records[0]["plugins"][0]["verdict"], "proceed");
    assert_eq!(records[1]["plugins"][0]["verdict"], "refuse");
}

#[test]
fn pain_q06_a_host_that_is_not_listed_is_never_connected_to() {
    let (provider, service, other) = (Provider::start(), Provider::start(), Provider::start());
    let (_, hosts) = place(&service);
    let port = service.address.port();
    for url in [
        format!("http://{}/", other.address),
        format!("http://{}@{}/", service.address, other.address),
        format!("https://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://policy.localhost:{port}/"),
        format!("http://[::1]:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        let gateway = on_terms(&provider, &url, "say", &hosts);
        let told = said(&gateway);
        assert!(told == "not-allowed" || told == "invalid", "{url}: {told}");
    }
    assert_eq!((service.connections(), other.connections()), (0, 0));
    provider.saw_nothing();
}

#[test]
fn pain_q06_a_listed_name_that_leads_to_this_machine_is_not_followed_unless_that_is_written_down() {
    let (provider, service) = (Provider::start(), Provider::start());
    let host = format!("http://policy.localhost:{}", service.address.port());
    let url = format!("{host}/check");
    for reach in ["", ", reach: [\"10.0.0.0/8\"]", ", reach: [\"169.254.0.0/16\"]"] {
        let gateway = on_terms(
            &provider,
            &url,
            "say",
            &format!("hosts: [{{host: \"{host}\"{reach}}}]"),
        );
        assert_eq!(said(&gateway), "not-allowed", "{reach}");
    }
    assert_eq!(service.connections(), 0);
    let terms = format!("hosts: [{{host: \"{host}\", reach: [\"127.0.0.0/8\"]}}]");
    let gateway = on_terms(&provider, &url, "say", &terms);
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    service.call().answer(200, "text/plain", "here");
    assert!(client.answer().text().contains("200 here"));
}

#[test]
fn a_service_that_is_not_there_is_an_error_that_the_plugin_can_weigh() {
    let provider = Provider::start();
    let host = format!("http://{}", refusing());
    let hosts = format!("hosts: [\"{host}\"]");
    assert_eq!(said(&on_terms(&provider, &host, "say", &hosts)), "unreachable");
    // or leave to the operator
    let gateway = on_terms(&provider, &host, "ask", &hosts);
    let refused = gateway.post(CHAT_PATH, CHAT);
    assert_eq!(
        (refused.status(), refused.error_code().as_str()),
        (503, "plugin_failed")
    );
    let service = Provider::start();
    let (url, hosts) = place(&service);
    let gateway = on_terms(&provider, &url, "say", &hosts);
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    service.call().raw(b"SSH-2.0-OpenSSH_9\r\n\r\n");
    let told = client.answer();
    assert!(told.text().contains("broken"), "{}", told.text());
}

#[test]
fn a_slow_service_is_cut_at_the_operators_limit_and_the_fail_mode_applies() {
    let (provider, service) = (Provider::start(), Provider::start());
    let (url, hosts) = listed(&service);
    let terms = format!("{hosts}, wait_ms: 80");
    for (fail, verdict) in [("closed", "fault"), ("open", "skipped")] {
        let entry = calls_entry("ask", "on-request", &url, &terms, &format!(", fail: {fail}"));
        let gateway = Gateway::with(&provider, &format!("plugins: [{entry}]"));
        let mut client = gateway.begin(CHAT_PATH, CHAT);
        service.call().wait_gone();
        if fail == "closed" {
            let refused = client.answer();
            assert_eq!(
                (refused.status(), refused.error_code().as_str()),
                (503, "plugin_failed")
            );
        } else {
            let call = provider.call();
            assert_eq!(call.request.text(), CHAT);
            call.answer_json(200, ANSWER);
            assert_eq!(client.answer().text(), ANSWER);
        }
        assert_eq!(gateway.record()["plugins"][0]["verdict"], verdict);
    }
}

#[test]
fn while_one_request_waits_for_a_service_the_same_worker_serves_another() {
    let (provider, service) = (Provider::start(), Provider::start());
    let gateway = asking(&provider, &service, "ask", "on-request", "");
    assert_eq!(gateway.get("/v1/models").status(), 200);
    let mut first = gateway.begin(CHAT_PATH, CHAT);
    let first_asked = service.call();
    let mut second = gateway.begin(CHAT_PATH, CHAT);
    service.call().answer(200, "text/plain", "yes");
    provider.call().answer_json(200, ANSWER);
    assert_eq!(second.answer().text(), ANSWER);
    assert!(!first_asked.is_gone());
    first_asked.answer(200, "text/plain", "no");
    assert_eq!(first.answer().status(), 403);
}

#[test]
fn a_caller_who_leaves_cancels_the_hook_and_its_call() {
    let (provider, service) = (Provider::start(), Provider::start());
    let gateway = asking(
        &provider,
        &service,
        "ask",
        "on-request",
        ", limits: {recycle_after: 1}",
    );
    for round in 1..=2 {
        let client = gateway.begin(CHAT_PATH, CHAT);
        let asked = service.call();
        drop(client);
        asked.wait_gone();
        let record = gateway.records(round).pop().unwrap();
        assert_eq!(record["ending"], "cancelled");
    }
    provider.saw_nothing();
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    service.call().answer(200, "text/plain", "no");
    assert_eq!(
        client.answer().status(),
        403,
        "the next one is asked about as ever"
    );
}

#[test]
fn pain_q06_a_redirect_is_a_response_and_is_not_followed() {
    let (provider, service, other) = (Provider::start(), Provider::start(), Provider::start());
    let (url, hosts) = place(&service);
    let both = hosts.replace(']', &format!(", \"http://{}\"]", other.address));
    let gateway = on_terms(&provider, &url, "say", &both);
    for status in [301, 302, 307, 308] {
        let mut client = gateway.begin(CHAT_PATH, CHAT);
        let location = format!("http://{}/", other.address);
        service
            .call()
            .answer_with(status, &[("location", &location)], "moved");
        let told = client.answer();
        assert!(
            told.text().contains(&format!("{status} moved")),
            "{}",
            told.text()
        );
    }
    assert_eq!(other.connections(), 0);
}

#[test]
fn a_response_over_its_limit_is_not_read_to_its_end() {
    let (provider, service) = (Provider::start(), Provider::start());
    let (url, hosts) = place(&service);
    let gateway = on_terms(&provider, &url, "say", &format!("{hosts}, response_bytes: 2000"));
    let big_header = "x".repeat(2000);
    for how in ["length", "chunks", "headers"] {
        let mut client = gateway.begin(CHAT_PATH, CHAT);
        let asked = service.call();
        match how {
            "length" => asked.answer(200, "text/plain", "x".repeat(100_000)),
            "headers" => asked.answer_with(200, &[("x-big", &big_header)], ""),
            _ => {
                asked.begin(200, &[]);
                (0..100).for_each(|_| asked.chunk("x".repeat(1000)));
            }
        }
        let told = client.answer();
        assert!(told.text().contains("too-large"), "{how}: {}", told.text());
        asked.wait_gone();
    }
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    service.call().answer(200, "text/plain", "x".repeat(1900));
    assert!(client.answer().text().contains("200 xxx"));
}

#[test]
fn a_credential_of_the_operators_goes_to_its_host_and_a_new_one_is_taken_up() {
    let (provider, service) = (Provider::start(), Provider::start());
    let host = format!("http://{}", service.address);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let token = folder.path().join("token");
    std::fs::write(&token, "first-token\n").unwrap();
    let terms = format!("hosts: [{{host: \"{host}\", headers: {{authorization: \"Bearer file:token\"}}}}]");
    let entry = calls_entry("own-credential", "on-request", &host, &terms, "");
    let config = format!(
        "providers:\n  main: {{base_url: \"{}\", auth: none}}\nplugins: [{entry}]",
        provider.url()
    );
    let gateway = Gateway::within(folder, &config);
    let sent = || {
        let mut client = gateway.begin(CHAT_PATH, CHAT);
        let asked = service.call();
        asked.answer(200, "text/plain", "ok");
        assert!(client.answer().text().contains("200 ok"));
        asked
            .request
            .headers()
            .filter(|(name, _)| name.eq_ignore_ascii_case("authorization"))
            .map(|(_, value)| value.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(sent(), ["Bearer first-token"]);
    std::fs::write(&token, "second-token").unwrap();
    gateway.change(&config).expect("the configuration is right");
    assert_eq!(sent(), ["Bearer second-token"]);
}

#[test]
fn a_service_chooses_the_target() {
    let (first, second, service) = (Provider::start(), Provider::start(), Provider::start());
    let (url, hosts) = place(&service);
    let entry = calls_entry("ask", "on-route", &url, &hosts, "");
    let gateway = Gateway::of(&format!(
        "plugins: [{entry}]\nproviders:\n  a: {{base_url: \"{}\", auth: none}}\n  b: {{base_url: \"{}\", auth: none}}\nmodels: [{{name: m, targets: [{{provider: a}}, {{provider: b}}]}}]",
        first.url(),
        second.url(),
    ));
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    let asked = service.call();
    assert_eq!(asked.request.text(), "a b");
    asked.answer(200, "text/plain", "b");
    second.call().answer_json(200, ANSWER);
    assert_eq!(client.answer().header("x-penstock-provider"), Some("b"));
    first.saw_nothing();
}

#[test]
fn a_whole_answer_waits_for_a_service_and_is_refused_if_it_says_so() {
    let (provider, service) = (Provider::start(), Provider::start());
    for hook in ["on-response", "on-event"] {
        let gateway = asking(&provider, &service, "ask", hook, "");
        for (verdict, status) in [("yes", 200), ("no", 403)] {
            let mut client = gateway.begin(CHAT_PATH, CHAT);
            provider.call().answer_json(200, ANSWER);
            let asked = service.call();
            assert!(asked.request.text().ends_with("hello"));
            asked.answer(200, "text/plain", verdict);
            assert_eq!(client.answer().status(), status, "{hook} {verdict}");
        }
        let client = gateway.begin(CHAT_PATH, CHAT);
        provider.call().answer_json(200, ANSWER);
        let asked = service.call();
        drop(client);
        asked.wait_gone();
        assert_eq!(gateway.records(3)[2]["ending"], "cancelled");
    }
}

#[test]
fn a_stream_goes_on_as_a_service_lets_it_and_ends_where_it_says_no() {
    let (provider, service) = (Provider::start(), Provider::start());
    let gateway = asking(&provider, &service, "ask", "on-event", "");
    let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
    let call = provider.call();
    call.begin_stream();
    call.chunk(says("one"));
    let asked = service.call();
    assert_eq!(asked.request.text(), "1 one");
    asked.answer(200, "text/plain", "yes");
    client.head();
    assert_eq!(client.read_until("\n\n"), says("one"));
    call.chunk(says("two"));
    let asked = service.call();
    assert_eq!(
        asked.request.text(),
        "2 two",
        "what it remembers of the stream is there"
    );
    asked.answer(200, "text/plain", "no");
    let (rest, _) = client.rest();
    let rest = String::from_utf8(rest).unwrap();
    assert!(
        rest.contains("\"policy\"") && !rest.contains("two") && !rest.contains("[DONE]"),
        "{rest}"
    );
    call.wait_gone();
    let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
    let call = provider.call();
    call.stream(&[&says("all"), FINISH, DONE]);
    service.call().answer(200, "text/plain", "yes");
    let answer = client.answer();
    assert_eq!(answer.text(), [&says("all"), FINISH, DONE].concat());
    let record = gateway.records(2).pop().unwrap();
    assert_eq!(record["ending"], "complete");
    assert_eq!(record["plugins"][0]["verdict"], "proceed");
}

#[test]
fn a_caller_who_leaves_a_stream_cancels_the_hook_and_the_provider() {
    let (provider, service) = (Provider::start(), Provider::start());
    let gateway = asking(&provider, &service, "ask", "on-event", "");
    let client = gateway.begin(CHAT_PATH, CHAT_STREAM);
    let call = provider.call();
    call.begin_stream();
    call.chunk(says("one"));
    let asked = service.call();
    drop(client);
    asked.wait_gone();
    call.wait_gone();
    assert_eq!(gateway.record()["ending"], "cancelled");
}

#[test]
fn a_stream_that_is_held_back_is_shown_whole_to_a_service() {
    let (provider, service) = (Provider::start(), Provider::start());
    let (url, hosts) = place(&service);
    let entry = calls_entry("ask", "on-response, buffer: \"yes\"", &url, &hosts, "");
    let gateway = Gateway::with(&provider, &format!("plugins: [{entry}]"));
    for (verdict, lets) in [("yes", true), ("no", false)] {
        let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
        provider
            .call()
            .stream(&[&says("one "), &says("two"), FINISH, DONE]);
        let asked = service.call();
        assert_eq!(asked.request.text(), "one two");
        asked.answer(200, "text/plain", verdict);
        assert_eq!(client.answer().text().contains("two"), lets);
    }
}

#[test]
fn what_a_service_is_told_after_the_answer_delays_nobody_and_the_record_comes_after_it() {
    let (provider, service) = (Provider::start(), Provider::start());
    let gateway = asking(&provider, &service, "ask", "on-complete", "");
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    provider.call().answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
    let told = service.call();
    assert_eq!(told.request.text(), "complete");
    // the connection serves the next call meanwhile
    client.send(crate::harness::client::post(CHAT_PATH, KEY, CHAT));
    provider.call().answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
    service.call().answer(200, "text/plain", "noted");
    assert_eq!(gateway.records(1).len(), 1, "the first one is not settled yet");
    told.answer(200, "text/plain", "noted");
    let records = gateway.records(2);
    for record in records {
        assert_eq!(record["plugins"][0]["hook"], "on-complete");
        assert_eq!(record["plugins"][0]["verdict"], "proceed");
    }
}

#[test]
fn a_process_that_stops_writes_the_record_of_a_request_whose_service_never_answers() {
    let (provider, service) = (Provider::start(), Provider::start());
    let gateway = asking(&provider, &service, "ask", "on-complete", "");
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    provider.call().answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
    let told = service.call();
    let records = gateway.stop();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["ending"], "complete");
    told.wait_gone();
}

#[test]
fn a_caller_who_left_while_a_hook_waited_is_told_of_at_the_end() {
    let (provider, service) = (Provider::start(), Provider::start());
    let (url, hosts) = place(&service);
    let path = calls();
    let first = calls_entry("ask", "on-request", &url, &hosts, "");
    let last = format!(
        "{{name: last, component: \"{}\", settings: {{mode: ask, hooks: on-complete, url: \"{url}\"}}, capabilities: [http], http: {{{hosts}}}}}",
        path.display()
    );
    let gateway = Gateway::with(&provider, &format!("plugins: [{first}, {last}]"));
    let client = gateway.begin(CHAT_PATH, CHAT);
    let asked = service.call();
    drop(client);
    asked.wait_gone();
    let told = service.call();
    assert_eq!(told.request.text(), "cancelled");
    told.answer(200, "text/plain", "noted");
    assert_eq!(gateway.record()["ending"], "cancelled");
}

#[test]
fn a_large_request_waits_for_a_service_off_the_workers_too() {
    let (provider, service) = (Provider::start(), Provider::start());
    let patience = ", limits: {hook_ms: 10000}";
    let gateway = asking(&provider, &service, "ask", "on-request", patience);
    let long = CHAT.replace("hi", &"word ".repeat(100_000));
    let mut client = gateway.begin(CHAT_PATH, &long);
    let asked = service.call();
    assert_eq!(asked.request.body.len(), 500_000);
    assert_eq!(gateway.get("/v1/models").status(), 200);
    asked.answer(200, "text/plain", "no");
    assert_eq!(client.answer().status(), 403);
}

#[test]
fn the_calls_total_time_ends_a_wait_for_a_service() {
    let (provider, service) = (Provider::start(), Provider::start());
    let (url, hosts) = place(&service);
    let entry = calls_entry("ask", "on-request", &url, &hosts, "");
    let gateway = Gateway::with(
        &provider,
        &format!("timeouts: {{total_ms: 150}}\nplugins: [{entry}]"),
    );
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    service.call().wait_gone();
    assert_eq!(client.answer().status(), 504);
    provider.saw_nothing();
}
