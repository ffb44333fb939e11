"""The recordings of real providers that lie beside the repository, by name. They are read where they are."""

import base64
import functools
import json
import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
FOLDER = ROOT.parent / "shared/recordings"
# No answers: a message of OpenAI's assistants, filed under Anthropic's format for its path, streams that their recorder
# left early, an answer that was still to come and one that was written by hand.
MISFILED = {
    "assistant_test_existing_assistant.1", "litellm_async_streaming_with_break.1", "litellm_aresponses_streaming_async.1",
    "openai_responses_test_background_mode_with_tool_vcr.2", "openai_responses_test_openai_responses_verbosity.0",
}


@dataclass(frozen=True)
class Recording:
    """What a provider answered, once."""

    name: str
    # The wire format, such as `anthropic.messages`.
    api: str
    model: str
    status: int
    content_type: str
    body: bytes
    features: frozenset = frozenset()

    @property
    def is_stream(self) -> bool:
        return "event" in self.content_type


def are_here() -> bool:
    """Whether there are recordings; where they must be and are not, this raises."""
    if FOLDER.is_dir():
        return True
    assert "PENSTOCK_REQUIRE_SHARED" not in os.environ, "../shared/recordings is absent"
    return False


@functools.cache
def recordings() -> dict:
    """All of them, by the name of their file; none where the folder is absent."""
    found = [read(path) for path in sorted(FOLDER.rglob("*.json"))] if are_here() else []
    return {recording.name: recording for recording in found if recording.name not in MISFILED}


def read(path: Path) -> Recording:
    told = json.loads(path.read_text())
    response = told["response"]
    body = response["body"]
    return Recording(
        name=path.stem,
        api=told["api"],
        model=(told["model"] or "unnamed").rpartition("/")[2],
        status=response["status"],
        content_type=response["headers"].get("content-type", "application/json"),
        body=base64.b64decode(body["b64"]) if "b64" in body else body["text"].encode(),
        features=frozenset(told["features"]),
    )
