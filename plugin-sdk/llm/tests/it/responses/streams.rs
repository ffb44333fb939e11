//! Streams from and to Responses.

use penstock_llm::model::{Assembled, Dialect, ErrorKind};
use penstock_llm::sse::write_frame;
use serde_json::{Value, json};

use super::{codec, responses};
use crate::translate::streams::{ENVELOPE, Run, frames_of, translated};
use crate::translate::table::{codecs, recorded};

fn sent(events: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    for event in events {
        let name = event["type"].as_str().map(str::as_bytes);
        write_frame(name, event.to_string().as_bytes(), &mut out);
    }
    out
}

fn told(run: &Run) -> Vec<Value> {
    events(&run.written)
}

fn events(stream: &[u8]) -> Vec<Value> {
    let frames = frames_of(stream).into_iter();
    frames
        .map(|(name, data)| {
            let value: Value = serde_json::from_slice(&data).expect("JSON");
            assert_eq!(
                value["type"].as_str(),
                name.as_deref(),
                "an event's name is its type"
            );
            value
        })
        .collect()
}

fn chat(deltas: &[Value], finish: &str) -> Vec<u8> {
    let chunk = |delta: &Value, finish: Value| {
        json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "gpt",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let mut chunks: Vec<Value> = deltas.iter().map(|delta| chunk(delta, Value::Null)).collect();
    chunks.push(chunk(&json!({}), json!(finish)));
    chunks.push(json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "gpt", "choices": [],
        "usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}}));
    let mut out = Vec::new();
    for chunk in chunks {
        write_frame(None, chunk.to_string().as_bytes(), &mut out);
    }
    out.extend_from_slice(b"data: [DONE]\n\n");
    out
}

fn from_chat(deltas: &[Value], finish: &str) -> Vec<Value> {
    let stream = chat(deltas, finish);
    told(&translated(
        codec(Dialect::OpenAiChat),
        responses(),
        &ENVELOPE,
        [&stream[..]],
    ))
}

#[test]
fn s12_a_stream_of_chat_becomes_items_with_numbered_events() {
    let told = from_chat(
        &[
            json!({"role": "assistant", "content": ""}),
            json!({"reasoning": "Hm."}),
            json!({"content": "Sun"}),
            json!({"content": "ny."}),
            json!({"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}]}),
            json!({"tool_calls": [{"index": 1, "id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}}]}),
            json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"a\":1}"}}]}),
        ],
        "tool_calls",
    );
    let kinds: Vec<&str> = told.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(
        kinds,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.reasoning_text.delta",
            "response.reasoning_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.output_item.added",
            "response.output_item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    for (number, event) in told.iter().enumerate() {
        assert_eq!(event["sequence_number"], number, "{event}");
    }
    assert_eq!(told[0]["response"]["status"], "in_progress");
    assert_eq!(told[0]["response"]["output"], json!([]));
    assert_eq!(
        told[10],
        json!({"type": "response.output_text.delta", "sequence_number": 10, "item_id": "msg_made1_1", "output_index": 1,
            "content_index": 0, "delta": "Sun", "logprobs": []})
    );
    assert_eq!(told[12]["text"], "Sunny.");
    let last = &told[23]["response"];
    assert_eq!(
        (&last["status"], &last["id"], &last["model"]),
        (&json!("completed"), &json!("chatcmpl-1"), &json!("gpt"))
    );
    assert_eq!(last["usage"]["input_tokens"], 9);
    assert_eq!(last["output"][2]["arguments"], "{\"a\":1}");
    assert_eq!(last["output"][3]["call_id"], "c2");
}

#[test]
fn a_call_without_arguments_is_an_empty_object() {
    let call = json!({"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}]});
    let told = from_chat(&[call], "tool_calls");
    let last = told.last().expect("an end");
    assert_eq!(last["response"]["output"][0]["arguments"], "{}");
}

#[test]
fn s12_every_whole_text_is_what_its_pieces_said_and_the_last_event_has_all_items() {
    for (recording, from) in recorded() {
        if !recording.is_stream() || recording.status >= 400 {
            continue;
        }
        let run = translated(from, responses(), &ENVELOPE, [&recording.response[..]]);
        let (mut items, mut pieces) = (Vec::new(), String::new());
        let all = told(&run);
        for (number, event) in all.iter().enumerate() {
            assert_eq!(event["sequence_number"], number, "{}", recording.name);
            let kind = event["type"].as_str().expect("a type");
            if kind.ends_with(".delta") {
                pieces.push_str(event["delta"].as_str().expect("a text"));
            } else if let Some(text) = ["text", "refusal"].iter().find_map(|name| event[name].as_str()) {
                assert_eq!(text, pieces, "{}", recording.name);
                pieces.clear();
            } else if kind == "response.output_item.done" {
                items.push(event["item"].clone());
                pieces.clear();
            }
        }
        let last = all.last().expect("an end");
        let mut output = last["response"]["output"].as_array().expect("items").clone();
        // calls may end in another order than they began
        let by_id = |item: &Value| item["id"].to_string();
        output.sort_by_key(by_id);
        items.sort_by_key(by_id);
        assert_eq!(output, items, "{}", recording.name);
    }
}

#[test]
fn s12_answers_read_back_from_their_last_event_are_those_that_were_streamed() {
    for (recording, from) in recorded() {
        if !recording.is_stream() || recording.status >= 400 {
            continue;
        }
        let run = translated(from, responses(), &ENVELOPE, [&recording.response[..]]);
        let last = told(&run).pop().expect("an end");
        let alone = sent(&[last]);
        for to in codecs() {
            let whole = translated(responses(), to, &ENVELOPE, [&run.written[..]]);
            let again = translated(responses(), to, &ENVELOPE, [&alone[..]]);
            let (Assembled::Whole(streamed), Assembled::Whole(read)) = (whole.assembled, again.assembled)
            else {
                panic!("{}: broken", recording.name);
            };
            assert_eq!(
                crate::translate::heard::Heard::of(&read),
                crate::translate::heard::Heard::of(&streamed),
                "{}",
                recording.name
            );
        }
    }
}

fn created() -> Value {
    json!({"type": "response.created", "sequence_number": 0, "response": {"id": "resp_1", "model": "gpt", "created_at": 7, "status": "in_progress", "output": []}})
}

fn completed(status: &str) -> Value {
    json!({"type": format!("response.{status}"), "sequence_number": 99, "response": {"id": "resp_1", "model": "gpt", "created_at": 7, "status": status, "output": [],
        "usage": {"input_tokens": 3, "output_tokens": 2}}})
}

fn read(events: &[Value]) -> Assembled {
    let stream = sent(events);
    let whole = translated(responses(), responses(), &ENVELOPE, [&stream[..]]);
    let single = translated(responses(), responses(), &ENVELOPE, stream.chunks(1));
    assert_eq!(single.assembled, whole.assembled);
    whole.assembled
}

fn whole(events: &[Value]) -> Value {
    let Assembled::Whole(answer) = read(events) else {
        panic!("broken");
    };
    let written = responses().write_answer(&answer, &ENVELOPE);
    serde_json::from_slice(&written.bytes).expect("JSON")
}

#[test]
fn what_did_not_come_in_pieces_is_taken_whole() {
    let told = whole(&[
        created(),
        json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "gAAA"}}),
        json!({"type": "response.output_item.added", "output_index": 1, "item": {"type": "message", "id": "m", "role": "assistant", "phase": "commentary", "content": []}}),
        json!({"type": "response.output_text.done", "output_index": 1, "content_index": 0, "text": "One."}),
        json!({"type": "response.content_part.done", "output_index": 1, "content_index": 0, "part": {"type": "output_text", "text": "One.", "annotations": [{"type": "url_citation", "url": "https://x.test", "title": "X", "start_index": 0, "end_index": 1}]}}),
        json!({"type": "response.output_item.done", "output_index": 1, "item": {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "One."}, {"type": "refusal", "refusal": "Two."}]}}),
        json!({"type": "response.output_item.done", "output_index": 2, "item": {"type": "web_search_call", "id": "ws_1", "status": "completed"}}),
        json!({"type": "response.output_item.done", "output_index": 3, "item": {"type": "function_call", "id": "f", "call_id": "c", "name": "n", "arguments": "{\"a\":1}"}}),
        completed("completed"),
    ]);
    let output = &told["output"];
    assert_eq!(output[0]["summary"][0]["text"], "Hm.");
    assert_eq!(output[0]["encrypted_content"], "gAAA");
    assert_eq!(output[1]["phase"], "commentary");
    assert_eq!(output[1]["content"][0]["text"], "One.");
    assert_eq!(output[1]["content"][0]["annotations"][0]["url"], "https://x.test");
    assert_eq!(output[1]["content"][1]["refusal"], "Two.");
    assert_eq!(output[2]["type"], "web_search_call");
    assert_eq!(
        (&output[3]["call_id"], &output[3]["arguments"]),
        (&json!("c"), &json!("{\"a\":1}"))
    );
    assert_eq!(told["usage"]["total_tokens"], 5);
}

