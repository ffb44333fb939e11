"""Chat as applications use it: whole and streamed, tools, structured output, unusual content."""

import json

import pytest
from pydantic import BaseModel
from stand import CONTROLLED, RENAMED, SAME

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}


class Person(BaseModel):
    name: str
    age: int
    friends: list[str]


def user(text):
    return [{"role": "user", "content": text}]


def recorded_usage(record):
    return tuple(record["usage"][part] for part in ("prompt", "completion", "total"))


def told_usage(usage):
    return (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)


@pytest.mark.parametrize("model", [SAME, RENAMED])
def test_a_question_is_answered(stand, client, model):
    answer = client.chat.completions.create(model=model, messages=user("Hello, wörld 👋"), temperature=0.5)
    assert answer.choices[0].message.content == "You said: Hello, wörld 👋"
    assert answer.choices[0].finish_reason == "stop"
    assert answer._request_id
    record = stand.settle().record
    assert record["id"] == answer._request_id
    assert (record["operation"], record["model"], record["stream"]) == ("chat", model, False)
    assert recorded_usage(record) == told_usage(answer.usage)
    assert record["usage"]["source"] == "provider"


@pytest.mark.parametrize("model", [SAME, RENAMED])
def test_a_stream_arrives_piece_by_piece_and_without_the_usage_nobody_asked_for(stand, client, model):
    chunks = list(client.chat.completions.create(model=model, messages=user("one two three"), stream=True))
    assert all(chunk.choices for chunk in chunks)
    assert all(chunk.usage is None for chunk in chunks)
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]
    assert len(pieces) > 2 and "".join(pieces) == "You said: one two three"
    assert chunks[-1].choices[0].finish_reason == "stop"
    record = stand.settle().record
    assert record["stream"] is True
    assert record["usage"]["source"] == "provider"
    assert record["usage"]["completion"] == len(pieces)


