"""The AWS SDK: Bedrock's Converse, with a bearer key."""

import json
import os

import boto3
import botocore.config
import botocore.exceptions
from ask import IMAGE, MAX_TOKENS, RESULT, SCHEMA, SYSTEM, Ask

from replay.said import Said, converse, converse_stream

FINISHES = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
}


class Caller:
    def __init__(self, stand, key: str):
        os.environ["AWS_BEARER_TOKEN_BEDROCK"] = key
        # It sends a bearer key over TLS only.
        self.client = boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=stand.secure_url,
            verify=str(stand.certificate),
            config=botocore.config.Config(retries={"total_max_attempts": 1}),
        )

    def ask(self, ask: Ask) -> Said:
        if ask.stream:
            # boto3 hands the events out as they are: an application puts them together itself.
            answer = converse_stream(list(self.client.converse_stream(**request(ask))["stream"]))
        else:
            answer = self.client.converse(**request(ask))
        told = converse(answer)
        told.finish = FINISHES[answer["stopReason"]]
        return told

    def go_on(self, ask: Ask) -> None:
        asked = request(ask)
        message = self.client.converse(**asked)["output"]["message"]
        calls = [block["toolUse"] for block in message["content"] if "toolUse" in block]
        results = [{"toolResult": {"toolUseId": call["toolUseId"], "content": [{"text": RESULT}]}} for call in calls]
        asked["messages"] += [message, {"role": "user", "content": results}]
        self.client.converse(**asked)

    @staticmethod
    def status_of(error: Exception) -> int | None:
        is_ours = isinstance(error, botocore.exceptions.ClientError)
        return error.response["ResponseMetadata"]["HTTPStatusCode"] if is_ours else None

    errors = dict.fromkeys([400, 403, 404, 429, 500, 502, 503], botocore.exceptions.ClientError)
    in_stream = botocore.exceptions.EventStreamError


def request(ask: Ask) -> dict:
    content = [{"text": ask.text}]
    if ask.image:
        content.append({"image": {"format": "png", "source": {"bytes": IMAGE}}})
    messages = [{"role": "user", "content": content}]
    if ask.history:
        calls = [
            {"toolUse": {"toolUseId": id, "name": name, "input": given}}
            for id, (name, given) in zip(ask.call_ids(), ask.history, strict=True)
        ]
        results = [{"toolResult": {"toolUseId": id, "content": [{"text": RESULT}]}} for id in ask.call_ids()]
        messages += [{"role": "assistant", "content": calls}, {"role": "user", "content": results}]
    body = {"modelId": ask.model, "messages": messages, "system": [{"text": SYSTEM}]}
    body["inferenceConfig"] = {"maxTokens": MAX_TOKENS}
    if ask.tools:
        specs = [
            {"toolSpec": {"name": name, "description": name, "inputSchema": {"json": schema}}}
            for name, schema in ask.tools.items()
        ]
        body["toolConfig"] = {"tools": specs}
    if ask.structured:
        structure = {"jsonSchema": {"name": "place", "schema": json.dumps(SCHEMA)}}
        body["outputConfig"] = {"textFormat": {"type": "json_schema", "structure": structure}}
    if ask.reasons:
        body.setdefault("outputConfig", {})["effort"] = "low"
    return body
