use penstock_llm::openai::write::{Envelope, answer_body, answer_events, error_body, error_event};
use penstock_llm::openai::{EventView, Operation, is_done};
use penstock_llm::usage::TokenCount;
use serde_json::{Value, json};

use crate::answer;
use crate::sse::frames;

fn envelope(operation: Operation) -> Envelope<'static> {
    Envelope {
        operation,
        id: "id-\"1\"",
        created: 1_700_000_000,
        model: "m",
    }
}

#[test]
fn an_error_is_openais_envelope() {
    let value: Value = serde_json::from_slice(&error_body(
        "a \"b\"\n",
        "invalid_request_error",
        Some("model"),
        None,
    ))
    .expect("valid");
    assert_eq!(
        value,
        json!({"error":{"message":"a \"b\"\n","type":"invalid_request_error","param":"model","code":null}})
    );
}

#[test]
fn an_error_within_a_stream_is_seen_by_clients() {
    for op in [Operation::Chat, Operation::Completions] {
        let event = error_event(
            &envelope(op),
            "it broke",
            "server_error",
            None,
            Some("upstream_error"),
        );
        let (frames, rest) = frames([&*event]);
        assert_eq!((frames.len(), rest.len()), (1, 0));
        let view = EventView::read(op, &frames[0].data()).expect("valid");
        assert!(view.is_error && !view.content_bearing && view.finishes.len() == 1);
        let value: Value = serde_json::from_slice(&frames[0].data()).expect("valid");
        assert_eq!(
            value["error"],
            json!({"message":"it broke","type":"server_error","param":null,"code":"upstream_error"})
        );
        assert_eq!(value["choices"][0]["finish_reason"], "error");
    }
}

#[test]
fn a_plugins_answer_is_one_in_whole_and_in_events() {
    for op in [Operation::Chat, Operation::Completions] {
        let text = "no \"thanks\"\n😀";
        let body = String::from_utf8(answer_body(&envelope(op), text)).expect("UTF-8");
        let whole = answer::read(op, &body);
        assert_eq!(
            (whole.segments().len(), whole.text(0).as_deref()),
            (1, Some(text))
        );
        assert_eq!(whole.usage().and_then(|usage| usage.total), Some(TokenCount(0)));
        for usage_asked in [false, true] {
            let events = answer_events(&envelope(op), text, usage_asked);
            let (frames, rest) = frames([&*events]);
            assert!(rest.is_empty() && frames.last().is_some_and(|last| is_done(&last.data())));
            let views: Vec<EventView> = frames[..frames.len() - 1]
                .iter()
                .map(|frame| EventView::read(op, &frame.data()).expect("valid"))
                .collect();
            let texts = frames.iter().zip(&views).flat_map(|(frame, view)| {
                let data = frame.data().into_owned();
                view.deltas
                    .iter()
                    .map(move |delta| delta.text(&data).into_owned())
                    .collect::<Vec<_>>()
            });
            assert_eq!(texts.collect::<String>(), text);
            assert_eq!(views.iter().map(|view| view.finishes.len()).sum::<usize>(), 1);
            assert_eq!(
                views
                    .iter()
                    .filter(|view| view.usage.is_some() && view.empty_choices)
                    .count(),
                usize::from(usage_asked)
            );
            for frame in &frames[..frames.len() - 1] {
                let value: Value = serde_json::from_slice(&frame.data()).expect("valid");
                assert_eq!(
                    (&value["id"], &value["created"]),
                    (&json!("id-\"1\""), &json!(1_700_000_000))
                );
                assert_eq!(value.get("usage").is_some(), usage_asked);
            }
        }
    }
}
