//! Cohere's chat by hand: what its own words mean in the model, and what of others' it can say.

use penstock_llm::model::{
    Answer, Asked, Assembled, Codec, Content, Dialect, Error, ErrorKind, Event, LossKind, Losses, Maker,
    Part, ReasoningMode, Request, Role, Source, Stop, StopReason, StreamFrame, Target, Text, ToolCall,
    ToolChoice, ToolKind, Usage,
};
use penstock_llm::usage::{TokenCount, Usage as Reported};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::make::cases;
use crate::translate::streams::{ENVELOPE, assembled, read_frames, replayed, translated};

fn cohere() -> &'static dyn Codec {
    Dialect::Cohere.codec().expect("it is written")
}

fn openai() -> &'static dyn Codec {
    Dialect::OpenAiChat.codec().expect("it is written")
}

/// What a body of one dialect is in another, and what is lost.
fn carried(from: &dyn Codec, to: &dyn Codec, body: &Value) -> Result<(Value, Losses), String> {
    carried_to(from, to, body, &Target::new("m"))
}

fn carried_to(
    from: &dyn Codec,
    to: &dyn Codec,
    body: &Value,
    target: &Target<'_>,
) -> Result<(Value, Losses), String> {
    let bytes = body.to_string();
    let read = from
        .read_request(bytes.as_bytes(), &Asked::default())
        .map_err(|why| why.message)?;
    let written = to.write_request(&read.value, target).map_err(|why| why.message)?;
    let value = serde_json::from_slice(&written.bytes).expect("JSON");
    Ok((value, written.losses))
}

fn lost(losses: &Losses) -> Vec<String> {
    losses
        .list()
        .iter()
        .map(|loss| format!("{} {}", loss.what.as_str(), loss.at))
        .collect()
}

fn user(content: &str) -> Value {
    json!({"role": "user", "content": content})
}

#[test]
fn a_request_says_all_that_it_said_after_being_read_and_written() {
    let body = json!({
        "model": "m",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [
                {"type": "text", "text": "what is it?"},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
            ]},
            {"role": "assistant", "tool_plan": "I look", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{\"at\":1}"}},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": [
                {"type": "text", "text": "a cat"},
                {"type": "document", "document": {"id": "d1", "data": {"text": "cats", "title": "On cats"}}},
                {"type": "document", "document": {"id": "d2", "data": {"rows": [1, 2.50]}}},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "so"},
                {"type": "text", "text": "a cat"},
            ], "citations": [
                {"start": 0, "end": 5, "text": "a cat", "sources": [{"type": "tool", "id": "c1:0"}],
                 "type": "TEXT_CONTENT", "content_index": 1},
                {"start": 0, "end": 2, "text": "so", "sources": [], "type": "THINKING_CONTENT", "content_index": 0},
            ]},
            {"role": "user", "content": "sure?"},
        ],
        "documents": ["a text", {"id": "x", "data": {"title": "T", "text": "t"}}, {"data": {"snippet": "s"}}],
        "citation_options": {"mode": "FAST"},
        "tools": [{"type": "function", "function": {"name": "look", "description": "d", "parameters": {"type": "object"}}}],
        "strict_tools": true,
        "tool_choice": "REQUIRED",
        "response_format": {"type": "json_object", "json_schema": {"type": "object"}},
        "thinking": {"type": "enabled", "token_budget": 512},
        "temperature": 0.30, "p": 0.75, "k": 0, "seed": 7, "frequency_penalty": 0.1, "presence_penalty": 0.2,
        "max_tokens": 100, "stop_sequences": ["a", "b", "c", "d", "e", "f"], "logprobs": true,
        "safety_mode": "STRICT", "priority": 3, "stream": true,
    });
    let (again, losses) = carried(cohere(), cohere(), &body).expect("taken");
    assert_eq!(again, body);
    assert!(losses.is_empty(), "{losses:?}");
}

#[test]
fn documents_of_a_request_stand_in_its_last_question_where_others_have_them() {
    let body = json!({"model": "m", "messages": [user("first"), {"role": "assistant", "content": "yes"}, user("which?")],
        "documents": ["plain", {"id": "d", "data": {"title": "T", "text": "words", "year": 1999}}]});
    let bytes = body.to_string();
    let read = cohere()
        .read_request(bytes.as_bytes(), &Asked::default())
        .expect("taken");
    let last = &read.value.messages[2];
    let Content::Media(first) = &last.parts[0].content else {
        panic!("{last:?}")
    };
    assert_eq!(first.source, Source::Text(Text::plain("plain")));
    assert_eq!(first.citations, Some(true));
    let Content::Media(second) = &last.parts[1].content else {
        panic!("{last:?}")
    };
    assert_eq!(second.title, Some(Text::plain("T")));
    assert_eq!(last.parts[2].as_text(), Some(&Text::plain("which?")));
    let segments = penstock_llm::model::segments_of_request(&read.value, bytes.as_bytes());
    let seen: Vec<_> = segments
        .iter()
        .filter_map(|segment| segment.text(bytes.as_bytes()))
        .collect();
    assert!(
        seen.contains(&"plain".into()) && seen.contains(&"words".into()),
        "{seen:?}"
    );
    let (openai, _) = carried(cohere(), openai(), &body).expect("taken");
    assert!(openai.to_string().contains("words") && openai.to_string().contains("plain"));
}

