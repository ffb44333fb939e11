"""Google's SDK: generateContent."""

from ask import IMAGE, MAX_TOKENS, RESULT, SCHEMA, SYSTEM, Ask
from google import genai
from google.genai import types
from google.genai.errors import APIError, ClientError, ServerError

from replay.said import Said, Usage

FINISHES = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter"}


class Caller:
    def __init__(self, stand, key: str):
        self.client = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=stand.url))

    def ask(self, ask: Ask) -> Said:
        asked = {"model": ask.model, "contents": contents(ask), "config": config(ask)}
        if not ask.stream:
            return self.said([self.client.models.generate_content(**asked)])
        return self.said(list(self.client.models.generate_content_stream(**asked)))

    def go_on(self, ask: Ask) -> None:
        asked = {"model": ask.model, "contents": contents(ask), "config": config(ask)}
        content = self.client.models.generate_content(**asked).candidates[0].content
        calls = [part.function_call for part in content.parts if part.function_call]
        results = [
            types.FunctionResponse(id=call.id, name=call.name, response={"output": RESULT}) for call in calls
        ]
        parts = [types.Part(function_response=result) for result in results]
        asked["contents"] += [content, types.Content(role="user", parts=parts)]
        self.client.models.generate_content(**asked)

    @staticmethod
    def said(chunks: list) -> Said:
        told, finishes = Said(), []
        for chunk in chunks:
            for candidate in [one for one in chunk.candidates or [] if not one.index]:
                finishes += [candidate.finish_reason.value] if candidate.finish_reason else []
                for part in (candidate.content and candidate.content.parts) or []:
                    if part.function_call:
                        told.calls.append((part.function_call.name, part.function_call.args or {}))
                    elif part.thought:
                        told.thoughts += part.text or ""
                    else:
                        told.text += part.text or ""
            if usage := chunk.usage_metadata:
                told.usage = Usage(
                    (usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0),
                    (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
                    usage.cached_content_token_count or 0,
                )
        (finish,) = finishes
        told.finish = FINISHES[finish]
        # Gemini has no reason of its own for calls.
        return told.ends_with_its_calls()

    @staticmethod
    def status_of(error: Exception) -> int | None:
        return error.code if isinstance(error, APIError) else None

    errors = {
        400: ClientError,
        404: ClientError,
        429: ClientError,
        500: ServerError,
        502: ServerError,
        503: ServerError,
    }
    in_stream = APIError


def contents(ask: Ask) -> list:
    parts = [types.Part.from_text(text=ask.text)]
    if ask.image:
        parts.append(types.Part.from_bytes(data=IMAGE, mime_type="image/png"))
    said = [types.Content(role="user", parts=parts)]
    if ask.history:
        calls = [types.Part.from_function_call(name=name, args=given) for name, given in ask.history]
        results = [types.Part.from_function_response(name=name, response={"output": RESULT}) for name, _ in ask.history]
        said += [types.Content(role="model", parts=calls), types.Content(role="user", parts=results)]
    return said


def config(ask: Ask) -> types.GenerateContentConfig:
    wishes = {"system_instruction": SYSTEM, "max_output_tokens": MAX_TOKENS}
    if ask.tools:
        functions = [
            types.FunctionDeclaration(name=name, description=name, parameters_json_schema=schema)
            for name, schema in ask.tools.items()
        ]
        wishes["tools"] = [types.Tool(function_declarations=functions)]
        wishes["automatic_function_calling"] = types.AutomaticFunctionCallingConfig(disable=True)
    if ask.structured:
        wishes |= {"response_mime_type": "application/json", "response_json_schema": SCHEMA}
    if ask.reasons:
        wishes["thinking_config"] = types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
    return types.GenerateContentConfig(**wishes)
