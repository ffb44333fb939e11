//! What is refused before it runs, and how that is told; and the compiled files that are kept between starts.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use penstock_plugin_host::{
    CONTRACT_VERSION, Capability, EngineSettings, Hook, Limits, LoadError, LoadProblem, LoadSpec,
    PluginEngine, PluginFault, SetOf, inspect,
};

use crate::guests::{CHAT, calls, chat, core_module, engine, events_only, hostile, renamed, spec};

fn refused(spec: LoadSpec) -> LoadError {
    engine().load(spec).expect_err("should not load")
}

fn with_bytes(component: impl Into<Bytes>) -> LoadSpec {
    LoadSpec {
        component: component.into(),
        ..spec("")
    }
}

#[test]
fn pain_a07_what_is_not_a_component_is_refused_with_the_plugins_name_and_the_reason() {
    let cases = [
        (Bytes::from_static(b"#!/bin/sh\n"), "not a WebAssembly file"),
        (Bytes::new(), "not a WebAssembly file"),
        (core_module(), "not a component"),
        (hostile().slice(..hostile().len() / 2), "truncated or corrupt"),
        (hostile().slice(..12), "truncated or corrupt"),
        (hostile().slice(..8), "there is no `lifecycle`"),
    ];
    for (bytes, reason) in cases {
        let told = refused(with_bytes(bytes)).to_string();
        assert!(
            told.starts_with("plugin guest: ") && told.contains(reason),
            "{told}"
        );
    }
}

#[test]
fn no_flipped_byte_harms_the_host() {
    let whole = hostile();
    let engine = engine();
    // compiling takes long, so only a sample of them
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 0x55;
        let _ = inspect(&bytes);
        if let Ok(plugin) = engine.load(with_bytes(bytes)) {
            let _ = plugin.on_request(&mut chat(CHAT));
        }
    }
}

#[test]
fn another_version_of_the_contract_is_named() {
    let told = refused(with_bytes(renamed("@0.1.0", "@0.9.0"))).to_string();
    assert!(
        told.contains("penstock:plugin@0.9.0") && told.contains(CONTRACT_VERSION),
        "{told}"
    );
}

#[test]
fn an_import_that_no_plugin_can_have_is_named() {
    let problem = refused(with_bytes(renamed(
        "penstock:plugin/log@",
        "penstock:plugin/net@",
    )))
    .problem;
    assert_eq!(
        problem,
        LoadProblem::UnknownImport("penstock:plugin/net@0.1.0".to_owned())
    );
    assert!(problem.to_string().contains(
        "log, metrics, clock, random, kv, counters, catalogue, tokenizer, expr, match, cache, http"
    ));
}

#[test]
fn a_capability_that_is_not_granted_is_refused_with_the_line_to_add() {
    let told = refused(LoadSpec {
        grants: [Capability::Kv].into(),
        ..spec("")
    })
    .to_string();
    assert!(
        told.contains(
            "uses log, metrics, clock, random, counters, catalogue, tokenizer, expr, match, cache, which is not granted"
        ),
        "{told}"
    );
    assert!(
        told.contains(
            "`capabilities: [log, metrics, clock, random, kv, counters, catalogue, tokenizer, expr, match, cache]`"
        ),
        "{told}"
    );
}

#[test]
fn settings_are_checked_by_the_plugin_when_it_is_loaded() {
    let cases = [
        (
            "configure-error",
            LoadProblem::Settings("mode: takes any word but this one".to_owned()),
        ),
        ("configure-long-error", LoadProblem::Settings("x".repeat(4096))),
        ("configure-loop", LoadProblem::Start(PluginFault::Timeout)),
        ("configure-grow", LoadProblem::Start(PluginFault::Memory)),
        (
            "configure-trap",
            LoadProblem::Start(PluginFault::Trap("panicked or reached `unreachable`")),
        ),
    ];
    for (mode, problem) in cases {
        let limits = Limits {
            start_time: Duration::from_millis(50),
            ..spec("").limits
        };
        assert_eq!(refused(LoadSpec { limits, ..spec(mode) }).problem, problem);
    }
}

#[test]
fn a_hook_that_is_wanted_but_not_there_is_refused() {
    let spec_of = |mode| LoadSpec {
        component: events_only(),
        ..spec(mode)
    };
    assert_eq!(
        refused(spec_of("wants-missing")).problem,
        LoadProblem::MissingHook(Hook::OnRequest)
    );
    assert_eq!(
        refused(spec_of("buffers")).problem,
        LoadProblem::MissingHook(Hook::OnResponse)
    );
}

#[test]
fn a_memory_limit_over_the_engines_or_under_the_guests_is_told_at_load() {
    let with = |memory_bytes| LoadSpec {
        limits: Limits {
            memory_bytes,
            ..spec("").limits
        },
        ..spec("")
    };
    assert!(refused(with(1 << 30)).to_string().contains("over the engine's"));
    assert_eq!(
        refused(with(1 << 16)).problem,
        LoadProblem::Start(PluginFault::Memory)
    );
}