#[test]
fn data_without_a_text_reaches_other_models_as_json() {
    let body = json!({"model": "m", "messages": [user("q")], "documents": [{"data": {"rows": [1, 2.50]}}]});
    let bytes = body.to_string();
    let read = cohere()
        .read_request(bytes.as_bytes(), &Asked::default())
        .expect("taken");
    let Content::Media(media) = &read.value.messages[0].parts[0].content else {
        panic!("a document")
    };
    assert_eq!(media.source, Source::Text(Text::plain("{\"rows\":[1,2.5]}")));
}

#[test]
fn others_documents_are_cohere_s_documents_and_a_text_of_them_is_decoded() {
    let mut request = Request::new(Dialect::AnthropicMessages, Text::plain("m"));
    let document = |source, media_type: &'static str| {
        let mut media = penstock_llm::model::Media::new(penstock_llm::model::MediaKind::Document, source);
        media.media_type = Some(Text::plain(media_type));
        Part::new(Content::Media(media))
    };
    let found = penstock_llm::model::SearchResult {
        source: Text::plain("https://example.com"),
        title: Text::plain("Found"),
        parts: vec![Part::text("one"), Part::text("two")],
        citations: None,
    };
    request.messages = vec![penstock_llm::model::Message::new(
        Role::User,
        vec![
            document(Source::Base64(Text::plain("aGk")), "text/plain"),
            Part::new(Content::SearchResult(found)),
            Part::text("which?"),
        ],
    )];
    let written = cohere()
        .write_request(&request, &Target::new("m"))
        .expect("texts are taken");
    let value: Value = serde_json::from_slice(&written.bytes).expect("JSON");
    assert_eq!(
        value["documents"],
        json!(["hi", {"id": "https://example.com",
            "data": {"title": "Found", "url": "https://example.com", "text": "one\ntwo"}}])
    );
    // nobody asked for citations
    assert_eq!(value["citation_options"], json!({"mode": "OFF"}));
    assert_eq!(value["messages"], json!([{"role": "user", "content": "which?"}]));
    request.messages[0].parts[0] = document(Source::Base64(Text::plain("JVBERi0=")), "application/pdf");
    let refused = cohere()
        .write_request(&request, &Target::new("m"))
        .expect_err("a PDF is no text");
    assert_eq!(refused.param.as_deref(), Some("messages[0].content[0]"));
}

#[test]
fn openai_s_parameters_go_by_cohere_s_names_and_into_its_ranges() {
    let body = json!({"model": "m", "messages": [user("q")], "temperature": 1.50, "top_p": 1, "top_k": 900,
        "frequency_penalty": -1, "presence_penalty": 0.5, "max_completion_tokens": 10, "stop": "end",
        "seed": 1, "logit_bias": {"1": 2}, "n": 1, "user": "u", "reasoning_effort": "medium"});
    let (value, losses) = carried(openai(), cohere(), &body).expect("taken");
    let bytes = value.to_string();
    assert!(bytes.contains("\"temperature\":1.5"), "{bytes}");
    assert_eq!(value["p"], json!(0.99));
    assert_eq!(value["k"], json!(500));
    assert_eq!(value["frequency_penalty"], json!(0));
    assert_eq!(value["presence_penalty"], json!(0.5));
    assert_eq!(value["max_tokens"], json!(10));
    assert_eq!(value["stop_sequences"], json!(["end"]));
    assert_eq!(value["thinking"], json!({"type": "enabled", "token_budget": 5}));
    assert_eq!(
        lost(&losses),
        [
            "changed p",
            "changed k",
            "changed frequency_penalty",
            "dropped logit_bias",
            "changed reasoning.effort",
            "dropped user"
        ]
    );
}

#[test]
fn thinking_is_switched_off_and_asked_for_in_tokens() {
    let body = |effort: &str| json!({"model": "m", "messages": [user("q")], "reasoning_effort": effort});
    let (off, _) = carried(openai(), cohere(), &body("none")).expect("taken");
    assert_eq!(off["thinking"], json!({"type": "disabled"}));
    // without a limit of the output nothing tells how many tokens an effort is
    let (on, losses) = carried(openai(), cohere(), &body("high")).expect("taken");
    assert_eq!(on["thinking"], json!({"type": "enabled"}));
    assert_eq!(lost(&losses), ["changed reasoning.effort"]);
    let unable = Target {
        reasoning: penstock_llm::model::ReasoningSupport::None,
        ..Target::new("m")
    };
    let (value, losses) = carried_to(openai(), cohere(), &body("high"), &unable).expect("taken");
    assert_eq!(value.get("thinking"), None);
    assert_eq!(lost(&losses), ["dropped reasoning"]);
    let own = json!({"model": "m", "messages": [user("q")], "thinking": {"type": "disabled"}});
    let bytes = own.to_string();
    let read = cohere()
        .read_request(bytes.as_bytes(), &Asked::default())
        .expect("taken");
    assert_eq!(read.value.reasoning.mode, Some(ReasoningMode::Off));
}

