//! Calls and answers that most tests are content with.

pub const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
pub const CHAT_STREAM: &str = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
pub const CHAT_PATH: &str = "/v1/chat/completions";

pub const ANSWER: &str = r#"{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#;

pub const ROLE: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n";
pub const FINISH: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
pub const DONE: &str = "data: [DONE]\n\n";
pub const ERROR_EVENT: &str = "data: {\"error\":{\"message\":\"Overloaded\",\"type\":\"overloaded_error\",\"code\":529},\"choices\":[]}\n\n";

/// An event with a text.
pub fn says(text: &str) -> String {
    delta(0, text)
}

/// An event with a text of one choice.
pub fn delta(choice: u32, text: &str) -> String {
    let text = serde_json::Value::from(text);
    format!(
        "data: {{\"choices\":[{{\"index\":{choice},\"delta\":{{\"content\":{text}}},\"finish_reason\":null}}]}}\n\n"
    )
}

/// An error body of a provider.
pub fn error(message: &str) -> String {
    format!(r#"{{"error":{{"message":"{message}","type":"server_error","param":null,"code":null}}}}"#)
}
