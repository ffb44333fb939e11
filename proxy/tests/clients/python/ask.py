"""A question in the terms that all dialects share, to be put with any SDK, and what of it must reach a provider."""

import base64
from dataclasses import dataclass, field

from replay.heard import Heard

# A PNG of one pixel.
IMAGE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SYSTEM = "Answer in one sentence."
TEXT = "Which way is the Straße nach Łódź? 👋"
RESULT = "sunny, 21 °C"
MAX_TOKENS = 4000
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
    "required": ["city", "country"],
    "additionalProperties": False,
}


@dataclass
class Ask:
    model: str
    stream: bool = False
    # The schema of each tool's arguments.
    tools: dict = field(default_factory=dict)
    # Name and arguments of calls that were made and answered with RESULT before this question.
    history: list = field(default_factory=list)
    image: bool = False
    structured: bool = False
    reasons: bool = False
    text: str = TEXT

    def call_ids(self) -> list:
        return [f"call_{number}abcdef" for number in range(len(self.history))]


def wanted(ask: Ask) -> Heard:
    """What must reach a provider of an ask, whatever SDK puts it and whatever the provider speaks."""
    return Heard(
        system=SYSTEM,
        texts=[ask.text],
        tools={name: sorted(schema["properties"]) for name, schema in ask.tools.items()},
        calls=ask.history,
        results=[RESULT] * len(ask.history),
        images=[base64.b64encode(IMAGE).decode()] if ask.image else [],
        fields=sorted(SCHEMA["properties"]) if ask.structured else [],
        max_tokens=MAX_TOKENS,
        reasons=ask.reasons,
    )
