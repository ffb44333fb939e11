"""What a recorded answer says, read from its bytes: what every SDK must get of it, whatever dialect it speaks.

Written from the providers' documents, apart from the gateway's own readers, so that they can disagree.
"""

import json
from dataclasses import dataclass, field

from . import wire
from .recordings import Recording


@dataclass
class Usage:
    """Inclusive counts: `cached` and `written` are parts of `input`, thoughts are part of `output` (APIS.md 9.8)."""

    input: int = 0
    output: int = 0
    cached: int = 0
    written: int = 0


@dataclass
class Said:
    """An answer in the terms that all dialects share."""

    text: str = ""
    # Name and arguments of each call.
    calls: list = field(default_factory=list)
    thoughts: str = ""
    # stop, length, tool_calls, content_filter.
    finish: str = "stop"
    usage: Usage | None = None

    def ends_with_its_calls(self) -> "Said":
        """Some providers say `stop` with calls in the answer; callers are told of the calls."""
        if self.calls and self.finish == "stop":
            self.finish = "tool_calls"
        return self


def said(recording: Recording) -> Said:
    whole, assembled = READERS[recording.api]
    if recording.is_stream:
        answer = assembled(wire.read_events(recording.body, recording.content_type))
    else:
        answer = json.loads(recording.body)
    return whole(answer).ends_with_its_calls()


# Anthropic's Messages.


def anthropic(answer: dict) -> Said:
    told = Said(finish=ANTHROPIC_STOPS.get(answer["stop_reason"], "stop"))
    for block in answer["content"]:
        if block["type"] == "text":
            told.text += block["text"]
        elif block["type"] == "thinking":
            told.thoughts += block["thinking"]
        elif block["type"] == "tool_use":
            told.calls.append((block["name"], block["input"]))
    usage = answer["usage"]
    cached, written = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
    told.usage = Usage(usage["input_tokens"] + cached + written, usage["output_tokens"], cached, written)
    return told


ANTHROPIC_STOPS = {"tool_use": "tool_calls", "max_tokens": "length", "refusal": "content_filter"}


def anthropic_stream(events: list) -> dict:
    answer, written = {}, {}
    for event in events:
        if event["type"] == "message_start":
            answer = event["message"]
        elif event["type"] == "content_block_start":
            answer["content"].append(event["content_block"])
        elif event["type"] == "content_block_delta":
            block, delta = answer["content"][event["index"]], event["delta"]
            for key in ("text", "thinking"):
                if key in delta:
                    block[key] += delta[key]
            written[event["index"]] = written.get(event["index"], "") + delta.get("partial_json", "")
        elif event["type"] == "message_delta":
            answer.update(event["delta"])
            answer["usage"].update(event["usage"])
    for index, text in written.items():
        if text:
            answer["content"][index]["input"] = json.loads(text)
    return answer


# OpenAI's chat completions, and those of its likes.


def openai_chat(answer: dict) -> Said:
    choice = answer["choices"][0]
    message, finish = choice["message"], choice["finish_reason"] or "stop"
    told = Said(finish=finish if finish in ("length", "tool_calls", "content_filter") else "stop")
    told.thoughts = message.get("reasoning_content") or message.get("reasoning") or ""
    content = message.get("content") or ""
    told.text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
    for call in message.get("tool_calls") or []:
        function = call["function"]
        told.calls.append((function["name"], json.loads(function.get("arguments") or "{}")))
    if answer.get("usage"):
        told.usage = openai_usage(answer["usage"])
    return told


def openai_usage(usage: dict) -> Usage:
    details, output = usage.get("prompt_tokens_details") or {}, usage["completion_tokens"]
    cached = details.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or usage.get("num_cached_tokens") or 0
    thoughts = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    given, written = usage["prompt_tokens"], details.get("cache_write_tokens") or 0
    # xAI counts thoughts beside the completion, and sometimes what is cached beside the prompt.
    if thoughts and given + output + thoughts == usage["total_tokens"]:
        output += thoughts
    given += cached if cached > given else 0
    # Where both are said of the same tokens, they were read.
    return Usage(given, output, cached, min(written, given - cached))