#[test]
fn a_named_tool_is_the_only_one_that_cohere_gets() {
    let tool = |name: &str| json!({"type": "function", "function": {"name": name, "strict": true}});
    let body = json!({"model": "m", "messages": [user("q")], "tools": [tool("a"), tool("b")],
        "tool_choice": {"type": "function", "function": {"name": "b"}}, "parallel_tool_calls": false});
    let (value, losses) = carried(openai(), cohere(), &body).expect("taken");
    assert_eq!(value["tools"].as_array().map(Vec::len), Some(1));
    assert_eq!(value["tools"][0]["function"]["name"], "b");
    assert_eq!(value["tool_choice"], "REQUIRED");
    assert_eq!(value["strict_tools"], true);
    assert_eq!(lost(&losses), ["changed tools", "dropped parallel_tool_calls"]);
    for (theirs, ours) in [
        ("none", json!("NONE")),
        ("required", json!("REQUIRED")),
        ("auto", Value::Null),
    ] {
        let body =
            json!({"model": "m", "messages": [user("q")], "tools": [tool("a")], "tool_choice": theirs});
        let (value, _) = carried(openai(), cohere(), &body).expect("taken");
        assert_eq!(value["tool_choice"], ours, "{theirs}");
    }
    let mixed = json!({"model": "m", "messages": [user("q")],
        "tools": [tool("a"), {"type": "function", "function": {"name": "c"}}]});
    let (value, losses) = carried(openai(), cohere(), &mixed).expect("taken");
    assert_eq!(value.get("strict_tools"), None);
    assert_eq!(lost(&losses), ["dropped tools.strict"]);
}

#[test]
fn a_custom_tool_goes_as_a_function_and_its_name_is_noted_for_the_way_back() {
    let body = json!({"model": "m", "messages": [user("q")],
        "tools": [{"type": "custom", "custom": {"name": "sql"}}]});
    let bytes = body.to_string();
    let read = openai()
        .read_request(bytes.as_bytes(), &Asked::default())
        .expect("taken");
    let written = cohere()
        .write_request(&read.value, &Target::new("m"))
        .expect("taken");
    let mut call = Part::new(Content::ToolCall(ToolCall::function(
        Text::plain("1"),
        Text::plain("sql"),
        Text::plain("{\"input\":\"SELECT 1\"}"),
    )));
    written.names.restore(&mut call);
    let Content::ToolCall(call) = call.content else {
        panic!("a call")
    };
    assert_eq!(call.arguments, Text::plain("SELECT 1"));
}

#[test]
fn pain_d07_what_cannot_be_sent_is_refused_by_its_name() {
    let body = json!({"model": "m", "messages": [user("q"), {"role": "assistant", "content": null, "tool_calls": [
        {"id": "call_7", "type": "function", "function": {"name": "f", "arguments": "{\"a\":"}}]}]});
    let refused = carried(openai(), cohere(), &body).expect_err("broken");
    assert!(refused.contains("call_7"), "{refused}");
    let several = json!({"model": "m", "messages": [user("q")], "n": 2});
    let refused = carried(openai(), cohere(), &several).expect_err("one answer");
    assert!(refused.contains("several answers"), "{refused}");
    let orphan = json!({"model": "m", "messages": [user("q"),
        {"role": "tool", "tool_call_id": "nobody", "content": "x"}]});
    let refused = carried(openai(), cohere(), &orphan).expect_err("an orphan");
    assert!(refused.contains("messages[1]"), "{refused}");
}

#[test]
fn pain_d06_results_of_tools_stay_behind_their_calls_and_images_of_theirs_follow() {
    let call = |id: &str| ToolCall::function(Text::plain(id.to_owned()), Text::plain("f"), Text::plain(""));
    let image = || {
        let url = Text::plain("https://example.com/i.png");
        let kind = penstock_llm::model::MediaKind::Image;
        Part::new(Content::Media(penstock_llm::model::Media::at_url(kind, url)))
    };
    let result = |id: &str, parts| {
        let id = Text::plain(id.to_owned());
        Part::new(Content::ToolResult(penstock_llm::model::ToolResult::new(
            id, parts,
        )))
    };
    let message = penstock_llm::model::Message::new;
    let mut request = Request::new(Dialect::AnthropicMessages, Text::plain("m"));
    request.messages = vec![
        message(Role::User, vec![Part::text("go")]),
        message(
            Role::Assistant,
            vec![
                Part::new(Content::ToolCall(call("a"))),
                Part::new(Content::ToolCall(call("b"))),
            ],
        ),
        message(Role::User, vec![result("a", vec![image()])]),
        message(
            Role::User,
            vec![result("b", vec![Part::text("2")]), Part::text("and?")],
        ),
    ];
    let written = cohere()
        .write_request(&request, &Target::new("m"))
        .expect("taken");
    let value: Value = serde_json::from_slice(&written.bytes).expect("JSON");
    let roles: Vec<_> = value["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .map(|message| message["role"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(roles, ["user", "assistant", "tool", "tool", "user"]);
    assert_eq!(
        value["messages"][1]["tool_calls"][0]["function"]["arguments"],
        "{}"
    );
    assert_eq!(value["messages"][4]["content"][0]["type"], "image_url");
    assert_eq!(value["messages"][4]["content"][1]["text"], "and?");
}

#[test]
fn only_cohere_s_own_thoughts_and_plans_go_back_to_it() {
    let thought = |maker| {
        let thought = penstock_llm::model::Reasoning::text(Text::plain("hm"), maker);
        Part::new(Content::Reasoning(thought))
    };
    let mut request = Request::new(Dialect::OpenAiChat, Text::plain("m"));
    request.messages = vec![penstock_llm::model::Message::new(
        Role::Assistant,
        vec![
            thought(Some(Maker::Anthropic)),
            thought(None),
            thought(Some(Maker::Cohere)),
            Part::text("yes"),
        ],
    )];
    let written = cohere()
        .write_request(&request, &Target::new("m"))
        .expect("taken");
    let value: Value = serde_json::from_slice(&written.bytes).expect("JSON");
    assert_eq!(
        value["messages"][0]["content"],
        json!([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "yes"}])
    );
    assert_eq!(written.losses.list().len(), 2);
}

