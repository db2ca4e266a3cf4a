"""A real HTTP server on loopback that answers like an image API, well or badly as the test asks.

In a test: `with LoopbackServer(shape="markdown") as server: ... server.url`. As a process of its own,
for benchmarks and for tests that kill the client: `python -m tests.kit.loopback --latency 0.1`; it prints
its address, and `GET /stats` returns counts of its requests.
"""

import argparse
import asyncio
import contextlib
import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from aiohttp import BodyPartReader, web

from tests.kit import shapes
from tests.kit.billing import Bill
from tests.kit.bodies import take_pictures
from tests.kit.drawing import draw, mark_of
from tests.kit.on_a_thread import OnAThread

_PROBED = ("/models", "/openapi.json")


@dataclass(frozen=True, slots=True)
class Act:
    """How the server treats one request in place of a good answer.

    Args:
        status: HTTP status.
        body: sent instead of a picture; objects as JSON. None: the good answer.
        headers: further headers.
        cut: send only so many bytes of the body.
        clean: after a cut, end the reply as if it were whole; else the connection is reset.
        hang: never answer.
        linger: send the body but never end the reply.
    """

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    clean: bool = False
    hang: bool = False
    linger: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it arrived; pictures are replaced by their digests."""

    path: str
    body: dict[str, Any]
    prompt: str
    images: tuple[bytes, ...]
    image_fields: tuple[str, ...]
    authorization: str
    headers: dict[str, str]


class LoopbackServer(OnAThread):
    """An image API.

    Args:
        shape: how pictures come back over chat, one of `shapes.CHAT_SHAPES` or "url", or over Google's
            format, one of `shapes.GEMINI_SHAPES`.
        latency: seconds before each answer.
        at_once: requests it works on together; others wait for their turn.
        size: of the pictures, in pixels.
        kind: "png", "jpeg" or "webp".
        count: pictures in an answer; 0 makes text.
        text: what the answer says beside them.
        acts: what happens to the first requests, one each.
        act_for: decides for each further request; None: a good answer.
        refuses: fields that are answered with 400.
        remember: keep what every request held, not only how many there were.
        streams: None: as asked; else always or never.
        bill: what it charges, and has charged.
        models: names that `GET /models` lists; None: there is no such list.
        says: further fields of each good answer, such as the model that gave it.
    """

    def __init__(
        self,
        *,
        shape: str = "images",
        latency: float = 0.0,
        at_once: int = 100_000,
        size: tuple[int, int] = (32, 32),
        kind: str = "png",
        count: int = 1,
        text: str = "Here you are.",
        acts: Iterable[Act] = (),
        act_for: Callable[[Asked], Act | None] | None = None,
        refuses: tuple[str, ...] = (),
        remember: bool = True,
        streams: bool | None = None,
        bill: Bill | None = None,
        models: Sequence[str] | None = None,
        says: Mapping[str, str] | None = None,
        port: int = 0,
    ) -> None:
        self.shape, self.latency, self.size, self.kind = shape, latency, size, kind
        self.count, self.text, self.refuses, self.remember, self.streams = count, text, refuses, remember, streams
        super().__init__("loopback")
        self.acts, self.act_for, self.bill, self.port = list(acts), act_for, bill, port
        self.models, self.says = models, says or {}
        self.asked: list[Asked] = []
        self.prompts: Counter[str] = Counter()
        self.requests = self.answered = self.in_flight = self.peak = 0
        self.fetch_failures = 0  # how many of the first GETs fail
        self.first_at = 0.0
        self.redirects: dict[str, str] = {}
        self.fetched: list[dict[str, str]] = []  # headers of each GET of a picture
        self.probed: list[dict[str, str]] = []  # the same of what asks who it is
        self._served: dict[str, bytes] = {}
        self._places = asyncio.Semaphore(at_once)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def stats(self) -> dict[str, Any]:
        names = ("requests", "answered", "in_flight", "peak", "first_at")
        return {name: getattr(self, name) for name in names} | {"prompts": dict(self.prompts)}

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET":
            headers = {name.lower(): value for name, value in request.headers.items()}
            probes = request.path.endswith(_PROBED)
            (self.probed if probes else self.fetched).append(headers)
            return self._get(request.path)
        self.first_at = self.first_at or time.time()
        self.requests += 1
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            asked = await _read_request(request)
            self.prompts[asked.prompt] += 1
            if self.remember:
                self.asked.append(asked)
            act = self._act(asked)
            if act.hang:
                await self._stop.wait()
            async with self._places:
                await asyncio.sleep(self.latency)
            body = self._body(asked, act)
            if self.bill is not None and act.status == 200:
                pictures = self.count if act.body is None else 0
                told = body if act.body is None else act.body
                self.bill.charge(asked.prompt, told, pictures=pictures, whole=act.cut is None)
            response = await self._send(request, act, body)
            self.answered += act == Act()
            return response
        finally:
            self.in_flight -= 1

    def _get(self, path: str) -> web.Response:
        if path == "/stats":
            return web.Response(body=orjson.dumps(self.stats()), content_type="application/json")
        if path in ("/v1/models", "/v1beta/models") and self.models is not None:
            return web.Response(body=shapes.model_list(path, self.models), content_type="application/json")
        name = path.rpartition("/")[2]
        if len(self.fetched) <= self.fetch_failures and not path.endswith(_PROBED):
            return web.Response(status=503)
        if f"/{name}" in self.redirects:
            return web.Response(status=302, headers={"Location": self.redirects[f"/{name}"]})
        if name in self._served:
            return web.Response(body=self._served[name], content_type="image/png")
        return web.Response(status=404, text="<html>not found</html>", content_type="text/html")

    def _act(self, asked: Asked) -> Act:
        if self.acts:
            return self.acts.pop(0)
        if not asked.path.startswith(("/v1/", "/v1beta/models/")):
            return Act(404, "<html><body>404 page not found</body></html>")
        for name in self.refuses:
            if name in asked.body:
                return Act(400, {"error": {"message": f"Unknown parameter: '{name}'.", "param": name}})
        return (self.act_for and self.act_for(asked)) or Act()

    def _body(self, asked: Asked, act: Act) -> bytes:
        if isinstance(act.body, bytes):
            return act.body
        if act.body is not None:
            return act.body.encode() if isinstance(act.body, str) else orjson.dumps(act.body)
        return shapes.saying(self._good(asked), self.says)

    def _good(self, asked: Asked) -> bytes:
        mark = mark_of(asked.prompt, asked.images)
        marks = [mark] + [mark_of(f"{mark.hex()}{k}") for k in range(1, self.count)]
        pictures = [draw(self.kind, each, *self.size) for each in marks[: self.count]]
        method = asked.path.rpartition(":")[2]
        if asked.path.startswith("/v1/images/"):
            shape = "b64_json"
        elif asked.path == "/v1/messages":
            used = {"input_tokens": 10, "output_tokens": 4}
            said = [{"type": "text", "text": self.text}]
            return orjson.dumps({"content": said, "stop_reason": "end_turn", "usage": used})
        elif asked.path == "/v1/responses":
            shape = "responses"
        elif "enerateContent" in method:
            shape = self.shape if self.shape in shapes.GEMINI_SHAPES else "gemini"
        elif self.shape == "url":
            return shapes.whole("markdown", [], "\n".join(f"![x]({self.publish(p)})" for p in pictures))
        else:
            shape = self.shape
        asks = bool(asked.body.get("stream")) or method == "streamGenerateContent"
        stream = asks if self.streams is None else self.streams
        used = self.bill.usage(asked.prompt, len(asked.images), self.count) if self.bill else shapes.USAGE
        return (shapes.streamed if stream else shapes.whole)(shape, pictures, self.text, usage=used)

    def publish(self, picture: bytes) -> str:
        """The address at which this picture can be fetched from now on."""
        name = hashlib.sha256(picture).hexdigest()
        self._served[name] = picture
        return f"http://127.0.0.1:{self.port}/picture/{name}"

    async def _send(self, request: web.BaseRequest, act: Act, body: bytes) -> web.StreamResponse:
        kind = "text/event-stream" if body.startswith((b"data:", b"event:", b":")) else "application/json"
        kind = "text/html" if body.startswith(b"<") else kind
        if act.cut is None and not act.linger:
            return web.Response(status=act.status, body=body, headers=act.headers, content_type=kind)
        response = web.StreamResponse(status=act.status, headers={**act.headers, "Content-Type": kind})
        response.enable_chunked_encoding()
        if act.cut != 0 or act.clean:
            await response.prepare(request)
            await response.write(body[: act.cut])
        if act.linger:
            await self._stop.wait()
        elif act.clean:
            await response.write_eof()
        elif request.transport is not None:
            # The bytes written go out first; what follows is a broken end, not a clean one.
            request.transport.close() if act.cut else request.transport.abort()
        return response


async def _read_request(request: web.BaseRequest) -> Asked:
    read = _read_form if request.content_type.startswith("multipart/") else _read_json
    body, prompt, images, fields = await read(request)
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Asked(request.path, body, prompt, images, fields, headers.get("authorization", ""), headers)


_Parsed = tuple[dict[str, Any], str, tuple[bytes, ...], tuple[str, ...]]


async def _read_json(request: web.BaseRequest) -> _Parsed:
    chunks = [chunk async for chunk in request.content.iter_any()]
    body = orjson.loads(b"".join(chunks))
    prompt, images = take_pictures(body)
    return body, prompt, images, ()


async def _read_form(request: web.BaseRequest) -> _Parsed:
    body: dict[str, Any] = {}
    images: list[bytes] = []
    fields: list[str] = []
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        assert part.name is not None
        data = bytes(await part.read())
        if part.filename:
            images.append(data)
            fields.append(part.name)
        else:
            body[part.name] = data.decode()
    return body, body.get("prompt", ""), tuple(images), tuple(fields)


def main() -> None:
    parser = argparse.ArgumentParser(description="A loopback image API; prints its address.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    parser.add_argument("--size", type=int, default=32, help="pixels each way; about 1.75 bytes a pixel")
    parser.add_argument("--shape", default="images")
    parser.add_argument("--script", type=Path, help="a JSON list of acts for the first requests")
    options = parser.parse_args()
    acts = [Act(**each) for each in orjson.loads(options.script.read_bytes())] if options.script else []
    size = (options.size, options.size)
    server = LoopbackServer(
        port=options.port, latency=options.latency, size=size, shape=options.shape, acts=acts, remember=False
    )
    with server:
        print(server.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
