"""Google's batches: an upload over the Files API, then `batchGenerateContent`, which starts an operation.

Requests always travel in a file: answers to requests within the call itself came back without their key (python-genai
issues 1886 and 2008). Sources: https://ai.google.dev/gemini-api/docs/batch-api, https://ai.google.dev/api/batch-api
and python-genai's batches.py and files.py (August 2026).
"""

from typing import IO
from urllib.parse import quote, urlsplit

from dataflow.core.records import JSON
from dataflow.serving.api.batches.contract import AnswerLine, BatchError, BatchState
from dataflow.serving.api.batches.transport import Transport
from dataflow.serving.api.failures.attempts import Attempt
from dataflow.serving.dialects.lenient import dumps, loads
from dataflow.serving.dialects.narrow import as_dict, as_dicts, as_text
from dataflow.serving.dialects.reply import Post

_PAGES = 100
_ENDED = frozenset(("SUCCEEDED", "CANCELLED", "EXPIRED"))
# google.rpc.Code → HTTP status. Source: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
_STATUS = {3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429, 9: 400, 10: 409, 11: 400, 12: 501, 13: 500, 14: 503, 16: 401}
_CANCELLED = 1


class GeminiBatches:
    """Batches at one address.

    Args:
        transport: sends requests to the address.
    """

    most_requests = 50_000  # Google states no number; OpenAI's is taken
    most_bytes = 2_000_000_000
    window = "24 hours, at most 48"

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def encode_line(self, request_id: str, post: Post) -> bytes:
        """As `BatchApi.encode_line`."""
        return b'{"key":"%s","request":%s}\n' % (request_id.encode(), post.content)

    def decode_line(self, line: bytes) -> AnswerLine | None:
        """As `BatchApi.decode_line`; a line holds a response, or a status in its place."""
        try:
            entry = as_dict(loads(line))
        except ValueError:
            return None
        request_id = as_text(entry.get("key")) or as_text(as_dict(entry.get("metadata")).get("key"))
        if entry.get("response"):
            return AnswerLine(request_id, Attempt("answered", 200, body=dumps(entry["response"])))
        error = as_dict(entry.get("error") or entry.get("status"))
        return AnswerLine(request_id, None if error.get("code") == _CANCELLED else _attempt(error))

    async def upload(self, file: IO[bytes], size: int, name: str) -> str:
        """As `BatchApi.upload`; a first request asks for the address to which the bytes go."""
        address = urlsplit(self._transport.address)
        path = f"{address.scheme}://{address.netloc}/upload{address.path}/files"
        headers = {
            "X-Goog-Upload-Protocol": "resumable",
            "X-Goog-Upload-Command": "start",
            "X-Goog-Upload-Header-Content-Length": str(size),
            "X-Goog-Upload-Header-Content-Type": "application/jsonl",
        }
        body: JSON = {"file": {"displayName": name}}
        begun = await self._transport.request("POST", path, body=body, headers=headers)
        if begun.ending != "answered":
            self._transport.object_of(begun, "/files")
        headers = {"X-Goog-Upload-Offset": "0", "X-Goog-Upload-Command": "upload, finalize"}
        url = begun.headers.get("x-goog-upload-url", "")
        sent = await self._transport.put_file(url, file, size, headers)
        return as_text(as_dict(self._transport.object_of(sent, "/files").get("file")).get("name"))

    async def create(self, path: str, input_file: str, tag: str) -> str:
        """As `BatchApi.create`."""
        body: JSON = {"batch": {"displayName": tag, "inputConfig": {"fileName": input_file}}}
        method = f"{path.rpartition(':')[0]}:batchGenerateContent"
        return as_text((await self._transport.ask("POST", method, body=body)).get("name"))

    async def find(self, tag: str, since: float) -> str:
        """As `BatchApi.find`; the list has no documented order, so all of it is read."""
        token = ""
        for _ in range(_PAGES):
            page = await self._transport.ask("GET", f"/batches?pageSize=100{token}")
            for operation in as_dicts(page.get("operations")):
                if as_dict(operation.get("metadata")).get("displayName") == tag:
                    return as_text(operation.get("name"))
            following = as_text(page.get("nextPageToken"))
            if not following:
                return ""
            token = f"&pageToken={quote(following, safe='')}"
        return ""

    async def state(self, batch: str) -> BatchState:
        """As `BatchApi.state`."""
        path = f"/{quote(batch)}"
        attempt = await self._transport.request("GET", path)
        if attempt.status == 404:
            return BatchState("unknown")
        operation = self._transport.object_of(attempt, path)
        metadata = as_dict(operation.get("metadata"))
        state = as_text(metadata.get("state")).removeprefix("BATCH_STATE_").removeprefix("JOB_STATE_")
        stats = as_dict(metadata.get("batchStats"))
        places = (as_dict(operation.get("response")), as_dict(metadata.get("output")))
        files = dict.fromkeys(name for place in places if (name := as_text(place.get("responsesFile"))))
        error = as_dict(operation.get("error"))
        failed = state == "FAILED" or (bool(error) and state not in _ENDED)
        return BatchState(
            "failed" if failed else "ended" if state in _ENDED else "running",
            state.lower(),
            _count(stats.get("successfulRequestCount")),
            _count(stats.get("failedRequestCount")),
            _count(stats.get("requestCount")),
            files=tuple(files),
            errors=[BatchError(_attempt(error))] if failed else (),
        )

    async def download(self, name: str, into: IO[bytes]) -> bool:
        """As `BatchApi.download`."""
        return await self._transport.download(f"/{quote(name)}:download?alt=media", into)


def _attempt(error: dict[str, JSON]) -> Attempt:
    code = error.get("code")
    number = code if isinstance(code, int) else 0
    return Attempt("status", _STATUS.get(number, number if number >= 400 else 0), body=dumps({"error": error}))


def _count(value: JSON) -> int:
    """A count, which Google writes as a string since it has 64 bits; 0: it is none."""
    try:
        return int(value) if isinstance(value, int | str) else 0
    except ValueError:
        return 0
