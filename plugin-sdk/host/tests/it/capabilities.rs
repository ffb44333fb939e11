//! What capabilities give a guest that was granted them, and what they keep when its component is replaced.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use penstock_plugin_host::{
    AnswerView, Call, CatalogueModel, Clock, EngineSettings, Instances, Kind, Limits, LoadSpec, LogSink,
    ModelList, Piece, Plugin, PluginEngine, PluginFault, RequestVerdict, ResponseVerdict, Role,
};

use crate::guests::{CHAT, chat, engine, load, models, spec};

fn answered(plugin: &Plugin) -> String {
    answered_for(plugin, &mut chat(CHAT))
}

fn answered_for(plugin: &Plugin, call: &mut Call) -> String {
    match plugin.on_request(call).result {
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
fn a_guest_reads_the_catalogue_name_by_name_and_page_by_page() {
    let mut call = chat(CHAT);
    let said = answered_for(&load("catalogue"), &mut call);
    let models: Vec<&str> = said.split(';').collect();
    assert_eq!(models.len(), 601, "600 over three pages, and the call's own");
    assert_eq!(models[1], "model-1 p/m1 1 None None");
    assert_eq!(
        models[256],
        format!("model-256 p/m256 1 Some(256) Some({})", u64::MAX)
    );
    assert_eq!(models[600], "gpt-4o none");

    let mut without = chat(CHAT);
    without.catalogue = None;
    assert_eq!(answered_for(&load("catalogue"), &mut without), "gpt-4o none");
}

#[test]
fn one_look_into_the_catalogue_hands_over_a_bounded_part_of_it() {
    let ModelList(mut models) = models(1);
    let target = models[0].targets[0].clone();
    models[0] = CatalogueModel {
        name: "gpt-4o".into(),
        targets: vec![target; 10_000],
    };
    let mut call = chat(CHAT);
    call.catalogue = Some(Arc::new(ModelList(models)));
    let said = answered_for(&load("catalogue"), &mut call);
    assert_eq!(said.matches("p/m0").count(), 2 * 256);
}

#[test]
fn a_guest_counts_the_tokens_of_a_text_and_of_a_segment_alike() {
    let one = "Tally { tokens: 6, exact: true }";
    let said = answered(&load("tokens"));
    let expected = format!("Some({one}) None {one} {}", one.replace("true", "false"));
    assert_eq!(said, expected);
}

#[test]
fn a_text_made_to_be_slow_takes_no_longer_than_the_hook_may_and_faults_nothing() {
    let limits = Limits {
        hook_time: Duration::from_secs(1),
        hook_time_per_mib: Duration::ZERO,
        ..spec("").limits
    };
    let plugin = engine()
        .load(LoadSpec {
            limits,
            ..spec("tokens-slow")
        })
        .expect("loads");
    // eight times 0.7 s if it were counted whole, which the hook's deadline would end
    let said = answered(&plugin);
    let (tokens, exact) = said.split_once(' ').expect("two words");
    assert_eq!(exact, "false");
    let tokens: u64 = tokens.parse().expect("a number");
    assert!((500_000 / 64..=500_000).contains(&tokens), "{tokens}");
}

#[test]
fn a_guest_compiles_expressions_once_and_evaluates_them_in_every_instance() {
    let said = [
        "Ok(true)",
        r#"Err(Failure::Failed("`tags` was not given"))"#,
        r#"Ok("{\"model\":\"gpt-4o\",\"twice\":[]}")"#,
    ];
    for instances in [Instances::default(), Instances::Fresh] {
        let plugin = engine()
            .load(LoadSpec {
                instances,
                ..spec("expr")
            })
            .expect("loads");
        for _ in 0..3 {
            let got = answered(&plugin);
            assert!(got.starts_with(&said.join(" ")), "{got}");
            assert!(
                got.contains("expressions are compiled while the plugin is loaded"),
                "{got}"
            );
        }
    }
}

#[test]
fn an_expression_that_is_wrong_is_refused_at_load_with_its_place() {
    let refused = |settings: &str| {
        let spec = LoadSpec {
            settings: settings.to_owned(),
            ..spec("")
        };
        engine().load(spec).expect_err("refused").to_string()
    };
    let told = refused(r#"{"mode":"expr-of","expr":"'a' in tags && callr == 'b'"}"#);
    assert!(
        told.contains("plugin guest: refused its settings: line 1, column 16: there is no `callr`"),
        "{told}"
    );
    let told = refused(r#"{"mode":"expr-many"}"#);
    assert!(
        told.contains("too many expressions: a plugin may have 256"),
        "{told}"
    );
}

#[test]
fn an_instance_that_compiles_what_the_first_did_not_is_not_started() {
    let plugin = engine()
        .load(LoadSpec {
            instances: Instances::Fresh,
            ..spec("expr-late")
        })
        .expect("loads the first time");
    let ran = plugin.on_request(&mut chat(CHAT));
    assert_eq!(ran.result, Err(PluginFault::Instantiate));
}

#[test]
fn an_evaluation_that_could_take_long_is_refused_and_many_short_ones_end_with_the_hook() {
    let load = |elements: u32, times: u32| {
        let spec = LoadSpec {
            settings: format!(r#"{{"mode":"expr-slow","elements":{elements},"times":{times}}}"#),
            limits: Limits {
                hook_time: Duration::from_millis(500),
                ..spec("").limits
            },
            ..spec("")
        };
        engine().load(spec).expect("loads")
    };
    let said = answered(&load(10, 1));
    assert_eq!(said, "Ok(true) Err(Failure::TooMuch)");
    let ran = load(16, 1_000_000).on_request(&mut chat(CHAT));
    assert!(
        matches!(ran.result, Err(PluginFault::Timeout | PluginFault::HostCalls)),
        "{:?}",
        ran.result
    );
}

#[test]
fn a_guest_finds_words_in_texts_that_it_is_not_given() {
    for instances in [Instances::default(), Instances::Fresh] {
        let plugin = engine()
            .load(LoadSpec {
                instances,
                ..spec("match")
            })
            .expect("loads");
        for _ in 0..3 {
            let got = answered(&plugin);
            let found = "[(0, 2, 8), (0, 9, 15)] [(1, 0, 9), (0, 14, 20)] []";
            assert!(got.starts_with(found), "{got}");
            assert!(
                got.contains("sets of words are compiled while the plugin is loaded"),
                "{got}"
            );
        }
    }
    let piece = Piece {
        choice: 0,
        role: Role::Assistant,
        kind: Kind::Text,
        text: "é secret".to_owned(),
    };
    let mut answer = AnswerView::assembled(vec![piece]);
    let ran = load("match-answer").on_response(&mut chat(CHAT), &mut answer);
    match ran.result {
        Ok(ResponseVerdict::Refuse(refusal)) => assert_eq!(refusal.message, "[(0, 3, 9)]"),
        other => panic!("{other:?}"),
    }
    let told = engine()
        .load(spec("match-empty"))
        .expect_err("refused")
        .to_string();
    assert!(told.contains("word 1 has 0 bytes"), "{told}");
}

#[test]
fn what_a_name_remembers_goes_with_its_last_plugin() {
    let engine = engine();
    drop(engine.load(spec("take")).map(|plugin| answered(&plugin)));
    assert_eq!(answered(&engine.load(spec("take")).expect("loads")), "Some(1)");
}

/// What the plugin found in the cache, for the caller and for everyone, and whether it could put something there.
fn cached(plugin: &Plugin, caller: &str, version: &str) -> String {
    let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{version}"}}]}}"#);
    let mut call = chat(&body);
    call.caller = caller.into();
    match plugin.on_request(&mut call).result {
        Ok(RequestVerdict::Answer(reply)) => reply.text,
        other => panic!("no answer: {other:?}"),
    }
}

#[test]
fn what_one_caller_cached_no_other_caller_gets() {
    let plugin = engine().load(spec("cache")).expect("loads");
    let nothing = r#"[None, None] [Ok(()), Err("not-allowed")]"#;
    assert_eq!(cached(&plugin, "a", "1"), nothing);
    assert_eq!(cached(&plugin, "b", "1"), nothing);
    assert_eq!(
        cached(&plugin, "a", "1"),
        r#"[Some("a"), None] [Ok(()), Err("not-allowed")]"#
    );
    assert_eq!(
        cached(&plugin, "a", "2"),
        nothing,
        "another version is another entry"
    );
}

#[test]
fn what_is_cached_for_everyone_needs_the_operators_word_and_is_of_one_plugin() {
    let engine = engine();
    let mut shared = spec("cache");
    shared.terms.cache.everyone = true;
    let plugin = engine.load(shared.clone()).expect("loads");
    assert_eq!(cached(&plugin, "a", "1"), "[None, None] [Ok(()), Ok(())]");
    assert_eq!(cached(&plugin, "b", "1"), r#"[None, Some("a")] [Ok(()), Ok(())]"#);
    let other = LoadSpec {
        name: "other".into(),
        ..shared
    };
    let other = engine.load(other).expect("loads");
    assert_eq!(cached(&other, "a", "1"), "[None, None] [Ok(()), Ok(())]");
}

#[test]
fn a_cache_outlives_a_hot_swap_but_not_a_change_of_its_size() {
    let engine = engine();
    let old = engine.load(spec("cache")).expect("loads");
    cached(&old, "a", "1");
    let new = LoadSpec {
        instances: Instances::Fresh,
        ..spec("cache")
    };
    let new = engine.load(new).expect("loads");
    drop(old);
    assert!(cached(&new, "a", "1").starts_with(r#"[Some("a"), None]"#));
    let mut resized = spec("cache");
    resized.terms.cache.bytes *= 2;
    let resized = engine.load(resized).expect("loads");
    assert!(cached(&resized, "a", "1").starts_with("[None, None]"));
}
