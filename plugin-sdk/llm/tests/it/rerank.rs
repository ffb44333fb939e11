//! Reranking: recorded rankings through every dialect, and by hand where the dialects differ.

use penstock_llm::model::{Asked, ErrorKind};
use penstock_llm::rerank::{DIALECTS, Dialect, Envelope};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::make::cases;
use crate::recorded::{Recording, recordings};

fn recorded() -> Vec<(Recording, Dialect)> {
    let dialect = |recording: &Recording| match recording.name.contains("/openrouter/") {
        true => Dialect::OpenRouter,
        false => Dialect::CohereV2,
    };
    let all = recordings()
        .into_iter()
        .filter(|recording| recording.api == "rerank");
    all.map(|recording| {
        let dialect = dialect(&recording);
        (recording, dialect)
    })
    .collect()
}

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

#[test]
fn feature_a09_recorded_rankings_are_the_same_in_every_dialect() {
    for (recording, from) in recorded() {
        let read = from
            .read_request(&recording.request, &Asked::default())
            .expect(&recording.name)
            .value;
        let own = from
            .write_request(&read, &recording.model)
            .expect(&recording.name);
        assert_eq!(value(&own.bytes), value(&recording.request), "{}", recording.name);
        let answer = from
            .read_answer(&recording.response)
            .expect(&recording.name)
            .value;
        let envelope = Envelope {
            id: "made",
            request: &read,
        };
        let written = from.write_answer(&answer, &envelope);
        assert_eq!(
            value(&written.bytes),
            value(&recording.response),
            "{}",
            recording.name
        );
        assert!(
            own.losses.is_empty() && written.losses.is_empty(),
            "{}",
            recording.name
        );
        for to in DIALECTS {
            let name = format!("{} as {}", recording.name, to.as_str());
            let sent = to.write_request(&read, "m").expect(&name);
            let again = to
                .read_request(&sent.bytes, &Asked::default())
                .expect(&name)
                .value;
            assert_eq!(again.documents, read.documents, "{name}");
            assert_eq!(
                (again.query, again.top_n),
                (read.query.clone(), read.top_n.clone()),
                "{name}"
            );
            let written = to.write_answer(&answer, &envelope);
            let heard = to.read_answer(&written.bytes).expect(&name).value;
            let places = |answer: &penstock_llm::rerank::Answer<'_>| -> Vec<(u64, String)> {
                let place =
                    |ranked: &penstock_llm::rerank::Ranked<'_>| (ranked.index, ranked.score.get().to_owned());
                answer.results.iter().map(place).collect()
            };
            assert_eq!(places(&heard), places(&answer), "{name}");
        }
    }
}

fn carried(from: Dialect, to: Dialect, body: Value) -> Result<(Value, Vec<String>), String> {
    let bytes = body.to_string();
    let read = from
        .read_request(bytes.as_bytes(), &Asked::default())
        .map_err(|why| why.message)?;
    let written = to.write_request(&read.value, "m").map_err(|why| why.message)?;
    let losses = written.losses.list().iter();
    let lost = losses.map(|loss| format!("{} {}", loss.what.as_str(), loss.at));
    Ok((value(&written.bytes), lost.collect()))
}

#[test]
fn voyage_has_other_names_and_documents_that_are_texts() {
    let (voyage, lost) = carried(
        Dialect::CohereV2,
        Dialect::Voyage,
        json!({"model": "x", "query": "q", "documents": ["a", "b"], "top_n": 1, "max_tokens_per_doc": 9}),
    )
    .expect("taken");
    assert_eq!(
        voyage,
        json!({"model": "m", "query": "q", "documents": ["a", "b"], "top_k": 1})
    );
    assert_eq!(lost, ["dropped max_tokens_per_doc"]);
    let (cohere, lost) = carried(
        Dialect::Voyage,
        Dialect::CohereV2,
        json!({"model": "x", "query": "q", "documents": ["a"], "top_k": 1, "truncation": true,
            "return_documents": true}),
    )
    .expect("taken");
    assert_eq!(
        cohere,
        json!({"model": "m", "query": "q", "documents": ["a"], "top_n": 1})
    );
    assert_eq!(lost, ["dropped truncation"]);
}

