//! Configuration and plugins are swapped while calls run: each call finishes on the generation it began with, a bad file
//! changes nothing, and what was replaced leaves nothing behind.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::calls::{ANSWER, CHAT, CHAT_PATH, CHAT_STREAM, DONE, FINISH, says};
use crate::harness::client::{Client, post};
use crate::harness::gateway::{Gateway, KEY, completed, providers, read_records};
use crate::harness::plugins::{self, hostile_entry};
use crate::harness::process::Process;
use crate::harness::provider::{Call, Provider};
use crate::harness::{eventually, within};

const SWAPS: u64 = 200;
/// Memory is compared from here on: pools and caches are warm.
const WARM: u64 = 20;
/// Looks at memory, 2 ms apart at least, among which none is below those before.
const LOOKS: u32 = 50;
/// Makes resident memory the memory in use: the allocator gives back at once what is freed, and the kernel does not make
/// huge pages of half-used ones, which it does at any time, megabytes in one go.
const NOTHING_KEPT: &[(&str, &str)] = &[("MIMALLOC_PURGE_DELAY", "0"), ("MIMALLOC_ALLOW_THP", "0")];
const CLIENTS: usize = 3;
/// Between two calls of one client: a load that leaves the machine time for the swaps, and memory nothing but them.
const PACE: Duration = Duration::from_millis(4);

fn decorated(url: &str, number: u64) -> String {
    let mark = |place: &str| format!("{place}: [{{role: user, text: \"mark {{{{generation}}}} {number}\"}}]");
    let lines = format!(
        r#"
plugin_cache: compiled
record: records/records.jsonl
plugins:
  - {{name: first, component: current.wasm, capabilities: [clock], settings: {{{}}}}}
  - {{name: guard, component: guard-secrets}}
  - {{name: last, component: current.wasm, capabilities: [clock], settings: {{{}}}}}
"#,
        mark("prepend"),
        mark("append")
    );
    completed(&format!("{}{lines}", providers(&[("main", url)])))
}

/// Tells the caller what the plugins wrote into its request.
fn echo(call: Call) {
    let request = call.request.json();
    let messages = request["messages"].as_array().expect("messages");
    let marks: Vec<&str> = messages
        .iter()
        .filter_map(|message| message["content"].as_str())
        .collect();
    let marks = marks.join("|");
    if request["stream"] == true {
        call.begin_stream();
        for character in marks.chars().collect::<Vec<_>>().chunks(3) {
            call.chunk(says(&character.iter().collect::<String>()));
        }
        call.chunk([FINISH, DONE].concat());
        call.end();
    } else {
        let answer = json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": marks}, "finish_reason": "stop"}]});
        call.answer_json(200, answer.to_string());
    }
}

/// What one answer said: the generation of its head, and the marks of its text.
#[derive(Debug)]
struct Said {
    generation: u64,
    marks: String,
}

/// Calls, streamed and not in turn, at a steady pace, until it is told to stop.
#[expect(
    clippy::disallowed_methods,
    reason = "a thread of its own, which waits for nothing"
)]
fn load(address: std::net::SocketAddr, stop: &AtomicBool, said: &Mutex<Vec<Said>>) {
    let mut client = Client::connect(address);
    let mut number = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        std::thread::sleep(PACE);
        let is_stream = number.is_multiple_of(2);
        client.send(post(CHAT_PATH, KEY, if is_stream { CHAT_STREAM } else { CHAT }));
        let answer = client.answer();
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert!(answer.is_whole);
        let marks = if is_stream {
            streamed(answer.text())
        } else {
            whole(&answer.json())
        };
        let generation = answer
            .header("x-penstock-generation")
            .and_then(|text| text.parse().ok())
            .expect("a generation");
        said.lock().unwrap().push(Said { generation, marks });
    }
}

fn whole(answer: &Value) -> String {
    answer["choices"][0]["message"]["content"]
        .as_str()
        .expect("a text")
        .to_owned()
}

fn streamed(events: &str) -> String {
    assert!(events.ends_with(DONE), "{events}");
    let events = events
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "))
        .filter(|data| *data != "[DONE]");
    let text = |data: &str| -> String {
        let event: Value = serde_json::from_str(data).expect("JSON");
        event["choices"][0]["delta"]["content"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    events.map(text).collect()
}

/// As editors and `kubectl` do it: whole, under the name of the old one.
fn replace(path: &Path, content: impl AsRef<[u8]>) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, content).unwrap();
    std::fs::rename(beside, path).unwrap();
}

