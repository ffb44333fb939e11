//! Whole answers and errors from and to Responses.

use penstock_llm::model::{
    Answer, Choice, Content, Dialect, Error, ErrorKind, Part, Stop, StopReason, Usage,
};
use serde_json::{Value, json};

use super::{codec, dropped, responses};
use crate::translate::streams::ENVELOPE;

fn told(answer: &Answer<'_>) -> Value {
    serde_json::from_slice(&responses().write_answer(answer, &ENVELOPE).bytes).expect("JSON")
}

fn chat(message: Value, finish: &str) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 7, "model": "gpt",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14,
            "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 2}},
    })
}

fn as_response(chat: &Value) -> Value {
    let body = chat.to_string().into_bytes();
    let read = codec(Dialect::OpenAiChat).read_answer(&body).expect("an answer");
    told(&read.value)
}

#[test]
fn a04_an_answer_of_chat_is_a_response_with_every_member_that_sdks_look_for() {
    let message = json!({"role": "assistant", "content": "Sunny.", "reasoning": "Hm.", "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]});
    assert_eq!(
        as_response(&chat(message, "tool_calls")),
        json!({
            "id": "chatcmpl-1",
            "object": "response",
            "created_at": 7,
            "status": "completed",
            "background": false,
            "error": null,
            "incomplete_details": null,
            "model": "gpt",
            "output": [
                {"type": "reasoning", "id": "rs_made1_0", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}], "status": "completed"},
                {"type": "message", "id": "msg_made1_1", "status": "completed", "role": "assistant",
                 "content": [{"type": "output_text", "text": "Sunny.", "annotations": [], "logprobs": []}]},
                {"type": "function_call", "id": "fc_made1_2", "call_id": "c1", "name": "f", "arguments": "{\"a\":1}", "status": "completed"},
            ],
            "instructions": null,
            "max_output_tokens": null,
            "metadata": {},
            "parallel_tool_calls": true,
            "previous_response_id": null,
            "reasoning": {"effort": null, "summary": null},
            "store": false,
            "temperature": null,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_p": null,
            "truncation": "disabled",
            "user": null,
            "usage": {"input_tokens": 9, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 5,
                "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 14},
        })
    );
}

#[test]
fn an_answer_repeats_its_request() {
    let asked = json!({"model": "m", "input": "q", "instructions": "i", "temperature": 0.5, "metadata": {"a": "b"},
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}], "tool_choice": "required",
        "text": {"format": {"type": "json_object"}}, "reasoning": {"effort": "low"}})
    .to_string();
    let read = responses()
        .read_request(asked.as_bytes(), &Default::default())
        .expect("a request");
    let repeated = responses().repeated(&read.value).expect("it repeats");
    let envelope = penstock_llm::model::Envelope {
        repeated: Some(&repeated),
        ..ENVELOPE
    };
    let written = responses().write_answer(&Answer::new(Dialect::OpenAiChat), &envelope);
    let told: Value = serde_json::from_slice(&written.bytes).expect("JSON");
    assert_eq!(told["instructions"], "i");
    assert_eq!(told["temperature"], 0.5);
    assert_eq!(told["metadata"], json!({"a": "b"}));
    assert_eq!(told["tools"][0]["name"], "f");
    assert_eq!(told["tool_choice"], "required");
    assert_eq!(told["text"]["format"]["type"], "json_object");
    assert_eq!(told["reasoning"], json!({"effort": "low", "summary": null}));
    assert_eq!(told["store"], false);
}

#[test]
fn pain_d08_every_stop_reason_has_a_status() {
    for (finish, status, reason) in [
        ("stop", "completed", json!(null)),
        ("length", "incomplete", json!({"reason": "max_output_tokens"})),
        (
            "content_filter",
            "incomplete",
            json!({"reason": "content_filter"}),
        ),
        ("error", "incomplete", json!({"reason": "error"})),
        ("unheard_of", "completed", json!(null)),
    ] {
        let told = as_response(&chat(json!({"role": "assistant", "content": "x"}), finish));
        assert_eq!(
            (&told["status"], &told["incomplete_details"]),
            (&json!(status), &reason),
            "{finish}"
        );
    }
    // and back
    for (status, reason, expected) in [
        ("completed", json!(null), StopReason::End),
        (
            "incomplete",
            json!({"reason": "max_output_tokens"}),
            StopReason::Length,
        ),
        (
            "incomplete",
            json!({"reason": "content_filter"}),
            StopReason::ContentFilter,
        ),
        ("incomplete", json!({"reason": "later"}), StopReason::Other),
        ("cancelled", json!(null), StopReason::Other),
    ] {
        let body =
            json!({"id": "r", "status": status, "incomplete_details": reason, "output": []}).to_string();
        let read = responses().read_answer(body.as_bytes()).expect("an answer").value;
        assert_eq!(
            read.choices[0].stop.as_ref().map(|stop| stop.reason),
            Some(expected),
            "{status}"
        );
    }
}

