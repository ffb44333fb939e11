//! Fresh instances: they start configured, from a snapshot, and are otherwise what reused ones are; and what becomes of
//! components and settings that no snapshot can be made of.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use penstock_plugin_host::{
    AnswerView, EngineSettings, Instances, Limits, LoadProblem, LoadSpec, LogSink, NoSnapshot, Piece, Plugin,
    PluginEngine, PluginFault, PluginState, RequestVerdict, Summary,
};

use crate::guests::{CHAT, chat, engine, events_only, hostile, renamed, spec, text};

fn fresh(mode: &str) -> LoadSpec {
    LoadSpec {
        instances: Instances::Fresh,
        ..spec(mode)
    }
}

fn load_fresh(mode: &str) -> Arc<Plugin> {
    engine().load(fresh(mode)).expect("loads")
}

fn answered(plugin: &Plugin) -> String {
    match plugin.on_request(&mut chat(CHAT)).result {
        Ok(RequestVerdict::Answer(reply)) => reply.text,
        other => panic!("no answer: {other:?}"),
    }
}

fn digest(plugin: &Plugin) -> String {
    let snapshot = plugin.snapshot().expect("its instances are fresh");
    snapshot.expect("a snapshot").to_string()
}

/// Everything that comes out of every hook, as text.
fn all_hooks(plugin: &Plugin) -> String {
    let (mut call, mut state) = (chat(CHAT), PluginState::default());
    let mut said = Vec::new();
    let request = plugin.on_request(&mut call);
    said.push(format!("{:?} {}", request.result, request.edited));
    said.push(format!("{:?}", call.body.bytes()));
    said.push(format!("{:?}", plugin.on_route(&mut call, &[]).result));
    for window in ["a secret", "se", "x"] {
        let event = plugin.on_event(&mut call, text(window), &mut state);
        said.push(format!("{:?} {state:?}", event.result));
    }
    let mut answer = AnswerView::assembled(vec![Piece {
        choice: 0,
        role: penstock_plugin_host::Role::Assistant,
        kind: penstock_plugin_host::Kind::Text,
        text: "a secret".to_owned(),
    }]);
    let response = plugin.on_response(&mut call, &mut answer);
    said.push(format!("{:?} {}", response.result, response.edited));
    said.push(format!(
        "{:?}",
        plugin.on_complete(&mut call, &Summary::default()).result
    ));
    said.push(format!("{:?}", plugin.custom_metrics()));
    said.join("\n")
}

#[test]
fn fresh_instances_do_in_every_hook_what_reused_ones_do() {
    let modes = [
        "",
        "echo",
        "report",
        "headers",
        "refuse",
        "edit-what-is-not-there",
        "read",
        "only-text",
        "idle",
        "keep-settings",
        "hoard",
        "edit-late",
        "end",
        "route-refuse",
        // and what they must not do is stopped alike
        "trap",
        "deep",
        "grow",
        "huge-reply",
        "forge",
        "host-calls",
        "lie-past-the-end",
        "split-char",
        "edit-then-trap",
    ];
    let engine = engine();
    for mode in modes {
        // names of their own: capabilities remember by name
        let named = |name: &str, spec: LoadSpec| LoadSpec {
            name: format!("{name}-{mode}").into(),
            ..spec
        };
        let reused = engine.load(named("reused", spec(mode))).expect(mode);
        let fresh = engine.load(named("fresh", fresh(mode))).expect(mode);
        assert!(
            matches!(fresh.snapshot(), Some(Ok(_))),
            "{mode}: {:?}",
            fresh.snapshot()
        );
        assert_eq!(fresh.interests(), reused.interests(), "{mode}");
        for _ in 0..2 {
            assert_eq!(all_hooks(&fresh), all_hooks(&reused), "{mode}");
        }
    }
}

#[test]
fn a_loop_in_a_fresh_instance_ends_at_its_deadline_and_the_next_call_is_served() {
    let plugin = load_fresh("loop");
    for _ in 0..2 {
        let ran = plugin.on_request(&mut chat(CHAT));
        assert_eq!(ran.result, Err(PluginFault::Timeout));
    }
}

#[test]
fn what_a_hook_leaves_in_memory_is_gone_at_the_next() {
    let plugin = load_fresh("remember");
    assert!(matches!(plugin.snapshot(), Some(Ok(_))));
    // `configure` has counted one
    for _ in 0..3 {
        assert_eq!(answered(&plugin), "2");
        assert!(
            plugin
                .on_complete(&mut chat(CHAT), &Summary::default())
                .result
                .is_ok()
        );
    }
}