#[test]
fn what_is_no_request_is_refused_with_the_field_s_name() {
    for (body, param) in [
        (json!({"messages": [user("q")]}), "model"),
        (json!({"model": "m"}), "messages"),
        (json!({"model": "m", "messages": []}), "messages"),
        (
            json!({"model": "m", "messages": [{"role": "robot", "content": "x"}]}),
            "messages[0].role",
        ),
        (
            json!({"model": "m", "messages": [{"content": "x"}]}),
            "messages[0].role",
        ),
        (
            json!({"model": "m", "messages": [{"role": "tool", "content": "x"}]}),
            "messages[0].tool_call_id",
        ),
        (
            json!({"model": "m", "messages": [{"role": "user", "content": 5}]}),
            "messages[0].content",
        ),
        (
            json!({"model": "m", "messages": [{"role": "user", "content": [{"text": "x"}]}]}),
            "messages[0].content[0].type",
        ),
        (
            json!({"model": "m", "messages": [{"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,%%%"}}]}]}),
            "messages[0].content[0].image_url.url",
        ),
        (json!({"model": "m", "messages": [user("q")], "p": "x"}), "p"),
        (
            json!({"model": "m", "messages": [user("q")], "tools": [{"type": "function"}]}),
            "tools[0].function",
        ),
        (
            json!({"model": "m", "messages": [user("q")], "documents": [7]}),
            "documents[0]",
        ),
    ] {
        let bytes = body.to_string();
        let refused = cohere().read_request(bytes.as_bytes(), &Asked::default());
        let refused = refused
            .map(|read| read.value.model.into_owned())
            .expect_err(&bytes);
        assert_eq!(refused.param.as_deref(), Some(param), "{bytes}");
    }
}

fn answer(body: &Value) -> Answer<'static> {
    let bytes = body.to_string();
    let read = cohere().read_answer(bytes.as_bytes()).expect("an answer");
    read.value.into_owned()
}

fn written(answer: &Answer<'_>) -> Value {
    let written = cohere().write_answer(answer, &ENVELOPE);
    serde_json::from_slice(&written.bytes).expect("JSON")
}

#[test]
fn an_answer_says_all_that_it_said_after_being_read_and_written() {
    let body = json!({
        "id": "a",
        "message": {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Ruby."}],
            "tool_plan": "then I look",
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}}],
            "citations": [
                {"start": 0, "end": 4, "text": "Ruby", "content_index": 1, "type": "TEXT_CONTENT",
                 "sources": [{"type": "document", "id": "d", "document": {"title": "T", "text": "Ruby is"}}]},
                {"start": 0, "end": 4, "text": "then", "type": "PLAN", "sources": []},
            ],
        },
        "finish_reason": "TOOL_CALL",
        "usage": {"billed_units": {"input_tokens": 8, "output_tokens": 9},
                  "tokens": {"input_tokens": 503, "output_tokens": 11, "reasoning_tokens": 4, "image_tokens": 259},
                  "cached_tokens": 448},
        "logprobs": [{"text": "Ruby", "token_ids": [1, 2], "logprobs": [-0.10, -0.2]}],
    });
    let read = answer(&body);
    assert_eq!(written(&read), body);
    let Content::Text { citations, .. } = &read.choices[0].parts[1].content else {
        panic!("{read:?}")
    };
    assert_eq!(citations.len(), 1);
    assert_eq!(citations[0].title, Some(Text::plain("T")));
    assert_eq!(citations[0].quote, Some(Text::plain("Ruby is")));
    assert_eq!((citations[0].start, citations[0].end), (Some(0), Some(4)));
    let again = replayed(&read, cohere(), &ENVELOPE);
    let Assembled::Whole(streamed) = assembled(cohere(), &again) else {
        panic!("broken")
    };
    // log probabilities are not told to be Cohere's in a stream
    let mut expected = body.clone();
    expected.as_object_mut().expect("an object").remove("logprobs");
    assert_eq!(written(&streamed), expected);
}

