"""What a model thought goes back to it with the signature that it put there, through every SDK (PAIN D02, E02, E06)."""

import json

import pytest
import written
from ask import RESULT
from replay_stand import model
from sdks import CALLERS
from test_recordings import ask_for

from replay.heard import either, heard, in_plain_letters
from replay.recordings import recordings
from replay.said import said

pytestmark = pytest.mark.skipif(not recordings(), reason="../shared/recordings is absent")
EVERY_SDK = pytest.mark.parametrize("sdk", CALLERS)


def second_turn(stand, sdk: str, first, then) -> dict:
    ask = ask_for(first, stream=False)
    ask.model = model(first, then)
    stand.caller(sdk).go_on(ask)
    (_, again), _ = stand.settle(calls=2)
    told = heard(first.api, again.body)
    assert told.calls == said(first).calls
    assert told.results == [RESULT] * len(told.calls)
    return again.body


@EVERY_SDK
def test_claudes_thoughts_go_back_signed(replay_stand, sdk):
    body = second_turn(replay_stand, sdk, written.THOUGHTS, written.PLAIN["anthropic.messages"])
    assert body["messages"][1]["content"] == written.THOUGHTFUL["content"]


@EVERY_SDK
def test_geminis_call_goes_back_signed(replay_stand, sdk):
    first = recordings()["multimodal_tool_returns_test_model_sees_multiple_images_google_vertex_.0"]
    signed = {part["thoughtSignature"] for part in json.loads(first.body)["candidates"][0]["content"]["parts"]}
    body = second_turn(replay_stand, sdk, first, written.PLAIN["gemini.generate"])
    parts = [part for part in body["contents"][1]["parts"] if "functionCall" in part]
    # Google reads either alphabet of base64, and its SDK writes the other one.
    assert {in_plain_letters(either(part, "thoughtSignature")) for part in parts} == signed
