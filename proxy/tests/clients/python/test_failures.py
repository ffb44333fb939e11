"""What an application catches: the SDK's error classes, timeouts, retries, broken streams, calls given up."""

import threading
import time

import openai
import pytest
from stand import CONTROLLED, SAME

# What the provider says, what the caller gets: a provider that refuses the gateway's own key is not the caller's 401.
STATUSES = [
    (400, 400, openai.BadRequestError),
    (401, 502, openai.InternalServerError),
    (403, 502, openai.InternalServerError),
    (404, 404, openai.NotFoundError),
    (409, 409, openai.ConflictError),
    (422, 422, openai.UnprocessableEntityError),
    (429, 429, openai.RateLimitError),
    (500, 500, openai.InternalServerError),
    (503, 503, openai.InternalServerError),
]
# What the caller can mend is a refusal, whoever says it.
CALLERS_OWN = {400, 404, 409, 422}


def user(text):
    return [{"role": "user", "content": text}]


def controlled(**controls):
    return CONTROLLED + "".join(f"+{name.replace('_', '-')}={value}" for name, value in controls.items())


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("upstream, status, kind", STATUSES)
def test_a_providers_error_becomes_the_sdks_class(stand, client, upstream, status, kind, streamed):
    with pytest.raises(kind) as caught:
        client.chat.completions.create(model=controlled(status=upstream), messages=user("x"), stream=streamed)
    error = caught.value
    assert error.status_code == status
    assert error.type and error.message and error.request_id
    settled = stand.settle(status=status, ending="refused" if status in CALLERS_OWN else "failed")
    assert settled.record["id"] == error.request_id
    assert [attempt["status"] for attempt in settled.record["attempts"]] == [upstream]


def test_a_wrong_key_is_refused_here(stand):
    with stand.client(api_key="sk-wrong") as client, pytest.raises(openai.AuthenticationError) as caught:
        client.chat.completions.create(model=SAME, messages=user("x"))
    assert caught.value.code == "invalid_api_key"
    assert "sk-wrong" not in str(caught.value)
    stand.settle(status=401, ending="refused", forwarded=False, key=None)


def test_an_unknown_model_is_not_found(stand, client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="no-such-model", messages=user("x"))
    assert caught.value.code == "model_not_found"
    stand.settle(status=404, ending="refused", forwarded=False)
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no-such-model")
    stand.settle(status=404, ending="refused", forwarded=False)


def test_a_wrong_type_names_its_field(stand, client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=SAME, messages=user("x"), extra_body={"messages": "not a list"})
    assert caught.value.param == "messages"
    stand.settle(status=400, ending="refused", forwarded=False)


def test_the_sdks_retries_are_calls_of_their_own(stand):
    model = controlled(status=503, retry_after="0.05", times=2, reply="third time lucky")
    with stand.client(max_retries=2) as client:
        answer = client.chat.completions.create(model=model, messages=user("x"))
    assert answer.choices[0].message.content == "third time lucky"
    settled = stand.settle(each=[(503, "failed"), (503, "failed"), (200, "complete")])
    assert len({record["id"] for record in settled.records}) == 3


def test_a_long_retry_after_ends_the_sdks_retries(stand):
    with stand.client(max_retries=2) as client, pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model=controlled(status=429, retry_after=600), messages=user("x"))
    assert caught.value.response.headers["retry-after"] == "600"
    stand.settle(status=429, ending="failed")


def test_bad_requests_are_not_retried(stand):
    with stand.client(max_retries=2) as client, pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model=controlled(status=400), messages=user("x"))
    stand.settle(status=400, ending="refused")


@pytest.mark.parametrize("streamed", [False, True])
def test_a_call_that_times_out_is_cancelled_at_the_provider(stand, client, streamed):
    model = controlled(delay_ms=15000)
    with pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(model=model, messages=user("x"), stream=streamed, timeout=0.3)
    stand.wait_upstream("disconnected")
    stand.settle(status=None, ending="cancelled")


def test_a_stream_that_is_closed_is_cancelled_at_the_provider(stand, client):
    model = controlled(events=5000, event_delay_ms=20)
    stream = client.chat.completions.create(model=model, messages=user("x"), stream=True)
    read = [next(stream) for _ in range(3)]
    assert len(read) == 3
    stream.close()
    stand.wait_upstream("disconnected")
    stand.settle(ending="cancelled")


def test_a_stream_that_times_out_in_a_silence_is_cancelled_at_the_provider(stand, client):
    model = controlled(events=10, event_delay_ms=15000)
    with pytest.raises(openai.APITimeoutError):
        list(client.chat.completions.create(model=model, messages=user("x"), stream=True, timeout=0.5))
    stand.wait_upstream("disconnected")
    stand.settle(status=None, ending="cancelled")


@pytest.mark.parametrize("fault", ["truncated", "close-mid", "reset-mid", "garbage", "error-event"])
def test_a_broken_stream_raises_and_never_looks_complete(stand, client, fault):
    model = controlled(events=6, event_delay_ms=5, fault=fault, fault_after=3)
    seen = []
    with pytest.raises(openai.APIError) as caught:
        for chunk in client.chat.completions.create(model=model, messages=user("x"), stream=True):
            seen.append(chunk)
    assert seen and not any(chunk.choices[0].finish_reason for chunk in seen if chunk.choices)
    assert caught.value.message
    settled = stand.settle(ending="failed" if fault == "error-event" else "truncated")
    assert settled.record["error"]["code"]


@pytest.mark.parametrize("fault", ["close-head", "reset-head", "close-mid", "reset-mid", "garbage"])
def test_a_broken_whole_answer_is_a_bad_gateway(stand, client, fault):
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model=controlled(fault=fault), messages=user("x"))
    assert caught.value.status_code == 502
    stand.settle(status=502, ending="failed", resent=fault.endswith("head"))


def test_a_repeat_with_the_same_idempotency_key_is_answered_once_upstream(stand, client):
    options = {
        "model": controlled(delay_ms=100), "messages": user("once"), "extra_headers": {"Idempotency-Key": "once-1"},
    }
    first = client.chat.completions.create(**options)
    second = client.chat.completions.create(**options)
    assert first.id == second.id
    assert len(stand.settle(replayed=1).records) == 2


def test_many_threads_share_one_client(stand, client):
    answers = {}

    def ask(number):
        stream = client.chat.completions.create(model=SAME, messages=user(f"thread {number}"), stream=True)
        answers[number] = "".join(chunk.choices[0].delta.content or "" for chunk in stream)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: f"You said: thread {number}" for number in range(24)}
    assert len(stand.settle().records) == 24


def test_the_first_chunk_does_not_wait_for_the_last(stand, client):
    model = controlled(events=4, event_delay_ms=400)
    started = time.monotonic()
    stream = client.chat.completions.create(model=model, messages=user("x"), stream=True)
    first = next(chunk for chunk in stream if chunk.choices[0].delta.content)
    early = time.monotonic() - started
    list(stream)
    whole = time.monotonic() - started
    assert first and early < whole / 2
    stand.settle()
