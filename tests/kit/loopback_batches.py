"""A real HTTP server on loopback that keeps files and batches like OpenAI's and like Google's.

In a test: `with BatchServer() as server: ... server.url`. It outlives the processes that ask it, so it can count
what was submitted twice; `hook` is told of every request before it is worked on and before it is answered.
"""

import base64
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from aiohttp import BodyPartReader, web

from tests.kit import shapes
from tests.kit.bodies import take_pictures
from tests.kit.drawing import draw_png, mark_of
from tests.kit.on_a_thread import OnAThread

Hook = Callable[[str, str], bool]
# How a request ends: None for a picture, "expired", or the status and the body of an error.
Outcome = Literal["expired"] | tuple[int, Any] | None


@dataclass(slots=True)
class Held:
    """A batch, its state and what became of its lines."""

    name: str
    tag: str
    path: str
    lines: list[dict[str, Any]]
    created: float
    errors: Sequence[dict[str, Any]] = ()
    looks: int = 0
    state: str = "in_progress"
    good: bytes = b""
    bad: bytes = b""


class BatchServer(OnAThread):
    """Files and batches of both providers; one at a time in a test.

    Args:
        looks: how often a batch is seen running before it has ended.
        outcome_for: how a request ends, given its prompt and how often it was submitted before.
        failures: what the first batches fail with as a whole, each a list of OpenAI's errors.
        hook: told of each request: its stage, and "before" or "after" it is carried out; before, it may say that it
            is not carried out at all.
        lose: stages whose first reply is cut off, after they were carried out.
        hide: how many lists do not yet show the last batch.
        refuse: stage → replies in place of the first ones: status and body.
        upload_to: another host that it names for files.
    """

    def __init__(
        self,
        *,
        looks: int = 1,
        outcome_for: Callable[[str, int], Outcome] = lambda prompt, before: None,
        failures: Sequence[Sequence[dict[str, Any]]] = (),
        hook: Hook = lambda stage, when: False,
        lose: Sequence[str] = (),
        hide: int = 0,
        refuse: dict[str, list[tuple[int, Any]]] | None = None,
        upload_to: str = "",
    ) -> None:
        self.upload_to = upload_to
        self.looks, self.outcome_for, self.hook, self.hide = looks, outcome_for, hook, hide
        self.failures, self.lose, self.refuse = list(failures), list(lose), refuse or {}
        self.submitted: Counter[str] = Counter()  # request id → batches that took it and did not fail as a whole
        self.prompts: Counter[str] = Counter()
        self.stages: Counter[str] = Counter()
        self.keys: set[str] = set()
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, Held] = {}
        super().__init__("loopback-batches")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        stage = _stage_of(request)
        self.stages[stage] += 1
        body = await _body_of(request)
        if stage != "send":  # the address for the bytes is a secret of its own
            self.keys.add(request.headers.get("authorization", "") or request.headers.get("x-goog-api-key", ""))
        assert request.transport is not None
        if self.hook(stage, "before"):
            request.transport.abort()
            return web.Response(status=503)
        if self.refuse.get(stage):
            status, refusal = self.refuse[stage].pop(0)
            return web.Response(status=status, body=orjson.dumps(refusal), content_type="application/json")
        answer, headers = self._answer(stage, request, body)
        self.hook(stage, "after")
        if stage in self.lose:
            self.lose.remove(stage)
            request.transport.abort()
        if answer is None:
            return web.Response(
                status=404, body=b'{"error":{"message":"no such thing"}}', content_type="application/json"
            )
        raw = answer if isinstance(answer, bytes) else orjson.dumps(answer)
        return web.Response(body=raw, headers=headers, content_type="application/json")

    def _answer(self, stage: str, request: web.BaseRequest, body: Any) -> tuple[Any, dict[str, str]]:
        is_google = "/v1beta/" in request.path
        name = request.path.rpartition("/")[2]
        match stage:
            case "begin":
                place = f"{self.upload_to or self.url}/upload/v1beta/files?upload_id=1&upload_protocol=resumable"
                return {}, {"x-goog-upload-url": place}
            case "send" | "upload":
                file = f"file-{len(self.files)}"
                self.files[file] = body
                return ({"file": {"name": f"files/{file}"}} if stage == "send" else {"id": file}), {}
            case "create":
                held = self._create(body, request.path, is_google)
                return (self._operation(held) if is_google else self._batch(held)), {}
            case "list":
                return self._list(request, is_google), {}
            case "look":
                found = self.batches.get(name)
                if found is None:
                    return None, {}
                self._advance(found)
                return (self._operation(found) if is_google else self._batch(found)), {}
        file = name.removesuffix(":download") if is_google else request.path.split("/")[-2]
        return self.files.get(file), {}

    def _create(self, body: Any, path: str, is_google: bool) -> Held:
        if is_google:
            told = body["batch"]
            file, tag, at = told["inputConfig"]["fileName"].removeprefix("files/"), told["displayName"], path
        else:
            assert body["completion_window"] == "24h"
            file, tag, at = body["input_file_id"], body["metadata"]["dataflow_tag"], body["endpoint"]
        lines = [orjson.loads(line) for line in self.files[file].splitlines()]
        held = Held(f"batch-{len(self.batches)}", tag, at, lines, time.time())
        self.batches[held.name] = held
        if self.failures and (errors := self.failures.pop(0)):
            held.state, held.errors = "failed", errors
        else:
            self._work(held, is_google)
        return held

    def _work(self, held: Held, is_google: bool) -> None:
        good, bad = [], []
        for line in held.lines:
            request_id = line["key"] if is_google else line["custom_id"]
            body = line["request"] if is_google else line["body"]
            if not is_google:
                assert (line["method"], line["url"]) == ("POST", held.path)
            prompt, pictures = _read(body)
            outcome = self.outcome_for(prompt, self.prompts[prompt])
            self.submitted[request_id] += 1
            self.prompts[prompt] += 1
            if outcome is None:
                picture = draw_png(mark_of(prompt, pictures))
                good.append(_line(request_id, 200, _good(held.path, picture), is_google))
            elif isinstance(outcome, str):
                held.state = "will expire"
                if not is_google:
                    error = {"code": "batch_expired", "message": "This request could not be executed in time."}
                    bad.append({"id": "batch_req_2", "custom_id": request_id, "response": None, "error": error})
            else:
                status, error = outcome
                bad.append(_line(request_id, int(status), error, is_google))
        mixed = good[::-1] + bad if is_google else good[::-1]
        held.good = b"".join(orjson.dumps(each) + b"\n" for each in mixed)
        held.bad = b"" if is_google else b"".join(orjson.dumps(each) + b"\n" for each in bad)

    def _advance(self, held: Held) -> None:
        held.looks += 1
        if held.looks > self.looks and held.state in ("in_progress", "will expire"):
            held.state = "expired" if held.state == "will expire" else "completed"
            self.files[f"{held.name}-good"], self.files[f"{held.name}-bad"] = held.good, held.bad

    def _batch(self, held: Held) -> dict[str, Any]:
        ended = held.state in ("completed", "expired")
        total = len(held.lines)
        return {
            "id": held.name,
            "object": "batch",
            "endpoint": held.path,
            "status": "in_progress" if held.state == "will expire" else held.state,
            "metadata": {"dataflow_tag": held.tag},
            "created_at": int(held.created),
            "request_counts": {"total": total, "completed": total if ended else held.looks, "failed": 0},
            "output_file_id": f"{held.name}-good" if ended and held.good else None,
            "error_file_id": f"{held.name}-bad" if ended and held.bad else "",
            "errors": {"object": "list", "data": list(held.errors)} if held.errors else None,
        }

    def _operation(self, held: Held) -> dict[str, Any]:
        words = {"in_progress": "RUNNING", "will expire": "RUNNING", "completed": "SUCCEEDED"}
        state = words.get(held.state, held.state.upper())
        total = str(len(held.lines))
        operation: dict[str, Any] = {
            "name": f"batches/{held.name}",
            "metadata": {
                "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
                "displayName": held.tag,
                "state": f"BATCH_STATE_{state}",
                "batchStats": {"requestCount": total, "pendingRequestCount": total},
            },
        }
        if held.errors:
            operation |= {"done": True, "error": dict(held.errors[0])}
        elif held.state in ("completed", "expired"):
            operation |= {"done": True, "response": {"responsesFile": f"files/{held.name}-good"}}
        return operation

    def _list(self, request: web.BaseRequest, is_google: bool) -> dict[str, Any]:
        """Pages of two, the newest first."""
        newest = list(self.batches.values())[::-1]
        if self.hide:
            self.hide -= 1
            newest = newest[1:]
        after = request.query.get("pageToken") or request.query.get("after") or ""
        start = next((k + 1 for k, held in enumerate(newest) if held.name == after), 0)
        page = newest[start : start + 2]
        more = start + 2 < len(newest)
        if is_google:
            token = {"nextPageToken": page[-1].name} if more else {}
            return {"operations": [self._operation(held) for held in page], **token}
        return {"object": "list", "data": [self._batch(held) for held in page], "has_more": more}


