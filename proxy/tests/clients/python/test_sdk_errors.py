"""What an application catches of a provider that fails: its own SDK's error, whatever dialect the provider speaks."""

import pytest
from ask import Ask
from replay_stand import PROVIDER_OF, model
from sdks import CALLERS
from test_recordings import SPOKEN
from written import PLAIN

from replay import failures
from replay.failures import MESSAGE
from replay.recordings import recordings

# What the provider says and what the caller gets: that the gateway's own key is refused is not the caller's to mend.
STATUSES = [(400, 400), (401, 502), (403, 502), (404, 404), (429, 429), (500, 500), (503, 503)]
REFUSALS = (400, 404)
# What the SDKs that have words of their own say to a status.
CODES = {
    "boto3": {
        400: "ValidationException", 404: "ResourceNotFoundException", 429: "ThrottlingException",
        500: "InternalServerException", 502: "ModelErrorException", 503: "ServiceUnavailableException",
    },
    "google-genai": {
        400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 502: "UNAVAILABLE",
        503: "UNAVAILABLE",
    },
    "anthropic": {
        400: "invalid_request_error", 404: "not_found_error", 429: "rate_limit_error", 500: "api_error",
        502: "api_error", 503: "overloaded_error",
    },
    "openai": {
        400: "invalid_request_error", 404: "not_found_error", 429: "rate_limit_error", 500: "server_error",
        502: "server_error", 503: "server_error",
    },
}
CODES["openai-responses"] = CODES["openai"]
# How many events of each provider's stream have begun to say something, and not ended.
SAID_SOMETHING = {
    "anthropic.messages": 5, "openai.chat": 3, "gemini.generate": 1, "bedrock.converse": 3, "cohere.chat_v2": 4,
    "openai.responses": 6,
}
RECORDED = [one for one in recordings().values() if one.api in PROVIDER_OF and one.status != 200]
BOTH_MODES = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
EVERY_SDK = pytest.mark.parametrize("sdk", CALLERS)
EVERY_PROVIDER = pytest.mark.parametrize("api", PROVIDER_OF)


def caught(stand, sdk: str, ask: Ask) -> Exception:
    with pytest.raises(Exception) as info:
        stand.caller(sdk).ask(ask)
    return info.value


def code_of(sdk: str, error: Exception) -> str:
    if sdk == "boto3":
        return error.response["Error"]["Code"]
    if sdk == "google-genai":
        return error.status
    return error.body["error"]["type"] if sdk == "anthropic" else error.type


@BOTH_MODES
@pytest.mark.parametrize("upstream, status", STATUSES)
@EVERY_PROVIDER
@EVERY_SDK
def test_a_providers_error_is_the_sdks_own(replay_stand, sdk, api, upstream, status, stream):
    error = caught(replay_stand, sdk, Ask(model(PLAIN[api], wishes=f"+status={upstream}"), stream))
    caller = CALLERS[sdk]
    assert isinstance(error, caller.errors[status])
    assert caller.status_of(error) == status
    # What the caller can mend passes one of the provider's own dialect in the provider's words.
    own = SPOKEN[sdk] == api and status in REFUSALS
    assert code_of(sdk, error) == (failures.word(api, status) if own else CODES[sdk][status])
    assert status == 502 or MESSAGE in str(error)
    _, record = replay_stand.settle("refused" if status in REFUSALS else "failed")
    assert record["status"] == status


@BOTH_MODES
@pytest.mark.parametrize("recording", RECORDED, ids=lambda one: one.name)
@EVERY_SDK
def test_a_recorded_error_is_the_sdks_own(replay_stand, sdk, recording, stream):
    error = caught(replay_stand, sdk, Ask(model(recording), stream))
    status = dict(STATUSES)[recording.status]
    assert isinstance(error, CALLERS[sdk].errors[status])
    # What the caller can mend passes one of the provider's own dialect, whatever words it has.
    own = SPOKEN[sdk] == recording.api and status in REFUSALS
    assert own or code_of(sdk, error) == CODES[sdk][status]
    _, record = replay_stand.settle("failed" if status == 502 else "refused")
    assert record["status"] == status


@EVERY_PROVIDER
@EVERY_SDK
def test_an_error_within_a_stream_is_raised(replay_stand, sdk, api):
    wish = f"+error-after={SAID_SOMETHING[api]}"
    error = caught(replay_stand, sdk, Ask(model(PLAIN[api], wishes=wish), stream=True))
    assert isinstance(error, CALLERS[sdk].in_stream)
    assert MESSAGE in str(error)
    replay_stand.settle("failed")


@EVERY_PROVIDER
@EVERY_SDK
def test_a_stream_that_breaks_off_never_looks_complete(replay_stand, sdk, api):
    wish = f"+cut-after={SAID_SOMETHING[api]}"
    error = caught(replay_stand, sdk, Ask(model(PLAIN[api], wishes=wish), stream=True))
    assert isinstance(error, CALLERS[sdk].in_stream)
    replay_stand.settle("truncated")


@EVERY_SDK
def test_a_wrong_key_is_refused_in_the_sdks_terms(replay_stand, sdk):
    with pytest.raises(Exception) as info:
        CALLERS[sdk](replay_stand, "sk-wrong").ask(Ask("openai/gpt~x"))
    (record,) = replay_stand.take_records(1)
    assert record["ending"] == "refused"
    assert CALLERS[sdk].status_of(info.value) == 401
    words = {
        "openai": "authentication_error", "openai-responses": "authentication_error", "anthropic": "authentication_error", "google-genai": "UNAUTHENTICATED",
        "boto3": "UnrecognizedClientException",
    }
    assert code_of(sdk, info.value) == words[sdk]
