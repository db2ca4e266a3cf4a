"""An image API on loopback, for tests that go through a real connection.

It reads and writes what OpenAI's chat and images APIs do, as far as this package speaks them; it never streams, which
clients that asked for a stream accept.
"""

import base64
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

from dataflow.testing.pictures import SIZE, plain_png

Reply = str | bytes | int
Script = Callable[[str, Sequence[bytes]], Reply]
CHAT = "/v1/chat/completions"
IMAGES = ("/v1/images/generations", "/v1/images/edits")
_USAGE = {"prompt_tokens": 10, "completion_tokens": 100, "total_tokens": 110}


@contextmanager
def image_server(script: Script | None = None) -> Iterator[str]:
    """Serve until the `with` block ends; its value is the address, for `api_url=` or `DF_BASE_URL`.

    Args:
        script: a function of the prompt and the input pictures' bytes. It replies with text (str), a picture (the
            bytes of its file), or the HTTP status of a failure (int). What it raises is the words of a status 500. The
            images API has no text, and refuses a request with it instead. The script may run in several threads at
            once. None: a picture of one colour, another for each prompt and input.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, script))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="image_server", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    """One request, one reply, and the connection is closed: nothing outlives the test."""

    def __init__(self, script: Script | None, *args: Any) -> None:
        self._script = script
        super().__init__(*args)

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        status, body = self._reply(self.path, data)
        sent = orjson.dumps(body)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def _reply(self, path: str, data: bytes) -> tuple[int, Mapping[str, Any]]:
        if path not in (CHAT, *IMAGES):
            return 404, _error(f"{path} is not served here: {CHAT} and {' and '.join(IMAGES)} are")
        prompt, images, fields = _read(data)
        try:
            reply = self._script(prompt, images) if self._script else _picture(prompt, images, fields)
        except Exception as error:  # noqa: BLE001 - the client waits for it
            return 500, _error(f"the script raised {type(error).__name__}: {error}")
        if isinstance(reply, int):
            return reply, _error(f"the script replied with {reply}")
        if path == CHAT:
            return 200, _chat(reply)
        if isinstance(reply, str):
            return 400, _error(reply)
        return 200, {"created": 0, "data": [{"b64_json": base64.b64encode(reply).decode()}], "usage": _USAGE}

    def log_message(self, *args: object) -> None:
        """A test's output is its own."""


def _read(data: bytes) -> tuple[str, list[bytes], Mapping[str, Any]]:
    """The prompt (of a chat: what its last message says), every input picture, and all fields."""
    if data.startswith(b"--"):
        return _read_form(data)
    fields = orjson.loads(data)
    prompt, images = fields.get("prompt", ""), []
    for message in fields.get("messages", ()):
        parts: Any = message["content"]
        if isinstance(parts, str):
            parts = [{"type": "text", "text": parts}]
        prompt = "".join(part["text"] for part in parts if part["type"] == "text")
        urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
        images += [base64.b64decode(url.partition(",")[2]) for url in urls]
    return prompt, images, fields


def _read_form(data: bytes) -> tuple[str, list[bytes], Mapping[str, Any]]:
    """The same of a multipart body; its boundary is its first line."""
    fields: dict[str, str] = {}
    images: list[bytes] = []
    for part in data.split(data[: data.index(b"\r\n")])[1:-1]:
        head, _, content = part.removesuffix(b"\r\n").partition(b"\r\n\r\n")
        names = dict(re.findall(rb'(name|filename)="([^"]*)"', head))
        if b"filename" in names:
            images += [content] if names[b"name"].startswith(b"image") else []  # a mask is no input
        else:
            fields[names[b"name"].decode()] = content.decode()
    return fields["prompt"], images, fields


def _picture(prompt: str, images: Sequence[bytes], fields: Mapping[str, Any]) -> bytes:
    named = re.fullmatch(r"(\d+)x(\d+)", str(fields.get("size")))
    size = (int(named[1]), int(named[2])) if named else SIZE
    return plain_png(b"".join([prompt.encode(), *images]), size)


def _chat(reply: str | bytes) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply}
    if isinstance(reply, bytes):
        url = f"data:image/png;base64,{base64.b64encode(reply).decode()}"
        message |= {"content": "Here you are.", "images": [{"type": "image_url", "image_url": {"url": url}}]}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": _USAGE}


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message}}