#[test]
fn fresh_instances_are_served_on_many_threads_and_none_is_left() {
    let engine = engine();
    let plugin = engine.load(fresh("echo")).expect("loads");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    assert!(plugin.on_request(&mut chat(CHAT)).edited);
                }
            });
        }
    });
    assert_eq!(engine.stats().instances, 0);
}

#[test]
fn settings_are_applied_once_for_all_fresh_instances() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = lines.clone();
    let log: LogSink = Arc::new(move |line| kept.lock().expect("no panic").push(line.message.to_owned()));
    let engine = PluginEngine::new(EngineSettings {
        log,
        ..EngineSettings::default()
    })
    .expect("an engine");
    let plugin = engine.load(fresh("tells")).expect("loads");
    assert!(matches!(plugin.snapshot(), Some(Ok(_))));
    for _ in 0..5 {
        assert!(plugin.on_request(&mut chat(CHAT)).result.is_ok());
    }
    assert_eq!(plugin.custom_metrics(), [("configured".to_owned(), 1)]);
    assert_eq!(*lines.lock().expect("no panic"), ["configured"]);
}

#[test]
fn what_configure_asks_for_is_asked_for_by_each_instance() {
    let plugin = load_fresh("seeded");
    assert_eq!(plugin.snapshot(), Some(Err(&NoSnapshot::Asks)));
    assert_ne!(answered(&plugin), answered(&plugin));
    let reused = engine().load(spec("seeded")).expect("loads");
    assert_eq!(reused.snapshot(), None);
}

#[test]
fn settings_that_are_refused_are_refused_for_fresh_instances_too() {
    let cases = [
        (
            "configure-error",
            LoadProblem::Settings("mode: takes any word but this one".to_owned()),
        ),
        ("configure-loop", LoadProblem::Start(PluginFault::Timeout)),
        ("configure-grow", LoadProblem::Start(PluginFault::Memory)),
        (
            "configure-trap",
            LoadProblem::Start(PluginFault::Trap("panicked or reached `unreachable`")),
        ),
    ];
    let engine = engine();
    for (mode, problem) in cases {
        // only the loop has to run into it, on a busy machine too
        let start_time = Duration::from_millis(if mode == "configure-loop" { 50 } else { 60_000 });
        let limits = Limits {
            start_time,
            ..spec("").limits
        };
        let spec = LoadSpec {
            limits,
            ..fresh(mode)
        };
        assert_eq!(engine.load(spec).expect_err(mode).problem, problem);
        assert_eq!(engine.stats().instances, 0);
    }
}

#[test]
fn memory_that_grew_while_it_was_configured_is_there_from_the_start_and_counts() {
    let plugin = load_fresh("hoard");
    assert!(matches!(plugin.snapshot(), Some(Ok(_))));
    assert_eq!(
        [answered(&plugin), answered(&plugin)],
        [(3 << 20).to_string(), (3 << 20).to_string()]
    );
    // to the last page that it may have
    let full = load_fresh("fill");
    assert!(matches!(full.snapshot(), Some(Ok(_))), "{:?}", full.snapshot());
    assert_eq!(
        full.on_request(&mut chat(CHAT)).result,
        Ok(RequestVerdict::Proceed)
    );
}

#[test]
fn where_no_snapshot_can_be_made_each_instance_is_configured_and_the_reason_is_told() {
    let marked = LoadSpec {
        component: renamed("cabi_realloc", "__wizer_aloc").into(),
        ..fresh("remember")
    };
    let plugin = engine().load(marked).expect("loads");
    assert_eq!(answered(&plugin), "2");
    assert_eq!(answered(&plugin), "2");
    let why = plugin
        .snapshot()
        .expect("fresh")
        .expect_err("no snapshot")
        .to_string();
    assert!(why.contains("__wizer_"), "{why}");

    let big = LoadSpec {
        limits: Limits {
            memory_bytes: 64 << 20,
            ..spec("").limits
        },
        ..fresh("hoard-too-much")
    };
    let plugin = engine().load(big).expect("loads");
    assert!(plugin.on_request(&mut chat(CHAT)).result.is_ok());
    assert!(
        matches!(plugin.snapshot(), Some(Err(NoSnapshot::Memory(bytes))) if *bytes > 40 << 20),
        "{:?}",
        plugin.snapshot()
    );

    // the engine has no page left to read the memory with
    let small = PluginEngine::new(EngineSettings {
        max_memory_bytes: 2 << 20,
        ..EngineSettings::default()
    })
    .expect("an engine");
    let limits = Limits {
        memory_bytes: 2 << 20,
        ..spec("").limits
    };
    let plugin = small
        .load(LoadSpec {
            limits,
            ..fresh("fill")
        })
        .expect("loads");
    assert!(plugin.on_request(&mut chat(CHAT)).result.is_ok());
    let why = plugin
        .snapshot()
        .expect("fresh")
        .expect_err("no snapshot")
        .to_string();
    assert!(why.contains("grow by a page"), "{why}");
}

