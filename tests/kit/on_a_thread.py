"""Runs an HTTP server of a test on an event loop in a thread of its own."""

import asyncio
import contextlib
import threading
from abc import ABC, abstractmethod
from typing import Self

from aiohttp import web


class OnAThread(ABC):
    """Answers requests with `_handle` while the `with` block runs.

    Attributes:
        port: 0 takes a free one; known once it listens.
    """

    port: int = 0

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self.serve())

    async def serve(self) -> None:
        """Answer requests until the block ends."""
        self._stop = asyncio.Event()
        runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.05)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port, backlog=1024).start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    @abstractmethod
    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to one request."""