#[test]
fn pain_j01_what_cohere_bills_is_not_what_it_used() {
    let usage = |body: Value| {
        answer(&json!({"message": {"content": []}, "usage": body}))
            .usage
            .expect("usage")
    };
    let counts = usage(json!({"billed_units": {"input_tokens": 8, "output_tokens": 50},
        "tokens": {"input_tokens": 1394, "output_tokens": 55, "reasoning_tokens": 38}, "cached_tokens": 1360}));
    assert_eq!(
        counts,
        Usage {
            input: Some(1394),
            output: Some(55),
            reasoning: Some(38),
            cache_read: Some(1360),
            billed_input: Some(8),
            billed_output: Some(50),
            ..Usage::default()
        }
    );
    let reported = Reported::from(&counts);
    assert_eq!(reported.prompt, Some(TokenCount(8)));
    assert_eq!(reported.completion, Some(TokenCount(50)));
    assert_eq!(reported.total, Some(TokenCount(58)));
    // more was read from the cache than is billed at all: it has no price of its own
    assert_eq!(reported.cached, None);
    assert_eq!(reported.reasoning, Some(TokenCount(38)));
    // images stand beside the other tokens
    let counts = usage(json!({"tokens": {"input_tokens": 34, "image_tokens": 259, "output_tokens": 1}}));
    assert_eq!((counts.input, counts.input_image), (Some(293), Some(259)));
    let counts = usage(json!({"billed_units": {"input_tokens": 3.0, "search_units": 1}}));
    assert_eq!((counts.input, counts.search_units), (Some(3), Some(1)));
}

#[test]
fn pain_d08_every_finish_reason_has_a_meaning_and_keeps_its_name() {
    for (word, reason) in [
        ("COMPLETE", StopReason::End),
        ("STOP_SEQUENCE", StopReason::StopSequence),
        ("MAX_TOKENS", StopReason::Length),
        ("TOOL_CALL", StopReason::ToolCalls),
        ("ERROR", StopReason::Error),
        ("TIMEOUT", StopReason::Error),
        ("ERROR_TOXIC", StopReason::ContentFilter),
        ("ERROR_LIMIT", StopReason::ContextWindow),
        ("WHATEVER_COMES", StopReason::Other),
    ] {
        let body = json!({"id": "a", "message": {"role": "assistant", "content": []}, "finish_reason": word});
        let read = answer(&body);
        let stop = read.choices[0].stop.as_ref().expect("a reason");
        assert_eq!(stop.reason, reason, "{word}");
        assert_eq!(stop.native, Some(Text::plain(word)));
        assert_eq!(written(&read)["finish_reason"], word);
    }
    for reason in [
        StopReason::ContentFilter,
        StopReason::Refusal,
        StopReason::Pause,
        StopReason::MalformedCall,
        StopReason::Other,
    ] {
        let mut read = answer(&json!({"message": {"content": []}}));
        read.dialect = Dialect::AnthropicMessages;
        read.choices[0].stop = Some(Stop::native(reason, Text::plain("theirs")));
        let word = written(&read)["finish_reason"].as_str().map(str::to_owned);
        assert!(
            matches!(word.as_deref(), Some("COMPLETE" | "ERROR" | "ERROR_TOXIC")),
            "{word:?}"
        );
    }
}

#[test]
fn arguments_that_are_the_word_null_are_no_arguments() {
    let read = answer(&json!({"message": {"tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "null"}}]}}));
    let Content::ToolCall(call) = &read.choices[0].parts[0].content else {
        panic!("a call")
    };
    assert_eq!(call.arguments, Text::plain("{}"));
    let frames = [
        r#"{"type":"message-start","id":"x"}"#,
        r#"{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"c","type":"function","function":{"name":"f","arguments":""}}}}}"#,
        r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"null"}}}}}"#,
        r#"{"type":"tool-call-end","index":0}"#,
        r#"{"type":"message-end","delta":{"finish_reason":"COMPLETE"}}"#,
    ];
    let frames: Vec<_> = frames
        .iter()
        .map(|frame| StreamFrame::data(frame.as_bytes()))
        .collect();
    let (Assembled::Whole(streamed), _) = read_frames(cohere(), &frames) else {
        panic!("broken")
    };
    let Content::ToolCall(call) = &streamed.choices[0].parts[0].content else {
        panic!("a call")
    };
    assert_eq!(call.arguments, Text::plain("{}"));
    // whoever calls a tool has to act on it, whatever the reason says
    let stop = streamed.choices[0].stop.as_ref().map(|stop| stop.reason);
    assert_eq!(stop, Some(StopReason::ToolCalls));
}

fn sse(frames: &[Value]) -> Vec<u8> {
    let mut stream = String::new();
    for frame in frames {
        let name = frame["type"].as_str().unwrap_or_default();
        stream.push_str(&format!("event: {name}\ndata: {frame}\n\n"));
    }
    stream.into_bytes()
}

