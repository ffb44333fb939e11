"""The plugins at work under a real SDK: what a guard takes out is gone on both sides, whole and streamed."""

import pytest
from conftest import used
from stand import CHAIN, CONTROLLED, SAME

SECRET = "sk-proj-" + "Ab3dEf6hIj9lMn2pQr5tUv8xYz1C" * 2


@pytest.fixture
def stand(chain_stand):
    yield from used(chain_stand)


def user(text):
    return [{"role": "user", "content": text}]


def test_a_secret_in_a_question_never_reaches_the_provider(stand, client):
    answer = client.chat.completions.create(model=SAME, messages=user(f"my key is {SECRET}, keep it"))
    assert answer.choices[0].message.content == "You said: my key is [gone], keep it"
    (upstream,) = stand.settle(edits={SECRET: "[gone]"}).upstream
    assert SECRET not in upstream["body"]


@pytest.mark.parametrize("piece_bytes", [1, 3, 7, 64])
def test_a_secret_in_a_stream_is_taken_out_wherever_it_is_split(stand, client, piece_bytes):
    model = f"{CONTROLLED}+piece-bytes={piece_bytes}+reply=take {SECRET} and go"
    chunks = client.chat.completions.create(model=model, messages=user("tell me"), stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "take [gone] and go"
    stand.settle()


def test_a_secret_in_a_whole_answer_is_taken_out(stand, client):
    model = f"{CONTROLLED}+reply=take {SECRET} and go"
    answer = client.chat.completions.create(model=model, messages=user("tell me"))
    assert answer.choices[0].message.content == "take [gone] and go"
    stand.settle()


def test_a_secret_in_tool_arguments_is_taken_out(stand, client):
    tool = {
        "type": "function",
        "function": {"name": "save", "parameters": {
            "type": "object", "properties": {"text": {"const": f"key {SECRET} end"}}, "required": ["text"],
        }},
    }
    asked = {"model": SAME, "messages": user("save it"), "tools": [tool]}
    whole = client.chat.completions.create(**asked).choices[0].message.tool_calls[0].function.arguments
    streamed = "".join(
        piece.function.arguments or ""
        for chunk in client.chat.completions.create(**asked, stream=True)
        for piece in chunk.choices[0].delta.tool_calls or []
    )
    assert SECRET not in whole and "[gone]" in whole
    assert streamed == whole
    stand.settle()


def test_the_record_names_the_chain_that_ran(stand, client):
    client.chat.completions.create(model=SAME, messages=user("who ran?"))
    plugins = stand.settle().record["plugins"]
    assert [plugin["name"] for plugin in plugins if plugin["hook"] == "on-request"][:2] == CHAIN[:2]
    assert all(plugin["verdict"] in ("proceed", "edit", "order", "none") for plugin in plugins)
    assert all(len(plugin["digest"]) >= 12 for plugin in plugins)
