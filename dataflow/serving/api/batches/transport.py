"""HTTP for files and batches: small JSON both ways, large files from and to the disk.

Failures are classified by the table that also holds for single requests. Nothing is retried here.
"""

import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

import orjson

from dataflow.core.records import JSON
from dataflow.errors import AnswerError, Failure
from dataflow.serving.api.failures.attempts import Asked, Attempt, On
from dataflow.serving.api.failures.classify import classify
from dataflow.serving.api.http.environment import client_settings
from dataflow.serving.api.http.unanswered import unanswered
from dataflow.serving.dialects.narrow import as_dict

if TYPE_CHECKING:
    import httpx2

_CONNECT_SECONDS = 10.0
_IDLE_SECONDS = 300.0
_PIECE = 1 << 20
_LARGEST_REPLY = 64 << 20  # of JSON; files have no limit but the disk's


class Transport:
    """Connections to one address. Made off the event loop: reading the certificates takes a while.

    Args:
        address: normalised.
        headers: sent with every request, the key's among them.
        asked: what is asked at a path, for the words of an error.
    """

    def __init__(self, address: str, headers: Mapping[str, str], asked: Callable[[str], Asked]) -> None:
        import httpx2

        self.address = address
        self._headers = dict(headers)
        self._asked = asked
        times = httpx2.Timeout(_IDLE_SECONDS, connect=_CONNECT_SECONDS, pool=None)
        settings = client_settings(urlsplit(address).hostname or "")
        self._client = httpx2.AsyncClient(timeout=times, follow_redirects=False, **settings)

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: JSON = None,
        form: tuple[Mapping[str, str], str, IO[bytes]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Attempt:
        """One request; failures are values too.

        Args:
            method: of HTTP.
            path: below the address, or below its root if it names the root.
            body: sent as JSON.
            form: sent instead, as multipart: fields, the file's name and the file.
            headers: further ones.
        """
        content = None if body is None else orjson.dumps(body)
        kind = {} if body is None else {"Content-Type": "application/json"}
        fields, files = None, None
        if form is not None:
            fields, files = form[0], {"file": (form[1], form[2], "application/jsonl")}
        request = self._client.build_request(
            method,
            self._url(path),
            content=content,
            data=fields,
            files=files,
            headers={**self._headers, **kind, **(headers or {})},
        )
        return await self._attempt(request)

    async def ask(self, method: str, path: str, *, body: JSON = None) -> dict[str, JSON]:
        """The object in the reply.

        Raises:
            AnswerError: there is none.
        """
        return self.object_of(await self.request(method, path, body=body), path)

    def object_of(self, attempt: Attempt, path: str) -> dict[str, JSON]:
        """The object in the reply of an attempt.

        Raises:
            AnswerError: there is none.
        """
        if attempt.on != "answered":
            raise AnswerError(classify(attempt, self._asked(path)))
        try:
            return as_dict(orjson.loads(attempt.body))
        except orjson.JSONDecodeError:
            on: On = "html" if bytes(attempt.body).lstrip().startswith(b"<") else "not_json"
            raise AnswerError(classify(replace(attempt, on=on), self._asked(path))) from None

    async def put_file(self, url: str, file: IO[bytes], size: int, headers: Mapping[str, str]) -> Attempt:
        """Send a file to an address that the provider named for it; the key stays here.

        Raises:
            AnswerError: fatal; the address is at another host, or there is none.
        """
        if urlsplit(url)[:2] != urlsplit(self.address)[:2]:
            host = urlsplit(self.address).netloc
            reason = f"{host} names no place of its own for the file of a batch: batch=True does not work there"
            raise AnswerError(Failure("fatal", reason))
        sized = {**headers, "Content-Length": str(size)}
        return await self._attempt(self._client.build_request("POST", url, content=_pieces(file), headers=sized))

    async def download(self, path: str, into: IO[bytes]) -> bool:
        """Append what is at a path to a file; whether anything is there.

        Raises:
            AnswerError: it was not had whole; the file is as long as before.
            OSError: it could not be stored.
        """
        start = into.seek(0, os.SEEK_END)
        attempt = await self._attempt(self._client.build_request("GET", self._url(path), headers=self._headers), into)
        if attempt.on != "answered":
            into.truncate(start)
            if attempt.status in (404, 410):
                return False
            raise AnswerError(classify(attempt, self._asked(path)))
        if into.tell() > start:
            into.seek(-1, os.SEEK_END)
            if into.read(1) != b"\n":
                into.write(b"\n")
        return True

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _url(self, path: str) -> str:
        return path if path.startswith(("http://", "https://")) else f"{self.address}{path}"

    async def _attempt(self, request: "httpx2.Request", into: IO[bytes] | None = None) -> Attempt:
        import httpx2

        try:
            response = await self._client.send(request, stream=True)
            try:
                headers = {name.lower(): value for name, value in response.headers.items()}
                is_good = 200 <= response.status_code < 300
                body = await _read(response, into if is_good else None)
                return Attempt("answered" if is_good else "status", response.status_code, headers, body)
            finally:
                await response.aclose()
        except (httpx2.HTTPError, ssl.SSLError) as error:
            return unanswered(error)


async def _read(response: "httpx2.Response", into: IO[bytes] | None) -> bytes:
    import httpx2

    body = bytearray()
    async for piece in response.aiter_bytes(_PIECE):
        if into is not None:
            into.write(piece)
            continue
        body += piece
        if len(body) > _LARGEST_REPLY:
            raise httpx2.ReadError(f"a reply of more than {_LARGEST_REPLY >> 20} MiB")
    return bytes(body)


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    file.seek(0)
    while piece := file.read(_PIECE):
        yield piece
