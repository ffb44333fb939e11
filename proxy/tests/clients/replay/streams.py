"""Whole answers as the streams that the same provider would have sent, event by event (APIS.md 10).

Most recordings are whole answers; asked to stream, the replay says the same in pieces.
"""

import json

from . import wire


def pieces(text: str, size: int = 5) -> list:
    return [text[at : at + size] for at in range(0, len(text), size)]


def anthropic(answer: dict) -> list:
    usage = answer.get("usage", {})
    start = {**answer, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    told = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for index, block in enumerate(answer["content"]):
        opened, deltas = anthropic_block(block)
        told.append({"type": "content_block_start", "index": index, "content_block": opened})
        told += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        told.append({"type": "content_block_stop", "index": index})
    stop = {key: answer.get(key) for key in ("stop_reason", "stop_sequence")}
    told.append({"type": "message_delta", "delta": stop, "usage": {"output_tokens": usage.get("output_tokens", 0)}})
    told.append({"type": "message_stop"})
    return [wire.sse(event, event["type"]) for event in told]


def anthropic_block(block: dict) -> tuple:
    """How a block opens, and its deltas."""
    if block["type"] == "text":
        cited = [{"type": "citations_delta", "citation": one} for one in block.get("citations") or []]
        said = [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
        return {**block, "text": ""}, said + cited
    if block["type"] == "thinking":
        thought = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])]
        signed = {"type": "signature_delta", "signature": block["signature"]}
        return {**block, "thinking": "", "signature": ""}, [*thought, signed]
    if block["type"] in ("tool_use", "server_tool_use"):
        # An input without members has no piece but the empty one.
        written = json.dumps(block["input"]) if block["input"] else ""
        parts = ["", *pieces(written, 3)]
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": part} for part in parts]
    return block, []


def openai_chat(answer: dict) -> list:
    shared = {key: answer[key] for key in ("id", "created", "model") if key in answer}
    shared["object"] = "chat.completion.chunk"
    told = []
    for choice in answer["choices"]:
        deltas = openai_deltas(choice["message"])
        told += [{"index": choice["index"], "delta": delta, "finish_reason": None} for delta in deltas]
        told.append({"index": choice["index"], "delta": {}, "finish_reason": choice["finish_reason"]})
    chunks = [{**shared, "choices": [one]} for one in told]
    if answer.get("usage"):
        chunks.append({**shared, "choices": [], "usage": answer["usage"]})
    return [*map(wire.sse, chunks), wire.sse("[DONE]")]