#[test]
fn pain_o01_200_swaps_of_config_and_plugins_under_load_fail_no_request_and_leave_nothing_behind() {
    let mut provider = Provider::start();
    provider.serve(echo);
    let folder = tempfile::tempdir().unwrap();
    let (config, plugin) = (
        folder.path().join("penstock.yaml"),
        folder.path().join("current.wasm"),
    );
    let component = std::fs::read(plugins::folder().join("prompt-decorator.wasm")).unwrap();
    // few enough that their compiled forms are all in the cache when memory is first looked at
    let variants: Vec<Vec<u8>> = (0..4)
        .map(|number| plugins::variant(&component, number))
        .collect();
    // away from the files that are followed: a folder that is written to all the time never comes to rest
    std::fs::create_dir(folder.path().join("records")).unwrap();
    replace(&plugin, &variants[0]);
    replace(&config, decorated(&provider.url(), 0));
    let mut process = Process::start_with(&config, NOTHING_KEPT);
    let (stop, said) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (address, stop, said) = (process.address, stop.clone(), said.clone());
            std::thread::spawn(move || load(address, &stop, &said))
        })
        .collect();
    // which number the configuration of each generation had
    let mut numbers = vec![0, 0];
    let (mut warm_kib, mut course) = (0, Vec::new());
    for swap in 1..=SWAPS {
        if swap % 2 == 0 {
            replace(&plugin, &variants[usize::try_from(swap / 2 % 4).unwrap()]);
            numbers.push(numbers[numbers.len() - 1]);
        } else {
            replace(&config, decorated(&provider.url(), swap));
            numbers.push(swap);
        }
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let expected = (swap + 1) as f64;
        within(Duration::from_secs(20), "the change is served", || {
            (process.metric("penstock_config_generation") > expected - 0.5).then_some(())
        });
        if swap % WARM == 0 {
            course.push(process.resident_kib());
        }
        if swap == WARM {
            warm_kib = settled_kib(&process);
        }
    }
    let last_kib = settled_kib(&process);
    stop.store(true, Ordering::Relaxed);
    clients
        .into_iter()
        .for_each(|client| client.join().expect("no request failed"));
    let said = said.lock().unwrap();
    for Said { generation, marks } in &*said {
        let number = numbers[usize::try_from(*generation).unwrap()];
        assert_eq!(
            *marks,
            format!("mark {generation} {number}|hi|mark {generation} {number}")
        );
    }
    let seen: std::collections::BTreeSet<u64> = said.iter().map(|said| said.generation).collect();
    println!(
        "{} calls on {} generations; settled KiB {warm_kib}, then {last_kib}; resident KiB every {WARM} swaps: {course:?}",
        said.len(),
        seen.len()
    );
    assert!(
        seen.len() > 20,
        "the load did not meet the swaps: {} generations",
        seen.len()
    );
    eventually("only the last generation is left", || {
        (process.metric("penstock_live_generations") < 1.5).then_some(())
    });
    assert!(process.metric("penstock_config_rejected_total") < 0.5);
    assert!(
        last_kib * 100 <= warm_kib * 110,
        "{last_kib} KiB after {SWAPS} swaps, {warm_kib} KiB after {WARM}"
    );
    process.signal("-TERM");
    assert!(process.ended().success());
    let records = read_records(&folder.path().join("records/records.jsonl"));
    assert_eq!(records.len(), said.len());
    check_digests(&records);
}

/// Resident memory when nothing of a swap is under way: with one generation left, the least that is seen while the load
/// goes on. A look in the middle of a compilation would find its memory, too.
fn settled_kib(process: &Process) -> u64 {
    eventually("a swap is over", || {
        (process.metric("penstock_live_generations") < 1.5).then_some(())
    });
    let (mut least_kib, mut looks) = (u64::MAX, 0);
    within(Duration::from_secs(60), "memory falls no further", || {
        let kib = process.resident_kib();
        looks = if kib < least_kib { 0 } else { looks + 1 };
        least_kib = least_kib.min(kib);
        (looks == LOOKS).then_some(())
    });
    least_kib
}

