"""The real gateway in front of the real mock provider, and what is asserted of every call that goes through them.

A test calls with a client of `Stand.client()`, which keeps the bytes that the SDK sent, and then `Stand.settle()`,
which compares them with the bytes that the provider got and finds exactly one record for each call.
"""

import json
import re
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import openai
from running import KEY, PATIENCE_S, PLUGINS, Running, free_port, wait_until

# A model with its provider's name, one with a name of its own, and one with the mock's controls in its name.
SAME, RENAMED, CONTROLLED = "gpt-4o-mini", "house-model", "mock/gpt-4o-mini"
UPSTREAM_NAME = {RENAMED: "gpt-4o-mini"}
USAGE_ASKED = b'"stream_options":{"include_usage":true}'
GREETING = "You are served by Penstock for tests."
CHAIN = ["secrets", "greeting", "balance"]


def configuration(address: str, admin: str, provider: str, record: Path, chain: bool) -> str:
    plugins = f"""
plugins:
  - name: secrets
    component: guard-secrets
    settings: {{scan: [requests, answers], action: redact, replacement: "[gone]", rules: all}}
    fail: closed
  - name: greeting
    component: prompt-decorator
    capabilities: [clock]
    settings: {{prepend: [{{role: system, text: "You are served by Penstock for {{{{caller}}}}."}}]}}
  - name: balance
    component: route-balance
    settings: {{strategy: weighted}}
"""
    return f"""
listeners: [{{address: "{address}"}}]
admin: {{address: "{admin}"}}
record: "{record}"
plugin_dir: "{PLUGINS}"
{plugins if chain else ""}
providers:
  mock: {{base_url: "{provider}", auth: none}}
models:
  - {{name: {SAME}, targets: [{{provider: mock, model: {SAME}}}]}}
  - {{name: {RENAMED}, targets: [{{provider: mock, model: {UPSTREAM_NAME[RENAMED]}}}]}}
  - {{name: "mock/*", targets: [{{provider: mock, model: "*"}}]}}
  - {{name: gpt-3.5-turbo-instruct, targets: [{{provider: mock, model: gpt-3.5-turbo-instruct}}]}}
  - {{name: text-embedding-3-small, targets: [{{provider: mock, model: text-embedding-3-small}}]}}
  - {{name: omni-moderation-latest, targets: [{{provider: mock, model: omni-moderation-latest}}]}}
keys:
  - {{name: tests, key: "file:{record.parent}/key", models: ["*"]}}
"""


@dataclass
class Sent:
    """One HTTP request as the SDK wrote it, and the head of its answer once there was one."""

    method: str
    path: str
    body: bytes
    status: int | None = None
    headers: dict = field(default_factory=dict)


@dataclass
class Settled:
    """The calls of one test: what left the SDK, what reached the provider, what was recorded."""

    sent: list
    upstream: list
    records: list

    @property
    def record(self) -> dict:
        (only,) = self.records
        return only