#[test]
fn documents_that_are_objects_go_as_the_text_that_they_are_ranked_by() {
    let documents = json!([{"text": "a"}, {"text": "b", "title": "B"}, {"year": 1.50}, "d"]);
    let body =
        |fields: Value| json!({"model": "x", "query": "q", "documents": documents, "rank_fields": fields});
    let (v2, lost) = carried(Dialect::CohereV1, Dialect::CohereV2, body(Value::Null)).expect("taken");
    assert_eq!(v2["documents"], json!(["a", "b", "{\"year\":1.5}", "d"]));
    assert_eq!(lost, ["changed documents[1]", "changed documents[2]"]);
    let (v2, _) = carried(
        Dialect::CohereV1,
        Dialect::Jina,
        body(json!(["title", "text", "year"])),
    )
    .expect("taken");
    assert_eq!(
        v2["documents"],
        json!(["text: a", "title: B\ntext: b", "year: 1.5", "d"])
    );
    let (same, lost) = carried(Dialect::CohereV1, Dialect::CohereV1, body(json!(["title"]))).expect("taken");
    assert_eq!(same["documents"], documents);
    assert_eq!((same["rank_fields"].clone(), lost.len()), (json!(["title"]), 0));
    let image = json!({"model": "x", "query": "q", "documents": [{"image": "https://example.com/a.png"}]});
    let refused = carried(Dialect::Jina, Dialect::CohereV2, image.clone()).expect_err("no text");
    assert!(refused.contains("documents[0]"), "{refused}");
    assert!(carried(Dialect::Jina, Dialect::Jina, image).is_ok());
}

#[test]
fn documents_come_back_to_who_asked_for_them_whatever_the_provider_sends() {
    let ask = |dialect: Dialect, wanted: Value| {
        let body = json!({"model": "x", "query": "q", "documents": ["a", {"text": "b", "title": "B"}],
            "return_documents": wanted})
        .to_string();
        let request = dialect
            .read_request(body.as_bytes(), &Asked::default())
            .expect("taken")
            .value;
        let answer =
            br#"{"id":"i","results":[{"index":1,"relevance_score":0.90},{"index":7,"relevance_score":1e-3}],
            "meta":{"billed_units":{"search_units":1}}}"#;
        let answer = Dialect::CohereV2.read_answer(answer).expect("an answer").value;
        let envelope = Envelope {
            id: "made",
            request: &request,
        };
        let written = dialect.write_answer(&answer, &envelope);
        let text = String::from_utf8(written.bytes).expect("UTF-8");
        // scores stay as they were spelled
        assert!(text.contains("0.90") && text.contains("1e-3"), "{text}");
        value(text.as_bytes())
    };
    let b = json!({"text": "b", "title": "B"});
    assert_eq!(ask(Dialect::CohereV1, json!(true))["results"][0]["document"], b);
    assert_eq!(
        ask(Dialect::CohereV1, json!(false))["results"][0].get("document"),
        None
    );
    assert_eq!(
        ask(Dialect::CohereV2, json!(true))["results"][0].get("document"),
        None
    );
    assert_eq!(ask(Dialect::Jina, Value::Null)["results"][0]["document"], b);
    assert_eq!(ask(Dialect::Vllm, Value::Null)["results"][0]["document"], b);
    let voyage = ask(Dialect::Voyage, json!(true));
    assert_eq!(voyage["data"][0]["document"], "b");
    assert_eq!(voyage["object"], "list");
    assert_eq!(voyage["model"], "x");
    assert_eq!(voyage["usage"], json!({"total_tokens": 0}));
    // a place that no document has
    assert_eq!(voyage["data"][1].get("document"), None);
    let cohere = ask(Dialect::CohereV1, Value::Null);
    assert_eq!(cohere["id"], "i");
    assert_eq!(
        cohere["meta"],
        json!({"api_version": {"version": "1"}, "billed_units": {"search_units": 1}})
    );
    assert_eq!(
        ask(Dialect::OpenRouter, Value::Null)["usage"],
        json!({"total_tokens": 0, "search_units": 1})
    );
}

