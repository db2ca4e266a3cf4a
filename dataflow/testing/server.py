"""An image API on a loopback address, for tests over a real connection.

The server speaks OpenAI's chat and images APIs, as far as this package uses them. It never streams; a client that asks
for a stream accepts a whole reply, too.
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
    """Serve until the `with` block ends. The value of the block is the address, for `api_url=` or `DF_BASE_URL`.

    Args:
        script: a function that takes the prompt and the bytes of the input pictures, and returns the reply: a text
            (str), a picture (the bytes of its file), or the HTTP status of a failure (int). An exception of the
            function becomes the message of a status 500. The images API has no replies with text, and refuses the
            request with the text instead. The function may run in several threads at once. None: the reply is a
            picture of one colour, which depends on prompt and pictures.
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
    """Answers one request and closes the connection, so that no connection outlives the test."""

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
        """Write no log lines into the output of a test."""


def _read(data: bytes) -> tuple[str, list[bytes], Mapping[str, Any]]:
    """Return the prompt (of a chat the text of its last message), the bytes of all input pictures, and all fields."""
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
    """Do the same as `_read` for a multipart body, whose first line is its boundary."""
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