class Stand(Running):
    """Starts both processes on free ports; `close` ends them."""

    def __init__(self, folder: Path, chain: bool):
        super().__init__(folder)
        self.chain, self.sent = chain, []
        provider, address, admin = (f"127.0.0.1:{free_port()}" for _ in range(3))
        self.provider, self.base_url = f"http://{provider}", f"http://{address}/v1"
        self.start("mock-provider", "--listen", provider)
        self.wait_for(f"{self.provider}/__mock/health")
        self.run_gateway(configuration(address, admin, f"{self.provider}/v1", self.log, chain), admin)

    def forget(self) -> None:
        """Drops what a failed test has not settled."""
        time.sleep(0.5)
        self.sent, self.settled = [], len(self.records())
        self.take_upstream()

    # Clients that keep what they send.

    def client(self, **options) -> openai.OpenAI:
        hooks = {"request": [self.keep], "response": [self.keep_head]}
        http = openai.DefaultHttpxClient(event_hooks=hooks)
        return openai.OpenAI(**self.options(http, options))

    def async_client(self, **options) -> openai.AsyncOpenAI:
        async def keep(request):
            self.keep(request)

        async def keep_head(response):
            self.keep_head(response)

        http = openai.DefaultAsyncHttpxClient(event_hooks={"request": [keep], "response": [keep_head]})
        return openai.AsyncOpenAI(**self.options(http, options))

    def options(self, http, options: dict) -> dict:
        defaults = {"api_key": KEY, "base_url": self.base_url, "max_retries": 0, "timeout": PATIENCE_S}
        return {**defaults, **options, "http_client": http}

    def keep(self, request) -> None:
        sent = Sent(request.method, request.url.raw_path.decode(), request.content)
        request.extensions["penstock"] = sent
        self.sent.append(sent)

    def keep_head(self, response) -> None:
        sent = response.request.extensions["penstock"]
        sent.status, sent.headers = response.status_code, dict(response.headers)

    # What became of the calls.

    def settle(
        self, status: int | None = 200, ending: str = "complete", *, key: str | None = "tests", forwarded: bool = True,
        each: list | None = None, replayed: int = 0, resent: bool = False, edits: dict | None = None,
    ) -> Settled:
        """Checks every call since the last time: its bytes at the provider, and one record with this ending.

        `status` None takes any; `each` is the (status, ending) of every call where they differ; `replayed` calls were
        answered without the provider; `resent` ones may have been written to a second connection when a pooled one
        turned out to be closed; `edits` is what a guard replaces in the body.
        """
        sent, self.sent = self.sent, []
        assert sent, "the SDK sent nothing"
        records, upstream = self.take_records(len(sent)), self.take_upstream()
        wanted = each or [(status, ending)] * len(sent)
        got = [(record["status"] if status else None, record["ending"]) for record in records]
        assert sorted(got) == sorted(wanted), records
        assert all(record["key"] == key for record in records)
        self.check_heads(sent, records)
        bodies = [request["body"].encode() for request in upstream]
        expected = [self.expected(one, edits or {}) for one in sent] if forwarded else []
        assert sorted(set(bodies) if resent else bodies) == sorted(expected[replayed:])
        if self.chain and forwarded and sent[0].path.endswith("/chat/completions"):
            ran = [{plugin["name"] for plugin in record["plugins"]} for record in records]
            assert ran.count(set(CHAIN)) == len(sent) - replayed, records
        return Settled(sent, upstream, records)

    @staticmethod
    def check_heads(sent: list, records: list) -> None:
        """Every answer names its record and the generation that served it."""
        generations = {record["id"]: str(record["generation"]) for record in records}
        for one in sent:
            if one.status is not None:
                assert one.headers["x-penstock-generation"] == generations[one.headers["x-request-id"]]

    def upstream(self) -> list:
        with urllib.request.urlopen(f"{self.provider}/__mock/requests", timeout=PATIENCE_S) as answer:
            shown = json.load(answer)
        return shown if isinstance(shown, list) else shown["requests"]

    def take_upstream(self) -> list:
        taken = self.upstream()
        clear = urllib.request.Request(f"{self.provider}/__mock/requests", method="DELETE")
        urllib.request.urlopen(clear, timeout=PATIENCE_S).close()
        return taken

    def wait_upstream(self, ending: str) -> None:
        """Waits for the provider to see how its answer ended, e.g. `disconnected`."""
        seen = []

        def ended() -> bool:
            seen[:] = [request["ending"] for request in self.upstream()]
            return seen != [] and all(word == ending for word in seen)

        wait_until(ended, lambda: f"the provider saw {seen}, not {ending}")

    def expected(self, sent: Sent, edits: dict) -> bytes:
        """What the provider must get: the SDK's bytes, but for the model's name and the usage option.

        In the chain the prompt-decorator adds its message in front of the others, and the guard makes its `edits`.
        """
        body = re.sub(rb'"model":"([^"]*)"', upstream_model, sent.body, count=1)
        if b'"include_usage":true' not in body:
            body = body.replace(b'"stream":true', b'"stream":true,' + USAGE_ASKED, 1)
        for old, new in edits.items():
            body = body.replace(old.encode(), new.encode())
        if self.chain and sent.path.endswith("/chat/completions"):
            message = json.dumps({"role": "system", "content": GREETING}, separators=(",", ":")).encode()
            body = body.replace(b'"messages":[', b'"messages":[' + message + b",", 1)
        if sent.path.endswith("/v1/completions"):
            body = body.replace(b'"prompt":"', b'"prompt":"' + json.dumps(self.decorated(""))[1:-1].encode(), 1)
        return body

    def decorated(self, prompt: str) -> str:
        """A completion's prompt as the provider gets it: it has no roles, so the decorator puts its text before it."""
        return f"{GREETING}\n\n{prompt}" if self.chain else prompt


def upstream_model(match: re.Match) -> bytes:
    name = match[1].decode()
    name = UPSTREAM_NAME.get(name, name.removeprefix("mock/"))
    return f'"model":"{name}"'.encode()
