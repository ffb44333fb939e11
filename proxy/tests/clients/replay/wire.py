"""The framings of streams: server-sent events and AWS event streams, written, and cut into their events."""

import json
import re
import struct
import zlib

LINE_BREAK = re.compile(rb"(?<=\n\n)|(?<=\r\n\r\n)")


def sse(data, name: str | None = None, end: str = "\n\n") -> bytes:
    """One event; what is no text is written as JSON."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return ((f"event: {name}\n" if name else "") + f"data: {text}{end}").encode()


def frame(headers: dict, payload: bytes) -> bytes:
    """One message of an AWS event stream: lengths, headers of type text, payload, both checksums."""
    block = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + block + payload
    return message + struct.pack(">I", zlib.crc32(message))


def aws_event(name: str, data: dict, kind: str = "event") -> bytes:
    """An event, or with `kind="exception"` an exception, as ConverseStream sends them."""
    named = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    return frame(named, json.dumps(data, ensure_ascii=False).encode())


def events(body: bytes, content_type: str) -> list:
    """The bytes of each event of a stream."""
    if "eventstream" in content_type:
        return list(frames(body))
    return [event for event in LINE_BREAK.split(body) if event.strip()]


def frames(body: bytes):
    while body:
        (length,) = struct.unpack(">I", body[:4])
        yield body[:length]
        body = body[length:]


def read_frame(message: bytes) -> tuple:
    """The name and the JSON of an AWS event. Headers of other types than text do not occur."""
    (length,) = struct.unpack(">I", message[4:8])
    headers, block = {}, message[12 : 12 + length]
    while block:
        name_end = 1 + block[0]
        (size,) = struct.unpack(">H", block[name_end + 1 : name_end + 3])
        headers[block[1:name_end].decode()] = block[name_end + 3 : name_end + 3 + size].decode()
        block = block[name_end + 3 + size :]
    return headers.get(":event-type") or headers[":exception-type"], json.loads(message[12 + length : -4])


def read_events(body: bytes, content_type: str) -> list:
    """The JSON of each event; AWS events are put under their name, as the SDKs do."""
    if "eventstream" in content_type:
        return [{name: data} for name, data in map(read_frame, frames(body))]
    lines = [line[5:].strip() for line in body.replace(b"\r\n", b"\n").split(b"\n") if line.startswith(b"data:")]
    return [json.loads(line) for line in lines if line != b"[DONE]"]
