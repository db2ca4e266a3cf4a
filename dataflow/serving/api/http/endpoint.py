"""One address over HTTP: the SDK's client, its timeouts and connections, raw bytes in and out.

The SDK sends; its retries are off (it re-sends a timed-out POST, which is paid twice), its parsing is passed
by (a reply of megabytes is parsed once, by us), and it is given no key: the headers carry that.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from dataflow.serving.api.failures.attempts import Attempt
from dataflow.serving.api.http.body import MAX_MARKS, Body, LargeBuffers, without_secret
from dataflow.serving.api.http.environment import client_settings
from dataflow.serving.api.http.memory import return_large_buffers
from dataflow.serving.api.http.unanswered import unanswered
from dataflow.serving.dialects.reply import Post

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 300.0
AFTER_DONE_SECONDS = 1.0
MAX_BODY = 128 << 20  # a picture of 64 MiB as base64, and room
MAX_ERROR_BODY = 1 << 20  # of a reply that is no success: its words stand at its beginning
SECRET_LENGTH = 12  # what is shorter is a placeholder, such as EMPTY, and may stand in a reply by chance
_DONE = re.compile(rb"\ndata: ?\[DONE\]\s*\Z")


class Endpoint:
    """Connections to one address. Made off the event loop, since importing the SDK takes most of a second.

    Args:
        address: normalised.
        headers: of every request, the key's among them.
        secret: the key, which is cut out of replies; empty for none.
        width: most requests in flight.
        timeout: seconds for a whole request, connecting included.
        connect: seconds for connecting.
        large: the buffers of large replies, where several addresses share them; None: its own.
    """

    def __init__(
        self,
        address: str,
        headers: Mapping[str, str],
        *,
        width: int,
        timeout: float,
        secret: str = "",
        connect: float = CONNECT_SECONDS,
        large: LargeBuffers | None = None,
    ) -> None:
        return_large_buffers()
        self._timeout = timeout
        self._secret = secret.encode() if len(secret) >= SECRET_LENGTH else b""
        self._large = large or LargeBuffers()
        self._has_bearer = "Authorization" in headers
        self._client = _open_client(address, headers, width, timeout, connect)

    @asynccontextmanager
    async def send(self, post: Post) -> AsyncIterator[Attempt]:
        """Send one request and read its reply to the end; failures are values too.

        A large reply holds one of a few buffers until the block ends, and others wait unread; its body is a view of
        that buffer, which cannot be read any more after the block.
        """
        async with AsyncExitStack() as held:
            body = Body(held, self._large, self._secret)
            attempt = await self._attempt(post, body)
            yield replace(attempt, body=body.whole()) if attempt.ending == "answered" else attempt

    async def _attempt(self, post: Post, body: Body) -> Attempt:
        import httpx2
        import openai

        try:
            async with asyncio.timeout(self._timeout):
                response = await self._start(post)
                try:
                    await _read(response, body)
                    return Attempt("answered", response.status_code, _headers(response))
                finally:
                    await response.aclose()
        except _NoSuccess as error:
            said = without_secret(error.body, self._secret)
            return Attempt("status", error.response.status_code, _headers(error.response), said)
        except openai.APIConnectionError as error:
            return unanswered(error.__cause__ or error)
        except TimeoutError:
            return Attempt("lost", text=f"no end after {self._timeout:g} s")
        except httpx2.HTTPError as error:
            return unanswered(error)

    async def _start(self, post: Post) -> "httpx2.Response":
        import httpx2
        from openai import AsyncStream, Omit

        # The SDK's own bearer token stays out, where another header carries the key.
        headers: dict[str, str | Omit] = {} if self._has_bearer else {"Authorization": Omit()}
        if post.files:
            response = await self._client.post(
                post.path,
                cast_to=httpx2.Response,
                body=dict(post.fields),
                files=[(name, (file, data, mime)) for name, file, data, mime in post.files],
                options={"headers": {**headers, "Content-Type": "multipart/form-data"}},
                stream=True,
                stream_cls=AsyncStream[object],
            )
        else:
            response = await self._client.post(
                post.path,
                cast_to=httpx2.Response,
                content=post.content,
                options={"headers": headers},
                stream=True,
                stream_cls=AsyncStream[object],
            )
        # With `stream` and this `cast_to` the SDK hands over the response itself, unread.
        return cast("httpx2.Response", response)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _open_client(address: str, headers: Mapping[str, str], width: int, timeout: float, connect: float) -> "AsyncOpenAI":
    import httpx2
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    from dataflow.serving.api.http.streams import hand_on_large_pieces

    times = httpx2.Timeout(timeout, connect=min(connect, timeout), read=min(IDLE_SECONDS, timeout), pool=None)
    limits = httpx2.Limits(max_connections=width, max_keepalive_connections=width, keepalive_expiry=60.0)
    sends = DefaultAsyncHttpxClient(
        timeout=times,
        limits=limits,
        follow_redirects=False,
        event_hooks={"response": [_end_if_no_success]},
        **client_settings(urlsplit(address).hostname or ""),
    )
    hand_on_large_pieces(sends)
    client = AsyncOpenAI(
        api_key="none",
        base_url=address,
        timeout=times,
        max_retries=0,
        default_headers=headers,
        http_client=sends,
    )
    client.organization = client.project = None  # the SDK takes them from the environment, for any address
    return client


class _NoSuccess(Exception):
    """A reply with another status than 2xx.

    Args:
        response: its status and headers.
        body: its first `MAX_ERROR_BODY` bytes.
    """

    def __init__(self, response: "httpx2.Response", body: bytes) -> None:
        super().__init__(response.status_code)
        self.response = response
        self.body = body


async def _end_if_no_success(response: "httpx2.Response") -> None:
    """Read the error's body before the SDK does, which reads it without a bound."""
    if response.is_success:
        return
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) >= MAX_ERROR_BODY:
            break
    raise _NoSuccess(response, bytes(body[:MAX_ERROR_BODY]))


async def _read(response: "httpx2.Response", body: Body) -> None:
    """Read the body. What was read before a break counts: the end of a stream may be in it already."""
    import httpx2

    parts = response.aiter_bytes()
    try:
        async for part in parts:
            await body.add(part)
            if body.size > MAX_BODY:
                raise httpx2.ReadError(f"a reply of more than {MAX_BODY >> 20} MiB")
            if body.marks > MAX_MARKS:
                raise httpx2.ReadError(f"a reply of more than {MAX_MARKS:,} values")
            if _DONE.search(body.ending):
                await _drain(parts)
                break
    except (httpx2.RemoteProtocolError, httpx2.NetworkError):
        if not body.size or body.size > MAX_BODY or body.marks > MAX_MARKS:
            raise


async def _drain(parts: AsyncIterator[bytes]) -> None:
    """Let the connection be used again; some servers keep it open after the end of the stream."""
    with suppress(TimeoutError):
        async with asyncio.timeout(AFTER_DONE_SECONDS):
            async for _ in parts:
                pass


def _headers(response: "httpx2.Response") -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}
