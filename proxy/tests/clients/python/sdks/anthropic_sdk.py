"""The Anthropic SDK: Messages."""

import base64

import anthropic
from ask import IMAGE, MAX_TOKENS, RESULT, SCHEMA, SYSTEM, Ask

from replay.said import Said, Usage

FINISHES = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class Caller:
    def __init__(self, stand, key: str):
        self.client = anthropic.Anthropic(base_url=stand.url, api_key=key, max_retries=0)

    def ask(self, ask: Ask) -> Said:
        if not ask.stream:
            return self.said(self.client.messages.create(**request(ask)))
        with self.client.messages.stream(**request(ask)) as stream:
            return self.said(stream.get_final_message())

    def go_on(self, ask: Ask) -> None:
        asked = request(ask)
        content = self.client.messages.create(**asked).content
        calls = [block for block in content if block.type == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": RESULT} for call in calls]
        asked["messages"] += [{"role": "assistant", "content": content}, {"role": "user", "content": results}]
        self.client.messages.create(**asked)

    @staticmethod
    def said(message) -> Said:
        assert (message.type, message.role) == ("message", "assistant")
        told = Said(finish=FINISHES[message.stop_reason])
        for block in message.content:
            if block.type == "text":
                told.text += block.text
            elif block.type == "thinking":
                told.thoughts += block.thinking
            elif block.type == "tool_use":
                assert block.id
                told.calls.append((block.name, block.input))
        usage = message.usage
        cached, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
        told.usage = Usage(usage.input_tokens + cached + written, usage.output_tokens, cached, written)
        return told

    @staticmethod
    def status_of(error: Exception) -> int | None:
        return error.status_code if isinstance(error, anthropic.APIStatusError) else None

    errors = {
        400: anthropic.BadRequestError,
        404: anthropic.NotFoundError,
        429: anthropic.RateLimitError,
        500: anthropic.InternalServerError,
        502: anthropic.InternalServerError,
        503: anthropic.InternalServerError,
        529: anthropic.InternalServerError,
    }
    in_stream = anthropic.APIStatusError


def request(ask: Ask) -> dict:
    content = ask.text
    if ask.image:
        source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(IMAGE).decode()}
        content = [{"type": "text", "text": ask.text}, {"type": "image", "source": source}]
    messages = [{"role": "user", "content": content}]
    if ask.history:
        asked = list(zip(ask.call_ids(), ask.history, strict=True))
        calls = [{"type": "tool_use", "id": id, "name": name, "input": given} for id, (name, given) in asked]
        results = [{"type": "tool_result", "tool_use_id": id, "content": RESULT} for id in ask.call_ids()]
        messages += [{"role": "assistant", "content": calls}, {"role": "user", "content": results}]
    body = {"model": ask.model, "system": SYSTEM, "messages": messages, "max_tokens": MAX_TOKENS}
    if ask.tools:
        body["tools"] = [
            {"name": name, "description": name, "input_schema": schema} for name, schema in ask.tools.items()
        ]
    if ask.structured:
        body["output_config"] = {"format": {"type": "json_schema", "schema": SCHEMA}}
    if ask.reasons:
        body["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    return body
