//! What an adapter can be asked, and what a hostile one cannot do: to the host, to the call, to its next call, or to the
//! memory of a stream.

use std::sync::Arc;

use penstock_llm::model::{
    Answer, BodyError, BodyErrorKind, Dialect, Error, ErrorKind, Event, Losses, Message, Request, Role,
    StreamFrame, Target, Text,
};
use penstock_llm::wire;
use penstock_plugin_host::{
    Adapter, Clock, EngineSettings, Hook, Instances, Limits, LoadProblem, LoadSpec, Plugin, PluginEngine,
    PluginFault, PluginState, Ran, Trips, inspect,
};

use crate::guests::{adapts, engine, hostile, renamed_in, spec};

const TRAP: PluginFault = PluginFault::Trap("");
const BAD: PluginFault = PluginFault::BadOutcome("");

fn adapter_spec(mode: &str, bytes: &[u8]) -> LoadSpec {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    LoadSpec {
        component: adapts(),
        settings: format!(
            r#"{{"mode":"{mode}","hex":"{hex}","encoding":{}}}"#,
            wire::VERSION
        ),
        ..spec(mode)
    }
}

fn adapter(mode: &str, bytes: &[u8]) -> Adapter {
    let plugin = engine().load(adapter_spec(mode, bytes)).expect("loads");
    Adapter::of(&plugin).expect("an adapter")
}

fn encode(adapter: &Adapter) -> Ran<Result<penstock_plugin_host::Encoded, BodyError>> {
    let mut request = Request::new(Dialect::OpenAiChat, Text::plain("gpt-4o"));
    request.messages.push(Message::new(Role::User, Vec::new()));
    adapter.encode(&request, &Target::new("m"))
}

/// Every call of an adapter in turn, as its fault or nothing.
fn all_calls(adapter: &Adapter) -> [Option<PluginFault>; 4] {
    let mut state = PluginState::default();
    let frames = [StreamFrame::data(b"{}")];
    let streamed = adapter.stream(&mut state, &frames, false, |_, _| ());
    assert!(
        streamed.result.is_ok() || state.is_empty(),
        "a fault leaves the state as it was"
    );
    [
        encode(adapter).result.err(),
        adapter.answer(200, b"{}", |_| ()).result.err(),
        adapter.error(500, None, b"{}", |_| ()).result.err(),
        streamed.result.err(),
    ]
}

fn assert_faults(mode: &str, bytes: &[u8], expected: &PluginFault) {
    let adapter = adapter(mode, bytes);
    for round in 0..3 {
        for fault in all_calls(&adapter) {
            match (&fault, expected) {
                (Some(PluginFault::Trap(_)), PluginFault::Trap(_))
                // a lie about a length may be stopped by the limit of memory first
                | (Some(PluginFault::Memory), PluginFault::Trap(_))
                | (Some(PluginFault::BadOutcome(_)), PluginFault::BadOutcome(_)) => {}
                _ => assert_eq!(fault.as_ref(), Some(expected), "{mode}, round {round}"),
            }
        }
    }
}

fn no_events() -> Vec<u8> {
    let mut bytes = Vec::new();
    wire::write_events(&[], &Losses::default(), &mut bytes);
    bytes
}

#[test]
fn pain_s03_every_way_to_crash_is_contained_in_every_call_of_an_adapter() {
    for (mode, fault) in [
        ("loop", PluginFault::Timeout),
        ("trap", TRAP),
        ("panic", TRAP),
        ("grow", PluginFault::Memory),
        ("deep", TRAP),
        ("huge", PluginFault::OutputTooLarge),
        ("lie-past-the-end", TRAP),
        ("lie-everything", TRAP),
    ] {
        assert_faults(mode, &no_events(), &fault);
    }
}

#[test]
fn bytes_that_are_no_neutral_answer_are_a_fault_and_never_an_answer() {
    let mut answer = Vec::new();
    wire::write_answer(&Answer::new(Dialect::OpenAiChat), &Losses::default(), &mut answer);
    let cut = answer.len() - 1;
    for garbage in [
        &b"\xff"[..],
        b"{\"choices\":[]}",
        &[0; 64],
        &[0xff; 4096],
        &answer[..cut],
    ] {
        assert_faults("say", garbage, &BAD);
    }
    let silent = adapter("say", b"").answer(200, b"{}", |_| ());
    assert!(matches!(silent.result, Err(PluginFault::BadOutcome(_))));
}

#[test]
fn a_request_comes_out_as_it_was_encoded() {
    let (mut losses, mut bytes) = (Losses::default(), Vec::new());
    losses.dropped("top_k", "not there");
    wire::write_losses(&losses, &mut bytes);
    let said = adapter("header", &bytes);
    let encoded = encode(&said).result.expect("runs").expect("is encoded");
    assert_eq!((encoded.path.as_str(), encoded.losses), ("/own/path?x=1", losses));
    assert_eq!(encoded.headers[0].0, "x-own");
    assert_eq!((encoded.body, encoded.names.is_empty()), (bytes, true));
}

#[test]
fn a_streams_state_is_given_back_with_its_next_frames() {
    let mut events = Vec::new();
    wire::write_events(&[Event::Ping, Event::Done], &Losses::default(), &mut events);
    let said = adapter("say", &events);
    let mut state = PluginState::default();
    let mut seen = Vec::new();
    for last in [false, true] {
        let frames = [StreamFrame::data(b"ab"), StreamFrame::data(b"c")];
        let ran = said.stream(&mut state, &frames, last, |events, _| {
            seen.extend(events.into_iter().map(|event| event == Event::Done));
        });
        ran.result.expect("runs");
    }
    assert_eq!(seen, [false, true, false, true]);
    assert_eq!(state.len(), 8, "what it was given, and the next frames, twice");
}