#[test]
fn usage_is_told_in_tokens_and_in_searches() {
    for (body, input, searches) in [
        (r#"{"data":[],"usage":{"total_tokens":17}}"#, Some(17), None),
        (
            r#"{"results":[],"usage":{"prompt_tokens":3,"total_tokens":17}}"#,
            Some(3),
            None,
        ),
        (
            r#"{"results":[],"meta":{"billed_units":{"search_units":2}}}"#,
            None,
            Some(2),
        ),
        (
            r#"{"results":[],"meta":{"tokens":{"input_tokens":5}}}"#,
            Some(5),
            None,
        ),
    ] {
        let answer = Dialect::Vllm
            .read_answer(body.as_bytes())
            .expect("an answer")
            .value;
        let usage = answer.usage.expect("usage");
        assert_eq!((usage.input, usage.search_units), (input, searches), "{body}");
    }
}

#[test]
fn what_is_no_request_and_no_ranking_is_refused() {
    for (body, param) in [
        (json!({"query": "q", "documents": ["a"]}), "model"),
        (json!({"model": "m", "documents": ["a"]}), "query"),
        (json!({"model": "m", "query": "q"}), "documents"),
        (json!({"model": "m", "query": "q", "documents": []}), "documents"),
        (json!({"model": "m", "query": 5, "documents": ["a"]}), "query"),
        (
            json!({"model": "m", "query": "q", "documents": ["a", 5]}),
            "documents[1]",
        ),
        (
            json!({"model": "m", "query": "q", "documents": ["a"], "top_n": "x"}),
            "top_n",
        ),
    ] {
        let bytes = body.to_string();
        let read = Dialect::CohereV2.read_request(bytes.as_bytes(), &Asked::default());
        let refused = read.map(|read| read.value.dialect).expect_err(&bytes);
        assert_eq!(refused.param.as_deref(), Some(param), "{bytes}");
    }
    for dialect in DIALECTS {
        for body in [
            "",
            "<html>",
            "{}",
            "[]",
            r#"{"results":[{"index":0}]}"#,
            r#"{"results":[{"relevance_score":1}]}"#,
        ] {
            let read = dialect.read_answer(body.as_bytes());
            let error = read.map(|read| read.value.dialect).expect_err("no ranking");
            assert_eq!(error.kind, ErrorKind::BadAnswer, "{body}");
        }
        let under_200 = dialect.read_answer(br#"{"message":"no such model"}"#);
        let error = under_200.map(|read| read.value.dialect).expect_err("an error");
        assert_eq!(error.message.get(), "no such model");
        let body = dialect.write_error(&error);
        let again = dialect.read_error(dialect.error_status(&error), &body);
        assert_eq!(again.message, error.message);
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_bytes_of_a_ranking_are_read_without_a_panic(
        noise in prop::collection::vec(any::<u8>(), 1..4),
        at in 0usize..300,
        which in 0usize..3,
    ) {
        let bodies = [
            r#"{"model":"m","query":{"text":"q"},"documents":["a",{"text":"b","x":[1]},{"image":"c"}],"rank_fields":["text","x",5],"top_n":2}"#,
            r#"{"results":[{"index":18446744073709551615,"relevance_score":1e400,"document":"x"},{"index":1,"score":0,"document":{"text":"a"}}],"usage":{"total_tokens":1}}"#,
            r#"{"data":[{"index":0,"relevance_score":-0.0}],"meta":{"billed_units":{"search_units":1.5}},"id":null}"#,
        ];
        let mut body = bodies[which].as_bytes().to_vec();
        for (offset, byte) in noise.iter().enumerate().skip(1) {
            let place = (at + offset * 13) % body.len();
            body[place] = *byte;
        }
        let asked = Dialect::CohereV1.read_request(bodies[0].as_bytes(), &Asked::default()).expect("taken").value;
        for from in DIALECTS {
            if let Ok(read) = from.read_request(&body, &Asked::default()) {
                for to in DIALECTS {
                    if let Ok(written) = to.write_request(&read.value, "m") {
                        prop_assert!(to.read_request(&written.bytes, &Asked::default()).is_ok());
                    }
                }
            }
            if let Ok(read) = from.read_answer(&body) {
                for to in DIALECTS {
                    let written = to.write_answer(&read.value, &Envelope { id: "x", request: &asked });
                    prop_assert!(to.read_answer(&written.bytes).is_ok());
                }
            }
        }
    }
}