def openai_stream(chunks: list) -> dict:
    message, finish, usage, calls = {}, None, None, {}
    for chunk in chunks:
        usage = chunk.get("usage") or usage
        for choice in [choice for choice in chunk["choices"] if choice["index"] == 0]:
            finish = choice.get("finish_reason") or finish
            for key, value in choice["delta"].items():
                if key in ("content", "reasoning", "reasoning_content") and value:
                    message[key] = message.get(key, "") + value
            for piece in choice["delta"].get("tool_calls") or []:
                call = calls.setdefault(piece["index"], {"name": "", "arguments": ""})
                function = piece.get("function", {})
                call["name"] = function.get("name") or call["name"]
                call["arguments"] += function.get("arguments") or ""
    message["tool_calls"] = [{"function": calls[index]} for index in sorted(calls)]
    return {"choices": [{"message": message, "finish_reason": finish}], "usage": usage}


# Gemini's generateContent.


def gemini(answer: dict) -> Said:
    (candidate,) = answer["candidates"]
    told = Said(finish=GEMINI_STOPS.get(candidate["finishReason"], "content_filter"))
    for part in candidate["content"]["parts"]:
        if "functionCall" in part:
            told.calls.append((part["functionCall"]["name"], part["functionCall"].get("args") or {}))
        elif part.get("thought"):
            told.thoughts += part["text"]
        else:
            told.text += part.get("text", "")
    told.usage = gemini_usage(answer["usageMetadata"])
    return told


# The number is an older surface's.
GEMINI_STOPS = {"STOP": "stop", 1: "stop", "MAX_TOKENS": "length"}


def gemini_usage(usage: dict) -> Usage:
    def count(*names: str) -> int:
        return sum(usage.get(name) or 0 for name in names)

    given = count("promptTokenCount", "toolUsePromptTokenCount")
    return Usage(given, count("candidatesTokenCount", "thoughtsTokenCount"), count("cachedContentTokenCount"))


def gemini_stream(chunks: list) -> dict:
    parts, last, usage = [], {}, {}
    for chunk in chunks:
        usage = {**usage, **chunk.get("usageMetadata", {})}
        for candidate in chunk.get("candidates", []):
            parts += candidate.get("content", {}).get("parts", [])
            last = {**last, **candidate}
    return {"candidates": [{**last, "content": {"parts": parts}}], "usageMetadata": usage}


# Bedrock's Converse.


def converse(answer: dict) -> Said:
    told = Said(finish=CONVERSE_STOPS.get(answer["stopReason"], "stop"))
    for block in answer["output"]["message"]["content"]:
        told.text += block.get("text", "")
        told.text += "".join(part["text"] for part in block.get("citationsContent", {}).get("content", []))
        told.thoughts += block.get("reasoningContent", {}).get("reasoningText", {}).get("text", "")
        # Those that the provider ran itself are nobody's to answer.
        if "toolUse" in block and block["toolUse"].get("type") != "server_tool_use":
            told.calls.append((block["toolUse"]["name"], block["toolUse"]["input"]))
    if usage := answer.get("usage"):
        cached, written = usage.get("cacheReadInputTokens") or 0, usage.get("cacheWriteInputTokens") or 0
        told.usage = Usage(usage["inputTokens"] + cached + written, usage["outputTokens"], cached, written)
    return told


CONVERSE_STOPS = {"tool_use": "tool_calls", "max_tokens": "length", "content_filtered": "content_filter"}