#[test]
fn what_a_provider_of_responses_ran_itself_is_kept_in_its_dialect_and_named_in_others() {
    let body = json!({"id": "resp_1", "object": "response", "created_at": 7, "model": "gpt", "status": "completed", "error": null,
        "incomplete_details": null, "instructions": "do", "tools": [{"type": "web_search"}], "billing": {"payer": "x"},
        "output": [
            {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "gAAA"},
            {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}},
            {"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": "AAAA", "output_format": "png"},
            {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "phase": "final_answer", "content": [
                {"type": "output_text", "text": "Yes.", "logprobs": [], "annotations": [
                    {"type": "url_citation", "url": "https://x.test", "title": "X", "start_index": 0, "end_index": 4}]}]},
        ],
        "usage": {"input_tokens": 3, "input_tokens_details": {"cached_tokens": 1}, "output_tokens": 2, "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 5}})
    .to_string();
    let read = responses().read_answer(body.as_bytes()).expect("an answer").value;
    let again = told(&read);
    let before: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(again["output"][1], before["output"][1]);
    assert_eq!(again["output"][0]["encrypted_content"], "gAAA");
    assert_eq!(again["output"][2]["result"], "AAAA");
    assert_eq!(again["output"][3]["phase"], "final_answer");
    assert_eq!(again["output"][3]["content"], before["output"][3]["content"]);
    assert_eq!(again["billing"], before["billing"]);
    assert_eq!(again["usage"], before["usage"]);

    let chat = codec(Dialect::OpenAiChat).write_answer(&read, &ENVELOPE);
    let message =
        serde_json::from_slice::<Value>(&chat.bytes).expect("JSON")["choices"][0]["message"].clone();
    assert_eq!(message["content"], "Yes.");
    assert_eq!(message["annotations"][0]["url_citation"]["url"], "https://x.test");
    assert_eq!(
        message["images"][0]["image_url"]["url"],
        "data:image/png;base64,AAAA"
    );
    assert_eq!(message["reasoning_content"], "Hm.");
    assert_eq!(
        message["reasoning_details"][1],
        json!({"type": "reasoning.encrypted", "data": "gAAA", "id": "rs_1", "format": "openai-responses-v1", "index": 1})
    );
    let lost = dropped(&chat.losses);
    assert!(
        lost.contains(&"content[2]") && lost.contains(&"billing"),
        "{lost:?}"
    );
    // what only repeats the request is nothing that was lost
    assert!(
        !lost.contains(&"tools") && !lost.contains(&"instructions"),
        "{lost:?}"
    );
}

#[test]
fn an_answer_that_is_yet_to_come_says_so() {
    let body =
        json!({"id": "resp_1", "status": "queued", "output": [], "model": "m", "usage": null}).to_string();
    let read = responses().read_answer(body.as_bytes()).expect("an answer").value;
    assert_eq!(read.choices[0].stop, None);
    assert_eq!(told(&read)["status"], "queued");
}

#[test]
fn several_answers_become_one_and_the_others_are_named() {
    let mut answer = Answer::new(Dialect::OpenAiChat);
    for index in 0..2 {
        let mut choice = Choice::new(index);
        choice.parts = vec![Part::text(format!("a{index}"))];
        choice.stop = Some(Stop::new(StopReason::End));
        answer.choices.push(choice);
    }
    answer.usage = Some(Usage::default());
    let written = responses().write_answer(&answer, &ENVELOPE);
    assert_eq!(dropped(&written.losses), ["choices[1]"]);
    let refusal = Part::new(Content::Refusal("No.".into()));
    answer.choices[0].parts = vec![Part::text("Hm."), refusal];
    let told = told(&answer);
    assert_eq!(
        told["output"][0]["content"],
        json!([{"type": "output_text", "text": "Hm.", "annotations": [], "logprobs": []}, {"type": "refusal", "refusal": "No."}])
    );
}

#[test]
fn a_response_that_failed_is_an_error() {
    for (body, kind) in [
        (
            json!({"id": "r", "status": "failed", "error": {"code": "server_error", "message": "broke"}, "output": []}),
            ErrorKind::Server,
        ),
        (
            json!({"id": "r", "status": "failed", "error": {"code": "rate_limit_exceeded", "message": "slow"}, "output": []}),
            ErrorKind::RateLimit,
        ),
        (
            json!({"error": {"message": "no", "type": "invalid_request_error", "code": null}}),
            ErrorKind::InvalidRequest,
        ),
    ] {
        let body = body.to_string();
        let error = responses().read_answer(body.as_bytes()).expect_err("an error");
        assert_eq!(error.kind, kind, "{body}");
    }
    for body in ["", "[]", "{}", "{\"output\":1}", "<html>"] {
        let error = responses().read_answer(body.as_bytes()).expect_err("no answer");
        assert_eq!(error.kind, ErrorKind::BadAnswer, "{body}");
    }
}

#[test]
fn errors_keep_their_kind() {
    let body = br#"{"error":{"message":"No such model.","type":"invalid_request_error","param":"model","code":"model_not_found"}}"#;
    let error = responses().read_error(404, None, body);
    assert_eq!((error.kind, error.status), (ErrorKind::NotFound, 404));
    let told: Value = serde_json::from_slice(&responses().write_error(&error)).expect("JSON");
    assert_eq!(told["error"]["code"], "model_not_found");
    // xAI's
    let error = responses().read_error(
        400,
        None,
        br#"{"code":"invalid-argument","error":"Incorrect API key provided."}"#,
    );
    assert_eq!(error.message.get(), "Incorrect API key provided.");
    assert_eq!(
        responses().error_status(&Error::new(ErrorKind::Overloaded, "x")),
        503
    );
}
