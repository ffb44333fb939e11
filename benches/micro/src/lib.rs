//! What the micro-benches measure with: the request, the stream and the plugins of the load tests (`benches/scenarios`),
//! without sockets. The benches themselves are in `benches/`.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use penstock_llm::openai::{self, Answer, ReadLimits, Request};
use penstock_plugin_host::{
    Call, CallBody, Capabilities, CapabilityTerms, FailMode, Instances, Limits, LoadSpec, NoHeaders,
    Operation, Plugin, PluginEngine,
};
use serde_json::json;

/// Content events of a stream, as in the load tests.
pub const EVENTS: usize = 100;
const REQUEST_BYTES: usize = 2048;
const EVENT_BYTES: usize = 280;
const ANSWER_BYTES: usize = 600;
const WORDS: &str = "The quick brown fox jumps over the lazy dog, and then it answers briefly and kindly. ";

/// A chat request of 2 KB.
pub fn request_body() -> Bytes {
    let with = |filler: String| {
        let messages = json!([
            {"role": "system", "content": filler},
            {"role": "user", "content": "What is the tallest building?"},
            {"role": "assistant", "content": "The Burj Khalifa in Dubai, at 828 metres."},
            {"role": "user", "content": "And how does it compare with the tallest one of fifty years ago?"},
        ]);
        json!({"model": "bench", "temperature": 0.7, "stream": true, "messages": messages}).to_string()
    };
    let missing = REQUEST_BYTES.saturating_sub(with(String::new()).len());
    with(WORDS.chars().cycle().take(missing).collect()).into()
}

/// That request, read.
pub fn request() -> Request {
    Request::read(openai::Operation::Chat, request_body(), &ReadLimits::default())
        .expect("a well-formed request")
}

/// An unstreamed answer of 600 B.
pub fn answer_body() -> Bytes {
    let with = |text: String| {
        json!({
            "id": "chatcmpl-mock00000001", "object": "chat.completion", "created": 1_767_225_600, "model": "bench",
            "system_fingerprint": "fp_mock",
            "choices": [{
                "index": 0, "message": {"role": "assistant", "content": text}, "logprobs": null, "finish_reason": "stop",
            }],
            "usage": {"prompt_tokens": 460, "completion_tokens": 64, "total_tokens": 524},
        })
        .to_string()
    };
    let missing = ANSWER_BYTES.saturating_sub(with(String::new()).len());
    with(WORDS.chars().cycle().take(missing).collect()).into()
}

/// That answer, read.
pub fn answer() -> Answer {
    Answer::read(openai::Operation::Chat, answer_body()).expect("a well-formed answer")
}

/// The data of one content event of 280 B.
pub fn event_data() -> Bytes {
    let with = |text: String| {
        json!({
            "id": "chatcmpl-mock00000001", "object": "chat.completion.chunk", "created": 1_767_225_600, "model": "bench",
            "system_fingerprint": "fp_mock",
            "choices": [{"index": 0, "delta": {"content": text}, "logprobs": null, "finish_reason": null}],
        })
        .to_string()
    };
    let framing = "data: \n\n".len();
    let missing = EVENT_BYTES.saturating_sub(with(String::new()).len() + framing);
    with(WORDS.chars().cycle().take(missing).collect()).into()
}

/// A flat-out stream: 100 such events and the end mark.
pub fn stream() -> Bytes {
    let data = event_data();
    let event = [b"data: ", data.as_ref(), b"\n\n"].concat();
    [event.repeat(EVENTS), b"data: [DONE]\n\n".to_vec()]
        .concat()
        .into()
}

/// The call of that request, as plugins get it.
pub fn call() -> Call {
    Call {
        id: "req-bench".into(),
        operation: Operation::Chat,
        model: "bench".into(),
        streamed: true,
        caller: "bench".into(),
        generation: 1,
        headers: Arc::new(NoHeaders),
        catalogue: None,
        body: CallBody::Json(request()),
    }
}

/// A plugin of this repository, reused as in production. None where it was not built.
pub fn plugin(engine: &PluginEngine, component: &str, settings: &str) -> Option<Arc<Plugin>> {
    let path = component_path(component);
    let Ok(bytes) = std::fs::read(&path) else {
        eprintln!(
            "skipped: {} is not there; build it with `penstock plugin build plugins/{component}`",
            path.display()
        );
        return None;
    };
    let spec = LoadSpec {
        name: component.into(),
        component: bytes.into(),
        settings: settings.to_owned(),
        grants: Capabilities::all(),
        terms: CapabilityTerms::default(),
        fail: FailMode::Closed,
        limits: Limits::default(),
        instances: Instances::default(),
    };
    Some(
        engine
            .load(spec)
            .expect("a component of this repository loads with the settings of the load tests"),
    )
}

/// Where `penstock plugin build` puts components: `target/plugins`, or what PENSTOCK_PLUGIN_DIR says.
fn component_path(component: &str) -> PathBuf {
    let folder = std::env::var_os("PENSTOCK_PLUGIN_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/plugins")),
        PathBuf::from,
    );
    folder.join(format!("{component}.wasm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_have_the_sizes_of_the_load_tests() {
        assert_eq!(request_body().len(), 2048);
        assert_eq!(answer_body().len(), 600);
        assert_eq!(stream().len(), EVENTS * EVENT_BYTES + "data: [DONE]\n\n".len());
    }
}
