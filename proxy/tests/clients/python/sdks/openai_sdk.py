"""The OpenAI SDK: chat completions."""

import base64
import json

import openai
from ask import IMAGE, MAX_TOKENS, RESULT, SCHEMA, SYSTEM, Ask

from replay.said import Said, Usage

FINISHES = {"stop", "length", "tool_calls", "content_filter"}


class Caller:
    def __init__(self, stand, key: str):
        self.client = openai.OpenAI(base_url=f"{stand.url}/v1", api_key=key, max_retries=0)

    def ask(self, ask: Ask) -> Said:
        if not ask.stream:
            return self.said(self.client.chat.completions.create(**request(ask)))
        # The helper puts the chunks together and checks them on the way.
        with self.client.chat.completions.stream(**request(ask), stream_options={"include_usage": True}) as stream:
            try:
                return self.said(stream.get_final_completion())
            except openai.LengthFinishReasonError as stopped:
                return self.said(stopped.completion)

    def go_on(self, ask: Ask) -> None:
        """Asks, gives the answer back as it was with the results of its calls, and asks again."""
        asked = request(ask)
        message = self.client.chat.completions.create(**asked).choices[0].message
        asked["messages"].append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            asked["messages"].append({"role": "tool", "tool_call_id": call.id, "content": RESULT})
        self.client.chat.completions.create(**asked)

    @staticmethod
    def said(answer) -> Said:
        (choice, *_) = answer.choices
        message, usage = choice.message, answer.usage
        assert choice.finish_reason in FINISHES
        told = Said(text=message.content or "", finish=choice.finish_reason)
        told.thoughts = (message.model_extra or {}).get("reasoning_content") or ""
        for call in message.tool_calls or []:
            assert call.type == "function" and call.id
            told.calls.append((call.function.name, json.loads(call.function.arguments)))
        if usage:
            assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
            details = usage.prompt_tokens_details
            cached = (details and details.cached_tokens) or 0
            written = (details and (details.model_extra or {}).get("cache_write_tokens")) or 0
            written = (details and getattr(details, "cache_write_tokens", None)) or written
            told.usage = Usage(usage.prompt_tokens, usage.completion_tokens, cached, written)
        return told

    @staticmethod
    def status_of(error: Exception) -> int | None:
        """The status that an application reads off an error; none where it is no error of the API."""
        return error.status_code if isinstance(error, openai.APIStatusError) else None

    errors = {
        400: openai.BadRequestError,
        404: openai.NotFoundError,
        429: openai.RateLimitError,
        500: openai.InternalServerError,
        502: openai.InternalServerError,
        503: openai.InternalServerError,
    }
    in_stream = openai.APIError


def request(ask: Ask) -> dict:
    content = ask.text
    if ask.image:
        url = f"data:image/png;base64,{base64.b64encode(IMAGE).decode()}"
        content = [{"type": "text", "text": ask.text}, {"type": "image_url", "image_url": {"url": url}}]
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}]
    if ask.history:
        calls = [
            {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for id, (name, arguments) in zip(ask.call_ids(), ask.history, strict=True)
        ]
        messages.append({"role": "assistant", "content": None, "tool_calls": calls})
        messages += [{"role": "tool", "tool_call_id": id, "content": RESULT} for id in ask.call_ids()]
    body = {"model": ask.model, "messages": messages, "max_completion_tokens": MAX_TOKENS}
    if ask.tools:
        functions = [{"name": name, "description": name, "parameters": schema} for name, schema in ask.tools.items()]
        body["tools"] = [{"type": "function", "function": function} for function in functions]
    if ask.structured:
        schema = {"name": "place", "schema": SCHEMA, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if ask.reasons:
        body["reasoning_effort"] = "low"
    return body
