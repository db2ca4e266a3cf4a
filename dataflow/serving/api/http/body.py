"""The body of a reply as it comes: a small one by itself, a large one in one of a few buffers that are used again.

A picture of 1.8 MB is 2.4 MB of base64. Its pieces are put together in 0.1 ms in a buffer that is there; to join them
in memory fresh from the system took 1.3 to 1.7 (November 2026). Nor does memory grow with what arrives at once.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

LARGE_AT_ONCE = 16  # of 2.4 MB each: memory stays below 250 MB above the start at 100 in flight
LARGE_BODY = 64 << 10
MAX_MARKS = 2_000_000  # commas, colons and ends of lines: a value takes some 100 bytes of memory once it is parsed
_KEPT = 4 << 20  # bytes of a buffer that waits for the next reply; a larger one is given back


class LargeBuffers:
    """A few buffers, each lent to one reply at a time.

    Args:
        count: how many; who asks for one more waits.
    """

    def __init__(self, count: int = LARGE_AT_ONCE) -> None:
        self._places = asyncio.Semaphore(count)
        self._free: list[bytearray] = []

    @asynccontextmanager
    async def borrow(self) -> AsyncIterator[bytearray]:
        """A buffer of any length and content, for this block."""
        async with self._places:
            buffer = self._free.pop() if self._free else bytearray()
            try:
                yield buffer
            finally:
                if len(buffer) <= _KEPT:
                    self._free.append(buffer)


class Body:
    """One reply's body, piece by piece.

    Args:
        held: what a large body holds until it is closed: its buffer, and the view of it.
        large: where that comes from.
        secret: see `without_secret`.
    """

    def __init__(self, held: AsyncExitStack, large: LargeBuffers, secret: bytes) -> None:
        self.size = 0
        self.marks = 0  # how many values and lines it has at most; in the base64 of a picture stands none
        self.ending = b"\n"
        self._held = held
        self._large = large
        self._secret = secret
        self._repeats_it = False
        self._buffer = bytearray()

    async def add(self, part: bytes) -> None:
        """Take the next piece; a body that turns out large waits for its buffer here."""
        end = self.size + len(part)
        if self.size <= LARGE_BODY < end:
            begun, self._buffer = self._buffer, await self._held.enter_async_context(self._large.borrow())
            self._buffer[: self.size] = begun
        if end <= len(self._buffer):
            with memoryview(self._buffer) as view:  # a slice of the bytearray itself would copy the part twice
                view[self.size : end] = part
        else:
            self._buffer[self.size :] = part
        # Looked for piece by piece, so that megabytes never hold up the event loop at once.
        if self._secret and self._buffer.find(self._secret, max(0, self.size - len(self._secret)), end) >= 0:
            self._repeats_it = True
        self.size = end
        self.marks += part.count(b",") + part.count(b":") + part.count(b"\n")
        self.ending = (self.ending + part[-64:])[-64:]

    def whole(self) -> bytes | memoryview:
        """The body, without the secret; of a large one a view, which is released when what it holds is closed."""
        if self._repeats_it or self.size <= LARGE_BODY:
            return without_secret(bytes(self._buffer[: self.size]), self._secret)
        view = memoryview(self._buffer)[: self.size]
        self._held.callback(view.release)
        return view


def without_secret(body: bytes, secret: bytes) -> bytes:
    """A reply without the key: gateways were seen to repeat the key, and replies are kept in files.

    Args:
        body: of the reply.
        secret: what becomes `[key]`; empty for nothing.
    """
    return body.replace(secret, b"[key]") if secret else body