def openai_deltas(message: dict) -> list:
    """The first has the role, each other one piece of one field. Parallel calls come one after the other."""
    deltas = [{"role": "assistant", "content": ""}]
    for field in ("reasoning_content", "reasoning", "content", "refusal"):
        if isinstance(message.get(field), str):
            deltas += [{field: piece} for piece in pieces(message[field])]
    if isinstance(message.get("content"), list):
        deltas += [{"content": [part]} for part in message["content"]]
    for index, call in enumerate(message.get("tool_calls") or []):
        function = call["function"]
        opened = {**call, "index": index, "function": {**function, "arguments": ""}}
        deltas.append({"tool_calls": [opened]})
        for piece in pieces(function.get("arguments", ""), 3):
            deltas.append({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    return deltas


def gemini(answer: dict) -> list:
    """A chunk for each piece of a part; the finish reason and the usage are in the last one."""
    shared = {key: answer[key] for key in ("modelVersion", "responseId") if key in answer}
    (candidate,) = answer["candidates"]
    parts = [piece for part in candidate["content"]["parts"] for piece in gemini_pieces(part)]
    told = [{"content": {"parts": [part], "role": "model"}, "index": 0} for part in parts]
    chunks = [{"candidates": [one], **shared} for one in told]
    chunks[-1]["candidates"][0].update({key: value for key, value in candidate.items() if key != "content"})
    chunks[-1]["usageMetadata"] = answer["usageMetadata"]
    return [wire.sse(chunk, end="\r\n\r\n") for chunk in chunks]


def gemini_pieces(part: dict) -> list:
    """A signature stands at the last piece of its part."""
    if "text" not in part:
        return [part]
    bare = {key: value for key, value in part.items() if key not in ("text", "thoughtSignature")}
    cut = [{**bare, "text": piece} for piece in pieces(part["text"], 11)] or [{**bare, "text": ""}]
    if "thoughtSignature" in part:
        cut[-1]["thoughtSignature"] = part["thoughtSignature"]
    return cut


def converse(answer: dict) -> list:
    told = [("messageStart", {"role": "assistant"})]
    for index, block in enumerate(answer["output"]["message"]["content"]):
        at = {"contentBlockIndex": index}
        if "toolUse" in block:
            named = {key: block["toolUse"][key] for key in ("toolUseId", "name")}
            told.append(("contentBlockStart", {"start": {"toolUse": named}, **at}))
        told += [("contentBlockDelta", {"delta": delta, **at}) for delta in converse_deltas(block)]
        told.append(("contentBlockStop", at))
    told.append(("messageStop", {"stopReason": answer["stopReason"]}))
    told.append(("metadata", {key: answer[key] for key in ("usage", "metrics") if key in answer}))
    return [wire.aws_event(name, data) for name, data in told]


def converse_deltas(block: dict) -> list:
    if "text" in block:
        return [{"text": piece} for piece in pieces(block["text"])]
    if "toolUse" in block:
        return [{"toolUse": {"input": piece}} for piece in pieces(json.dumps(block["toolUse"]["input"]), 3)]
    if "reasoningContent" in block:
        thought = block["reasoningContent"]["reasoningText"]
        signed = [{"reasoningContent": {"signature": thought["signature"]}}] if "signature" in thought else []
        return [{"reasoningContent": {"text": piece}} for piece in pieces(thought["text"])] + signed
    cited = block["citationsContent"]
    said = [{"text": part["text"]} for part in cited["content"]]
    return said + [{"citation": citation} for citation in cited["citations"]]


def cohere(answer: dict) -> list:
    """Each event: its name, its place, what its message has."""
    message = answer["message"]
    told = [("message-start", None, {"role": "assistant", "content": []})]
    told += [("tool-plan-delta", None, {"tool_plan": piece}) for piece in pieces(message.get("tool_plan") or "")]
    for index, block in enumerate(message.get("content") or []):
        kind, text = next((key, block[key]) for key in ("text", "thinking") if key in block)
        told.append(("content-start", index, {"content": {"type": kind, kind: ""}}))
        told += [("content-delta", index, {"content": {kind: piece}}) for piece in pieces(text)]
        told.append(("content-end", index, None))
    for index, call in enumerate(message.get("tool_calls") or []):
        function = call["function"]
        told.append(("tool-call-start", index, {"tool_calls": {**call, "function": {**function, "arguments": ""}}}))
        for piece in pieces(function["arguments"], 3):
            told.append(("tool-call-delta", index, {"tool_calls": {"function": {"arguments": piece}}}))
        told.append(("tool-call-end", index, None))
    for index, citation in enumerate(message.get("citations") or []):
        told += [("citation-start", index, {"citations": citation}), ("citation-end", index, None)]
    written = [cohere_event(*one) for one in told]
    written[0]["id"] = answer["id"]
    ended = {key: answer[key] for key in ("finish_reason", "usage") if key in answer}
    written.append({"type": "message-end", "delta": ended})
    return [wire.sse(event, event["type"]) for event in written]


def cohere_event(name: str, index: int | None, message: dict | None) -> dict:
    event = {"type": name}
    if index is not None:
        event["index"] = index
    if message is not None:
        event["delta"] = {"message": message}
    return event


def responses(answer: dict) -> list:
    begun = {**answer, "status": "in_progress", "output": [], "usage": None}
    told = [{"type": f"response.{name}", "response": begun} for name in ("created", "in_progress")]
    for index, item in enumerate(answer["output"]):
        opened, within = responses_item(item)
        at = {"output_index": index}
        told.append({"type": "response.output_item.added", "item": opened, **at})
        told += [{**event, "item_id": item.get("id", ""), **at} for event in within]
        told.append({"type": "response.output_item.done", "item": item, **at})
    told.append({"type": f"response.{answer['status']}", "response": answer})
    return [wire.sse({**event, "sequence_number": number}, event["type"]) for number, event in enumerate(told)]


def responses_item(item: dict) -> tuple:
    """How an item opens, and the events within."""
    if item["type"] == "message":
        within = [event for at, part in enumerate(item["content"]) for event in responses_part(at, part)]
        return {**item, "status": "in_progress", "content": []}, within
    if item["type"] == "function_call":
        deltas = [
            {"type": "response.function_call_arguments.delta", "delta": piece} for piece in pieces(item["arguments"], 3)
        ]
        done = {"type": "response.function_call_arguments.done", "arguments": item["arguments"]}
        return {**item, "status": "in_progress", "arguments": ""}, [*deltas, done]
    if item["type"] == "reasoning" and item.get("summary"):
        within = [event for at, part in enumerate(item["summary"]) for event in responses_summary(at, part)]
        return {**item, "summary": []}, within
    return item, []


def responses_part(index: int, part: dict) -> list:
    at = {"content_index": index}
    text = [{"type": "response.output_text.delta", "delta": piece, **at} for piece in pieces(part.get("text", ""))]
    return [
        {"type": "response.content_part.added", "part": {**part, "text": "", "annotations": []}, **at}, *text,
        {"type": "response.output_text.done", "text": part.get("text", ""), **at},
        {"type": "response.content_part.done", "part": part, **at},
    ]


def responses_summary(index: int, part: dict) -> list:
    at = {"summary_index": index}
    text = [{"type": "response.reasoning_summary_text.delta", "delta": piece, **at} for piece in pieces(part["text"])]
    return [
        {"type": "response.reasoning_summary_part.added", "part": {**part, "text": ""}, **at}, *text,
        {"type": "response.reasoning_summary_text.done", "text": part["text"], **at},
        {"type": "response.reasoning_summary_part.done", "part": part, **at},
    ]


STREAMS = {
    "anthropic.messages": anthropic,
    "openai.chat": openai_chat,
    "gemini.generate": gemini,
    "bedrock.converse": converse,
    "cohere.chat_v2": cohere,
    "openai.responses": responses,
}