def converse_stream(events: list) -> dict:
    blocks, answer = {}, {}
    for event in events:
        ((name, data),) = event.items()
        block = blocks.setdefault(data.get("contentBlockIndex"), {})
        if name == "contentBlockStart":
            block.update(data["start"])
            if "toolUse" in block:
                block["toolUse"]["input"] = ""
        elif name == "contentBlockDelta":
            delta = data["delta"]
            if "text" in delta:
                block["text"] = block.get("text", "") + delta["text"]
            if "toolUse" in delta:
                block["toolUse"]["input"] += delta["toolUse"]["input"]
            if "reasoningContent" in delta:
                thought = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})["reasoningText"]
                thought["text"] += delta["reasoningContent"].get("text", "")
        elif name in ("messageStop", "metadata"):
            answer.update(data)
    blocks.pop(None, None)
    for block in blocks.values():
        if isinstance(block.get("toolUse", {}).get("input"), str):
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
    answer["output"] = {"message": {"content": [blocks[index] for index in sorted(blocks)]}}
    return answer


# Cohere's chat.


def cohere(answer: dict) -> Said:
    message, finish = answer["message"], answer["finish_reason"]
    told = Said(finish={"MAX_TOKENS": "length", "TOOL_CALL": "tool_calls"}.get(finish, "stop"))
    # What the model plans to do with its tools is what it thinks.
    told.thoughts = message.get("tool_plan") or ""
    for block in message.get("content") or []:
        told.text += block.get("text", "")
        told.thoughts += block.get("thinking", "")
    for call in message.get("tool_calls") or []:
        told.calls.append((call["function"]["name"], json.loads(call["function"]["arguments"] or "{}")))
    usage = answer["usage"]
    tokens = usage.get("tokens") or usage["billed_units"]
    given = int(tokens["input_tokens"] + (tokens.get("image_tokens") or 0))
    told.usage = Usage(given, int(tokens["output_tokens"]), int(usage.get("cached_tokens") or 0))
    return told


def cohere_stream(events: list) -> dict:
    message, ended = {"content": [], "tool_calls": [], "tool_plan": ""}, {}
    for event in events:
        delta = event.get("delta") or {}
        said_now = delta.get("message") or {}
        if event["type"] == "content-start":
            message["content"].append(dict(said_now["content"]))
        elif event["type"] == "content-delta":
            for key, piece in said_now["content"].items():
                block = message["content"][event["index"]]
                block[key] = block.get(key, "") + piece
        elif event["type"] == "tool-plan-delta":
            message["tool_plan"] += said_now["tool_plan"]
        elif event["type"] == "tool-call-start":
            message["tool_calls"].append(said_now["tool_calls"])
        elif event["type"] == "tool-call-delta":
            function = message["tool_calls"][event["index"]]["function"]
            function["arguments"] += said_now["tool_calls"]["function"]["arguments"]
        elif event["type"] == "message-end":
            ended = delta
    return {"message": message, **ended}


# OpenAI's responses.


def responses(answer: dict) -> Said:
    told = Said()
    if answer["status"] == "incomplete":
        why = answer["incomplete_details"]["reason"]
        told.finish = "length" if why == "max_output_tokens" else "content_filter"
    for item in answer["output"]:
        if item["type"] == "message":
            told.text += "".join(part.get("text", "") for part in item["content"])
        elif item["type"] == "function_call":
            told.calls.append((item["name"], json.loads(item["arguments"] or "{}")))
        elif item["type"] == "reasoning":
            # What the provider shows of its thoughts, in full or in short.
            shown = item.get("content") or item.get("summary") or []
            told.thoughts += "".join(part["text"] for part in shown)
    if usage := answer.get("usage"):
        cached = (usage.get("input_tokens_details") or {}).get("cached_tokens") or 0
        told.usage = Usage(usage["input_tokens"], usage["output_tokens"], cached)
    return told


def responses_stream(events: list) -> dict:
    """The last event has the whole answer."""
    (whole,) = [event["response"] for event in events if event["type"] in ("response.completed", "response.incomplete")]
    return whole


READERS = {
    "anthropic.messages": (anthropic, anthropic_stream),
    "openai.chat": (openai_chat, openai_stream),
    "gemini.generate": (gemini, gemini_stream),
    "bedrock.converse": (converse, converse_stream),
    "cohere.chat_v2": (cohere, cohere_stream),
    "openai.responses": (responses, responses_stream),
}
