//! What a guest cannot do to the host, to its own next call, or to the call in hand.

use std::time::{Duration, Instant};

use penstock_llm::openai::{self, Answer};
use penstock_plugin_host::{
    AnswerBody, AnswerView, Call, Candidate, Clock, Delta, EngineSettings, Instances, Limits, LoadSpec,
    Outcome, Piece, Plugin, PluginEngine, PluginFault, PluginState, Ran, RequestVerdict, ResponseVerdict,
    Role, Summary, Trips,
};

use crate::guests::{CHAT, chat, engine, load, spec, text};

/// The call is as it was, the fault is the one expected, and a healthy plugin of the same engine is served.
fn assert_contained<T: std::fmt::Debug>(ran: Ran<T>, expected: &PluginFault, call: &Call) {
    match (&ran.result, expected) {
        (Err(PluginFault::Trap(_)), PluginFault::Trap(_)) => {}
        (Err(PluginFault::BadOutcome(_)), PluginFault::BadOutcome(_)) => {}
        // on a busy machine its time may be up before its calls are
        (Err(PluginFault::Timeout), PluginFault::HostCalls) => {}
        (Err(fault), _) => assert_eq!(fault, expected),
        (Ok(verdict), _) => panic!("{expected:?} expected, but it went well: {verdict:?}"),
    }
    assert!(!ran.edited);
    assert_untouched(call);
}

fn assert_untouched(call: &Call) {
    assert_eq!(call.body.bytes().as_ref(), CHAT.as_bytes());
    assert_eq!(
        (call.id.as_ref(), call.model.as_ref(), call.caller.as_ref()),
        ("req-1", "gpt-4o", "team-a")
    );
    assert_eq!(call.headers.header("x-team").as_deref(), Some("blue, red"));
}

const TRAP: PluginFault = PluginFault::Trap("");
const BAD: PluginFault = PluginFault::BadOutcome("");

#[test]
fn pain_s03_every_way_to_crash_is_contained_in_every_hook() {
    let cases = [
        ("loop", PluginFault::Timeout),
        ("trap", TRAP),
        ("panic", TRAP),
        ("grow", PluginFault::Memory),
        ("deep", TRAP),
    ];
    for (mode, fault) in cases {
        let plugin = load(mode);
        let mut call = chat(CHAT);
        for _ in 0..2 {
            assert_contained(plugin.on_request(&mut call), &fault, &call);
            assert_contained(plugin.on_route(&mut call, &[]), &fault, &call);
            let mut answer = AnswerView::assembled(Vec::new());
            assert_contained(plugin.on_response(&mut call, &mut answer), &fault, &call);
            let mut state = PluginState::default();
            assert_contained(plugin.on_event(&mut call, text("abc"), &mut state), &fault, &call);
            assert_contained(plugin.on_complete(&mut call, &Summary::default()), &fault, &call);
        }
    }
}

#[test]
fn a_request_hook_that_breaks_a_rule_leaves_the_request_as_it_was() {
    let cases = [
        ("huge-reply", PluginFault::OutputTooLarge),
        ("lie-everything", TRAP),
        ("lie-past-the-end", TRAP),
        ("not-utf8", TRAP),
        ("edit-then-trap", TRAP),
        ("edit-then-loop", PluginFault::Timeout),
        ("edit-too-much", PluginFault::OutputTooLarge),
        ("host-calls", PluginFault::HostCalls),
        ("forge", TRAP),
        ("catalogue-forever", PluginFault::HostCalls),
        ("catalogue-forged", TRAP),
        ("tokens-forever", PluginFault::HostCalls),
        ("tokens-forged", TRAP),
        ("expr-forged", TRAP),
        ("match-forged", TRAP),
        ("match-forever", PluginFault::HostCalls),
    ];
    for (mode, fault) in cases {
        let plugin = load(mode);
        let mut call = chat(CHAT);
        for _ in 0..3 {
            println!("{mode}");
            assert_contained(plugin.on_request(&mut call), &fault, &call);
        }
    }
}