/// All calls of one generation ran the same components, and every hook that was asked for ran.
fn check_digests(records: &[Value]) {
    let mut digests = std::collections::HashMap::new();
    for record in records {
        let runs = record["plugins"].as_array().expect("a chain");
        let digest_of = |name: &str| {
            let run = runs
                .iter()
                .find(|run| run["name"] == name)
                .unwrap_or_else(|| panic!("{name} did not run: {record}"));
            run["digest"].clone()
        };
        let chain = (digest_of("first"), digest_of("guard"), digest_of("last"));
        assert_eq!(chain.0, chain.2);
        let known = digests
            .entry(record["generation"].as_u64().expect("a number"))
            .or_insert_with(|| chain.clone());
        assert_eq!(*known, chain);
    }
}

#[test]
fn a_call_in_flight_finishes_on_the_generation_it_began_with() {
    let (old, new) = (Provider::start(), Provider::start());
    let gateway = Gateway::before(&old);
    let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
    let call = old.call();
    assert_eq!(gateway.change(&providers(&[("main", &new.url())])), Ok(2));
    let mut next = gateway.begin(CHAT_PATH, CHAT);
    new.call().answer_json(200, ANSWER);
    assert_eq!(next.answer().header("x-penstock-generation"), Some("2"));
    assert!((gateway.metric("penstock_live_generations") - 2.0).abs() < 0.5);
    call.stream(&[&says("old"), FINISH, DONE]);
    let answer = client.answer();
    assert_eq!(answer.header("x-penstock-generation"), Some("1"));
    assert_eq!(answer.text(), [&says("old"), FINISH, DONE].concat());
    let generations: Vec<Value> = gateway
        .records(2)
        .iter()
        .map(|record| record["generation"].clone())
        .collect();
    assert_eq!(generations, [2, 1]);
    eventually("the old generation is gone", || {
        (gateway.metric("penstock_live_generations") < 1.5).then_some(())
    });
}

#[test]
fn pain_o01_a_changed_file_is_served_without_being_asked_for() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let generation = || {
        gateway
            .get("/v1/models")
            .header("x-penstock-generation")
            .map(str::to_owned)
    };
    assert_eq!(generation().as_deref(), Some("1"));
    let config = completed(&format!(
        "{}\nkeep_alive_ms: 1000\n",
        providers(&[("main", &provider.url())])
    ));
    let changed = std::time::Instant::now();
    replace(&gateway.folder().join("penstock.yaml"), config);
    eventually("the change is served", || {
        (generation().as_deref() == Some("2")).then_some(())
    });
    // a second is what is promised; the rest is for a busy machine
    assert!(
        changed.elapsed() < Duration::from_secs(3),
        "{:?}",
        changed.elapsed()
    );
    eventually("the metric says so", || {
        (gateway.metric("penstock_config_accepted_total") > 0.5).then_some(())
    });
}

#[test]
fn a_key_that_is_taken_away_is_refused_by_the_next_request() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    assert_eq!(gateway.get("/v1/models").status(), 200);
    let others = "keys: [{name: other, key: \"env:OTHER_KEY\", models: [\"*\"]}]";
    gateway
        .change(&format!("{}\n{others}", providers(&[("main", &provider.url())])))
        .unwrap();
    assert_eq!(gateway.get("/v1/models").status(), 401);
}