#[test]
fn a_stream_with_thoughts_plan_citations_and_calls_comes_back_as_it_was() {
    let piece = |content: Value| json!({"message": {"content": content}});
    let frames = vec![
        json!({"id": "x", "type": "message-start", "delta": {"message": {
            "role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}}}),
        json!({"type": "content-start", "index": 0, "delta": piece(json!({"type": "thinking", "thinking": ""}))}),
        json!({"type": "content-delta", "index": 0, "delta": piece(json!({"thinking": "hm"}))}),
        json!({"type": "content-end", "index": 0}),
        json!({"type": "content-start", "index": 1, "delta": piece(json!({"type": "text", "text": ""}))}),
        json!({"type": "content-delta", "index": 1, "delta": piece(json!({"text": "Ruby"}))}),
        json!({"type": "citation-start", "index": 0, "delta": {"message": {"citations":
            {"start": 0, "end": 4, "text": "Ruby", "sources": [], "type": "TEXT_CONTENT", "content_index": 1}}}}),
        json!({"type": "citation-end", "index": 0}),
        json!({"type": "content-end", "index": 1}),
        json!({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I "}}}),
        json!({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "look"}}}),
        json!({"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls":
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}}}}),
        json!({"type": "tool-call-delta", "index": 0, "delta": {"message": {"tool_calls":
            {"function": {"arguments": "{\"a\":1}"}}}}}),
        json!({"type": "tool-call-end", "index": 0}),
        json!({"type": "message-end", "delta": {"finish_reason": "TOOL_CALL", "usage": {
            "billed_units": {"input_tokens": 1, "output_tokens": 2},
            "tokens": {"input_tokens": 3, "output_tokens": 4}}}}),
    ];
    let stream = sse(&frames);
    let run = translated(cohere(), cohere(), &ENVELOPE, [&stream[..]]);
    let text = String::from_utf8(run.written).expect("UTF-8");
    let data: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).expect("JSON"))
        .collect();
    assert_eq!(data, frames);
    assert!(text.ends_with("data: [DONE]\n\n"));
}

#[test]
fn a_citation_behind_the_end_of_its_text_is_still_the_text_s() {
    let stream = sse(&[
        json!({"type": "message-start", "id": "x"}),
        json!({"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": "a"}}}}),
        json!({"type": "content-end", "index": 0}),
        json!({"type": "citation-start", "index": 0, "delta": {"message": {"citations": {"start": 0, "end": 1, "text": "a"}}}}),
        json!({"type": "citation-end", "index": 0}),
        json!({"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}),
    ]);
    let Assembled::Whole(answer) = assembled(cohere(), &stream) else {
        panic!("broken")
    };
    let Content::Text { citations, .. } = &answer.choices[0].parts[0].content else {
        panic!("a text")
    };
    assert_eq!(citations.len(), 1);
}

#[test]
fn pain_c03_a_stream_that_fails_or_breaks_off_never_looks_complete() {
    let start = json!({"type": "message-start", "id": "x"});
    let text = json!({"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": "a"}}}});
    let failed = json!({"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "it broke"}});
    for frames in [
        vec![],
        vec![start.clone()],
        vec![start.clone(), text.clone()],
        vec![
            start.clone(),
            text.clone(),
            json!({"type": "content-end", "index": 0}),
        ],
        vec![start.clone(), text.clone(), failed],
        vec![start.clone(), text, json!({"message": "internal server error"})],
        vec![start, json!("[DONE]")],
    ] {
        let stream = sse(&frames);
        let run = translated(cohere(), cohere(), &ENVELOPE, [&stream[..]]);
        assert!(matches!(run.assembled, Assembled::Broken(..)), "{frames:?}");
        let again = assembled(cohere(), &run.written);
        assert!(matches!(again, Assembled::Broken(..)), "{frames:?}");
        assert!(!String::from_utf8_lossy(&run.written).contains("[DONE]"));
    }
    let html = b"data: <html>502</html>\n\n";
    assert!(matches!(assembled(cohere(), html), Assembled::Broken(..)));
}

#[test]
fn calls_that_come_side_by_side_are_said_one_after_the_other() {
    let call = |id: &'static str| {
        let call = ToolCall::function(Text::plain(id), Text::plain("f"), Text::plain(""));
        Box::new(Part::new(Content::ToolCall(call)))
    };
    let start = |part, id| Event::PartStart {
        choice: 0,
        part,
        content: call(id),
    };
    let more = |part, text: &'static str| Event::Delta {
        choice: 0,
        part,
        delta: penstock_llm::model::Delta::Arguments(Text::plain(text)),
    };
    let stop = |part| Event::PartStop { choice: 0, part };
    let mut writer = cohere().stream_writer(&ENVELOPE);
    let mut out = Vec::new();
    for event in [
        Event::Start(Box::default()),
        start(0, "a"),
        start(1, "b"),
        more(1, "{\"b\":"),
        more(0, "{\"a\":"),
        start(2, "c"),
        more(1, "2}"),
        more(2, "{"),
        stop(1),
        more(0, "1}"),
        stop(0),
        more(2, "}"),
        stop(2),
        Event::Done,
    ] {
        writer.write(&event, &mut out);
    }
    let text = String::from_utf8(out.clone()).expect("UTF-8");
    let order: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: {\"type\":\"tool-call-"))
        .map(|line| line.chars().take_while(|c| *c != '"').collect())
        .collect();
    assert_eq!(
        order,
        [
            "start", "delta", "delta", "end", "start", "delta", "end", "start", "delta", "delta", "end"
        ]
    );
    let Assembled::Whole(answer) = assembled(cohere(), &out) else {
        panic!("{text}")
    };
    let arguments: Vec<_> = answer.choices[0]
        .parts
        .iter()
        .map(|part| match &part.content {
            Content::ToolCall(call) => call.arguments.get().into_owned(),
            _ => panic!("a call"),
        })
        .collect();
    assert_eq!(arguments, ["{\"a\":1}", "{\"b\":2}", "{}"]);
}

