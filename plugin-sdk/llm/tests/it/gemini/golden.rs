//! Everything that was recorded of Gemini, read here and by serde_json, and compared.

use penstock_llm::gemini::Gemini;
use penstock_llm::model::{
    Answer, Assembled, Assembler, Codec, Content, Dialect, Events, Request, StreamFrame, Usage,
};
use serde_json::{Value, json};

use super::bytes;
use crate::recorded::{Recording, recordings};

fn recorded() -> Vec<Recording> {
    recordings()
        .into_iter()
        .filter(|recording| recording.api == "gemini.generate")
        .collect()
}

/// Members by the names that JSON has, lists of one as lists, and what says nothing left out.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let camel = |name: &str| {
                let mut pieces = name.split('_');
                let first = pieces.next().unwrap_or_default().to_owned();
                pieces.fold(first, |name, piece| {
                    let (head, tail) = piece.split_at(piece.len().min(1));
                    name + &head.to_uppercase() + tail
                })
            };
            // inside these names are the caller's
            let own = [
                "args",
                "response",
                "properties",
                "labels",
                "parametersJsonSchema",
                "responseJsonSchema",
                "fileSearch",
            ];
            let member = |(name, value): (&String, &Value)| {
                let name = camel(name);
                let value = if own.contains(&&*name) {
                    value.clone()
                } else {
                    plain(value)
                };
                let value = match &*name {
                    "tools" | "functionDeclarations" if value.is_object() => json!([value]),
                    _ => value,
                };
                (name, value)
            };
            members
                .iter()
                .map(member)
                .filter(|(name, value)| !(name == "generationConfig" && *value == json!({})))
                .collect()
        }
        Value::Array(elements) => elements.iter().map(plain).collect(),
        other => other.clone(),
    }
}

fn texts(request: &Request<'_>) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for part in request.messages.iter().flat_map(|message| &message.parts) {
        if let Content::Text { text, .. } = &part.content {
            texts.push(text.get().into_owned());
        }
    }
    texts.sort();
    texts
}

fn texts_by_serde(body: &Value) -> Vec<String> {
    let contents = body["contents"]
        .as_array()
        .into_iter()
        .flatten()
        .chain([&body["systemInstruction"]]);
    let parts = contents.flat_map(|content| content["parts"].as_array().into_iter().flatten());
    let mut texts: Vec<String> = parts
        .filter_map(|part| part["text"].as_str())
        .map(str::to_owned)
        .collect();
    texts.sort();
    texts
}

#[test]
fn recorded_requests_are_read_whole_and_written_as_they_came() {
    let mut read = 0;
    for recording in recorded() {
        let name = &recording.name;
        let asked = super::asked(&recording.model);
        let request = Gemini.read_request(&recording.request, &asked).expect(name);
        assert!(request.losses.is_empty(), "{name}: {:?}", request.losses);
        let request = request.value;
        let body = plain(&serde_json::from_slice(&recording.request).expect("JSON"));
        assert_eq!(texts(&request), texts_by_serde(&body), "{name}");
        let written = Gemini
            .write_request(&request, &super::target(&recording.model))
            .expect(name);
        assert!(written.losses.is_empty(), "{name}: {:?}", written.losses);
        let (mut before, mut after) = (body, plain(&super::parsed(&written)));
        for body in [&mut before, &mut after] {
            // a role that says nothing
            if let Some(system) = body.get_mut("systemInstruction").and_then(Value::as_object_mut) {
                system.remove("role");
            }
            // the same schemas in the words that the model takes: see `schema`
            if let Some(tools) = body.get_mut("tools").and_then(Value::as_array_mut) {
                let functions = tools
                    .iter_mut()
                    .flat_map(|tool| tool["functionDeclarations"].as_array_mut().into_iter().flatten());
                for function in functions {
                    let function = function.as_object_mut().expect("an object");
                    function.remove("parameters");
                    function.remove("parametersJsonSchema");
                }
                tools.iter_mut().for_each(|tool| {
                    if tool["functionDeclarations"].is_null() {
                        tool.as_object_mut()
                            .expect("an object")
                            .remove("functionDeclarations");
                    }
                });
            }
            if let Some(config) = body.get_mut("generationConfig").and_then(Value::as_object_mut) {
                config.remove("responseSchema");
                config.remove("responseJsonSchema");
            }
        }
        assert_eq!(after, before, "{name}");
        read += 1;
    }
    println!("{read} requests compared");
}

/// What one or several bodies say, joined: words, thoughts, calls, reasons.
fn said_by_serde(bodies: &[Value]) -> (String, String, Vec<(String, Value)>, Vec<String>) {
    let mut said = (String::new(), String::new(), Vec::new(), Vec::new());
    for candidate in bodies
        .iter()
        .flat_map(|body| body["candidates"].as_array().into_iter().flatten())
    {
        for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
            let text = part["text"].as_str().unwrap_or_default();
            match part["thought"] == true {
                true => said.1.push_str(text),
                false => said.0.push_str(text),
            }
            if let Some(call) = part.get("functionCall") {
                said.2.push((
                    call["name"].as_str().expect("a name").to_owned(),
                    call["args"].clone(),
                ));
            }
        }
        match &candidate["finishReason"] {
            Value::Null => {}
            Value::String(word) => said.3.push(word.clone()),
            number => said.3.push(number.to_string()),
        }
    }
    said
}