#[test]
fn a_component_is_described_without_running_it() {
    let all = inspect(&hostile()).expect("a component");
    let without_http = SetOf::all().without([Capability::Http].into());
    let of_the_chain = SetOf::all().without([Hook::Encode, Hook::Decode].into());
    assert_eq!((all.hooks, all.capabilities), (of_the_chain, without_http));
    let asks = inspect(&calls()).expect("a component");
    assert_eq!(asks.capabilities, [Capability::Http].into());
    assert_eq!(
        (all.contract.as_deref(), all.lifecycle, all.size),
        (Some("0.1.0"), true, hostile().len())
    );
    assert!(all.unknown_imports.is_empty() && all.other_exports.is_empty());
    let small = inspect(&events_only()).expect("a component");
    assert_eq!(
        (small.hooks, small.capabilities),
        ([Hook::OnEvent].into(), SetOf::EMPTY)
    );
    assert_eq!(small.digest.to_string().len(), 64);
    assert!(small.digest.to_string().starts_with(&small.digest.short()));
}

fn engine_with_cache(dir: &Path) -> PluginEngine {
    let settings = EngineSettings {
        cache_dir: Some(dir.to_owned()),
        pool_instances: 4,
        ..EngineSettings::default()
    };
    PluginEngine::new(settings).expect("an engine")
}

fn compiled_files(dir: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    entries.map(|entry| entry.expect("readable").path()).collect()
}

#[test]
fn compiled_components_are_kept_for_us_alone_and_used_again() {
    let temp = tempfile::tempdir().expect("a folder");
    let dir = temp.path().join("a/b");
    engine_with_cache(&dir).load(spec("echo")).expect("loads");
    assert_eq!(fs::metadata(&dir).expect("made").mode() & 0o777, 0o700);
    let [file] = compiled_files(&dir)
        .try_into()
        .expect("one file, nothing temporary");
    assert_eq!(fs::metadata(&file).expect("made").mode() & 0o777, 0o600);
    let written = fs::metadata(&file).expect("made").ino();

    let plugin = engine_with_cache(&dir)
        .load(spec("echo"))
        .expect("loads from the file");
    assert!(plugin.on_request(&mut chat(CHAT)).edited);
    assert_eq!(fs::metadata(&file).expect("still there").ino(), written);
}

#[test]
fn a_compiled_file_that_is_not_what_we_wrote_is_compiled_again() {
    let temp = tempfile::tempdir().expect("a folder");
    let dir = temp.path().join("cache");
    engine_with_cache(&dir).load(spec("echo")).expect("loads");
    let [file] = compiled_files(&dir).try_into().expect("one file");
    let good = fs::read(&file).expect("readable");
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let spoilt = [Vec::new(), vec![0; 10], good[..good.len() / 2].to_vec(), flipped];
    for bytes in spoilt {
        fs::write(&file, &bytes).expect("writable");
        let plugin = engine_with_cache(&dir)
            .load(spec("echo"))
            .expect("loads all the same");
        assert!(plugin.on_request(&mut chat(CHAT)).edited);
        assert_eq!(fs::read(&file).expect("written again"), good);
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("ours");
    engine_with_cache(&dir).load(spec("echo")).expect("loads");
    assert_eq!(fs::metadata(&file).expect("written again").mode() & 0o777, 0o600);
}

#[test]
fn a_cache_folder_that_others_can_write_to_is_not_used() {
    let temp = tempfile::tempdir().expect("a folder");
    fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o777)).expect("ours");
    engine_with_cache(temp.path())
        .load(spec("echo"))
        .expect("loads without it");
    assert!(compiled_files(temp.path()).is_empty());
}

#[test]
fn without_room_for_a_pool_instances_are_made_one_by_one() {
    let settings = EngineSettings {
        pool_instances: u32::MAX,
        ..EngineSettings::default()
    };
    let engine = PluginEngine::new(settings).expect("an engine all the same");
    assert!(!engine.stats().pooled);
    let plugin = engine.load(spec("echo")).expect("loads");
    assert!(plugin.on_request(&mut chat(CHAT)).edited);
    let greedy = engine.load(spec("grow")).expect("loads");
    assert_eq!(
        greedy.on_request(&mut chat(CHAT)).result,
        Err(PluginFault::Memory)
    );
}

#[test]
fn when_every_slot_is_taken_the_next_plugin_is_refused_and_the_others_work() {
    let settings = EngineSettings {
        pool_instances: 2,
        ..EngineSettings::default()
    };
    let engine = PluginEngine::new(settings).expect("an engine");
    let first = engine.load(spec("echo")).expect("loads");
    let second = engine
        .load(LoadSpec {
            name: "second".into(),
            ..spec("echo")
        })
        .expect("loads");
    let third = LoadSpec {
        name: "third".into(),
        ..spec("echo")
    };
    assert!(matches!(
        engine.load(third.clone()).expect_err("no room").problem,
        LoadProblem::Limit(_)
    ));
    assert!(first.on_request(&mut chat(CHAT)).edited);
    drop(second);
    assert!(engine.load(third).is_ok());
}