#[test]
fn an_event_hook_that_breaks_a_rule_changes_neither_the_stream_nor_its_state() {
    let cases = [
        ("outside", BAD),
        ("overlap", BAD),
        ("unsorted", BAD),
        ("split-char", BAD),
        ("hold-split-char", BAD),
        ("hold-more", BAD),
        ("state-too-big", PluginFault::OutputTooLarge),
        ("many-edits", PluginFault::OutputTooLarge),
        ("lie-everything", TRAP),
        ("lie-past-the-end", TRAP),
        ("not-utf8", TRAP),
    ];
    for (mode, fault) in cases {
        let plugin = load(mode);
        let mut call = chat(CHAT);
        let mut state = PluginState::default();
        for _ in 0..3 {
            println!("{mode}");
            assert_contained(
                plugin.on_event(&mut call, text("aé漢é"), &mut state),
                &fault,
                &call,
            );
            assert!(state.is_empty());
        }
    }
}

#[test]
fn nothing_can_be_held_at_the_last_delta_or_beyond_the_limit() {
    let plugin = load("hold-everything");
    let mut call = chat(CHAT);
    let mut state = PluginState::default();
    let held = plugin.on_event(&mut call, text("abc"), &mut state);
    assert_eq!(
        held.result,
        Ok(Outcome {
            hold: 3,
            ..Outcome::default()
        })
    );
    let last = plugin.on_event(
        &mut call,
        Delta {
            last: true,
            ..text("abc")
        },
        &mut state,
    );
    assert_contained(last, &BAD, &call);
    let long = "x".repeat(Limits::default().hold_back_bytes as usize + 1);
    let too_much = plugin.on_event(&mut call, text(&long), &mut state);
    assert_contained(too_much, &PluginFault::HoldBack, &call);
}

#[test]
fn a_route_hook_chooses_among_what_there_is_and_once() {
    let candidate = Candidate {
        provider: "p".into(),
        model: "m".into(),
        weight: 1,
        input_price: None,
        output_price: None,
        in_flight: 0,
        first_byte_us: None,
        failures: 0,
    };
    for mode in ["route-nowhere", "route-twice"] {
        let mut call = chat(CHAT);
        let candidates = [candidate.clone()];
        assert_contained(load(mode).on_route(&mut call, &candidates), &BAD, &call);
    }
}

#[test]
fn an_answer_is_as_it_was_when_its_guard_crashes_after_an_edit() {
    let plugin = load("edit-then-trap");
    let mut call = chat(CHAT);
    let body = br#"{"choices":[{"index":0,"message":{"role":"assistant","content":"a secret"}}]}"#;
    let answer = Answer::read(openai::Operation::Chat, body.as_slice().into()).expect("an answer");
    let mut answer = AnswerView::json(answer);
    assert_contained(plugin.on_response(&mut call, &mut answer), &TRAP, &call);
    let AnswerBody::Json(kept) = &answer.body else {
        panic!("another answer")
    };
    assert_eq!(kept.bytes().as_ref(), body);

    let piece = Piece {
        choice: 0,
        role: Role::Assistant,
        kind: openai::Kind::Text,
        text: "a secret".to_owned(),
    };
    let mut answer = AnswerView::assembled(vec![piece.clone()]);
    assert_contained(plugin.on_response(&mut call, &mut answer), &TRAP, &call);
    let AnswerBody::Assembled(kept) = &answer.body else {
        panic!("another answer")
    };
    assert_eq!(kept, &[piece]);
}

#[test]
fn pain_a05_memory_comes_back_after_guests_that_grow_without_bound() {
    let engine = engine();
    let plugin = engine.load(spec("grow")).expect("loads");
    let mut call = chat(CHAT);
    for _ in 0..50 {
        assert_contained(plugin.on_request(&mut call), &PluginFault::Memory, &call);
    }
    assert_eq!(engine.stats().instances, 0);
    drop(plugin);
    assert_eq!((engine.stats().components, engine.stats().instances), (0, 0));
}