#[test]
fn every_kind_of_piece_is_read() {
    let told = whole(&[
        created(),
        json!({"type": "response.in_progress", "response": {"id": "resp_1"}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "id": "rs_1", "summary": []}}),
        json!({"type": "response.reasoning_summary_part.added", "output_index": 0, "summary_index": 0, "part": {"type": "summary_text", "text": ""}}),
        json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "S1"}),
        json!({"type": "response.reasoning_summary_text.done", "output_index": 0, "summary_index": 0, "text": "S1"}),
        json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 1, "delta": "S2"}),
        json!({"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "delta": "T"}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "S1"}, {"type": "summary_text", "text": "S2"}], "content": [{"type": "reasoning_text", "text": "T"}]}}),
        json!({"type": "response.output_item.added", "output_index": 1, "item": {"type": "custom_tool_call", "id": "ctc", "call_id": "c1", "name": "sql", "input": ""}}),
        json!({"type": "response.custom_tool_call_input.delta", "output_index": 1, "delta": "select "}),
        json!({"type": "response.output_item.added", "output_index": 2, "item": {"type": "function_call", "id": "fc", "call_id": "c2", "name": "f", "arguments": ""}}),
        json!({"type": "response.function_call_arguments.delta", "output_index": 2, "delta": "{}"}),
        json!({"type": "response.custom_tool_call_input.delta", "output_index": 1, "delta": "1"}),
        json!({"type": "response.custom_tool_call_input.done", "output_index": 1, "input": "select 1"}),
        json!({"type": "response.output_item.done", "output_index": 1, "item": {"type": "custom_tool_call", "id": "ctc", "call_id": "c1", "name": "sql", "input": "select 1"}}),
        json!({"type": "response.output_item.done", "output_index": 2, "item": {"type": "function_call", "id": "fc", "call_id": "c2", "name": "f", "arguments": "{}"}}),
        json!({"type": "response.web_search_call.searching", "output_index": 3, "item_id": "ws"}),
        json!({"type": "response.refusal.delta", "output_index": 4, "content_index": 0, "delta": "No."}),
        json!({"type": "response.unheard_of", "later": {"type": 1}}),
        completed("incomplete"),
    ]);
    let output = &told["output"];
    let texts: Vec<&Value> = (0..3).map(|at| &output[at]).collect();
    assert_eq!(texts[0]["summary"][0]["text"], "S1", "{output:#}");
    assert_eq!(texts[1]["summary"][0]["text"], "S2");
    assert_eq!(texts[2]["content"][0]["text"], "T");
    assert_eq!(
        (&output[3]["type"], &output[3]["input"]),
        (&json!("custom_tool_call"), &json!("select 1"))
    );
    assert_eq!(output[4]["arguments"], "{}");
    assert_eq!(output[5]["content"][0]["refusal"], "No.");
    assert_eq!(told["status"], "incomplete");
}

