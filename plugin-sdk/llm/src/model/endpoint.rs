//! Where a dialect's API is under a provider's base URL, and what it demands besides a body. Hosts and credentials are left
//! to whoever sends the request.

use super::Dialect;

/// What Anthropic's API is asked for where nobody says otherwise (APIS.md 3).
const ANTHROPIC_VERSION: &str = "2023-06-01";

impl Dialect {
    /// The path of a generation under a provider's base path, with the query.
    pub fn path(self, model: &str, streams: bool) -> String {
        match (self, streams) {
            (Dialect::OpenAiChat, _) => "/chat/completions".to_owned(),
            (Dialect::OpenAiResponses, _) => "/responses".to_owned(),
            (Dialect::AnthropicMessages, _) => "/messages".to_owned(),
            (Dialect::Cohere, _) => "/chat".to_owned(),
            (Dialect::Gemini, false) => format!("/models/{}:generateContent", in_path(model)),
            (Dialect::Gemini, true) => format!("/models/{}:streamGenerateContent?alt=sse", in_path(model)),
            (Dialect::BedrockConverse, false) => format!("/model/{}/converse", part_of_path(model)),
            (Dialect::BedrockConverse, true) => format!("/model/{}/converse-stream", part_of_path(model)),
        }
    }

    /// A header without which the dialect's API does not answer: its name and value.
    pub fn required_header(self) -> Option<(&'static str, &'static str)> {
        (self == Dialect::AnthropicMessages).then_some(("anthropic-version", ANTHROPIC_VERSION))
    }
}

/// For a path or a query's value; `/` and `:`, which are common in names of models, may stand there as they are.
pub fn in_path(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' => {
                encoded.push(char::from(byte));
            }
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// For what is one part of a path: ARNs hold slashes and colons.
pub fn part_of_path(text: &str) -> String {
    in_path(text).replace('/', "%2F").replace(':', "%3A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_name_cannot_end_its_part_of_the_path() {
        let arn = "arn:aws:bedrock:us-east-1:1:inference-profile/us.x?y";
        assert_eq!(
            Dialect::BedrockConverse.path(arn, true),
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.x%3Fy/converse-stream"
        );
        assert_eq!(
            Dialect::Gemini.path("a&b c#d", true),
            "/models/a%26b%20c%23d:streamGenerateContent?alt=sse"
        );
    }
}