#[test]
fn a_refusal_and_an_error_cross_as_such() {
    let mut refusal = Vec::new();
    let error = BodyError {
        kind: BodyErrorKind::Unsupported,
        param: Some("messages[0]".to_owned()),
        message: "no audio here".to_owned(),
    };
    wire::write_refusal(&error, &mut refusal);
    let refused = encode(&adapter("refuse", &refusal)).result.expect("runs");
    assert_eq!(refused.expect_err("is refused"), error);

    let mut error = Vec::new();
    wire::write_error(&Error::new(ErrorKind::RateLimit, "slow down"), &mut error);
    let failing = adapter("refuse", &error);
    let kind = failing.answer(200, b"{}", |read| read.expect_err("an error").kind);
    assert_eq!(kind.result, Ok(ErrorKind::RateLimit));
    let words = failing.error(429, None, b"{}", |error| {
        error.message == Text::plain("slow down")
    });
    assert_eq!(words.result, Ok(true));
}

#[test]
fn paths_headers_and_states_that_break_the_contract_are_faults() {
    for (mode, fault) in [
        ("bad-path", BAD),
        ("climbs", BAD),
        ("bad-header", BAD),
        ("credential", BAD),
        ("many-headers", BAD),
        ("not-utf8", TRAP),
    ] {
        let adapter = adapter(mode, &[]);
        for _ in 0..2 {
            let told = encode(&adapter).result.expect_err(mode);
            assert_eq!(told.label(), fault.label(), "{mode}");
        }
    }
    let hoarder = adapter("state-too-big", &no_events());
    let mut state = PluginState::default();
    let ran = hoarder.stream(&mut state, &[StreamFrame::data(b"{}")], false, |_, _| ());
    assert_eq!(ran.result, Err(PluginFault::OutputTooLarge));
    assert!(state.is_empty());
}

#[test]
fn an_adapter_that_keeps_failing_is_not_called_for_a_while() {
    let (clock, hand) = Clock::by_hand(0);
    let engine = PluginEngine::new(EngineSettings {
        pool_instances: 4,
        clock,
        ..EngineSettings::default()
    })
    .expect("an engine");
    let per = std::time::Duration::from_secs(60);
    let spec = adapter_spec("trap", &no_events());
    let plugin = engine
        .load(LoadSpec {
            limits: Limits {
                trips: Trips { count: 2, per },
                ..spec.limits.clone()
            },
            ..spec
        })
        .expect("loads");
    let adapter = Adapter::of(&plugin).expect("an adapter");
    let fault = || encode(&adapter).result.expect_err("fails");
    assert!(matches!(fault(), PluginFault::Trap(_)));
    assert!(matches!(fault(), PluginFault::Trap(_)));
    assert_eq!(fault(), PluginFault::Tripped);
    hand.advance(per);
    assert!(matches!(fault(), PluginFault::Trap(_)));
}

#[test]
fn an_adapter_says_what_it_is_and_other_plugins_are_none() {
    let adapter = adapter("say", &no_events());
    assert_eq!(&*adapter.description().dialect, "made-up");
    assert_eq!(adapter.description().known(), None);
    let facts = inspect(&adapts()).expect("a component");
    assert!(facts.adapter && facts.hooks.contains(Hook::Encode) && facts.hooks.contains(Hook::Decode));
    assert!(facts.other_exports.is_empty());
    let other: Arc<Plugin> = engine().load(spec("")).expect("loads");
    assert!(Adapter::of(&other).is_none());
    assert!(!inspect(&hostile()).expect("a component").adapter);
}

#[test]
fn an_adapter_is_refused_at_load_that_is_not_whole_or_speaks_another_encoding() {
    let problem = |spec| engine().load(spec).expect_err("should not load").problem;
    let other = LoadSpec {
        settings: r#"{"mode":"say","encoding":77}"#.to_owned(),
        ..adapter_spec("say", &[])
    };
    assert_eq!(problem(other), LoadProblem::Encoding { found: 77 });
    let halved = LoadSpec {
        component: renamed_in(&adapts(), "penstock:plugin/decode@", "penstock:plugin/dekode@").into(),
        ..adapter_spec("say", &[])
    };
    let told = problem(halved).to_string();
    assert!(told.contains("there is no `decode`"), "{told}");
    let silent = adapter_spec("describe-traps", &[]);
    assert!(matches!(
        problem(silent),
        LoadProblem::Start(PluginFault::Trap(_))
    ));
}

#[test]
fn fresh_instances_serve_as_well_as_reused_ones() {
    let spec = adapter_spec("say", &no_events());
    let plugin = engine()
        .load(LoadSpec {
            instances: Instances::Fresh,
            ..spec
        })
        .expect("loads");
    assert!(
        matches!(plugin.snapshot(), Some(Ok(_))),
        "{:?}",
        plugin.snapshot()
    );
    let adapter = Adapter::of(&plugin).expect("an adapter");
    for _ in 0..3 {
        assert!(
            adapter.error(500, None, b"", |_| ()).result.is_err(),
            "no error in it"
        );
        let ran = adapter.stream(&mut PluginState::default(), &[], true, |events, _| events.len());
        assert_eq!(ran.result, Ok(0));
    }
}