#[test]
fn an_answer_that_came_in_its_last_event_alone_is_whole() {
    let mut last = completed("completed");
    last["response"]["output"] = json!([{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "All."}]}]);
    assert_eq!(whole(&[last])["output"][0]["content"][0]["text"], "All.");
}

fn broken(events: &[Value]) -> penstock_llm::model::Error<'static> {
    match read(events) {
        Assembled::Broken(_, error) => error,
        Assembled::Whole(answer) => panic!("whole: {answer:?}"),
    }
}

#[test]
fn pain_c03_what_failed_inside_a_stream_is_an_error() {
    let failed = json!({"type": "response.failed", "response": {"id": "resp_1", "status": "failed", "error": {"code": "rate_limit_exceeded", "message": "slow"}, "output": []}});
    assert_eq!(broken(&[created(), failed]).kind, ErrorKind::RateLimit);
    let flat = json!({"type": "error", "code": "server_error", "message": "broke", "param": null, "sequence_number": 1});
    let error = broken(&[created(), flat]);
    assert_eq!((error.kind, &*error.message.get()), (ErrorKind::Server, "broke"));
    let nested = json!({"type": "error", "error": {"code": "insufficient_quota", "message": "spent"}});
    assert_eq!(broken(&[nested]).kind, ErrorKind::Quota);
    let bare = json!({"error": {"message": "no", "type": "invalid_request_error"}});
    assert_eq!(broken(&[bare]).kind, ErrorKind::InvalidRequest);
    // cut off
    assert_eq!(broken(&[created()]).kind, ErrorKind::BadAnswer);
}

