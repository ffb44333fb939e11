//! One guard for everything: the same plugin, with the same settings, whatever dialect the caller speaks, whatever the
//! provider speaks, streamed or not.

use bytes::Bytes;
use penstock_llm::eventstream::{DEFAULT_MAX_MESSAGE_BYTES, EventStreamReader, write_event};
use serde_json::{Value, json};

use crate::harness::gateway::Gateway;
use crate::harness::plugins;
use crate::harness::provider::{Call, Provider};

const SECRET: &str = concat!("sk-proj", "-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH");
/// What the guard leaves of a text with the secret.
const REDACTED: &str = "Keep [gone] safe.";

/// A dialect that callers speak.
struct Caller {
    name: &'static str,
    path: fn(model: &str, stream: bool) -> String,
    body: fn(model: &str, stream: bool, text: &str) -> Value,
    /// Where a whole answer has its text.
    said: &'static str,
    /// Where events have theirs.
    piece: &'static str,
}

const CALLERS: [Caller; 6] = [
    Caller {
        name: "chat completions",
        path: |_, _| "/v1/chat/completions".to_owned(),
        body: |model, stream, text| json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}),
        said: "/choices/0/message/content",
        piece: "/choices/0/delta/content",
    },
    Caller {
        name: "Messages",
        path: |_, _| "/v1/messages".to_owned(),
        body: |model, stream, text| json!({"model": model, "stream": stream, "max_tokens": 64, "messages": [{"role": "user", "content": text}]}),
        said: "/content/0/text",
        piece: "/delta/text",
    },
    Caller {
        name: "generateContent",
        path: |model, stream| match stream {
            false => format!("/v1beta/models/{model}:generateContent"),
            true => format!("/v1beta/models/{model}:streamGenerateContent?alt=sse"),
        },
        body: |_, _, text| json!({"contents": [{"role": "user", "parts": [{"text": text}]}]}),
        said: "/candidates/0/content/parts/0/text",
        piece: "/candidates/0/content/parts/0/text",
    },
    Caller {
        name: "Converse",
        path: |model, stream| match stream {
            false => format!("/model/{model}/converse"),
            true => format!("/model/{model}/converse-stream"),
        },
        body: |_, _, text| json!({"messages": [{"role": "user", "content": [{"text": text}]}]}),
        said: "/output/message/content/0/text",
        piece: "/delta/text",
    },
    Caller {
        name: "Responses",
        path: |_, _| "/v1/responses".to_owned(),
        body: |model, stream, text| json!({"model": model, "stream": stream, "input": text}),
        said: "/output/0/content/0/text",
        piece: "/delta",
    },
    Caller {
        name: "Cohere's chat",
        path: |_, _| "/v2/chat".to_owned(),
        body: |model, stream, text| json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}),
        said: "/message/content/0/text",
        piece: "/delta/message/content/text",
    },
];

