"""Cohere's SDK: reranking as a page of the gateway's own, chats through the provider's raw page."""

import json

import cohere
import pytest
from replay_stand import model
from running import KEY

from replay.recordings import recordings
from replay.said import said

ANSWERS = [one for one in recordings().values() if one.api == "cohere.chat_v2" and one.status == 200]
pytestmark = pytest.mark.skipif(not recordings(), reason="../shared/recordings is absent")


def client(stand, path: str = "") -> cohere.ClientV2:
    return cohere.ClientV2(KEY, base_url=f"{stand.url}{path}", max_retries=0)


@pytest.mark.parametrize("recording", ANSWERS, ids=lambda one: one.name)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_chat_passes_as_it_is_and_is_metered(replay_stand, recording, stream):
    if recording.is_stream and not stream:
        return
    asked = {"model": model(recording).partition("/")[2], "messages": [{"role": "user", "content": "Hello"}]}
    wanted = said(recording)
    if stream:
        events = list(client(replay_stand, "/cohere-raw").chat_stream(**asked))
        text = "".join(event.delta.message.content.text or "" for event in events if event.type == "content-delta")
        assert events[-1].type == "message-end"
    else:
        answer = client(replay_stand, "/cohere-raw").chat(**asked)
        text = "".join(block.text for block in answer.message.content or [] if block.type == "text")
        calls = [(call.function.name, json.loads(call.function.arguments)) for call in answer.message.tool_calls or []]
        assert calls == wanted.calls
    assert text == wanted.text
    _, record = replay_stand.settle()
    assert record["operation"] == "raw"


def test_documents_are_ranked(replay_stand):
    recording = next(one for one in recordings().values() if one.api == "rerank" and one.model == "rerank-v3.5")
    told = json.loads(recording.body)
    answer = client(replay_stand).rerank(
        model=f"cohere/{recording.model}~{recording.name}", query="Which?", documents=["one", "two", "three"], top_n=2
    )
    got = [(one.index, one.relevance_score) for one in answer.results]
    assert got == [(one["index"], one["relevance_score"]) for one in told["results"]]
    asked, record = replay_stand.settle()
    assert (asked.path, asked.body["documents"]) == ("/cohere/v2/rerank", ["one", "two", "three"])
    assert record["operation"] == "rerank"


def test_an_error_is_the_sdks_own(replay_stand):
    with pytest.raises(cohere.errors.TooManyRequestsError):
        messages = [{"role": "user", "content": "Hello"}]
        client(replay_stand, "/cohere-raw").chat(model="m~x+status=429", messages=messages)
    replay_stand.settle()
