"""HTTP for batches: small JSON both ways, and large files from and to the disk.

The table for single requests classifies these failures, too. Nothing is retried here.
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
from dataflow.serving.api.failures.attempts import Attempt, Ending, Target
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
    """Connections to one address. Construct one off the event loop: to read the certificates takes tens of ms.

    Args:
        address: normalised.
        headers: of every request, the key's among them.
        target_of: path → where a request there goes, for the words of a failure.
    """

    def __init__(self, address: str, headers: Mapping[str, str], target_of: Callable[[str], Target]) -> None:
        import httpx2

        self.address = address
        self._headers = dict(headers)
        self._target_of = target_of
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
        """Send one request; failures are values too.

        Args:
            method: of HTTP.
            path: below the address; or a whole URL.
            body: sent as JSON; None: there is none.
            form: sent as multipart in place of `body`: the fields, the file's name, and the file.
            headers: sent beside those of every request.
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
        """Send one request and return the JSON object in its reply.

        Raises:
            AnswerError: the request failed, or its reply is no JSON.
        """
        return self.object_of(await self.request(method, path, body=body), path)

    def object_of(self, attempt: Attempt, path: str) -> dict[str, JSON]:
        """The JSON object in the reply of an attempt.

        Args:
            attempt: how a request ended.
            path: of that request, for the words of a failure.

        Raises:
            AnswerError: the attempt failed, or its reply is no JSON.
        """
        if attempt.ending != "answered":
            raise AnswerError(classify(attempt, self._target_of(path)))
        try:
            return as_dict(orjson.loads(attempt.body))
        except orjson.JSONDecodeError:
            ending: Ending = "html" if bytes(attempt.body).lstrip().startswith(b"<") else "not_json"
            raise AnswerError(classify(replace(attempt, ending=ending), self._target_of(path))) from None

    async def put_file(self, url: str, file: IO[bytes], size: int, headers: Mapping[str, str]) -> Attempt:
        """Send a file to the address that the provider names for it, without the key.

        Args:
            url: that the provider names; it must have the scheme, the host and the port of our address.
            file: is sent from its beginning.
            size: of the file in bytes.
            headers: of the request.

        Raises:
            AnswerError: fatal; the provider names no address, or one at another host.
        """
        if urlsplit(url)[:2] != urlsplit(self.address)[:2]:
            host = urlsplit(self.address).netloc
            reason = f"{host} names no place of its own for the file of a batch: batch=True does not work there"
            raise AnswerError(Failure("fatal", reason))
        sized = {**headers, "Content-Length": str(size)}
        return await self._attempt(self._client.build_request("POST", url, content=_pieces(file), headers=sized))

    async def download(self, path: str, into: IO[bytes]) -> bool:
        """Append the file at a path to a local one; returns whether the provider still has it.

        Args:
            path: below the address.
            into: the local file; it ends with a line break afterwards.

        Raises:
            AnswerError: the file did not arrive whole; the local one is as long as before.
            OSError: the disk did not take it.
        """
        start = into.seek(0, os.SEEK_END)
        attempt = await self._attempt(self._client.build_request("GET", self._url(path), headers=self._headers), into)
        if attempt.ending != "answered":
            into.truncate(start)
            if attempt.status in (404, 410):
                return False
            raise AnswerError(classify(attempt, self._target_of(path)))
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