#[test]
fn openai_s_citations_are_documents_with_the_words_that_they_are_of() {
    let body = json!({"id": "x", "model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": {
        "role": "assistant", "content": "Ärger in Köln", "annotations": [{"type": "url_citation", "url_citation":
            {"start_index": 9, "end_index": 13, "url": "https://example.com", "title": "Köln"}}]}}]});
    let bytes = body.to_string();
    let read = openai().read_answer(bytes.as_bytes()).expect("an answer");
    let citation = &written(&read.value)["message"]["citations"][0];
    assert_eq!(
        *citation,
        json!({"start": 9, "end": 13, "text": "Köln", "type": "TEXT_CONTENT", "content_index": 0,
            "sources": [{"type": "document", "id": "https://example.com",
                "document": {"title": "Köln", "url": "https://example.com"}}]})
    );
}

#[test]
fn pain_d05_whatever_a_provider_says_of_an_error_is_told() {
    for (status, body, kind, message) in [
        (
            400,
            r#"{"error_type":"TOO_MANY_TOKENS","message":"x"}"#,
            ErrorKind::ContextLength,
            "x",
        ),
        (
            400,
            r#"{"message":"too many tokens: size"}"#,
            ErrorKind::ContextLength,
            "too many tokens: size",
        ),
        (
            401,
            r#"{"id":"1","message":"no key"}"#,
            ErrorKind::Authentication,
            "no key",
        ),
        (
            498,
            r#"{"message":"bad token"}"#,
            ErrorKind::Authentication,
            "bad token",
        ),
        (
            429,
            r#"{"message":"slow down"}"#,
            ErrorKind::RateLimit,
            "slow down",
        ),
        (422, r#"{"detail":"no"}"#, ErrorKind::Unprocessable, "no"),
    ] {
        let error = cohere().read_error(status, None, body.as_bytes());
        assert_eq!((error.status, error.kind), (status, kind), "{body}");
        assert_eq!(error.message.get(), message);
    }
    for body in [
        "",
        "<html>",
        "[]",
        "{}",
        "null",
        "{\"message\":5}",
        "{\"message\":\"\"}",
    ] {
        let error = cohere().read_error(502, None, body.as_bytes());
        assert_eq!(
            (error.status, error.kind),
            (502, ErrorKind::Unavailable),
            "{body}"
        );
        assert!(!error.message.is_empty());
    }
    let under_200 = cohere().read_answer(br#"{"id":"1","message":"no such model"}"#);
    let error = under_200.map(|read| read.value.dialect).expect_err("an error");
    assert_eq!(error.message.get(), "no such model");
    assert_eq!(error.status, 500);
    for body in ["", "[]", "{}", "{\"message\":null}", "<html>"] {
        let error = cohere().read_answer(body.as_bytes());
        let error = error.map(|read| read.value.dialect).expect_err("no answer");
        assert_eq!(error.kind, ErrorKind::BadAnswer, "{body}");
    }
}

#[test]
fn every_kind_of_error_is_the_same_after_being_written() {
    for kind in [
        ErrorKind::InvalidRequest,
        ErrorKind::ContextLength,
        ErrorKind::ContentPolicy,
        ErrorKind::Authentication,
        ErrorKind::Billing,
        ErrorKind::Permission,
        ErrorKind::NotFound,
        ErrorKind::Conflict,
        ErrorKind::TooLarge,
        ErrorKind::Unprocessable,
        ErrorKind::RateLimit,
        ErrorKind::Quota,
        ErrorKind::Server,
        ErrorKind::Unavailable,
        ErrorKind::Overloaded,
        ErrorKind::Timeout,
        ErrorKind::BadAnswer,
    ] {
        for status in [kind.status(), 418] {
            let error = Error {
                status,
                ..Error::new(kind, "why")
            };
            let body = cohere().write_error(&error);
            let again = cohere().read_error(cohere().error_status(&error), None, &body);
            assert_eq!(again.kind, kind, "{status}");
        }
    }
}

#[test]
fn nothing_is_lost_silently_of_an_openai_request() {
    let body = json!({"model": "m", "messages": [{"role": "user", "name": "ann", "content": "q"}],
        "metadata": {"a": "b"}, "verbosity": "low", "service_tier": "flex", "store": true, "prompt_cache_key": "k",
        "modalities": ["text", "audio"], "audio": {"voice": "x", "format": "wav"}, "top_logprobs": 3,
        "stop": ["1", "2", "3", "4", "5", "6"]});
    let (_, losses) = carried(openai(), cohere(), &body).expect("taken");
    let lost = lost(&losses);
    for name in [
        "messages[0].name",
        "metadata",
        "verbosity",
        "service_tier",
        "store",
        "prompt_cache_key",
        "modalities",
        "audio",
        "top_logprobs",
        "stop",
    ] {
        assert!(lost.contains(&format!("dropped {name}")), "{name} in {lost:?}");
    }
    assert!(losses.list().iter().all(|loss| loss.what == LossKind::Dropped));
}

#[test]
fn strictness_is_of_all_tools() {
    let body = json!({"model": "m", "messages": [user("q")], "strict_tools": true,
        "tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "NONE"});
    let bytes = body.to_string();
    let read = cohere()
        .read_request(bytes.as_bytes(), &Asked::default())
        .expect("taken");
    assert_eq!(read.value.tool_choice, Some(ToolChoice::None));
    assert!(matches!(
        &read.value.tools[0].kind,
        ToolKind::Function {
            strict: Some(true),
            ..
        }
    ));
    let bare = json!({"model": "m", "messages": [user("q")], "strict_tools": true, "stream": false});
    let (again, _) = carried(cohere(), cohere(), &bare).expect("taken");
    assert_eq!(again, bare);
}

/// Frames of a stream in any order, with anything in them.
fn frames() -> impl Strategy<Value = Vec<String>> {
    let kinds = [
        "message-start",
        "content-start",
        "content-delta",
        "content-end",
        "tool-plan-delta",
        "tool-call-start",
        "tool-call-delta",
        "tool-call-end",
        "citation-start",
        "citation-end",
        "message-end",
        "debug",
        "news",
    ];
    let insides = [
        r#"{}"#,
        r#"{"message":{"content":{"type":"text","text":"a"}}}"#,
        r#"{"message":{"content":{"type":"thinking","thinking":"b"}}}"#,
        r#"{"message":{"tool_plan":"c"}}"#,
        r#"{"message":{"tool_calls":{"id":"d","function":{"name":"e","arguments":"{}"}}}}"#,
        r#"{"message":{"citations":{"start":0,"end":1,"sources":[]}}}"#,
        r#"{"message":{"content":[],"tool_calls":5,"citations":"x"}}"#,
        r#"{"finish_reason":"COMPLETE","usage":{"tokens":{"input_tokens":18446744073709551615,"image_tokens":2}}}"#,
        "[]",
    ];
    let frame = (0..kinds.len(), 0..insides.len(), 0u64..3).prop_map(move |(kind, inside, index)| {
        format!(
            "{{\"type\":\"{}\",\"index\":{index},\"delta\":{}}}",
            kinds[kind], insides[inside]
        )
    });
    prop::collection::vec(frame, 0..40)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_order_of_frames_gives_events_in_order_and_legal_streams(frames in frames()) {
        let mut stream = String::new();
        for frame in &frames {
            stream.push_str(&format!("data: {frame}\n\n"));
        }
        for to in [cohere(), openai()] {
            let run = translated(cohere(), to, &ENVELOPE, [stream.as_bytes()]);
            let whole = matches!(run.assembled, Assembled::Whole(_));
            let again = assembled(to, &run.written);
            prop_assert_eq!(matches!(again, Assembled::Whole(_)), whole);
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..600) {
        let body = json!({"model": "m", "messages": [user("q"), {"role": "assistant", "content": [{"type": "text", "text": "a"}],
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            "citations": [{"start": 1, "end": 0, "sources": [{"id": "x", "document": {"title": "t"}}]}]},
            {"role": "tool", "tool_call_id": "c", "content": [{"type": "document", "document": {"data": {"a": 1}}}]}],
            "documents": ["x"], "thinking": {"type": "x"}}).to_string().into_bytes();
        let mut broken = body.clone();
        for (offset, byte) in bytes.iter().enumerate().take(3) {
            let place = (at + offset * 7) % broken.len();
            broken[place] = *byte;
        }
        for bytes in [&bytes, &broken, &body] {
            if let Ok(read) = cohere().read_request(bytes, &Asked::default()) {
                for to in [cohere(), openai()] {
                    let _ = to.write_request(&read.value, &Target::new("m"));
                }
            }
            if let Ok(read) = cohere().read_answer(bytes) {
                let written = cohere().write_answer(&read.value, &ENVELOPE);
                prop_assert!(cohere().read_answer(&written.bytes).is_ok());
            }
            let _ = cohere().read_error(200, None, bytes);
            let frame = StreamFrame::data(bytes);
            let _ = read_frames(cohere(), &[frame, frame]);
        }
    }
}
