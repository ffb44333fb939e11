use penstock_llm::anthropic::AnthropicMessages;
use penstock_llm::bedrock::converse::BedrockConverse;
use penstock_llm::model::{Asked, Codec, Content, Maker, ReasoningSupport, Target};
use penstock_llm::openai::chat::OpenAiChat;
use serde_json::{Value, json};

use super::{CLAUDE, NOVA, from_chat, from_messages, lost, sent};

/// Words whose spelling must not change.
const SIGNATURE: &str = "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk=";

fn transcript() -> Value {
    json!({"max_tokens": 4096, "thinking": {"type": "enabled", "budget_tokens": 1024}, "messages": [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "I should look.\nAnd\u{2028}so on", "signature": SIGNATURE},
            {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix/LafPsn4"},
            {"type": "text", "text": "Looking."},
            {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"}]}],
        "tools": [{"name": "look", "input_schema": {"type": "object"}}]})
}

fn claude() -> Target<'static> {
    Target {
        maker: Some(Maker::Anthropic),
        reasoning: ReasoningSupport::Budget,
        ..Target::new(CLAUDE)
    }
}

#[test]
fn pain_e06_thoughts_and_their_signatures_go_back_byte_by_byte() {
    let (body, written) = sent(&AnthropicMessages, &transcript(), &claude()).expect("can be said");
    let said = &body["messages"][1]["content"];
    assert_eq!(
        said[0],
        json!({"reasoningContent": {"reasoningText": {"text": "I should look.\nAnd\u{2028}so on",
            "signature": SIGNATURE}}})
    );
    // bytes of Anthropic's text, as recorded traffic has them
    assert_eq!(
        said[1],
        json!({"reasoningContent": {"redactedContent": "RW13S0FoZ0JFZ3kzdmEzcHppeC9MYWZQc240"}})
    );
    assert_eq!(said[3]["toolUse"]["toolUseId"], "toolu_1");
    assert_eq!(
        body["additionalModelRequestFields"]["thinking"],
        json!({"type": "enabled", "budget_tokens": 1024})
    );
    assert!(lost(&written.losses).is_empty(), "{:?}", written.losses);

    // and a caller of Converse gets the same for the same: there and back
    let asked = Asked {
        model: Some(CLAUDE),
        ..Asked::default()
    };
    let read = BedrockConverse
        .read_request(&written.bytes, &asked)
        .expect("a request")
        .value;
    let back = AnthropicMessages
        .write_request(&read, &claude())
        .expect("can be said");
    let back: Value = serde_json::from_slice(&back.bytes).expect("JSON");
    assert_eq!(
        back["messages"][1]["content"],
        transcript()["messages"][1]["content"]
    );
}

#[test]
fn pain_e06_thoughts_of_others_and_unsigned_ones_are_not_sent() {
    for target in [
        Target::new(NOVA),
        Target::new("arn:aws:bedrock:us-east-1:1:application-inference-profile/x"),
    ] {
        let (body, written) = sent(&AnthropicMessages, &transcript(), &target).expect("can be said");
        assert!(!body.to_string().contains("reasoningContent"));
        let lost = lost(&written.losses);
        for at in ["messages[1].content[0] dropped", "messages[1].content[1] dropped"] {
            assert!(lost.contains(&at.to_owned()), "{lost:?}");
        }
    }
    let unsigned = json!({"messages": [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": "well", "reasoning_content": "hm"},
        {"role": "user", "content": "on"}]});
    let (body, written) = from_chat(&unsigned, CLAUDE);
    assert_eq!(body["messages"][1]["content"], json!([{"text": "well"}]));
    assert_eq!(lost(&written.losses), ["messages[1].content[0] dropped"]);
}

#[test]
fn pain_e02_other_makers_signatures_come_home_through_a_caller_of_converse() {
    let answer = json!({"id": "1", "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
        "role": "assistant", "content": null,
        "reasoning_details": [
            {"type": "reasoning.encrypted", "id": "rs_1", "format": "openai-responses-v1", "data": "gAAAA"},
            {"type": "reasoning.text", "text": "hm", "format": "google-gemini-v1", "signature": "sig"}],
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"},
            "extra_content": {"google": {"thought_signature": "mine"}}}]}}]});
    let bytes = serde_json::to_vec(&answer).expect("JSON");
    let read = OpenAiChat.read_answer(&bytes).expect("an answer").value;
    let written = BedrockConverse.write_answer(&read, &crate::translate::streams::ENVELOPE);
    let shown: Value = serde_json::from_slice(&written.bytes).expect("JSON");
    assert_eq!(
        shown["output"]["message"]["content"]
            .as_array()
            .expect("blocks")
            .len(),
        4
    );

    let content = shown["output"]["message"]["content"].clone();
    let next = json!({"messages": [{"role": "user", "content": [{"text": "go"}]},
        {"role": "assistant", "content": content},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "c", "content": []}}]}]});
    let bytes = serde_json::to_vec(&next).expect("JSON");
    let request = BedrockConverse
        .read_request(&bytes, &Asked::default())
        .expect("a request")
        .value;
    let parts = &request.messages[1].parts;
    assert_eq!(parts.len(), 3);
    let Content::Reasoning(encrypted) = &parts[0].content else {
        panic!("{:?}", parts[0]);
    };
    assert_eq!(encrypted.maker, Some(Maker::OpenAi));
    assert_eq!(
        encrypted.data.as_ref().map(|data| data.get().into_owned()),
        Some("gAAAA".to_owned())
    );
    assert_eq!(
        encrypted.id.as_ref().map(|id| id.get().into_owned()),
        Some("rs_1".to_owned())
    );
    for (part, data) in [(&parts[1], "sig"), (&parts[2], "mine")] {
        let signature = part.signature.as_ref().expect("signed");
        assert_eq!(
            (signature.maker, &*signature.data.get()),
            (Some(Maker::Google), data)
        );
    }
    // Claude gets to see none of them
    let sent = BedrockConverse
        .write_request(&request, &Target::new(CLAUDE))
        .expect("can be said");
    let sent = String::from_utf8(sent.bytes).expect("UTF-8");
    assert!(!sent.contains("reasoningContent"), "{sent}");
}