#[test]
fn pain_o01_a_bad_file_is_refused_with_its_place_and_the_old_generation_keeps_serving() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let base = providers(&[("main", &provider.url())]);
    let component = std::fs::read(plugins::folder().join("prompt-decorator.wasm")).unwrap();
    std::fs::write(gateway.folder().join("noise.wasm"), b"not a component").unwrap();
    std::fs::write(
        gateway.folder().join("half.wasm"),
        &component[..component.len() / 2],
    )
    .unwrap();
    let with = |lines: &str| format!("{base}{lines}");
    let cases = [
        ("YAML error", with("models: [{"), vec![]),
        (
            "unknown key",
            with("keepalive_ms: 3"),
            vec!["keepalive_ms", "keep_alive_ms"],
        ),
        (
            "unknown plugin",
            with("plugins: [{component: guard-secret}]"),
            vec!["guard-secret", "guard-secrets"],
        ),
        (
            "no component",
            with("plugins: [{component: noise.wasm}]"),
            vec!["noise", "WebAssembly"],
        ),
        (
            "half a component",
            with("plugins: [{component: half.wasm}]"),
            vec!["half.wasm"],
        ),
        (
            "missing capability",
            with("plugins: [{component: prompt-decorator, settings: {prepend: [{role: user, text: x}]}}]"),
            vec!["clock"],
        ),
        (
            "bad settings",
            with("plugins: [{component: prompt-decorator, capabilities: [clock], settings: {prepnd: []}}]"),
            vec!["prep"],
        ),
        (
            "trap at its start",
            with(&format!("plugins: [{}]", hostile_entry("configure-trap", ""))),
            vec!["hostile"],
        ),
        (
            "loop at its start",
            with(&format!("plugins: [{}]", hostile_entry("configure-loop", ""))),
            vec!["hostile"],
        ),
        (
            "unknown provider",
            with("models: [{name: m, targets: [{provider: mian}]}]"),
            vec!["mian", "main"],
        ),
    ];
    for (number, (name, config, words)) in cases.iter().enumerate() {
        let refused = gateway.change(config).expect_err(name);
        assert!(
            refused.contains("penstock.yaml:"),
            "{name}: no file and line in {refused}"
        );
        for word in words {
            assert!(refused.contains(word), "{name}: no `{word}` in {refused}");
        }
        assert!(!refused.contains(KEY));
        let answer = gateway.get("/v1/models");
        assert_eq!(
            (answer.status(), answer.header("x-penstock-generation")),
            (200, Some("1")),
            "{name}"
        );
        let rejected = usize::from(gateway.metric("penstock_config_rejected_total") > 0.5);
        assert_eq!(rejected, 1, "{name} is case {number}");
        assert!(gateway.metric("penstock_config_refused") > 0.5, "{name}");
    }
    assert_eq!(gateway.change(&with("\n")), Ok(1));
    assert!(
        gateway.metric("penstock_config_refused") < 0.5,
        "what serves is back"
    );
    assert_eq!(gateway.change(&with("keep_alive_ms: 3000")), Ok(2));
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    provider.call().answer_json(200, ANSWER);
    assert_eq!(client.answer().header("x-penstock-generation"), Some("2"));
}

#[test]
fn plugins_that_were_replaced_are_let_go() {
    swap_settings("reused");
}

#[test]
fn a_swap_gives_fresh_instances_the_new_settings_and_lets_the_old_ones_go() {
    swap_settings("fresh");
}

#[test]
fn a_stream_in_flight_keeps_the_fresh_plugin_that_it_began_with() {
    let provider = Provider::start();
    let with = |replacement: &str| {
        let guard = format!(
            "plugins: [{{component: guard-secrets, instances: fresh, settings: {{replacement: \"{replacement}\"}}}}]"
        );
        format!("{}\n{guard}", providers(&[("main", &provider.url())]))
    };
    let gateway = Gateway::of(&with("[old]"));
    let secret = "ghp_0123456789abcdefABCDEF0123456789abcd";
    let mut streams = Vec::new();
    for (replacement, generation) in [("[new]", 2), ("[newer]", 3)] {
        let client = gateway.begin(CHAT_PATH, CHAT_STREAM);
        let call = provider.call();
        call.begin_stream();
        call.chunk(says(&secret[..10]));
        streams.push((client, call));
        assert_eq!(gateway.change(&with(replacement)), Ok(generation));
    }
    for ((mut client, call), expected) in streams.into_iter().zip(["[old].", "[new]."]) {
        call.chunk([&says(&secret[10..]), &says("."), FINISH, DONE].concat());
        call.end();
        assert_eq!(streamed(client.answer().text()), expected);
    }
}

/// Many swaps in one process, without a load: each plugin's instances, and what they start as, go with its generation.
fn swap_settings(instances: &str) {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let served = AtomicUsize::new(0);
    for number in 0..20 {
        let lines = format!(
            "plugins: [{{component: prompt-decorator, instances: {instances}, capabilities: [clock], settings: {{append: [{{role: user, text: \"n {number}\"}}]}}}}]"
        );
        gateway
            .change(&format!("{}\n{lines}", providers(&[("main", &provider.url())])))
            .unwrap();
        let mut client = gateway.begin(CHAT_PATH, CHAT);
        let call = provider.call();
        assert_eq!(
            call.request.json()["messages"][1]["content"],
            format!("n {number}")
        );
        call.answer_json(200, ANSWER);
        assert_eq!(client.answer().status(), 200);
        served.fetch_add(1, Ordering::Relaxed);
    }
    eventually("one generation is left", || {
        (gateway.metric("penstock_live_generations") < 1.5).then_some(())
    });
}
