"""Batches of OpenAI, and of gateways that have the same paths `/files` and `/batches`.

Sources: the OpenAPI document of OpenAI (`/batches`, `/files`, `EditImageBodyJsonParam`) and openai-python 3.54 for
endpoints, fields, states and limits; https://platform.openai.com/docs/guides/batch for the lines. Known from issue
threads: a failed request stands in the error file with its error below `response.body`; an `error_file_id` may be
an empty string; a batch that is over the account's limit is created and fails afterwards.
"""

import re
from typing import IO
from urllib.parse import quote

import orjson
import pybase64

from dataflow.core.records import JSON
from dataflow.serving.api.batches.contract import AnswerLine, BatchError, BatchState
from dataflow.serving.api.batches.transport import Transport
from dataflow.serving.api.failures.attempts import Attempt
from dataflow.serving.dialects.lenient import dumps, loads
from dataflow.serving.dialects.narrow import as_dict, as_dicts, as_text
from dataflow.serving.dialects.reply import Post

TAG_FIELD = "dataflow_tag"
_NEVER_RUN = frozenset(("batch_expired", "batch_cancelled"))
_OVER_LIMIT = re.compile(r"limit_(?:exceeded|reached)|enqueued \w+ limit", re.IGNORECASE)
_PAGES = 100


class OpenAIBatches:
    """Batches at one address.

    Args:
        transport: sends requests to the address.
    """

    most_requests = 50_000
    most_bytes = 200_000_000
    window = "24 hours"

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def encode_line(self, request_id: str, post: Post) -> bytes:
        """As `BatchApi.encode_line`; input pictures become data URLs, since a line cannot be multipart."""
        head = orjson.dumps({"custom_id": request_id, "method": "POST", "url": f"/v1{post.path}"})
        return b'%s,"body":%s}\n' % (head[:-1], post.content or orjson.dumps(_as_json(post)))

    def decode_line(self, line: bytes) -> AnswerLine | None:
        """As `BatchApi.decode_line`, for a line of the output file or of the error file."""
        try:
            entry = as_dict(loads(line))
        except ValueError:
            return None
        request_id = as_text(entry.get("custom_id"))
        response, error = as_dict(entry.get("response")), entry.get("error")
        if response:
            status = response.get("status_code")
            number = status if isinstance(status, int) else 0
            body = dumps(response.get("body"))
            return AnswerLine(request_id, Attempt("answered" if number == 200 else "status", number, body=body))
        if as_dict(error).get("code") in _NEVER_RUN:
            return AnswerLine(request_id, None)
        return AnswerLine(request_id, Attempt("status", 0, body=dumps({"error": error})))

    async def upload(self, file: IO[bytes], size: int, name: str) -> str:
        """As `BatchApi.upload`."""
        file.seek(0)
        attempt = await self._transport.request("POST", "/files", form=({"purpose": "batch"}, name, file))
        return as_text(self._transport.object_of(attempt, "/files").get("id"))

    async def create(self, path: str, input_file: str, tag: str) -> str:
        """As `BatchApi.create`."""
        body: dict[str, JSON] = {
            "input_file_id": input_file,
            "endpoint": f"/v1{path}",
            "completion_window": "24h",
            "metadata": {TAG_FIELD: tag},
        }
        return as_text((await self._transport.ask("POST", "/batches", body=body)).get("id"))

    async def find(self, tag: str, since: float) -> str:
        """As `BatchApi.find`; the list begins with the newest batch."""
        after = ""
        for _ in range(_PAGES):
            page = await self._transport.ask("GET", f"/batches?limit=100{after}")
            batches = as_dicts(page.get("data"))
            for batch in batches:
                if as_dict(batch.get("metadata")).get(TAG_FIELD) == tag:
                    return as_text(batch.get("id"))
            last = batches[-1] if batches else {}
            created = last.get("created_at")
            if not page.get("has_more") or (isinstance(created, int) and created < since - 3600):
                return ""
            after = f"&after={quote(as_text(last.get('id')), safe='')}"
        return ""

    async def state(self, batch: str) -> BatchState:
        """As `BatchApi.state`."""
        path = f"/batches/{quote(batch, safe='')}"
        attempt = await self._transport.request("GET", path)
        if attempt.status == 404:
            return BatchState("unknown")
        found = self._transport.object_of(attempt, path)
        state, counts = as_text(found.get("status")), as_dict(found.get("request_counts"))
        files = [as_text(found.get(name)) for name in ("output_file_id", "error_file_id")]
        ended = state in ("completed", "expired", "cancelled")
        return BatchState(
            "failed" if state == "failed" else "ended" if ended else "running",
            state,
            _count(counts.get("completed")),
            _count(counts.get("failed")),
            _count(counts.get("total")),
            files=tuple(name for name in files if name),
            errors=[_batch_error(error) for error in as_dicts(as_dict(found.get("errors")).get("data"))],
        )

    async def download(self, name: str, into: IO[bytes]) -> bool:
        """As `BatchApi.download`."""
        return await self._transport.download(f"/files/{quote(name, safe='')}/content", into)


def _as_json(post: Post) -> dict[str, JSON]:
    """The body of a multipart edit in the JSON form that the same endpoint takes."""
    body = dict(post.fields)
    pictures: list[JSON] = []
    for name, _, data, mime in post.files:
        found: dict[str, JSON] = {"image_url": f"data:{mime};base64,{pybase64.b64encode_as_string(data)}"}
        if name == "mask":
            body["mask"] = found
        else:
            pictures.append(found)
    return {**body, "images": pictures} if pictures else body


def _batch_error(error: dict[str, JSON]) -> BatchError:
    line = error.get("line")
    code, message = as_text(error.get("code")), as_text(error.get("message"))
    status = 429 if _OVER_LIMIT.search(f"{code} {message}") else 400
    attempt = Attempt("status", status, body=orjson.dumps({"error": {"code": code, "message": message}}))
    return BatchError(attempt, line - 1 if isinstance(line, int) and line > 0 else None)


def _count(value: JSON) -> int:
    return value if isinstance(value, int) else 0
