"""Sends requests to one address and reads the raw bytes of the replies, over the client of OpenAI's SDK.

The SDK's retries are off, since it sends a POST again that timed out, which is then paid twice. Its parsing is not
used, since a reply of megabytes should be parsed once. It gets no key: the headers carry the key.
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
MAX_BODY = 128 << 20  # bytes: a picture of 64 MiB as base64, and some more
MAX_ERROR_BODY = 1 << 20  # bytes of a reply that is no success: the reason stands at its beginning
MIN_SECRET_LENGTH = 12  # a shorter key is a placeholder, such as EMPTY, and may stand in a reply by chance
_DONE = re.compile(rb"\ndata: ?\[DONE\]\s*\Z")  # the end of a stream of events


class Endpoint:
    """Connections to one address. Construct one off the event loop: to import the SDK takes most of a second.

    Args:
        address: normalised.
        headers: of every request, the key's among them.
        secret: the key, which becomes `[key]` in replies; empty: there is none.
        width: the most requests in flight.
        timeout: seconds for a whole request, connecting included.
        connect: seconds for connecting.
        large: the buffers for large replies, which several addresses may share; None: buffers of its own.
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
        self._secret = secret.encode() if len(secret) >= MIN_SECRET_LENGTH else b""
        self._large = large or LargeBuffers()
        self._has_bearer = "Authorization" in headers
        self._client = _open_client(address, headers, width, timeout, connect)

    @asynccontextmanager
    async def send(self, post: Post) -> AsyncIterator[Attempt]:
        """Send one request and read its reply to the end; failures are values too.

        A large reply keeps one of a few buffers until the block ends, while further large replies wait unread. Its body
        is a view of the buffer, which cannot be read after the block.
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
            body_of_error = without_secret(error.body, self._secret)
            return Attempt("status", error.response.status_code, _headers(error.response), body_of_error)
        except openai.APIConnectionError as error:
            return unanswered(error.__cause__ or error)
        except TimeoutError:
            return Attempt("lost", text=f"no end after {self._timeout:g} s")
        except httpx2.HTTPError as error:
            return unanswered(error)

    async def _start(self, post: Post) -> "httpx2.Response":
        import httpx2
        from openai import AsyncStream, Omit

        # Where another header carries the key, the SDK must not add its own bearer token.
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

    from dataflow.serving.api.http.streams import use_large_pieces

    times = httpx2.Timeout(timeout, connect=min(connect, timeout), read=min(IDLE_SECONDS, timeout), pool=None)
    limits = httpx2.Limits(max_connections=width, max_keepalive_connections=width, keepalive_expiry=60.0)
    http_client = DefaultAsyncHttpxClient(
        timeout=times,
        limits=limits,
        follow_redirects=False,
        event_hooks={"response": [_end_if_no_success]},
        **client_settings(urlsplit(address).hostname or ""),
    )
    use_large_pieces(http_client)
    client = AsyncOpenAI(
        api_key="none",
        base_url=address,
        timeout=times,
        max_retries=0,
        default_headers=headers,
        http_client=http_client,
    )
    client.organization = client.project = None  # the SDK would send those of the environment to any address
    return client


class _NoSuccess(Exception):
    """A reply has another status than 2xx.

    Args:
        response: the reply, for its status and headers.
        body: the first `MAX_ERROR_BODY` bytes of the reply's body.
    """

    def __init__(self, response: "httpx2.Response", body: bytes) -> None:
        super().__init__(response.status_code)
        self.response = response
        self.body = body


async def _end_if_no_success(response: "httpx2.Response") -> None:
    """Read the body of a failed reply to a bound: the SDK would read it without one.

    Raises:
        _NoSuccess: the reply's status is not 2xx.
    """
    if response.is_success:
        return
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) >= MAX_ERROR_BODY:
            break
    raise _NoSuccess(response, bytes(body[:MAX_ERROR_BODY]))


async def _read(response: "httpx2.Response", body: Body) -> None:
    """Read the body to its end.

    Where the connection breaks, the bytes before the break count: the end of a stream may be among them.

    Raises:
        httpx2.HTTPError: the connection broke before any byte, or the body is too large.
    """
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
    """Read to the end of the reply, so that the connection can be used again.

    Some servers keep a stream open after its last event, so this ends after `AFTER_DONE_SECONDS`.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(AFTER_DONE_SECONDS):
            async for _ in parts:
                pass


def _headers(response: "httpx2.Response") -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}