def test_usage_that_was_asked_for_comes_in_the_last_chunk(stand, client):
    stream = client.chat.completions.create(
        model=SAME, messages=user("count me"), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert chunks[-1].choices == []
    assert recorded_usage(stand.settle().record) == told_usage(chunks[-1].usage)


def test_the_stream_helper_assembles_the_answer(stand, client):
    with client.chat.completions.stream(model=SAME, messages=user("assemble this")) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert final.choices[0].message.content == "You said: assemble this"
    stand.settle()


def test_several_choices_keep_apart(stand, client):
    answer = client.chat.completions.create(model=SAME, messages=user("twice"), n=2)
    assert [choice.index for choice in answer.choices] == [0, 1]
    chunks = list(client.chat.completions.create(model=SAME, messages=user("twice"), n=2, stream=True))
    texts = ["", ""]
    for chunk in chunks:
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    assert texts == ["You said: twice"] * 2
    stand.settle()


def test_a_tool_is_called_and_its_result_is_answered(stand, client):
    messages = user("What does weather say?")
    first = client.chat.completions.create(model=SAME, messages=messages, tools=[WEATHER])
    (call,) = first.choices[0].message.tool_calls
    assert first.choices[0].finish_reason == "tool_calls"
    assert call.function.name == "weather"
    assert set(json.loads(call.function.arguments)) == {"city", "days"}
    messages += [first.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    second = client.chat.completions.create(model=SAME, messages=messages, tools=[WEATHER])
    assert second.choices[0].message.content == "The tool said: sunny"
    assert len(stand.settle().records) == 2


def test_streamed_tool_arguments_join_to_the_same_json(stand, client):
    asked = {"model": SAME, "messages": user("weather please"), "tools": [WEATHER], "tool_choice": "required"}
    whole = client.chat.completions.create(**asked).choices[0].message.tool_calls[0].function
    pieces = [
        piece
        for chunk in client.chat.completions.create(**asked, stream=True)
        for piece in chunk.choices[0].delta.tool_calls or []
    ]
    assert len(pieces) > 2
    assert pieces[0].function.name == whole.name
    assert "".join(piece.function.arguments or "" for piece in pieces) == whole.arguments
    with client.chat.completions.stream(**asked) as stream:
        parsed = stream.get_final_completion().choices[0].message.tool_calls[0].function
    assert parsed.parsed_arguments == json.loads(whole.arguments)
    assert len(stand.settle().records) == 3


def test_structured_output_parses_into_a_model(stand, client):
    answer = client.chat.completions.parse(model=SAME, messages=user("Ada"), response_format=Person)
    assert isinstance(answer.choices[0].message.parsed, Person)
    with client.chat.completions.stream(model=SAME, messages=user("Ada"), response_format=Person) as stream:
        streamed = stream.get_final_completion()
    assert streamed.choices[0].message.parsed == answer.choices[0].message.parsed
    assert len(stand.settle().records) == 2


def test_json_mode(stand, client):
    answer = client.chat.completions.create(
        model=SAME, messages=user("in JSON"), response_format={"type": "json_object"}
    )
    assert json.loads(answer.choices[0].message.content) == {"reply": "in JSON"}
    stand.settle()


def test_images_audio_and_files_pass_as_they_are(stand, client):
    parts = [
        {"type": "text", "text": "what is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
    ]
    answer = client.chat.completions.create(model=SAME, messages=[{"role": "user", "content": parts}])
    assert answer.choices[0].message.content == "You said: what is this?"
    stand.settle()


def test_fields_that_the_gateway_does_not_know_survive(stand, client):
    odd = {"provider_only": {"b": [1, 2.50, 1e-7, None], "a": "\u2028\\u0065"}, "metadata": {"z": "1", "a": "2"}}
    client.chat.completions.create(
        model=SAME, messages=user("odd"), extra_body=odd, seed=2**53 + 1, logit_bias={"50256": -100}, user="u-1"
    )
    (upstream,) = stand.settle().upstream
    assert b'"b":[1,2.5,1e-07,null]' in upstream["body"].encode()


def test_a_long_conversation_is_answered(stand, client):
    turns = [{"role": ("user", "assistant")[n % 2], "content": f"turn {n} " + "x" * 500} for n in range(401)]
    answer = client.chat.completions.create(model=SAME, messages=turns)
    assert answer.choices[0].message.content.startswith("You said: turn 400")
    stand.settle()


def test_a_long_stream_of_large_events_is_complete(stand, client):
    model = f"{CONTROLLED}+events=400+event-bytes=4096+burst=1"
    chunks = client.chat.completions.create(model=model, messages=user("go on"), stream=True)
    assert sum(bool(chunk.choices[0].delta.content) for chunk in chunks) == 400
    stand.settle()


def test_the_raw_response_shows_who_served_it(stand, client):
    raw = client.chat.completions.with_raw_response.create(model=RENAMED, messages=user("who?"))
    assert raw.parse().choices[0].message.content == "You said: who?"
    assert raw.headers["x-penstock-provider"] == "mock"
    assert raw.headers["x-penstock-model"] == "gpt-4o-mini"
    assert raw.headers["x-penstock-attempts"] == "1"
    settled = stand.settle()
    assert raw.request_id == settled.record["id"]
    assert raw.headers["x-penstock-generation"] == str(settled.record["generation"])
    assert [attempt["provider"] for attempt in settled.record["attempts"]] == ["mock"]


def test_a_streamed_raw_response_is_the_sse_text(stand, client):
    options = {"model": SAME, "messages": user("raw"), "stream": True}
    with client.chat.completions.with_streaming_response.create(**options) as raw:
        assert raw.headers["content-type"].startswith("text/event-stream")
        text = b"".join(raw.iter_bytes())
    assert text.startswith(b"data: {") and text.endswith(b"data: [DONE]\n\n")
    stand.settle()
