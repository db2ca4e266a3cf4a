"""A loopback server that answers like an image-editing API and edits nothing: it marks the picture it was sent.

With it a pipeline runs whole on a machine with no key and no GPU, over the same wire as the real thing.
It speaks `POST /v1/chat/completions`, streamed or not, and answers in `message.images`.
"""

import base64
import binascii
import json
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import TYPE_CHECKING, Self

from dataflow.core.records import JSON
from dataflow.demo.mark import mark
from dataflow.io.colour import encode, to_rgb
from dataflow.io.decode import REPLY_FORMATS, BadPicture, decode

if TYPE_CHECKING:
    from PIL import Image

PATH = "/v1/chat/completions"
MAX_BODY_BYTES = 256 << 20
WORDS = "This is the demo: the picture you sent with your instruction written on it. No model has edited it."


class MarkerServer:
    """Serves on a free port of 127.0.0.1: while its `with` block runs, or from `start` to the end of the process."""

    def __init__(self) -> None:
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """The address to give as `api_url`; any key and any model name do."""
        if self._server is None:
            raise RuntimeError("MarkerServer is not running: use it in a `with` block, or call start()")
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        return self.start()

    def start(self) -> Self:
        """Serve from a daemon thread."""
        self._server = _Server(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self._server.serve_forever, name="demo-marker", daemon=True, args=(0.05,)).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class BadRequest(ValueError):
    """The request's body is not what the chat API describes; answered with 400."""


def answer(body: bytes) -> tuple[str, bytes]:
    """What the server says to the body of one POST.

    Returns:
        The content type and the body of the reply.

    Raises:
        BadRequest: the body is no chat request, or a picture in it cannot be decoded.
    """
    asked = _object(body)
    instruction, pictures = _last_question(asked.get("messages"))
    url = "data:image/png;base64," + base64.b64encode(encode(mark(pictures, instruction), "png", 95)).decode("ascii")
    images: list[JSON] = [{"type": "image_url", "index": 0, "image_url": {"url": url}}]
    spent = {"prompt_tokens": len(instruction) // 4 + 258 * len(pictures), "completion_tokens": 1290}
    usage: JSON = {**spent, "total_tokens": sum(spent.values())}
    head: dict[str, JSON] = {"id": "demo", "created": 0, "model": str(asked.get("model", "demo"))}
    if not asked.get("stream"):
        message: JSON = {"role": "assistant", "content": WORDS, "images": images}
        choice: JSON = {"index": 0, "message": message, "finish_reason": "stop"}
        whole = {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
        return "application/json", json.dumps(whole).encode()
    deltas: list[JSON] = [
        {"index": 0, "delta": {"role": "assistant", "content": WORDS[:40]}, "finish_reason": None},
        {"index": 0, "delta": {"content": WORDS[40:]}, "finish_reason": None},
        {"index": 0, "delta": {"images": images}, "finish_reason": None},
        {"index": 0, "delta": {}, "finish_reason": "stop"},
    ]
    head["object"] = "chat.completion.chunk"
    chunks = [json.dumps({**head, "choices": [delta]}) for delta in deltas]
    chunks += [json.dumps({**head, "choices": [], "usage": usage}), "[DONE]"]
    return "text/event-stream", "".join(f"data: {chunk}\n\n" for chunk in chunks).encode()


def _object(body: bytes) -> dict[str, JSON]:
    try:
        asked = json.loads(body)
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
    if not isinstance(asked, dict):
        raise BadRequest("the body is not a JSON object")
    return asked


def _last_question(messages: JSON) -> tuple[str, "list[Image.Image]"]:
    """The words of the last user message, and its pictures or else those of the message before it that has some."""
    if not isinstance(messages, list) or not messages:
        raise BadRequest("`messages` must be a list of at least one message")
    instruction: str | None = None
    for message in reversed(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise BadRequest("every message must be an object with a `role`")
        texts, urls = _parts(message.get("content"))
        if instruction is None and message["role"] == "user":
            instruction = "\n".join(texts)
        if instruction is not None and urls:
            return instruction, [_picture(url) for url in urls]
    if instruction is None or not instruction.strip():
        raise BadRequest("there is no user message with text")
    return instruction, []


def _parts(content: JSON) -> tuple[list[str], list[str]]:
    if content is None or isinstance(content, str):
        return ([content] if content else []), []
    texts, urls = [], []
    for part in content if isinstance(content, list) else [content]:
        match part:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case {"type": "image_url", "image_url": {"url": str(url)}}:
                urls.append(url)
            case _:
                raise BadRequest("`content` must be text, or a list of parts of type `text` and `image_url`")
    return texts, urls


def _picture(url: str) -> "Image.Image":
    header, comma, payload = url.partition(",")
    if not comma or not header.startswith("data:image/") or not header.endswith(";base64"):
        raise BadRequest("pictures are taken as base64 data URLs only")
    try:
        return to_rgb(decode(base64.b64decode(payload, validate=True), REPLY_FORMATS))
    except (binascii.Error, BadPicture) as error:
        raise BadRequest(f"a picture {error}") from error


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024  # clients open many connections at once; the default of 5 makes them wait a second

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no error; anything else is a bug and shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            self._refuse(HTTPStatus.BAD_REQUEST, f"Content-Length must be a number up to {MAX_BODY_BYTES}")
            return
        body = self.rfile.read(int(length))
        if self.path.rstrip("/") != PATH:
            self._refuse(HTTPStatus.NOT_FOUND, f"the demo answers at {PATH} only")
            return
        try:
            kind, reply = answer(body)
        except BadRequest as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            return
        self._send(HTTPStatus.OK, kind, reply)

    def do_GET(self) -> None:
        self._refuse(HTTPStatus.NOT_FOUND, f"the demo answers POST {PATH} only")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing; the pipeline reports its own progress."""

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
        self._send(status, "application/json", json.dumps({"error": error}).encode())

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
