"""A host of pictures on loopback: serves pictures by path, well or badly as the test asks, and counts requests."""

import asyncio
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from tests.kit.on_a_thread import OnAThread


@dataclass(frozen=True, slots=True)
class Said:
    """The answer to one GET in place of a picture.

    Args:
        status: HTTP status.
        headers: further headers.
        body: of the answer.
        cut: break the connection off in the middle of the body.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: bool = False


class PictureHost(OnAThread):
    """Serves pictures.

    Attributes:
        pictures: path → bytes; every other path is 404.
        said: path → answers that come before the picture, in order.
        latency: seconds before each answer.
        asked: how often each path was asked for.
        peak: most requests at a time.
        met: is set once somebody asks.
    """

    def __init__(self, pictures: Mapping[str, bytes] | None = None, *, latency: float = 0.0) -> None:
        super().__init__("picture-host")
        self.pictures = dict(pictures or {})
        self.said: dict[str, list[Said]] = {}
        self.latency = latency
        self.asked: Counter[str] = Counter()
        self.in_flight = self.peak = 0
        self.met = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked[request.path] += 1
        self.met.set()
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            await asyncio.sleep(self.latency)
            return await self._answer(request)
        finally:
            self.in_flight -= 1

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if said := self.said.get(request.path):
            next_one = said.pop(0)
            if next_one.cut:
                response = web.StreamResponse(headers={"Content-Length": "1000"})
                await response.prepare(request)
                await response.write(b"\x89PNG")
                assert request.transport is not None
                request.transport.abort()
                return response
            return web.Response(status=next_one.status, headers=next_one.headers, body=next_one.body)
        if request.path in self.pictures:
            return web.Response(body=self.pictures[request.path], content_type="image/png")
        return web.Response(status=404, text="not here")
