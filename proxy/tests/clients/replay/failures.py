"""Errors as each provider words them: with a status of their own, and within a stream."""

import json

from . import wire

# Of each status: Anthropic's type, Gemini's status, Bedrock's exception, OpenAI's type.
WORDS = {
    400: ("invalid_request_error", "INVALID_ARGUMENT", "ValidationException", "invalid_request_error"),
    401: ("authentication_error", "UNAUTHENTICATED", "UnrecognizedClientException", "invalid_request_error"),
    403: ("permission_error", "PERMISSION_DENIED", "AccessDeniedException", "invalid_request_error"),
    404: ("not_found_error", "NOT_FOUND", "ResourceNotFoundException", "invalid_request_error"),
    413: ("request_too_large", "INVALID_ARGUMENT", "ValidationException", "invalid_request_error"),
    429: ("rate_limit_error", "RESOURCE_EXHAUSTED", "ThrottlingException", "requests"),
    500: ("api_error", "INTERNAL", "InternalServerException", "server_error"),
    503: ("api_error", "UNAVAILABLE", "ServiceUnavailableException", "server_error"),
    529: ("overloaded_error", "UNAVAILABLE", "ServiceUnavailableException", "server_error"),
}
# What every one of them says, to be found again at the caller.
MESSAGE = "The replay was told to fail."


def told(api: str, status: int) -> dict:
    called = word(api, status)
    if api.startswith("anthropic"):
        return {"type": "error", "error": {"type": called, "message": MESSAGE}}
    if api.startswith("gemini"):
        return {"error": {"code": status, "message": MESSAGE, "status": called}}
    if api.startswith("openai"):
        return {"error": {"message": MESSAGE, "type": called, "param": None, "code": None}}
    return {"message": MESSAGE}


def word(api: str, status: int) -> str:
    """What the provider calls it."""
    anthropic, gemini, bedrock, openai = WORDS[status]
    words = {"anthropic.messages": anthropic, "gemini.generate": gemini, "bedrock.converse": bedrock}
    return words.get(api, openai)


def headers(api: str, status: int) -> dict:
    """Bedrock names the exception in a header, which its recorders left out."""
    is_told = api == "bedrock.converse" and status in WORDS
    return {"x-amzn-errortype": word(api, status)} if is_told else {}


def body(api: str, status: int) -> bytes:
    return json.dumps(told(api, status)).encode()


def event(api: str) -> bytes:
    """A provider that is overloaded in the middle of its stream."""
    if api.startswith("anthropic"):
        return wire.sse(told(api, 529), "error")
    if api.startswith("bedrock"):
        return wire.aws_event("serviceUnavailableException", told(api, 503), kind="exception")
    if api == "openai.responses":
        return wire.sse({"type": "error", "sequence_number": 9, **told(api, 503)}, "error")
    if api.startswith("cohere"):
        ended = {"type": "message-end", "delta": {"error": MESSAGE, "finish_reason": "ERROR"}}
        return wire.sse(ended, "message-end")
    return wire.sse(told(api, 503))
