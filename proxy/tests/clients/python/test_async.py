"""The asynchronous client: the same calls, concurrently, and tasks that are cancelled."""

import asyncio
import time

import openai
import pytest
from pydantic import BaseModel
from stand import CONTROLLED, RENAMED, SAME


class Person(BaseModel):
    name: str
    age: int


def user(text):
    return [{"role": "user", "content": text}]


def use(stand, calls):
    """Runs `calls(client)` in an event loop of its own."""

    async def inside():
        async with stand.async_client() as client:
            return await calls(client)

    return asyncio.run(inside())


@pytest.mark.parametrize("model", [SAME, RENAMED])
def test_a_question_is_answered(stand, model):
    answer = use(stand, lambda client: client.chat.completions.create(model=model, messages=user("hi")))
    assert answer.choices[0].message.content == "You said: hi"
    assert stand.settle().record["id"] == answer._request_id


def test_fifty_streams_at_once_do_not_mix(stand):
    async def one(client, number):
        stream = await client.chat.completions.create(model=SAME, messages=user(f"task {number}"), stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def calls(client):
        return await asyncio.gather(*(one(client, number) for number in range(50)))

    assert use(stand, calls) == [f"You said: task {number}" for number in range(50)]
    assert len(stand.settle().records) == 50


def test_structured_output_parses(stand):
    async def calls(client):
        whole = await client.chat.completions.parse(model=SAME, messages=user("Ada"), response_format=Person)
        async with client.chat.completions.stream(
            model=SAME, messages=user("Ada"), response_format=Person
        ) as stream:
            streamed = await stream.get_final_completion()
        return whole.choices[0].message.parsed, streamed.choices[0].message.parsed

    whole, streamed = use(stand, calls)
    assert isinstance(whole, Person) and whole == streamed
    stand.settle()


def test_embeddings_and_models(stand):
    async def calls(client):
        answer = await client.embeddings.create(model="text-embedding-3-small", input="one")
        return len(answer.data[0].embedding)

    assert use(stand, calls) == 256
    stand.settle()

    async def listed(client):
        return {model.id: model.created async for model in client.models.list()}

    first, second = use(stand, listed), use(stand, listed)
    assert first == second
    assert 1.7e9 < first[SAME] <= time.time()
    stand.settle(forwarded=False)


def test_an_error_has_its_class(stand):
    with pytest.raises(openai.RateLimitError):
        use(stand, lambda client: client.chat.completions.create(model=f"{CONTROLLED}+status=429", messages=user("x")))
    stand.settle(status=429, ending="failed")


def test_a_cancelled_task_cancels_the_call_at_the_provider(stand):
    async def calls(client):
        model = f"{CONTROLLED}+events=5000+event-delay-ms=20"
        stream = await client.chat.completions.create(model=model, messages=user("x"), stream=True)
        got = asyncio.Event()

        async def read():
            async for _ in stream:
                got.set()

        reading = asyncio.create_task(read())
        await got.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await stream.close()

    use(stand, calls)
    stand.wait_upstream("disconnected")
    stand.settle(ending="cancelled")


def test_a_timeout_cancels_the_call_at_the_provider(stand):
    async def calls(client):
        with pytest.raises(openai.APITimeoutError):
            await client.chat.completions.create(
                model=f"{CONTROLLED}+delay-ms=15000", messages=user("x"), timeout=0.3
            )

    use(stand, calls)
    stand.wait_upstream("disconnected")
    stand.settle(status=None, ending="cancelled")
