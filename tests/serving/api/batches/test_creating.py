"""A batch exists once, whatever becomes of the replies that name it."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path

import pytest

from dataflow.errors import AnswerError, Failure
from dataflow.serving.api.batches.creating import BatchContext, NeverCreated, create
from dataflow.serving.api.batches.openai import OpenAIBatches
from dataflow.serving.api.batches.records import BatchRecord, Records
from dataflow.serving.api.batches.retrying import BatchFailed
from dataflow.serving.api.batches.transport import Transport
from dataflow.serving.api.failures.attempts import Target
from dataflow.serving.dialects import Format
from tests.chaos.checks import check_rows, write_prompts
from tests.kit.batch_edits import LOST, QUICK, TAG, edit
from tests.kit.failing import fails
from tests.kit.loopback_batches import BatchServer

BOTH: list[Format] = ["images", "gemini"]


@pytest.mark.parametrize("api_format", BOTH)
@pytest.mark.parametrize("hide", [0, 2])
def test_a_batch_whose_reply_got_lost_is_found_and_not_created_twice(
    tmp_path: Path, api_format: Format, hide: int
) -> None:
    prompts = write_prompts(tmp_path, 3)
    with BatchServer(lose=["create"], hide=hide) as server:
        assert edit(server.url, tmp_path, api_format).failed == 0
        assert (server.stages["create"], len(server.batches)) == (1, 1)
    check_rows(tmp_path, prompts)


def test_a_batch_that_was_asked_for_and_is_not_there_is_asked_for_again(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 3)
    down = (503, {"error": {"message": "try later"}})
    with BatchServer(refuse={"create": [down], "upload": [down], "look": [down], "download": [down]}) as server:
        assert edit(server.url, tmp_path).failed == 0
        assert (server.stages["create"], server.stages["list"] > 0, len(server.batches)) == (2, True, 1)
    check_rows(tmp_path, prompts)


class Losing(OpenAIBatches):
    """A provider whose replies get lost, and that lists no batch."""

    async def create(self, path: str, input_file: str, tag: str) -> str:
        raise AnswerError(LOST)

    async def find(self, tag: str, began: float) -> str:
        return ""


def creating(kind: type[OpenAIBatches], folder: Path, *, may_exist: bool = False) -> Coroutine[object, object, str]:
    target = Target("http://127.0.0.1:1/v1", "/batches", "m", "DF_API_KEY")
    api = kind(Transport(target.address, {}, lambda path: target))
    intervals = replace(QUICK, listing=0.0, give_up=-1.0)
    context = BatchContext(api, Records(str(folder), {"model": "m"}), intervals, target)
    return create(context, BatchRecord(TAG, "/images/edits", (TAG,), 0.0, "file-0", "ab"), may_exist=may_exist)


def test_a_batch_that_nobody_confirms_is_not_counted_as_paid_before_it_is_found(tmp_path: Path) -> None:
    with fails("fatal", match="127.0.0.1:1 creates no batch: no answer") as caught:
        asyncio.run(creating(Losing, tmp_path))
    assert (caught.value.failure.said, caught.value.failure.maybe_paid) == ("reset", False)


def test_a_batch_that_is_refused_cost_nothing(tmp_path: Path) -> None:
    class Refusing(Losing):
        async def create(self, path: str, input_file: str, tag: str) -> str:
            raise AnswerError(replace(LOST, retries=0))

    with pytest.raises(BatchFailed, match="no answer") as caught:
        asyncio.run(creating(Refusing, tmp_path))
    assert caught.value.failure == Failure("fatal", "no answer", said="reset")


def test_an_intent_that_the_provider_has_no_batch_for_is_asked_for_by_nobody(tmp_path: Path) -> None:
    with pytest.raises(NeverCreated):
        asyncio.run(creating(Losing, tmp_path, may_exist=True))


def test_a_batch_of_an_earlier_intent_is_found_and_not_created(tmp_path: Path) -> None:
    class Keeping(Losing):
        async def find(self, tag: str, began: float) -> str:
            return f"batch of {tag}"

    assert asyncio.run(creating(Keeping, tmp_path, may_exist=True)) == f"batch of {TAG}"
