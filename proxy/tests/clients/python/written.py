"""Answers that no provider was recorded with, as whole bodies in each wire format; the replay streams them too."""

import json

from replay.recordings import Recording


def answers_with(text: str) -> dict:
    """An answer of one text, in each wire format."""
    return {
        "anthropic.messages": {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude",
            "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "stop_sequence": None,
            "usage": {"input_tokens": 3, "output_tokens": 2},
        },
        "openai.chat": {
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        },
        "openai.responses": {
            "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "gpt", "error": None,
            "incomplete_details": None, "instructions": None, "metadata": {}, "parallel_tool_calls": True,
            "temperature": 1.0, "top_p": 1.0, "tool_choice": "auto", "tools": [],
            "output": [{
                "id": "msg_1", "type": "message", "status": "completed", "role": "assistant",
                "content": [{"type": "output_text", "text": text, "annotations": []}],
            }],
            "usage": {
                "input_tokens": 3, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 2,
                "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 5,
            },
        },
        "gemini.generate": {
            "candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
        },
        "bedrock.converse": {
            "output": {"message": {"role": "assistant", "content": [{"text": text}]}}, "stopReason": "end_turn",
            "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}, "metrics": {"latencyMs": 1},
        },
        "cohere.chat_v2": {
            "id": "c1", "message": {"role": "assistant", "content": [{"type": "text", "text": text}]},
            "finish_reason": "COMPLETE", "usage": {"tokens": {"input_tokens": 3, "output_tokens": 2}},
        },
    }


# Claude thinks, says something and calls two tools at once; part of its prompt came from a cache.
THOUGHTFUL = {
    "id": "msg_2", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929",
    "content": [
        {"type": "thinking", "thinking": "Two places, so two calls.", "signature": "8PHy8/T19vf4+fr7/P3+/3Rob3VnaHRz"},
        {"type": "text", "text": "Let me look — 👋."},
        {"type": "tool_use", "id": "toolu_01A", "name": "weather", "input": {"city": "Łódź", "days": 2}},
        {"type": "tool_use", "id": "toolu_01B", "name": "weather", "input": {"city": "Kraków", "days": [{"a": "\"}"}]}},
    ],
    "stop_reason": "tool_use", "stop_sequence": None,
    "usage": {
        "input_tokens": 5, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 1000, "output_tokens": 77,
    },
}


def recording(name: str, api: str, model: str, body: dict, *features: str) -> Recording:
    written = json.dumps(body, ensure_ascii=False).encode()
    return Recording(name, api, model, 200, "application/json", written, frozenset(features))


SECRET = "sk-proj-" + "Ab3dEf6hIj9lMn2pQr5tUv8xYz1C" * 2
GUARDED = {
    api: recording(f"secret-of-{api}", api, "m", body) for api, body in answers_with(f"Keep {SECRET} safe.").items()
}
PLAIN = {
    api: recording(f"plain-of-{api}", api, "m", body) for api, body in answers_with("A text of some length.").items()
}
THOUGHTS = recording("thoughts", "anthropic.messages", "claude-sonnet-4-5", THOUGHTFUL, "tools", "reasoning")
ALL = [*GUARDED.values(), *PLAIN.values(), THOUGHTS]
