//! Converse read and written again: nothing is lost, nothing made up.

use penstock_llm::bedrock::converse::BedrockConverse;
use penstock_llm::model::{Asked, Codec, Target};
use serde_json::{Value, json};

use super::CLAUDE;
use crate::recorded::{Recording, recordings};
use crate::translate::streams::ENVELOPE;

/// A request of a caller of Converse, as it goes to a model of Converse.
fn passed(body: &Value, model: &str) -> Value {
    let bytes = serde_json::to_vec(body).expect("JSON");
    let asked = Asked {
        model: Some(model),
        stream: Some(true),
        betas: &[],
    };
    let read = BedrockConverse
        .read_request(&bytes, &asked)
        .expect("a request")
        .value;
    assert!(read.stream);
    let written = BedrockConverse
        .write_request(&read, &Target::new(model))
        .expect("can be said");
    assert!(written.losses.is_empty(), "{:?}", written.losses);
    serde_json::from_slice(&written.bytes).expect("JSON")
}

fn everything() -> Value {
    json!({
        "system": [{"text": "a"}, {"guardContent": {"text": {"text": "b", "qualifiers": ["grounding_source"]}}},
            {"cachePoint": {"type": "default", "ttl": "1h"}}],
        "messages": [
            {"role": "user", "content": [
                {"cachePoint": {"type": "default"}},
                {"text": " "},
                {"guardContent": {"text": {"text": "c"}}},
                {"guardContent": {"image": {"format": "png", "source": {"bytes": "aGk="}}}},
                {"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://b/k", "bucketOwner": "1"}}}},
                {"image": {"format": "avif", "source": {"bytes": "aGk="}}},
                {"document": {"format": "docx", "name": "no  rules.docx", "source": {"bytes": "aGk="}, "context": "x",
                    "citations": {"enabled": false}}},
                {"document": {"name": "bare", "source": {"content": [{"text": "p"}, {"text": "q"}]}}},
                {"document": {"format": "txt", "name": "t", "source": {"text": "facts"}}},
                {"video": {"format": "three_gp", "source": {"bytes": "aGk="}}},
                {"audio": {"format": "mp3", "source": {"bytes": "aGk="}}},
                {"searchResult": {"source": "s", "title": "t", "content": [{"text": "u"}],
                    "citations": {"enabled": true}}},
                {"somethingNew": {"a": [1.0, "x"]}},
                {"cachePoint": {"type": "default", "ttl": "5m"}},
                {"cachePoint": {"type": "default"}}]},
            {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "EqQB"}}},
                {"reasoningContent": {"reasoningText": {"text": "unsigned"}}},
                {"reasoningContent": {"redactedContent": "RW13S0FoZ0I="}},
                {"reasoningContent": {"redactedContent": "AAEC"}},
                {"citationsContent": {"content": [{"text": "x"}], "citations": [
                    {"title": "t", "location": {"documentChar": {"documentIndex": 0, "start": 0, "end": 7}},
                        "sourceContent": [{"text": "y"}]}]}},
                {"citationsContent": {"content": [{"text": "1"}, {"text": "2"}], "citations": [{"title": "t"}]}},
                {"citationsContent": {"content": [{"text": "none"}], "citations": []}},
                {"citationsContent": {"content": [{"text": "none either"}], "citations": []}},
                {"toolUse": {"toolUseId": "a", "name": "f", "input": {"x": 1.50}}},
                {"toolUse": {"toolUseId": "s", "name": "nova_code_interpreter", "input": {"snippet": "1"},
                    "type": "server_tool_use"}},
                {"toolResult": {"toolUseId": "s", "content": [{"json": {"out": "1"}}], "status": "success",
                    "type": "nova_code_interpreter_result"}}], "note": "kept"},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "a", "status": "error", "content": [
                    {"json": {"b": [1, 2]}}, {"text": ""}, {"image": {"format": "gif", "source": {"bytes": "aGk="}}},
                    {"document": {"format": "md", "name": "r", "source": {"bytes": "aGk="}}},
                    {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://b/v"}}}},
                    {"searchResult": {"source": "s", "title": "t", "content": []}}]}}]},
            {"role": "system", "content": [{"text": "later"}]}],
        "inferenceConfig": {"maxTokens": 4096, "temperature": 0.70, "topP": 1, "stopSequences": ["", "\n"], "new": true},
        "toolConfig": {"tools": [
            {"cachePoint": {"type": "default"}},
            {"toolSpec": {"name": "f", "description": "", "inputSchema": {"json": {}}, "strict": false, "more": 1}},
            {"systemTool": {"name": "nova_code_interpreter"}},
            {"cachePoint": {"type": "default"}}], "toolChoice": {"tool": {"name": "f"}}, "new": 1},
        "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1", "trace": "enabled",
            "streamProcessingMode": "async"},
        "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}, "top_k": 5,
            "anthropic_beta": ["b"], "output_config": {"effort": "high"}, "metadata": {"user_id": "u"},
            "reasoning_effort": "odd", "inferenceConfig": {"topK": 3}},
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
        "promptVariables": {"v": {"text": "x"}},
        "requestMetadata": {"team": "a"},
        "performanceConfig": {"latency": "optimized"},
        "serviceTier": {"type": "reserved"},
        "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {
            "schema": "{ \"type\" :\"object\" }", "name": "n", "description": "d"}}}, "new": 2},
        "brandNew": {"x": null},
    })
}

