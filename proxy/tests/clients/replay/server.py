"""A provider that says what real ones once said, in the wire format of each, in pieces that are cut at awkward places.

The model's name says what: `gpt-4o~NAME` is answered with the recording NAME, `~FIRST,SECOND` with the first where the
conversation has no turn of the model yet and with the second from then on. Behind a `+` stand wishes: `+status=429` for
an error, `+error-after=3` and `+cut-after=3` for a stream that has three events and then an error or no end.
`GET /__replay/requests` tells what was asked and `DELETE` forgets it; `GET /__replay/answers` tells what each recording
says.
"""

import itertools
import json
import re
import socket
import threading
import urllib.parse
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import failures, wire
from .heard import heard
from .kept import Kept, whole
from .recordings import Recording, recordings
from .said import READERS, said
from .streams import STREAMS

# Bytes of the pieces that a body is written in, over and over: within characters, lines, frames and checksums.
CUTS = [1, 2, 3, 5, 200, 1, 1, 7, 64, 4, 1000, 13]

# Each page: its path, its wire format. Where no group names the model, the body does; `stream` marks a streaming page.
PAGES = [
    (r"/anthropic/v1/messages", "anthropic.messages"),
    (r"/openai/v1/chat/completions", "openai.chat"),
    (r"/openai/v1/responses", "openai.responses"),
    (r"/openai/v1/embeddings", "openai.embeddings"),
    (r"/gemini/v1(?:beta)?/models/(?P<model>[^:]+):(?P<stream>streamG|g)enerateContent", "gemini.generate"),
    (r"/bedrock/model/(?P<model>[^/]+)/converse(?P<stream>-stream)?", "bedrock.converse"),
    (r"/cohere/v2/chat", "cohere.chat_v2"),
    (r"/cohere/v2/rerank", "rerank"),
]


@dataclass
class Asked:
    """One request as it came."""

    path: str
    headers: dict
    body: dict
    api: str
    model: str
    stream: bool
    # complete, or disconnected.
    ending: str | None = None

    @property
    def is_kept(self) -> bool:
        """Whether the caller may want to come back to the answer."""
        return self.api == "openai.responses" and self.body.get("store") is not False

    def shown(self) -> dict:
        """For the tests of Node: with what was heard of it, where it asks for a generation."""
        asks = self.api in READERS and self.body
        return asdict(self) | ({"heard": asdict(heard(self.api, self.body))} if asks else {})


@dataclass
class Wishes:
    """What a model's name says."""

    names: list
    options: dict = field(default_factory=dict)

    @classmethod
    def of(cls, model: str) -> "Wishes":
        names, *options = model.rpartition("~")[2].split("+")
        return cls(names.split(","), dict(option.split("=", 1) for option in options))


@dataclass
class Answer:
    status: int
    content_type: str
    # The events of a stream; one for a whole body.
    parts: list
    is_cut: bool = False
    headers: dict = field(default_factory=dict)


class Replay:
    """The server, on a free port of the loopback, in a thread of this process."""

    def __init__(self, port: int = 0, more: list = ()):
        self.recordings = {**recordings(), **{one.name: one for one in more}}
        self.lock, self.requests, self.kept = threading.Lock(), [], Kept()
        self.server = Server(("127.0.0.1", port), Handler)
        self.server.replay = self
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def start(self) -> "Replay":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def take(self) -> list:
        """What was asked since the last time."""
        with self.lock:
            taken, self.requests = self.requests, []
        return taken

    def keep(self, asked: Asked) -> None:
        with self.lock:
            self.requests.append(asked)

    def answer(self, asked: Asked) -> Answer:
        wishes = Wishes.of(asked.model)
        if "status" in wishes.options:
            status = int(wishes.options["status"])
            return Answer(status, "application/json", [failures.body(asked.api, status)])
        name = wishes.names[min(turns(asked.body), len(wishes.names) - 1)]
        recording = self.recordings.get(name)
        if recording is None or recording.api != asked.api:
            return Answer(404, "application/json", [failures.body(asked.api, 404)])
        answer = limited(replayed(recording, asked.stream), asked.api, wishes.options)
        if asked.is_kept and not asked.stream and not recording.is_stream and answer.status == 200:
            answer.parts = [whole(recording.body, asked.body, self.kept)]
        return answer

    def page(self, method: str, asked: Asked) -> Answer:
        """One of those about an answer that is kept."""
        shown = self.kept.page(method, asked.path)
        if shown is None:
            return Answer(404, "application/json", [failures.body(asked.api, 404)])
        if isinstance(shown, list):
            return Answer(200, "text/event-stream", shown)
        return Answer(200, "application/json", [json.dumps(shown, ensure_ascii=False).encode()])