/// A dialect that providers speak.
struct Spoken {
    dialect: &'static str,
    whole: fn(text: &str) -> Value,
    /// The events of a stream that says these pieces; each with its name, where the dialect names them.
    stream: fn(pieces: &[&str]) -> Vec<(&'static str, Value)>,
}

const SPOKEN: [Spoken; 6] = [
    Spoken {
        dialect: "openai-chat",
        whole: |text| json!({"id": "c", "object": "chat.completion", "created": 1, "model": "x", "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}),
        stream: |pieces| {
            let chunk = |choices: Value| json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "x", "choices": choices});
            let said = pieces.iter().map(|piece| chunk(json!([{"index": 0, "delta": {"role": "assistant", "content": piece}, "finish_reason": null}])));
            let stop = chunk(json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]));
            let mut usage = chunk(json!([]));
            usage["usage"] = json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5});
            said.chain([stop, usage, json!("[DONE]")])
                .map(|event| ("", event))
                .collect()
        },
    },
    Spoken {
        dialect: "anthropic-messages",
        whole: |text| json!({"id": "m", "type": "message", "role": "assistant", "model": "x", "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 3, "output_tokens": 2}}),
        stream: |pieces| {
            let said = pieces.iter().map(|piece| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}));
            let begin = [
                json!({"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "x", "content": [], "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 3, "output_tokens": 1}}}),
                json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            ];
            let end = [
                json!({"type": "content_block_stop", "index": 0}),
                json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 2}}),
                json!({"type": "message_stop"}),
            ];
            begin
                .into_iter()
                .chain(said)
                .chain(end)
                .map(|event| ("", event))
                .collect()
        },
    },
    Spoken {
        dialect: "gemini",
        whole: |text| json!({"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "finishReason": "STOP", "index": 0}], "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}, "modelVersion": "x"}),
        stream: |pieces| {
            let said = pieces.iter().map(|piece| json!({"candidates": [{"content": {"parts": [{"text": piece}], "role": "model"}, "index": 0}]}));
            let end = json!({"candidates": [{"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "STOP", "index": 0}], "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}});
            said.chain([end]).map(|event| ("", event)).collect()
        },
    },
    Spoken {
        dialect: "bedrock-converse",
        whole: |text| json!({"output": {"message": {"role": "assistant", "content": [{"text": text}]}}, "stopReason": "end_turn", "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}, "metrics": {"latencyMs": 1}}),
        stream: |pieces| {
            let said = pieces.iter().map(|piece| {
                (
                    "contentBlockDelta",
                    json!({"contentBlockIndex": 0, "delta": {"text": piece}}),
                )
            });
            let end = [
                ("contentBlockStop", json!({"contentBlockIndex": 0})),
                ("messageStop", json!({"stopReason": "end_turn"})),
                (
                    "metadata",
                    json!({"usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}, "metrics": {"latencyMs": 1}}),
                ),
            ];
            [("messageStart", json!({"role": "assistant"}))]
                .into_iter()
                .chain(said)
                .chain(end)
                .collect()
        },
    },
    Spoken {
        dialect: "cohere",
        whole: |text| json!({"id": "c", "message": {"role": "assistant", "content": [{"type": "text", "text": text}]}, "finish_reason": "COMPLETE", "usage": {"tokens": {"input_tokens": 3, "output_tokens": 2}}}),
        stream: |pieces| {
            let said = pieces.iter().map(|piece| json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": piece}}}}));
            let begin = [
                json!({"type": "message-start", "id": "c", "delta": {"message": {"role": "assistant", "content": []}}}),
                json!({"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}}),
            ];
            let end = [
                json!({"type": "content-end", "index": 0}),
                json!({"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": {"tokens": {"input_tokens": 3, "output_tokens": 2}}}}),
            ];
            begin
                .into_iter()
                .chain(said)
                .chain(end)
                .map(|event| ("", event))
                .collect()
        },
    },
    Spoken {
        dialect: "openai-responses",
        whole: |text| response("completed", &[item(text)]),
        stream: |pieces| {
            let text = pieces.concat();
            let place =
                |kind: &str| json!({"type": kind, "item_id": "i", "output_index": 0, "content_index": 0});
            let with = |mut event: Value, name: &str, value: Value| {
                event[name] = value;
                event
            };
            let said = pieces
                .iter()
                .map(|piece| with(place("response.output_text.delta"), "delta", json!(piece)));
            let part = |text: &str| item(text)["content"][0].clone();
            let begin = [
                json!({"type": "response.created", "response": response("in_progress", &[])}),
                json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "id": "i", "status": "in_progress", "role": "assistant", "content": []}}),
                with(place("response.content_part.added"), "part", part("")),
            ];
            let end = [
                with(place("response.output_text.done"), "text", json!(text)),
                with(place("response.content_part.done"), "part", part(&text)),
                json!({"type": "response.output_item.done", "output_index": 0, "item": item(&text)}),
                json!({"type": "response.completed", "response": response("completed", &[item(&text)])}),
            ];
            begin
                .into_iter()
                .chain(said)
                .chain(end)
                .map(|event| ("", event))
                .collect()
        },
    },
];

/// A message of Responses.
fn item(text: &str) -> Value {
    json!({"type": "message", "id": "i", "status": "completed", "role": "assistant", "content": [{"type": "output_text", "text": text, "annotations": []}]})
}

fn response(status: &str, output: &[Value]) -> Value {
    let usage = match output.is_empty() {
        true => Value::Null,
        false => json!({"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}),
    };
    json!({"id": "r", "object": "response", "created_at": 1, "status": status, "error": null, "model": "x", "output": output, "usage": usage})
}

/// One provider at the wire, which is several to the gateway: one for each dialect, whose name models start with.
fn guarded(provider: &Provider) -> Gateway {
    let lines = |line: fn(&str, &Provider) -> String| -> String {
        SPOKEN
            .iter()
            .map(|spoken| line(spoken.dialect, provider))
            .collect()
    };
    let providers = lines(|dialect, provider| {
        format!(
            "  {dialect}: {{base_url: \"{}\", dialects: [{dialect}], credentials: [\"env:CREDENTIAL\"]}}\n",
            provider.url()
        )
    });
    let models = lines(|dialect, _| {
        format!("  - {{name: \"{dialect}*\", targets: [{{provider: {dialect}, model: x}}]}}\n")
    });
    Gateway::of(&format!(
        "providers:\n{providers}models:\n{models}plugin_dir: \"{}\"\nplugins:\n  - {{name: secrets, component: guard-secrets, settings: {{scan: [requests, answers], action: redact, replacement: \"[gone]\"}}, fail: closed}}\n",
        plugins::folder().display()
    ))
}

/// Answers with the secret: whole, or cut into two pieces in its middle.
fn answer(call: &Call, spoken: &Spoken, stream: bool) {
    if !stream {
        let text = format!("Keep {SECRET} safe.");
        return call.answer_json(200, (spoken.whole)(&text).to_string());
    }
    let (one, two) = SECRET.split_at(20);
    let events = (spoken.stream)(&["Keep ", one, two, " safe."]);
    if spoken.dialect != "bedrock-converse" {
        let events: Vec<String> = events.iter().map(|(_, event)| sse(event)).collect();
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        return call.stream(&events);
    }
    call.begin(200, &[("content-type", "application/vnd.amazon.eventstream")]);
    for (name, event) in events {
        let mut frame = Vec::new();
        write_event(name, event.to_string().as_bytes(), &mut frame).expect("an event is short");
        call.chunk(frame);
    }
    call.end();
}

/// With its name, where the event says it itself; what is a text goes as it is.
fn sse(event: &Value) -> String {
    let named = event["type"].as_str().map(|name| format!("event: {name}\n"));
    let data = event.as_str().map_or_else(|| event.to_string(), str::to_owned);
    format!("{}data: {data}\n\n", named.unwrap_or_default())
}

/// The text of an answer, put together where it came in pieces.
fn said(caller: &Caller, stream: bool, body: &[u8]) -> String {
    let events = match (stream, caller.name) {
        (false, _) => vec![serde_json::from_slice(body).expect("an answer is JSON")],
        (true, "Converse") => frames(body),
        (true, _) => data(body),
    };
    let place = if stream { caller.piece } else { caller.said };
    events
        .iter()
        .filter_map(|event| event.pointer(place)?.as_str())
        .collect()
}

fn data(body: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(body).expect("a stream is text");
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter_map(|data| serde_json::from_str(data).ok()).collect()
}

fn frames(body: &[u8]) -> Vec<Value> {
    let mut reader = EventStreamReader::new(DEFAULT_MAX_MESSAGE_BYTES);
    reader.push(Bytes::copy_from_slice(body));
    let mut events = Vec::new();
    while let Some(message) = reader.next().expect("frames are whole") {
        events.push(serde_json::from_slice(message.payload()).expect("an event is JSON"));
    }
    events
}

#[test]
fn pain_p10_one_guard_holds_for_every_caller_before_every_provider_in_both_modes() {
    let provider = Provider::start();
    let gateway = guarded(&provider);
    for caller in &CALLERS {
        for spoken in &SPOKEN {
            for stream in [false, true] {
                let case = format!("{} before {}, streamed: {stream}", caller.name, spoken.dialect);
                let asked = (caller.body)(spoken.dialect, stream, &format!("Keep {SECRET} safe."));
                let mut client = gateway.begin(&(caller.path)(spoken.dialect, stream), asked.to_string());
                let call = provider.call();
                let heard = call.request.text();
                assert!(heard.contains(REDACTED), "{case}: {heard}");
                assert!(!heard.contains(SECRET), "{case}: {heard}");
                answer(&call, spoken, stream);
                let told = client.answer();
                assert_eq!(told.status(), 200, "{case}");
                assert_eq!(said(caller, stream, &told.body), REDACTED, "{case}");
                // nor where a dialect says it again
                let rest = String::from_utf8_lossy(&told.body);
                assert!(
                    !rest.contains(&SECRET[..20]) && !rest.contains(&SECRET[20..]),
                    "{case}: {rest}"
                );
            }
        }
    }
    let records = gateway.records(CALLERS.len() * SPOKEN.len() * 2);
    for record in records {
        assert_eq!(record["ending"], "complete", "{record}");
        assert_eq!(record["usage"]["prompt"], 3, "{record}");
        assert_eq!(record["plugins"][0]["name"], "secrets", "{record}");
    }
}