#[test]
fn pain_c03_an_error_ends_a_stream_with_a_response_that_failed() {
    let mut stream = chat(&[json!({"role": "assistant", "content": "Sun"})], "stop");
    let end = stream.windows(2).position(|two| two == b"\n\n").expect("a frame") + 2;
    stream.truncate(end);
    let fault = b"data: {\"error\":{\"message\":\"busy\",\"code\":\"overloaded\"}}\n\n";
    stream.extend_from_slice(fault);
    let run = translated(codec(Dialect::OpenAiChat), responses(), &ENVELOPE, [&stream[..]]);
    let mut told_all = told(&run);
    let failed = told_all.pop().expect("an end");
    assert_eq!(failed["type"], "response.failed");
    // before it the same for SDKs, which raise what stands under `error`
    let error = told_all.pop().expect("an error");
    assert_eq!(
        (&error["type"], &error["error"]["message"]),
        (&json!("error"), &json!("busy"))
    );
    let numbers = (&error["sequence_number"], &failed["sequence_number"]);
    assert_eq!(numbers.0.as_u64().map(|number| number + 1), numbers.1.as_u64());
    assert_eq!(failed["response"]["status"], "failed");
    assert_eq!(
        failed["response"]["error"],
        json!({"code": "overloaded", "message": "busy"})
    );
    // the text that was being said is in no item, as it is not whole
    assert_eq!(failed["response"]["output"], json!([]));
    assert!(!String::from_utf8_lossy(&run.written).contains("response.completed"));
    // before anything was said there is no response that could fail: an error that SDKs raise
    let run = translated(codec(Dialect::OpenAiChat), responses(), &ENVELOPE, [&fault[..]]);
    assert_eq!(
        told(&run),
        [
            json!({"type": "error", "code": "overloaded", "message": "busy", "param": null,
            "error": {"message": "busy", "type": "server_error", "param": null, "code": "overloaded"}})
        ]
    );
}
