"""The SDKs of the providers, each put in front of the gateway: an Ask goes in, what it Said comes out.

A module has `Caller(stand, key)` with `ask(Ask) -> Said`, and `go_on(Ask)`, which gives the answer back as it was and
asks again, as an agent does. It says which class of error an application catches: of a status (`errors`), within a
stream (`in_stream`).
"""

from . import anthropic_sdk, boto3_sdk, google_sdk, openai_sdk, responses_sdk

CALLERS = {
    "openai": openai_sdk.Caller,
    "openai-responses": responses_sdk.Caller,
    "anthropic": anthropic_sdk.Caller,
    "google-genai": google_sdk.Caller,
    "boto3": boto3_sdk.Caller,
}