def replayed(recording: Recording, stream: bool) -> Answer:
    """The recording, as a stream where that is wanted and the recording is none."""
    if recording.is_stream:
        return Answer(recording.status, recording.content_type, wire.events(recording.body, recording.content_type))
    if stream and recording.status == 200 and recording.api in STREAMS:
        is_aws = recording.api == "bedrock.converse"
        content_type = "application/vnd.amazon.eventstream" if is_aws else "text/event-stream"
        return Answer(200, content_type, STREAMS[recording.api](json.loads(recording.body)))
    return Answer(recording.status, recording.content_type, [recording.body])


def shown_answer(recording: Recording) -> dict:
    told = asdict(said(recording)) if recording.status == 200 else None
    return {"api": recording.api, "model": recording.model, "features": sorted(recording.features), "said": told}


def limited(answer: Answer, api: str, options: dict) -> Answer:
    if "error-after" in options:
        answer.parts = [*answer.parts[: int(options["error-after"])], failures.event(api)]
    if "cut-after" in options:
        answer.parts, answer.is_cut = answer.parts[: int(options["cut-after"])], True
    return answer


def turns(body: dict) -> int:
    """How often the model has spoken in a conversation, whatever the dialect."""
    said = body.get("messages") or body.get("contents") or body.get("input") or []
    own = [is_the_models(one) for one in said if isinstance(one, dict)]
    return sum(now and not before for before, now in itertools.pairwise([False, *own]))


def is_the_models(message: dict) -> bool:
    kinds = ("function_call", "reasoning", "custom_tool_call")
    return message.get("role") in ("assistant", "model") or message.get("type") in kinds


def cut(body: bytes):
    sizes = itertools.cycle(CUTS)
    while body:
        size = next(sizes)
        yield body[:size]
        body = body[size:]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_) -> None:
        """Connections that are closed while nothing is asked of them are no errors."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if not self.path.startswith("/__replay"):
            return self.send_page()
        if self.path.endswith("/answers"):
            shown = {name: shown_answer(one) for name, one in self.replay.recordings.items() if one.api in READERS}
        else:
            with self.replay.lock:
                shown = [asked.shown() for asked in self.replay.requests]
        self.send_whole(200, "application/json", json.dumps(shown).encode())

    def do_DELETE(self) -> None:
        if not self.path.startswith("/__replay"):
            return self.send_page()
        self.replay.take()
        self.send_whole(200, "application/json", b"{}")

    def do_POST(self) -> None:
        body = self.read_body()
        asked = self.asked(body)
        if self.path.endswith("/cancel"):
            return self.send_page()
        if asked is None:
            return self.send_whole(404, "text/plain", f"no page {self.path}".encode())
        self.replay.keep(asked)
        try:
            answer = self.replay.answer(asked)
            answer.headers = failures.headers(asked.api, answer.status)
            self.send(answer)
            asked.ending = "complete"
        except (BrokenPipeError, ConnectionResetError):
            asked.ending, self.close_connection = "disconnected", True

    def send_page(self) -> None:
        asked = Asked(self.path, dict(self.headers), {}, "openai.responses", "", "stream=true" in self.path)
        self.replay.keep(asked)
        self.send(self.replay.page(self.command, asked))
        asked.ending = "complete"

    @property
    def replay(self) -> Replay:
        return self.server.replay

    def asked(self, body: bytes) -> Asked | None:
        path = urllib.parse.urlsplit(self.path).path
        for pattern, api in PAGES:
            if match := re.fullmatch(pattern, path):
                named, read = match.groupdict(), json.loads(body)
                model = urllib.parse.unquote(named["model"]) if "model" in named else read["model"]
                streams = named["stream"] in ("streamG", "-stream") if "stream" in named else read.get("stream", False)
                return Asked(self.path, dict(self.headers), read, api, model, streams)
        return None

    def read_body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def send(self, answer: Answer) -> None:
        if "event" not in answer.content_type:
            return self.send_whole(answer.status, answer.content_type, b"".join(answer.parts), answer.headers)
        self.send_response(answer.status)
        self.send_header("content-type", answer.content_type)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in cut(b"".join(answer.parts)):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if answer.is_cut:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_WR)
        else:
            self.wfile.write(b"0\r\n\r\n")

    def send_whole(self, status: int, content_type: str, body: bytes, headers: dict | None = None) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        for piece in cut(body):
            self.wfile.write(piece)

    def log_message(self, *_) -> None:
        """Nobody reads it."""