#[test]
fn a_request_with_everything_in_it_passes_as_it_came() {
    assert_eq!(passed(&everything(), CLAUDE), everything());
}

#[test]
fn what_a_family_says_in_its_own_words_passes_as_it_came() {
    for fields in [
        json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}, "inferenceConfig": {"topK": 3}}),
        json!({"reasoningConfig": {"type": "disabled"}}),
        json!({"reasoningConfig": {"type": "enabled", "new": 1}, "inferenceConfig": {"topK": 3, "x": 1}}),
        json!({"reasoning_effort": "low"}),
        json!({"k": 3, "seed": 1, "frequency_penalty": 0.5, "presence_penalty": 0.5, "p": 0.5}),
        json!({"top_k": 7, "thinking": {"type": "adaptive", "display": "omitted"}}),
        json!({"output_config": {"effort": "low", "format": {}}, "metadata": {"user_id": "u", "x": 1}}),
    ] {
        let body = json!({"messages": [{"role": "user", "content": [{"text": "go"}]}],
            "additionalModelRequestFields": fields});
        for model in [
            CLAUDE,
            super::NOVA,
            "openai.gpt-oss-20b-1:0",
            "cohere.command-r-v1:0",
            "mistral.mistral-small-2402-v1:0",
            "arn:aws:bedrock:us-east-1:1:application-inference-profile/x",
        ] {
            assert_eq!(passed(&body, model), body, "{model}");
        }
    }
    // the effort of the dialect itself
    let body = json!({"messages": [{"role": "user", "content": [{"text": "go"}]}], "outputConfig": {"effort": "low"}});
    assert_eq!(passed(&body, CLAUDE), body);
    assert_eq!(passed(&body, super::NOVA), body);
}

/// Without what says nothing.
fn settled(mut body: Value) -> Value {
    if let Value::Object(members) = &mut body {
        members.retain(|name, value| {
            let empty = *value == json!([]) || *value == json!({});
            !(empty && (name == "system" || name == "inferenceConfig"))
        });
    }
    body
}

fn of_api(api: &str) -> Vec<Recording> {
    recordings()
        .into_iter()
        .filter(|recording| recording.api == api)
        .collect()
}

#[test]
fn recorded_requests_pass_as_they_came() {
    for recording in of_api("bedrock.converse") {
        let body: Value = serde_json::from_slice(&recording.request).expect("JSON");
        assert_eq!(
            passed(&body, &recording.model),
            settled(body),
            "{}",
            recording.name
        );
    }
}

#[test]
fn recorded_answers_pass_as_they_came() {
    for recording in of_api("bedrock.converse") {
        if recording.is_stream() || recording.status >= 400 {
            continue;
        }
        let mut body: Value = serde_json::from_slice(&recording.response).expect("JSON");
        let read = BedrockConverse
            .read_answer(&recording.response)
            .expect("an answer");
        assert!(read.losses.is_empty(), "{}: {:?}", recording.name, read.losses);
        let written = BedrockConverse.write_answer(&read.value, &ENVELOPE);
        assert!(
            written.losses.is_empty(),
            "{}: {:?}",
            recording.name,
            written.losses
        );
        let usage = body["usage"].as_object_mut().expect("usage");
        // the same counts by their older names, and an empty object
        for name in [
            "cacheReadInputTokenCount",
            "cacheWriteInputTokenCount",
            "serverToolUsage",
        ] {
            usage.remove(name);
        }
        let again: Value = serde_json::from_slice(&written.bytes).expect("JSON");
        assert_eq!(again, body, "{}", recording.name);
    }
}
