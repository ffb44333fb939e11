"""Answers that a provider of Responses keeps for whoever comes back to them, as the API's other pages show them."""

import json
import re
import urllib.parse

from .streams import responses

PAGE = re.compile(r"/openai/v1/responses/([^/]+)(/cancel|/input_items)?")


class Kept:
    def __init__(self):
        self.answers, self.inputs = {}, {}

    def begun(self, asked: dict, answer: dict) -> dict:
        """Keeps what was asked to be kept; what the caller gets of it now."""
        if asked.get("store", True):
            said = asked["input"]
            content = [{"type": "input_text", "text": said}] if isinstance(said, str) else said[0]["content"]
            self.answers[answer["id"]] = answer
            self.inputs[answer["id"]] = [{"type": "message", "id": "msg_in", "role": "user", "content": content}]
        if asked.get("background"):
            return {**answer, "status": "queued", "output": [], "usage": None, "background": True}
        return answer

    def page(self, method: str, path: str) -> dict | list | None:
        """A page's JSON, the events of its stream, or nothing where there is no such answer."""
        split = urllib.parse.urlsplit(path)
        match, query = PAGE.fullmatch(split.path), urllib.parse.parse_qs(split.query)
        answer = self.answers.get(match[1]) if match else None
        if answer is None:
            return None
        if method == "DELETE":
            del self.answers[match[1]]
            return {"id": match[1], "object": "response", "deleted": True}
        if match[2] == "/cancel":
            return {**answer, "status": "cancelled", "output": [], "usage": None}
        if match[2] == "/input_items":
            items = self.inputs[match[1]]
            ends = {"first_id": items[0]["id"], "last_id": items[-1]["id"]}
            return {"object": "list", "data": items, "has_more": False, **ends}
        if query.get("stream") == ["true"]:
            return responses(answer)[int(query.get("starting_after", ["-1"])[0]) + 1 :]
        return answer


def whole(body: bytes, asked: dict, kept: Kept) -> bytes:
    """A whole answer as the caller gets it."""
    return json.dumps(kept.begun(asked, json.loads(body)), ensure_ascii=False).encode()
