//! What capabilities give a guest that was granted them, and what they keep when its component is replaced.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use penstock_plugin_host::{
    Clock, EngineSettings, Instances, LoadSpec, LogSink, Plugin, PluginEngine, RequestVerdict,
};

use crate::guests::{CHAT, chat, engine, spec};

fn answered(plugin: &Plugin) -> String {
    match plugin.on_request(&mut chat(CHAT)).result {
        Ok(RequestVerdict::Answer(reply)) => reply.text,
        other => panic!("no answer: {other:?}"),
    }
}

#[test]
fn every_granted_capability_works() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = lines.clone();
    let log: LogSink = Arc::new(move |line| {
        kept.lock()
            .expect("no test panics here")
            .push(format!("{} {} {}", line.target, line.level, line.message));
    });
    let (clock, _) = Clock::by_hand(1_700_000_000_000);
    let engine = PluginEngine::new(EngineSettings {
        clock,
        log,
        ..EngineSettings::default()
    })
    .expect("an engine");
    let plugin = engine.load(spec("capabilities")).expect("loads");
    assert_eq!(answered(&plugin), "1700000000000 true Some([1, 2, 3]) None true");
    assert_eq!(plugin.custom_metrics(), [("hits".to_owned(), 2)]);
    assert_eq!(
        *lines.lock().expect("no test panics here"),
        ["plugin::guest WARN noted"]
    );
}

#[test]
fn a_chatty_plugin_writes_a_bounded_number_of_lines_and_forges_none() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = lines.clone();
    let log: LogSink = Arc::new(move |line| kept.lock().expect("no panic").push(line.message.to_owned()));
    let engine = PluginEngine::new(EngineSettings {
        log,
        ..EngineSettings::default()
    })
    .expect("an engine");
    let plugin = engine.load(spec("chatter")).expect("loads");
    assert!(plugin.on_request(&mut chat(CHAT)).result.is_ok());
    let lines = lines.lock().expect("no panic");
    assert_eq!((lines.len(), lines[0].as_str()), (16, "line 0 forged"));
}

#[test]
fn counters_outlive_a_hot_swap_but_are_not_shared_between_names() {
    let (clock, hand) = Clock::by_hand(0);
    let engine = PluginEngine::new(EngineSettings {
        clock,
        ..EngineSettings::default()
    })
    .expect("an engine");
    let old = engine.load(spec("take")).expect("loads");
    assert_eq!(answered(&old), "Some(1)");
    let new = engine
        .load(LoadSpec {
            instances: Instances::Fresh,
            ..spec("take")
        })
        .expect("loads");
    drop(old);
    assert_eq!([answered(&new), answered(&new)], ["Some(2)", "None"]);
    let other = engine
        .load(LoadSpec {
            name: "other".into(),
            ..spec("take")
        })
        .expect("loads");
    assert_eq!(answered(&other), "Some(1)");
    hand.advance(Duration::from_secs(60));
    assert_eq!(answered(&new), "Some(1)");
}

#[test]
fn what_a_name_remembers_goes_with_its_last_plugin() {
    let engine = engine();
    drop(engine.load(spec("take")).map(|plugin| answered(&plugin)));
    assert_eq!(answered(&engine.load(spec("take")).expect("loads")), "Some(1)");
}
