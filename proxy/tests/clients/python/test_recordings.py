"""Every SDK gets every recorded answer, whatever provider it came from: one table of callers, recordings and modes."""

import pytest
import written
from ask import Ask, wanted
from replay_stand import PROVIDER_OF, model
from sdks import CALLERS

from replay.heard import heard
from replay.recordings import Recording, recordings
from replay.said import Usage, said

ALL = [*recordings().values(), written.THOUGHTS]
ANSWERS = [one for one in ALL if one.api in PROVIDER_OF and one.status == 200]
pytestmark = pytest.mark.skipif(not recordings(), reason="../shared/recordings is absent")


def ask_for(recording: Recording, stream: bool) -> Ask:
    """A question to which the recording may be the answer, with what its own question had."""
    has = recording.features.__contains__
    calls = said(recording).calls
    tools = {name: {"type": "object", "properties": {key: {} for key in given}} for name, given in calls}
    if has("tools") and not tools:
        tools = {"lookup": {"type": "object", "properties": {"term": {"type": "string"}}, "required": ["term"]}}
    return Ask(
        model(recording),
        stream,
        tools=tools,
        history=[(name, {"term": 'é "\\'}) for name in list(tools)[:1]] if has("tool_result_in") else [],
        image=has("image_in"),
        structured=has("structured") and not tools,
        reasons=has("reasoning"),
    )



# The dialect of each SDK.
SPOKEN = {
    "openai": "openai.chat", "openai-responses": "openai.responses", "anthropic": "anthropic.messages",
    "google-genai": "gemini.generate", "boto3": "bedrock.converse",
}


def is_case(sdk: str, recording: Recording, stream: bool) -> bool:
    """In the SDK's own dialect an answer passes byte for byte, oddities and all: not every one is the SDK's to read."""
    own = SPOKEN[sdk] == recording.api
    is_odd = sdk == "openai" or recording.is_stream and not stream or recording.name == "function_call_choice.0"
    return not (own and is_odd)


CASES = [
    pytest.param(sdk, one, stream, id=f"{sdk}-{PROVIDER_OF[one.api]}-{one.name}-{'stream' if stream else 'whole'}")
    for sdk in CALLERS for one in ANSWERS for stream in (False, True) if is_case(sdk, one, stream)
]


@pytest.mark.parametrize("sdk, recording, stream", CASES)
def test_an_sdk_gets_what_the_provider_said(replay_stand, sdk, recording, stream):
    """The same whole and streamed, counts of tokens included (PAIN D01, D04, E08, H04, J07)."""
    ask = ask_for(recording, stream)
    told, answer = replay_stand.caller(sdk).ask(ask), said(recording)
    # What nobody counted, some dialects tell as nothing and some do not tell; Gemini's never tells what was written.
    told.usage = answer.usage and told.usage
    if sdk == "google-genai" and answer.usage:
        answer.usage.written = 0
    assert told == answer
    asked, record = replay_stand.settle()
    assert asked.stream == stream
    assert heard(recording.api, asked.body) == wanted(ask)
    check_usage(recording, answer.usage, record["usage"])


def check_usage(recording: Recording, usage: Usage | None, recorded: dict) -> None:
    """What is accounted is what the provider said; Cohere bills less than it uses."""
    assert (recorded["source"] == "provider") == (usage is not None)
    if usage and recording.api != "cohere.chat_v2":
        assert (recorded["prompt"], recorded["completion"]) == (usage.input, usage.output)
        assert (recorded["cached"] or 0) == usage.cached
