"""What a provider was asked, read from its dialect into the terms that all dialects share."""

import json
import re
from dataclasses import dataclass, field


@dataclass
class Heard:
    """A conversation with its wishes. Texts are in their order, whoever said them, but for the system's."""

    system: str = ""
    texts: list = field(default_factory=list)
    # The names of the arguments of each tool.
    tools: dict = field(default_factory=dict)
    calls: list = field(default_factory=list)
    results: list = field(default_factory=list)
    # In base64.
    images: list = field(default_factory=list)
    # The fields of the answer that is asked for.
    fields: list = field(default_factory=list)
    max_tokens: int | None = None
    reasons: bool = False


def heard(api: str, body: dict) -> Heard:
    return READERS[api](body)


def anthropic(body: dict) -> Heard:
    told = Heard(system=text_of(body.get("system", "")), max_tokens=body["max_tokens"])
    told.reasons = body.get("thinking", {}).get("type") in ("enabled", "adaptive")
    told.tools = {tool["name"]: names_of(tool["input_schema"]) for tool in body.get("tools", [])}
    told.fields = names_of(body.get("output_config", {}).get("format", {}).get("schema", {}))
    for message in body["messages"]:
        content = message["content"]
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            if block["type"] == "text":
                told.texts.append(block["text"])
            elif block["type"] == "image":
                told.images.append(block["source"]["data"])
            elif block["type"] == "tool_use":
                told.calls.append((block["name"], block["input"]))
            elif block["type"] == "tool_result":
                told.results.append(text_of(block["content"]))
    return told


def openai_chat(body: dict) -> Heard:
    told = Heard(max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"))
    told.reasons = body.get("reasoning_effort", "none") != "none" or "reasoning" in body
    functions = [tool["function"] for tool in body.get("tools", [])]
    told.tools = {function["name"]: names_of(function["parameters"]) for function in functions}
    told.fields = names_of(body.get("response_format", {}).get("json_schema", {}).get("schema", {}))
    for message in body["messages"]:
        read_chat_message(message, told)
    return told


def read_chat_message(message: dict, told: Heard) -> None:
    """A message of OpenAI's kind, which Cohere's are too."""
    content = message.get("content") or []
    if message["role"] in ("system", "developer"):
        told.system += text_of(content)
    elif message["role"] == "tool":
        told.results.append(text_of(content))
    else:
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            if part["type"] == "text":
                told.texts.append(part["text"])
            elif part["type"] == "image_url":
                told.images.append(part["image_url"]["url"].partition(",")[2])
    for call in message.get("tool_calls") or []:
        told.calls.append((call["function"]["name"], json.loads(call["function"]["arguments"])))


def gemini(body: dict) -> Heard:
    config = body.get("generationConfig", {})
    told = Heard(system=text_of(body.get("systemInstruction", {}).get("parts", [])))
    told.max_tokens = config.get("maxOutputTokens")
    told.reasons = bool(config.get("thinkingConfig"))
    told.fields = names_of(config.get("responseJsonSchema") or config.get("responseSchema") or {})
    for tool in body.get("tools", []):
        for function in tool["functionDeclarations"]:
            schema = either(function, "parametersJsonSchema") or function.get("parameters") or {}
            told.tools[function["name"]] = names_of(schema)
    for part in [part for content in body["contents"] for part in content["parts"]]:
        if "text" in part:
            told.texts.append(part["text"])
        elif "inlineData" in part:
            told.images.append(in_plain_letters(part["inlineData"]["data"]))
        elif "functionCall" in part:
            told.calls.append((part["functionCall"]["name"], part["functionCall"].get("args", {})))
        elif "functionResponse" in part:
            told.results.append("".join(leaves(part["functionResponse"]["response"])))
    return told


def in_plain_letters(base64: str) -> str:
    """The same in the alphabet that is not for URLs."""
    return base64.translate(str.maketrans("-_", "+/"))


def either(value: dict, name: str):
    """A member under its name or in snake case: Google takes both, and its SDKs send both."""
    return value.get(name) or value.get(re.sub("[A-Z]", lambda upper: f"_{upper[0].lower()}", name))


def converse(body: dict) -> Heard:
    told = Heard(system=text_of(body.get("system", [])), max_tokens=body.get("inferenceConfig", {}).get("maxTokens"))
    more = body.get("additionalModelRequestFields", {})
    wishes = {**more, **body.get("outputConfig", {})}
    told.reasons = not wishes.keys().isdisjoint({"thinking", "reasoningConfig", "reasoning_effort", "effort"})
    for tool in body.get("toolConfig", {}).get("tools", []):
        if "toolSpec" in tool:
            told.tools[tool["toolSpec"]["name"]] = names_of(tool["toolSpec"]["inputSchema"]["json"])
    structure = body.get("outputConfig", {}).get("textFormat", {}).get("structure", {})
    told.fields = names_of(json.loads(structure.get("jsonSchema", {}).get("schema", "{}")))
    for block in [block for message in body["messages"] for block in message["content"]]:
        if "text" in block:
            told.texts.append(block["text"])
        elif "image" in block:
            told.images.append(block["image"]["source"]["bytes"])
        elif "toolUse" in block:
            told.calls.append((block["toolUse"]["name"], block["toolUse"]["input"]))
        elif "toolResult" in block:
            told.results.append("".join(leaves(block["toolResult"]["content"])))
    return told


def cohere(body: dict) -> Heard:
    told = Heard(max_tokens=body.get("max_tokens"))
    told.reasons = body.get("thinking", {}).get("type") == "enabled"
    functions = [tool["function"] for tool in body.get("tools", [])]
    told.tools = {function["name"]: names_of(function["parameters"]) for function in functions}
    answer = body.get("response_format", {})
    told.fields = names_of(answer.get("json_schema") or answer.get("schema") or {})
    for message in body["messages"]:
        read_chat_message(message, told)
    return told


def responses(body: dict) -> Heard:
    told = Heard(system=body.get("instructions") or "", max_tokens=body.get("max_output_tokens"))
    told.reasons = (body.get("reasoning") or {}).get("effort", "none") != "none"
    functions = [tool for tool in body.get("tools", []) if tool["type"] == "function"]
    told.tools = {function["name"]: names_of(function["parameters"]) for function in functions}
    told.fields = names_of(body.get("text", {}).get("format", {}).get("schema", {}))
    said = body["input"]
    for item in [{"role": "user", "content": said}] if isinstance(said, str) else said:
        read_item(item, told)
    return told


def read_item(item: dict, told: Heard) -> None:
    kind = item.get("type", "message")
    if kind == "function_call":
        told.calls.append((item["name"], json.loads(item["arguments"])))
    elif kind == "function_call_output":
        told.results.append(text_of(item["output"]))
    elif kind == "message" and item["role"] in ("system", "developer"):
        told.system += text_of(item["content"])
    elif kind == "message":
        content = item["content"]
        for part in [{"type": "input_text", "text": content}] if isinstance(content, str) else content:
            if part["type"] == "input_image":
                told.images.append(part["image_url"].partition(",")[2])
            else:
                told.texts.append(part["text"])


READERS = {
    "anthropic.messages": anthropic,
    "openai.chat": openai_chat,
    "gemini.generate": gemini,
    "bedrock.converse": converse,
    "cohere.chat_v2": cohere,
    "openai.responses": responses,
}


def text_of(content) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def names_of(schema: dict) -> list:
    return sorted(schema.get("properties", {}))


def leaves(value) -> list:
    """Every text within a value."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [leaf for one in inner for leaf in leaves(one)]