#[test]
fn how_much_to_think_is_said_in_each_familys_words() {
    let body = |effort: &str| {
        json!({"messages": [{"role": "user", "content": "go"}], "max_tokens": 10000,
        "temperature": 0.5, "reasoning_effort": effort, "tool_choice": "required",
        "tools": [{"type": "function", "function": {"name": "f"}}]})
    };
    let (written, losses) = sent(&OpenAiChat, &body("medium"), &claude()).expect("can be said");
    assert_eq!(
        written["additionalModelRequestFields"],
        json!({"thinking": {"type": "enabled", "budget_tokens": 5000}})
    );
    assert_eq!(written["inferenceConfig"], json!({"maxTokens": 10000}));
    assert_eq!(written["toolConfig"]["toolChoice"], json!({"auto": {}}));
    assert_eq!(
        lost(&losses.losses),
        [
            "reasoning.effort changed",
            "temperature dropped",
            "tool_choice changed"
        ]
    );
    let adaptive = Target {
        reasoning: ReasoningSupport::Adaptive,
        ..claude()
    };
    let (written, _) = sent(&OpenAiChat, &body("high"), &adaptive).expect("can be said");
    assert_eq!(
        written["additionalModelRequestFields"],
        json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}})
    );
    let (written, losses) = from_chat(&body("xhigh"), NOVA);
    assert_eq!(
        written["additionalModelRequestFields"],
        json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}})
    );
    assert_eq!(written["toolConfig"]["toolChoice"], json!({"any": {}}));
    assert_eq!(lost(&losses.losses), ["reasoning.effort changed"]);
    let (written, _) = from_chat(&body("none"), NOVA);
    assert_eq!(
        written["additionalModelRequestFields"],
        json!({"reasoningConfig": {"type": "disabled"}})
    );
    let (written, _) = from_chat(&body("low"), "openai.gpt-oss-120b-1:0");
    assert_eq!(
        written["additionalModelRequestFields"],
        json!({"reasoning_effort": "low"})
    );
    let (written, losses) = from_chat(&body("low"), "mistral.mistral-large-2407-v1:0");
    assert_eq!(written.get("additionalModelRequestFields"), None);
    assert!(lost(&losses.losses).contains(&"reasoning dropped".to_owned()));
}

#[test]
fn betas_go_to_claude_in_the_body() {
    let mut body = transcript();
    body["anthropic_beta"] = json!(null);
    let bytes = serde_json::to_vec(&transcript()).expect("JSON");
    let asked = Asked {
        model: Some("alias"),
        betas: &["context-1m-2025-08-07"],
        ..Asked::default()
    };
    let request = AnthropicMessages
        .read_request(&bytes, &asked)
        .expect("a request")
        .value;
    let written = BedrockConverse
        .write_request(&request, &claude())
        .expect("can be said");
    let value: Value = serde_json::from_slice(&written.bytes).expect("JSON");
    assert_eq!(
        value["additionalModelRequestFields"]["anthropic_beta"],
        json!(["context-1m-2025-08-07"])
    );
    let written = BedrockConverse
        .write_request(&request, &Target::new(NOVA))
        .expect("can be said");
    assert!(lost(&written.losses).contains(&"beta context-1m-2025-08-07 dropped".to_owned()));
    drop(from_messages(&transcript(), CLAUDE));
}
