//! What a well-behaved guest sees of a call, and what becomes of its edits, holds and verdicts.

use std::sync::Arc;

use bytes::Bytes;
use penstock_llm::openai::{self, Answer};
use penstock_plugin_host::{
    AnswerBody, AnswerView, Call, CallBody, Candidate, Choice, Delta, Edit, Interests, Kind, LoadSpec,
    Outcome, Piece, Plugin, PluginState, Refusal, RequestVerdict, ResponseVerdict, Role, RouteVerdict,
    Summary,
};

use crate::guests::{CHAT, call, chat, engine, events_only, load, spec, text};

fn answered(plugin: &Plugin, call: &mut Call) -> String {
    match plugin.on_request(call).result {
        Ok(RequestVerdict::Answer(reply)) => reply.text,
        other => panic!("no answer: {other:?}"),
    }
}

#[test]
fn a_request_is_edited_and_the_rest_of_its_bytes_is_kept() {
    let plugin = load("echo");
    let mut call = chat(CHAT);
    let ran = plugin.on_request(&mut call);
    assert_eq!((ran.result, ran.edited), (Ok(RequestVerdict::Proceed), true));
    let expected = CHAT.replace(r#"my secret is \"secret\""#, r#"my [x] is \"[x]\""#);
    assert_eq!(call.body.bytes().as_ref(), expected.as_bytes());

    let nothing_to_do = CHAT.replace("secret", "name");
    let mut call = chat(&nothing_to_do);
    assert!(!plugin.on_request(&mut call).edited);
    assert_eq!(call.body.bytes().as_ref(), nothing_to_do.as_bytes());
}

#[test]
fn a_guest_sees_the_call_by_its_getters() {
    let report = answered(&load("report"), &mut chat(CHAT));
    assert!(
        report.starts_with("req-1 Operation::Chat gpt-4o true team-a 7 "),
        "{report}"
    );
    assert!(
        report.contains("0:Role::System:Kind::Text:Provenance::Caller:7"),
        "{report}"
    );
    assert!(
        report.contains("1:Role::User:Kind::Text:Provenance::Caller:21"),
        "{report}"
    );
    assert!(
        report.ends_with(&format!(r#"Some("be kind") Some("0.5") {}"#, CHAT.len())),
        "{report}"
    );
}

#[test]
fn credentials_are_never_shown_to_a_guest() {
    let headers = answered(&load("headers"), &mut chat(CHAT));
    assert_eq!(
        headers,
        r#"Some("blue, red");Some("blue, red");None;None;None;None;None;None;None;"#
    );
}

#[test]
fn edits_that_cannot_be_made_change_nothing_and_say_why() {
    let mut call = chat(CHAT);
    let said = answered(&load("edit-what-is-not-there"), &mut call);
    assert!(
        said.contains("NotFound") && said.contains("ReadOnly") && said.contains("Invalid"),
        "{said}"
    );
    assert_eq!(call.body.bytes().as_ref(), CHAT.as_bytes());
}

#[test]
fn pain_s02_a_large_raw_body_is_read_in_windows_without_a_copy_of_it() {
    let body = Bytes::from(vec![1u8; 20 << 20]);
    let mut raw = call(CallBody::Raw(body.clone()));
    assert_eq!(answered(&load("read"), &mut raw), format!("{0} {0} 0", 20 << 20));
    assert_eq!(raw.body.bytes().as_ptr(), body.as_ptr());
}

#[test]
fn a_raw_body_has_no_pointers_and_no_edits_by_pointer() {
    let mut raw = call(CallBody::Raw(Bytes::from_static(b"{\"model\":\"m\"}")));
    let report = answered(&load("report"), &mut raw);
    assert!(report.ends_with(" None 13"), "{report}");
    let said = answered(&load("edit-what-is-not-there"), &mut raw);
    assert!(said.contains("NotFound") && said.contains("Invalid"), "{said}");
    assert_eq!(raw.body.bytes().as_ref(), b"{\"model\":\"m\"}");
}

#[test]
fn a_refusal_is_an_error_of_a_readable_size() {
    let Ok(RequestVerdict::Refuse(refusal)) = load("refuse").on_request(&mut chat(CHAT)).result else {
        panic!("not refused");
    };
    assert_eq!(
        (refusal.status, refusal.code.len(), refusal.message.len()),
        (400, 128, 4096)
    );
}

/// Streams `chunks` through a guard as the gateway does: what is held comes again in front of the next chunk.
fn streamed(plugin: &Plugin, chunks: &[&str]) -> String {
    let (mut call, mut state) = (chat(CHAT), PluginState::default());
    let (mut out, mut held) = (String::new(), String::new());
    for (i, chunk) in chunks.iter().enumerate() {
        let fresh = u32::try_from(held.len()).expect("short");
        let window = held + chunk;
        let delta = Delta {
            fresh,
            last: i + 1 == chunks.len(),
            ..text(&window)
        };
        let outcome = plugin
            .on_event(&mut call, delta, &mut state)
            .result
            .expect("a good guest");
        let goes_out = window.len() - outcome.hold as usize;
        let mut from = 0;
        for Edit { start, end, text } in outcome.edits {
            out += &window[from..start as usize];
            out += &text;
            from = end as usize;
        }
        out += &window[from..goes_out];
        held = window[goes_out..].to_owned();
    }
    assert_eq!(state.len(), 1);
    out
}

#[test]
fn pain_n03_a_secret_in_two_chunks_is_caught_with_a_bounded_hold() {
    let plugin = load("echo");
    let whole = "a secret, another secret and a secre";
    let expected = whole.replace("secret", "[x]");
    for cut in 0..=whole.len() {
        assert_eq!(streamed(&plugin, &[&whole[..cut], &whole[cut..]]), expected);
    }
    let letters: Vec<&str> = whole.split("").filter(|letter| !letter.is_empty()).collect();
    assert_eq!(streamed(&plugin, &letters), expected);
}

#[test]
fn ending_a_stream_ignores_whatever_else_was_said() {
    let mut state = PluginState::default();
    let ran = load("end").on_event(&mut chat(CHAT), text("abc"), &mut state);
    let refusal = Refusal {
        status: 403,
        code: "leak".into(),
        message: "stopped".into(),
    };
    assert_eq!(
        ran.result,
        Ok(Outcome {
            edits: vec![],
            hold: 0,
            end: Some(refusal)
        })
    );
}

#[test]
fn a_request_that_has_left_cannot_be_edited() {
    let plugin = load("edit-late");
    let mut call = chat(CHAT);
    let ran = plugin.on_event(&mut call, text("abc"), &mut PluginState::default());
    assert!(ran.result.is_ok() && !ran.edited);
    assert_eq!(plugin.custom_metrics(), [("read_only".to_owned(), 1)]);
    assert_eq!(call.body.bytes().as_ref(), CHAT.as_bytes());
}

#[test]
fn whole_answers_are_edited_refused_or_read_only() {
    let plugin = load("echo");
    let answer = |text: &str| {
        let body =
            format!(r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}}}}]}}"#);
        AnswerView::json(Answer::read(openai::Operation::Chat, body.into()).expect("an answer"))
    };
    let mut edited = answer("a secret");
    let ran = plugin.on_response(&mut chat(CHAT), &mut edited);
    assert_eq!((ran.result, ran.edited), (Ok(ResponseVerdict::Proceed), true));
    let AnswerBody::Json(body) = &edited.body else {
        panic!("another answer")
    };
    assert!(body.bytes().ends_with(br#""content":"a [x]"}}]}"#));

    let refused = plugin.on_response(&mut chat(CHAT), &mut answer("forbidden"));
    assert!(matches!(refused.result, Ok(ResponseVerdict::Refuse(_))));

    let mut gone = AnswerView {
        read_only: true,
        ..answer("a secret")
    };
    assert!(!plugin.on_response(&mut chat(CHAT), &mut gone).edited);
    assert_eq!(plugin.custom_metrics(), [("read_only".to_owned(), 1)]);

    let piece = |text: &str| Piece {
        choice: 1,
        role: Role::Assistant,
        kind: Kind::Reasoning,
        text: text.into(),
    };
    let mut assembled = AnswerView::assembled(vec![piece("fine"), piece("a secret")]);
    assert!(plugin.on_response(&mut chat(CHAT), &mut assembled).edited);
    let AnswerBody::Assembled(pieces) = assembled.body else {
        panic!("another answer")
    };
    assert_eq!(pieces, [piece("fine"), piece("a [x]")]);
}

#[test]
fn a_route_is_ordered_and_filtered_with_reasons() {
    let candidate = |input_price, failures| Candidate {
        provider: "p".into(),
        model: "m".into(),
        weight: 1,
        input_price,
        output_price: None,
        in_flight: 0,
        first_byte_us: Some(5),
        failures,
    };
    let candidates = [
        candidate(Some(30), 0),
        candidate(Some(10), 9),
        candidate(Some(20), 0),
    ];
    let ran = load("echo").on_route(&mut chat(CHAT), &candidates);
    let choice = |candidate| Choice {
        candidate,
        reason: "r".repeat(256),
    };
    assert_eq!(ran.result, Ok(RouteVerdict::Order(vec![choice(2), choice(0)])));

    let none = load("route-none").on_route(&mut chat(CHAT), &candidates);
    assert_eq!(none.result, Ok(RouteVerdict::Order(vec![])));
    let refused = load("route-refuse").on_route(&mut chat(CHAT), &candidates);
    assert!(matches!(refused.result, Ok(RouteVerdict::Refuse(refusal)) if refusal.status == 429));
}

#[test]
fn hooks_and_kinds_without_interest_are_not_entered() {
    let plugin = load("only-text");
    let (mut call, mut state) = (chat(CHAT), PluginState::default());
    let reasoning = Delta {
        kind: Kind::Reasoning,
        ..text("abc")
    };
    assert_eq!(plugin.on_event(&mut call, reasoning, &mut state).micros, 0);
    let ran = plugin.on_request(&mut call);
    assert_eq!((ran.result, ran.micros), (Ok(RequestVerdict::Proceed), 0));
    let all: Vec<u32> = match plugin.on_route(&mut call, &vec![unknown_candidate(); 3]).result {
        Ok(RouteVerdict::Order(order)) => order.iter().map(|choice| choice.candidate).collect(),
        other => panic!("no order: {other:?}"),
    };
    assert_eq!(all, [0, 1, 2]);
}

fn unknown_candidate() -> Candidate {
    Candidate {
        provider: "".into(),
        model: "".into(),
        weight: 0,
        input_price: None,
        output_price: None,
        in_flight: 0,
        first_byte_us: None,
        failures: 0,
    }
}

#[test]
fn a_component_with_one_hook_is_a_plugin() {
    let plugin = engine()
        .load(LoadSpec {
            component: events_only(),
            ..spec("")
        })
        .expect("loads");
    assert_eq!(
        plugin.interests().hooks,
        [penstock_plugin_host::Hook::OnEvent].into()
    );
    let ran = plugin.on_event(&mut chat(CHAT), text("abc"), &mut PluginState::default());
    assert_eq!(ran.result, Ok(Outcome::default()));
    assert_ne!(plugin.interests(), Interests::default());
}

#[test]
fn the_end_of_a_call_is_told_to_those_who_want_to_know() {
    let plugin: Arc<Plugin> = load("echo");
    let summary = Summary {
        ending: "complete",
        completion_tokens: Some(42),
        ..Summary::default()
    };
    assert_eq!(plugin.on_complete(&mut chat(CHAT), &summary).result, Ok(()));
    assert_eq!(plugin.custom_metrics(), [("ended_complete".to_owned(), 42)]);
}
