"""Batches of Google's form: uploads, lines and states."""

import asyncio
import io

import orjson
import pytest

from dataflow.serving.api.batches.contract import AnswerLine
from dataflow.serving.api.batches.gemini import GeminiBatches
from dataflow.serving.api.batches.transport import Transport
from dataflow.serving.api.failures.attempts import Target
from tests.kit.batch_edits import TAG
from tests.kit.failing import fails
from tests.kit.loopback_batches import BatchServer
from tests.kit.raw_server import http_reply, raw_server


def decoded(entry: object) -> AnswerLine | None:
    return GeminiBatches(None).decode_line(orjson.dumps(entry))  # type: ignore[arg-type]


def transport_to(address: str) -> Transport:
    return Transport(address, {"x-goog-api-key": "k"}, lambda path: Target(address, path, "m", "DF_API_KEY"))


def test_a_file_is_sent_to_no_host_that_a_reply_names() -> None:
    async def run() -> None:
        transport = transport_to(f"{server.url}/v1beta")
        try:
            await GeminiBatches(transport).upload(io.BytesIO(b"{}\n"), 3, "a.jsonl")
        finally:
            await transport.close()

    with BatchServer(upload_to="http://localhost:9") as server, fails("fatal", match="no place of its own"):
        asyncio.run(run())


def test_a_status_in_place_of_a_response_is_that_of_http() -> None:
    busy = decoded({"key": TAG, "status": {"code": 8, "status": "RESOURCE_EXHAUSTED"}})
    assert busy is not None
    assert busy.attempt is not None
    assert (busy.attempt.ending, busy.attempt.status) == ("status", 429)
    assert decoded({"key": TAG, "error": {"code": 1, "message": "cancelled"}}) == AnswerLine(TAG, None)


def test_the_id_of_a_line_may_stand_in_its_metadata() -> None:
    keyed = decoded({"metadata": {"key": TAG}, "response": {"candidates": []}})
    assert keyed is not None
    assert keyed.request_id == TAG


@pytest.mark.parametrize(
    ("operation", "phase", "counts", "files"),
    [
        ({"metadata": {"state": "BATCH_STATE_RUNNING", "batchStats": {"requestCount": "3"}}}, "running", (0, 0, 3), ()),
        (
            {
                "metadata": {
                    "state": "BATCH_STATE_SUCCEEDED",
                    "batchStats": {"successfulRequestCount": "2", "failedRequestCount": "1", "requestCount": "3"},
                    "output": {"responsesFile": "files/a"},
                },
                "response": {"responsesFile": "files/a"},
            },
            "ended",
            (2, 1, 3),
            ("files/a",),
        ),
        ({"metadata": {"state": "JOB_STATE_EXPIRED"}}, "ended", (0, 0, 0), ()),
        ({"metadata": {"state": "BATCH_STATE_FAILED"}, "error": {"code": 5}}, "failed", (0, 0, 0), ()),
        ({"error": {"code": 3, "message": "bad file"}}, "failed", (0, 0, 0), ()),
    ],
)
def test_the_state_of_an_operation_is_read(
    operation: object, phase: str, counts: tuple[int, int, int], files: tuple[str, ...]
) -> None:
    async def run() -> None:
        async with raw_server({"/v1beta/batches/1": http_reply(orjson.dumps(operation))}) as address:
            transport = transport_to(f"{address}/v1beta")
            state = await GeminiBatches(transport).state("batches/1")
            await transport.close()
        assert (state.phase, (state.done, state.failed, state.total), state.files) == (phase, counts, files)
        assert bool(state.errors) == (phase == "failed")

    asyncio.run(run())