#[test]
fn a_loop_is_stopped_at_its_deadline_and_not_before() {
    let limits = Limits {
        hook_time: Duration::from_millis(20),
        ..spec("").limits
    };
    let plugin = engine()
        .load(LoadSpec {
            limits,
            ..spec("loop")
        })
        .expect("loads");
    let mut call = chat(CHAT);
    let start = Instant::now();
    let ran = plugin.on_request(&mut call);
    let took = start.elapsed();
    assert_eq!(ran.result, Err(PluginFault::Timeout));
    assert!(took >= Duration::from_millis(20), "stopped early: {took:?}");
    // how late it is stopped is a matter of the machine; without its deadline it would never be
    assert!(ran.micros >= 20_000);
}

#[test]
fn a_plugin_that_keeps_crashing_is_not_called_until_the_window_is_over() {
    let (clock, hand) = Clock::by_hand(0);
    let engine = PluginEngine::new(EngineSettings {
        clock,
        pool_instances: 4,
        ..EngineSettings::default()
    });
    let limits = Limits {
        trips: Trips {
            count: 3,
            per: Duration::from_secs(60),
        },
        ..Limits::default()
    };
    let plugin = engine
        .expect("an engine")
        .load(LoadSpec {
            limits,
            ..spec("trap")
        })
        .expect("loads");
    let mut call = chat(CHAT);
    for _ in 0..2 {
        for _ in 0..3 {
            assert_contained(plugin.on_request(&mut call), &TRAP, &call);
        }
        for _ in 0..10 {
            let ran = plugin.on_request(&mut call);
            assert_eq!((ran.result, ran.micros), (Err(PluginFault::Tripped), 0));
        }
        hand.advance(Duration::from_secs(60));
    }
}

#[test]
fn settings_that_mean_something_else_the_next_time_are_a_fault() {
    for mode in ["moody", "once"] {
        let plugin = engine()
            .load(LoadSpec {
                instances: Instances::Fresh,
                ..spec(mode)
            })
            .expect("loads the first time");
        let mut call = chat(CHAT);
        assert_contained(plugin.on_request(&mut call), &PluginFault::Instantiate, &call);
    }
}

#[test]
fn a_fresh_instance_remembers_nothing_and_a_reused_one_is_recycled() {
    let seen = |plugin: &Plugin| match plugin.on_request(&mut chat(CHAT)).result {
        Ok(RequestVerdict::Answer(reply)) => reply.text,
        other => panic!("no answer: {other:?}"),
    };
    let fresh = engine()
        .load(LoadSpec {
            instances: Instances::Fresh,
            ..spec("remember")
        })
        .expect("loads");
    // `configure` has counted one
    assert_eq!([seen(&fresh), seen(&fresh), seen(&fresh)], ["2", "2", "2"]);
    let reused = Instances::Reused { recycle_after: 3 };
    let reused = engine()
        .load(LoadSpec {
            instances: reused,
            ..spec("remember")
        })
        .expect("loads");
    assert_eq!([seen(&reused), seen(&reused), seen(&reused)], ["2", "3", "4"]);
    assert_eq!([seen(&reused), seen(&reused)], ["2", "3"]);
}

#[test]
fn one_plugin_serves_many_threads_at_once() {
    let engine = engine();
    let plugin = engine.load(spec("echo")).expect("loads");
    let bad = engine
        .load(LoadSpec {
            name: "bad".into(),
            ..spec("trap")
        })
        .expect("loads");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let mut call = chat(CHAT);
                    assert!(plugin.on_request(&mut call).edited);
                    assert!(bad.on_request(&mut chat(CHAT)).result.is_err());
                    let response = plugin.on_response(&mut call, &mut AnswerView::assembled(Vec::new()));
                    assert_eq!(response.result, Ok(ResponseVerdict::Proceed));
                }
            });
        }
    });
}
