"""The OpenAI SDK: responses."""

import base64
import json

from ask import IMAGE, MAX_TOKENS, RESULT, SCHEMA, SYSTEM, Ask
from replay.said import Said, Usage

from . import openai_sdk


class Caller(openai_sdk.Caller):
    """With the errors of the other."""

    def ask(self, ask: Ask) -> Said:
        if not ask.stream:
            return self.said(self.client.responses.create(**request(ask)))
        with self.client.responses.stream(**request(ask)) as stream:
            # `get_final_response` knows no answer that was cut short.
            (last,) = [event for event in stream if event.type in ("response.completed", "response.incomplete")]
            return self.said(last.response)

    def go_on(self, ask: Ask) -> None:
        asked = request(ask)
        items = self.client.responses.create(**asked).output
        calls = [item for item in items if item.type == "function_call"]
        asked["input"] += [item.model_dump(exclude_none=True) for item in items]
        asked["input"] += [
            {"type": "function_call_output", "call_id": call.call_id, "output": RESULT} for call in calls
        ]
        self.client.responses.create(**asked)

    @staticmethod
    def said(answer) -> Said:
        told, usage = Said(text=answer.output_text), answer.usage
        if answer.status == "incomplete":
            why = answer.incomplete_details.reason
            told.finish = "length" if why == "max_output_tokens" else "content_filter"
        for item in answer.output:
            if item.type == "function_call":
                assert item.call_id
                told.calls.append((item.name, json.loads(item.arguments)))
            elif item.type == "reasoning":
                told.thoughts += "".join(part.text for part in item.content or item.summary)
        if usage:
            assert usage.total_tokens == usage.input_tokens + usage.output_tokens
            details = usage.input_tokens_details
            written = (details and getattr(details, "cache_write_tokens", None)) or 0
            told.usage = Usage(usage.input_tokens, usage.output_tokens, (details and details.cached_tokens) or 0, written)
        return told.ends_with_its_calls()


def request(ask: Ask) -> dict:
    content = [{"type": "input_text", "text": ask.text}]
    if ask.image:
        url = f"data:image/png;base64,{base64.b64encode(IMAGE).decode()}"
        content.append({"type": "input_image", "image_url": url, "detail": "auto"})
    items = [{"role": "user", "content": content}]
    for id, (name, arguments) in zip(ask.call_ids(), ask.history, strict=True):
        items.append({"type": "function_call", "call_id": id, "name": name, "arguments": json.dumps(arguments)})
    items += [{"type": "function_call_output", "call_id": id, "output": RESULT} for id in ask.call_ids()]
    body = {"model": ask.model, "instructions": SYSTEM, "input": items, "max_output_tokens": MAX_TOKENS, "store": False}
    if ask.tools:
        body["tools"] = [
            {"type": "function", "name": name, "description": name, "parameters": schema, "strict": False}
            for name, schema in ask.tools.items()
        ]
    if ask.structured:
        body["text"] = {"format": {"type": "json_schema", "name": "place", "schema": SCHEMA, "strict": True}}
    if ask.reasons:
        body["reasoning"] = {"effort": "low"}
    return body
