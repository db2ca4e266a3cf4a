"""Decides who may ask the page's server: a browser on this machine that knows the token in the page's address.

Any other site that a browser has open can send requests to loopback, too. Such a site does not know the token. If it
points a host name of its own to 127.0.0.1, the Host header differs from ours. And a request that writes must name our
own origin.
"""

import secrets
from collections.abc import Iterable, MutableMapping
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = ("127.0.0.1", "localhost", "[::1]")
# The page loads nothing from elsewhere, runs no script within a text, stands in no frame, and sends no referrer.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    b"content-security-policy": _POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
}
_READS = ("GET", "HEAD")


class Guard:
    """Passes allowed requests on, without the token in their path, and refuses all others.

    Args:
        app: the application that is guarded.
        port: on which the server listens.
        token: first part of every allowed path.
    """

    def __init__(self, app: ASGIApp, port: int, token: str) -> None:
        self._app = app
        self._hosts = {f"{host}:{port}" for host in HOSTS}
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI), with headers of HEADERS on every answer."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(message)
            await send(message)

        refused = self._refusal(scope)
        if refused is not None:
            await refused(scope, receive, send_with_headers)
            return
        scope["path"] = scope["path"].removeprefix(f"/{self._token}") or "/"
        await self._app(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if host not in self._hosts or len(headers.getlist("host")) != 1:
            return PlainTextResponse("this is no host of the page", 421)
        first, _, _ = scope["path"].removeprefix("/").partition("/")
        # Compared in constant time, so that the time of an answer does not betray the beginning of the token.
        if not secrets.compare_digest(first.encode("utf-8", "replace"), self._token.encode()):
            return PlainTextResponse("not found: open the address that `dataflowmm view` printed", 404)
        origin = headers.get("origin")
        is_foreign = origin is not None and origin != f"http://{host}"
        if is_foreign or (scope["method"] not in _READS and origin is None):
            return PlainTextResponse("only the page itself may ask this", 403)
        return None


def _add_headers(message: MutableMapping[str, Any]) -> None:
    given: Iterable[tuple[bytes, bytes]] = message.get("headers", ())
    named = {name.lower() for name, _ in given}
    message["headers"] = [*given, *((name, value) for name, value in HEADERS.items() if name not in named)]
