"""The OpenAI SDK's responses beyond one question and its answer: their events, objects that it parses, answers that are
come back to."""

import openai
import pytest
import written
from replay_stand import PROVIDER_OF, model
from test_agents import SHAPES, STRUCTURED
from test_sdk_errors import SAID_SOMETHING

from replay.failures import MESSAGE
from replay.recordings import recordings
from replay.said import said

pytestmark = pytest.mark.skipif(not recordings(), reason="../shared/recordings is absent")

TEXT = "A text of some length."
EVERY_PROVIDER = pytest.mark.parametrize("api", PROVIDER_OF)


@pytest.fixture
def client(replay_stand):
    return replay_stand.caller("openai-responses").client


def plain(api: str, wishes: str = "") -> str:
    return model(written.PLAIN[api], wishes=wishes)


def kept(client, **options):
    return client.responses.create(model=plain("openai.responses"), input="Hello", **options)


@EVERY_PROVIDER
def test_events_come_in_their_order(replay_stand, client, api):
    events = list(client.responses.create(model=plain(api), input="Hello", stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"] and kinds[-1] == "response.completed"
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == TEXT
    assert events[-1].response.output_text == TEXT
    assert {event.response.id for event in events if hasattr(event, "response")} == {events[0].response.id}
    replay_stand.settle()


def test_thoughts_are_items_of_their_own(replay_stand, client):
    asked = {"model": model(written.THOUGHTS), "input": "Hello", "reasoning": {"effort": "low"}}
    events = list(client.responses.create(**asked, stream=True))
    thought = said(written.THOUGHTS).thoughts
    told = [event.delta for event in events if event.type == "response.reasoning_text.delta"]
    assert "".join(told) == thought
    kinds = [item.type for item in events[-1].response.output]
    assert kinds == ["reasoning", "message", "function_call", "function_call"]
    replay_stand.settle()


@pytest.mark.parametrize("provider", STRUCTURED)
def test_an_object_is_parsed(replay_stand, client, provider):
    recording, shape = recordings()[STRUCTURED[provider]], SHAPES[provider]
    answer = client.responses.parse(model=model(recording), input="Hello", text_format=shape)
    assert answer.output_parsed == shape.model_validate_json(said(recording).text)
    replay_stand.settle()


@EVERY_PROVIDER
def test_an_error_within_a_stream_is_raised_where_its_events_are_read(replay_stand, client, api):
    asked, seen = plain(api, f"+error-after={SAID_SOMETHING[api]}"), []
    with pytest.raises(openai.APIError) as caught:
        for event in client.responses.create(model=asked, input="Hello", stream=True):
            seen.append(event.type)
    assert MESSAGE in str(caught.value)
    assert "response.output_text.delta" in seen and "response.completed" not in seen
    replay_stand.settle("failed")


# Answers that are come back to.


def test_an_answer_is_fetched_and_deleted(replay_stand, client):
    answer = kept(client)
    assert client.responses.retrieve(answer.id) == answer
    (item,) = client.responses.input_items.list(answer.id)
    assert item.content[0].text == "Hello"
    gone_on = kept(client, previous_response_id=answer.id)
    assert gone_on.output_text == TEXT
    client.responses.delete(answer.id)
    asked, records = replay_stand.settle(calls=5)
    assert [one.path.removeprefix("/openai/v1") for one in asked[1:3]] == [
        f"/responses/{answer.id}", f"/responses/{answer.id}/input_items",
    ]
    # What it used is accounted for where it was made, and nowhere else.
    sources = [record["usage"]["source"] for record in records]
    assert sources == ["provider", "none", "none", "provider", "none"]


def test_a_deleted_answer_is_not_found(replay_stand, client):
    answer = kept(client)
    client.responses.delete(answer.id)
    with pytest.raises(openai.NotFoundError) as caught:
        client.responses.retrieve(answer.id)
    assert caught.value.code == "not_found"
    with pytest.raises(openai.BadRequestError) as caught:
        kept(client, previous_response_id=answer.id)
    assert caught.value.code == "previous_response_not_found"
    records, asked = replay_stand.take_records(4), replay_stand.replay.take()
    assert len(asked) == 2
    assert [record["ending"] for record in records] == ["complete"] * 2 + ["refused"] * 2


def test_an_answer_in_the_background_is_waited_for(replay_stand, client):
    answer = kept(client, background=True)
    assert (answer.status, answer.output, answer.usage) == ("queued", [], None)
    for _ in range(2):
        done = client.responses.retrieve(answer.id)
        assert (done.status, done.output_text) == ("completed", TEXT)
    _, records = replay_stand.settle(calls=3)
    assert [record["usage"]["prompt"] for record in records] == [None, 3, None]


def test_an_answer_in_the_background_is_cancelled(replay_stand, client):
    answer = kept(client, background=True)
    assert client.responses.cancel(answer.id).status == "cancelled"
    replay_stand.settle(calls=2)


def test_an_answer_is_heard_from_where_it_was_left(replay_stand, client):
    answer = kept(client, background=True)
    events = list(client.responses.retrieve(answer.id, stream=True, starting_after=4))
    assert [event.sequence_number for event in events] == list(range(5, 5 + len(events)))
    assert events[-1].response.output_text == TEXT
    _, records = replay_stand.settle(calls=2)
    assert records[1]["usage"]["prompt"] == 3


@pytest.mark.parametrize("api", [api for api in PROVIDER_OF if api != "openai.responses"])
def test_an_answer_that_nobody_keeps_says_so(replay_stand, client, api):
    answer = client.responses.create(model=plain(api), input="Hello")
    replay_stand.settle()
    pages = client.responses
    for page in (pages.retrieve, pages.delete, pages.cancel, lambda id: list(pages.input_items.list(id))):
        with pytest.raises(openai.NotFoundError, match="was not kept") as caught:
            page(answer.id)
        assert caught.value.code == "response_not_kept"
    assert all(record["status"] == 404 for record in replay_stand.take_records(4))
    assert replay_stand.replay.take() == []