fn said(answer: &Answer<'_>) -> (String, String, Vec<(String, Value)>, Vec<String>) {
    let mut said = (String::new(), String::new(), Vec::new(), Vec::new());
    for choice in &answer.choices {
        for part in &choice.parts {
            match &part.content {
                Content::Text { text, .. } => said.0.push_str(&text.get()),
                Content::Reasoning(thought) => said.1.push_str(&thought.text.get()),
                Content::ToolCall(call) => {
                    let arguments = serde_json::from_str(&call.arguments.get()).expect("JSON");
                    said.2.push((call.name.get().into_owned(), arguments));
                }
                _ => {}
            }
        }
        let native = choice.stop.as_ref().and_then(|stop| stop.native.as_ref());
        said.3.extend(native.map(|native| native.get().into_owned()));
    }
    said
}

/// The counts of the last body that has each.
fn usage_by_serde(bodies: &[Value]) -> Usage {
    let count = |name: &str| {
        bodies
            .iter()
            .rev()
            .find_map(|body| body["usageMetadata"][name].as_u64())
    };
    let sum = |a: Option<u64>, b: Option<u64>| {
        (a.is_some() || b.is_some()).then(|| a.unwrap_or(0) + b.unwrap_or(0))
    };
    Usage {
        input: sum(count("promptTokenCount"), count("toolUsePromptTokenCount")),
        output: sum(count("candidatesTokenCount"), count("thoughtsTokenCount")),
        total: count("totalTokenCount"),
        cache_read: count("cachedContentTokenCount"),
        tool_input: count("toolUsePromptTokenCount"),
        reasoning: count("thoughtsTokenCount"),
        ..Usage::default()
    }
}

fn judge(answer: &Answer<'_>, bodies: &[Value], name: &str) {
    assert_eq!(said(answer), said_by_serde(bodies), "{name}");
    let expected = usage_by_serde(bodies);
    let found = answer.usage.expect(name);
    let main = |usage: &Usage| {
        (
            usage.input,
            usage.output,
            usage.total,
            usage.cache_read,
            usage.tool_input,
            usage.reasoning,
        )
    };
    assert_eq!(main(&found), main(&expected), "{name}");
    // what is counted adds up to what the provider says it does
    assert_eq!(found.sum(), found.total, "{name}");
    let text = |name: &str| bodies[0][name].as_str().map(str::to_owned);
    assert_eq!(
        answer.id.as_ref().map(|id| id.get().into_owned()),
        text("responseId"),
        "{name}"
    );
    assert_eq!(
        answer.model.as_ref().map(|model| model.get().into_owned()),
        text("modelVersion"),
        "{name}"
    );
}

#[test]
fn pain_e08_recorded_answers_say_and_count_what_serde_json_finds() {
    let mut read = 0;
    for recording in recorded()
        .iter()
        .filter(|recording| recording.status < 400 && !recording.is_stream())
    {
        let name = &recording.name;
        let answer = Gemini.read_answer(&recording.response).expect(name);
        assert!(answer.losses.is_empty(), "{name}: {:?}", answer.losses);
        let body: Value = serde_json::from_slice(&recording.response).expect("JSON");
        judge(&answer.value, std::slice::from_ref(&body), name);
        let written = Gemini.write_answer(&answer.value, &super::ENVELOPE);
        assert!(written.losses.is_empty(), "{name}: {:?}", written.losses);
        let (mut before, mut after) = (body, super::parsed(&written));
        for body in [&mut before, &mut after] {
            for candidate in body["candidates"].as_array_mut().expect("candidates") {
                let candidate = candidate.as_object_mut().expect("an object");
                // zero is left out by one of the two surfaces
                candidate.remove("index");
                if candidate["finishReason"] == 1 {
                    candidate.insert("finishReason".into(), json!("STOP"));
                }
            }
            if let Some(time) = body.get("createTime").and_then(Value::as_str) {
                body["createTime"] = json!(time[..19]);
            }
            if body.get("responseId").is_none() {
                body["responseId"] = json!("made-1");
            }
            // the modalities are numbers where the reason is one
            let usage = body["usageMetadata"].as_object_mut().expect("usage");
            usage.retain(|name, _| !name.ends_with("Details"));
        }
        assert_eq!(after, before, "{name}");
        read += 1;
    }
    println!("{read} answers compared");
}

#[test]
fn pain_e08_recorded_streams_say_and_count_what_serde_json_finds() {
    let mut read = 0;
    for recording in recorded()
        .iter()
        .filter(|recording| recording.status < 400 && recording.is_stream())
    {
        let name = &recording.name;
        let text = String::from_utf8(recording.response.clone()).expect("UTF-8");
        let bodies: Vec<Value> = text
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(|data| serde_json::from_str(data).expect("JSON"))
            .collect();
        let frames: Vec<Vec<u8>> = bodies.iter().map(bytes).collect();
        let (mut reader, mut assembler) = (Gemini.stream_reader(), Assembler::new(Dialect::Gemini, 1 << 20));
        for frame in &frames {
            let mut events = Events::new();
            reader.read(StreamFrame::data(frame), &mut events);
            events.iter().for_each(|event| assembler.push(event));
        }
        let mut events = Events::new();
        reader.end(&mut events);
        events.iter().for_each(|event| assembler.push(event));
        let Assembled::Whole(answer) = assembler.finish() else {
            panic!("{name}")
        };
        assert!(reader.take_losses().is_empty(), "{name}");
        judge(&answer, &bodies, name);
        read += 1;
    }
    println!("{read} streams compared");
}

#[test]
fn recorded_errors_are_told() {
    for recording in recorded().iter().filter(|recording| recording.status >= 400) {
        let status = u16::try_from(recording.status).expect("a status");
        let error = Gemini.read_error(status, None, &recording.response);
        let body: Value = serde_json::from_slice(&recording.response).expect("JSON");
        assert_eq!(
            *error.message.get(),
            *body["error"]["message"].as_str().expect("a message")
        );
        assert_eq!(
            error.native.as_ref().expect("its word").get(),
            body["error"]["status"].as_str().expect("a word")
        );
        assert_eq!(error.status, status);
    }
}