#[test]
fn the_same_component_and_settings_give_the_same_snapshot() {
    let [one, other] = [load_fresh("echo"), load_fresh("echo")];
    assert_eq!(digest(&one), digest(&other));
    assert_ne!(digest(&one), digest(&load_fresh("report")));
    assert_ne!(digest(&one), one.digest().to_string());
    let small = LoadSpec {
        component: events_only(),
        ..fresh("echo")
    };
    assert_ne!(digest(&one), digest(&engine().load(small).expect("loads")));
}

#[test]
fn one_free_slot_is_enough_to_load_and_to_serve() {
    let one = PluginEngine::new(EngineSettings {
        pool_instances: 1,
        ..EngineSettings::default()
    })
    .expect("an engine");
    let plugin = one.load(fresh("echo")).expect("loads");
    assert!(matches!(plugin.snapshot(), Some(Ok(_))));
    assert!(plugin.on_request(&mut chat(CHAT)).edited);
}

fn engine_with_cache(dir: &Path) -> PluginEngine {
    PluginEngine::new(EngineSettings {
        cache_dir: Some(dir.to_owned()),
        pool_instances: 4,
        ..EngineSettings::default()
    })
    .expect("an engine")
}

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .expect("a folder")
        .map(|entry| {
            let entry = entry.expect("readable");
            let bytes = fs::read(entry.path()).expect("readable");
            (entry.file_name().into_string().expect("UTF-8"), bytes)
        })
        .collect();
    files.sort();
    files
}

fn holds(bytes: &[u8], part: &str) -> bool {
    bytes.windows(part.len()).any(|window| window == part.as_bytes())
}

#[test]
fn secrets_in_settings_reach_neither_names_nor_contents_of_files() {
    const SECRET: &str = "canary-5c1f0a-of-the-settings";
    let with_secret = || LoadSpec {
        settings: format!(r#"{{"mode":"keep-settings","key":"{SECRET}"}}"#),
        ..fresh("")
    };
    let temp = tempfile::tempdir().expect("a folder");
    let plugin = engine_with_cache(temp.path()).load(with_secret()).expect("loads");
    let first = digest(&plugin);
    assert!(answered(&plugin).contains(SECRET));
    let written = files(temp.path());
    // the component, and the component as it is looked into
    assert_eq!(
        written.len(),
        2,
        "{:?}",
        written.iter().map(|(name, _)| name).collect::<Vec<_>>()
    );
    for (name, bytes) in &written {
        assert!(!holds(name.as_bytes(), SECRET) && !holds(bytes, SECRET), "{name}");
    }
    assert!(!format!("{plugin:?}").contains(SECRET));

    // what is there serves the next start, and other settings
    let again = engine_with_cache(temp.path()).load(with_secret()).expect("loads");
    assert_eq!(digest(&again), first);
    assert!(answered(&again).contains(SECRET));
    let other = engine_with_cache(temp.path())
        .load(fresh("keep-settings"))
        .expect("loads");
    assert!(!answered(&other).contains(SECRET));
    assert!(files(temp.path()) == written, "other files than before");
}

#[test]
fn a_flipped_byte_in_a_component_harms_no_snapshot_and_no_host() {
    let whole = hostile();
    let engine = engine();
    // compiling takes long, so only a sample of them
    for at in (0..whole.len()).step_by(whole.len() / 30) {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 0x55;
        let flipped = LoadSpec {
            component: bytes.into(),
            ..fresh("echo")
        };
        if let Ok(plugin) = engine.load(flipped) {
            let _ = plugin.on_request(&mut chat(CHAT));
        }
    }
}