def _stage_of(request: web.BaseRequest) -> str:
    path, posts = request.path, request.method == "POST"
    if path.endswith("/files"):
        is_bytes = "upload_id" in request.query
        return "send" if is_bytes else "begin" if path.startswith("/upload/") else "upload"
    if posts and (path.endswith("/batches") or path.endswith(":batchGenerateContent")):
        return "create"
    if path.endswith("/batches"):
        return "list"
    return "look" if "/batches/" in path else "download"


async def _body_of(request: web.BaseRequest) -> Any:
    if request.content_type.startswith("multipart/"):
        parts = {}
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            pieces = bytearray()
            while piece := await part.read_chunk(1 << 20):  # `read` stops at a megabyte
                pieces += piece
            parts[part.name] = bytes(pieces)
        assert parts["purpose"] == b"batch"
        return parts["file"]
    raw = b"".join([chunk async for chunk in request.content.iter_any()])
    if "upload_id" in request.query:
        assert request.headers["X-Goog-Upload-Command"] == "upload, finalize"
        return raw
    return orjson.loads(raw) if raw else {}


def _read(body: dict[str, Any]) -> tuple[str, Sequence[bytes]]:
    if "images" not in body:
        return take_pictures(body)
    urls = [each["image_url"] for each in body["images"]]
    return body["prompt"], [base64.b64decode(url.partition(",")[2]) for url in urls]


def _good(path: str, picture: bytes) -> Any:
    shape = "gemini" if ":batch" in path else "b64_json" if "/images/" in path else "images"
    shape = "responses" if path.endswith("/responses") else shape
    return orjson.loads(shapes.whole(shape, [picture]))


def _line(request_id: str, status: int, body: Any, is_google: bool) -> dict[str, Any]:
    if is_google:
        return {"key": request_id, "response" if status == 200 else "error": body}
    answer = {"status_code": status, "request_id": "req_1", "body": body}
    return {"id": "batch_req_1", "custom_id": request_id, "response": answer, "error": None}
