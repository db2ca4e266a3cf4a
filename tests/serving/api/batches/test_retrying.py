"""What is left of a failure once batches were tried for long enough: its words, and no money."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path

import pytest

from dataflow.errors import AnswerError, Failure
from dataflow.serving.api.batches.creating import BatchContext, create
from dataflow.serving.api.batches.openai import OpenAIBatches
from dataflow.serving.api.batches.records import BatchRecord, Records
from dataflow.serving.api.batches.retrying import RETRIES, BatchFailed, fatal, in_batch, retry_or_stop, retry_until_done
from dataflow.serving.api.batches.transport import Transport
from dataflow.serving.api.failures.attempts import Target
from tests.kit.failing import fails
from tests.serving.api.batches.editing import QUICK

LOST = Failure(
    "retry", "no answer", said="reset", maybe_paid=True, usage={"images": 1.0}, retries=1, wait=9.0, outage=True
)
TAG = "0a" * 16


async def lose() -> str:
    raise AnswerError(LOST)


@pytest.mark.parametrize(
    "trying",
    [retry_until_done(lose, TAG, -1.0), retry_or_stop(lose, TAG, -1.0)],
    ids=["retry_until_done", "retry_or_stop"],
)
def test_what_is_given_up_keeps_its_words_and_cost_nothing(trying: Coroutine[object, object, str]) -> None:
    with fails("fatal", match="no answer; given up after") as caught:
        asyncio.run(trying)
    failure = caught.value.failure
    assert (failure.said, failure.maybe_paid, failure.usage) == ("reset", False, {})


def test_a_failure_that_becomes_fatal_keeps_its_words_and_cost_nothing() -> None:
    assert fatal(LOST) == Failure("fatal", "no answer", said="reset")
    unconfirmed = Failure("fatal", "wrong key", unconfirmed="account")
    assert fatal(unconfirmed) is unconfirmed


def test_in_a_batch_a_failure_says_nothing_of_the_address() -> None:
    limited = replace(LOST, kind="wait", retries=None, unconfirmed="page")
    assert in_batch(limited) == replace(LOST, retries=RETRIES, wait=0.0, outage=False)
    refused = Failure("refused", "policy")
    assert in_batch(refused) is refused


class Losing(OpenAIBatches):
    """A provider whose replies get lost, and that lists no batch."""

    async def create(self, path: str, input_file: str, tag: str) -> str:
        raise AnswerError(LOST)

    async def find(self, tag: str, began: float) -> str:
        return ""


def creating(kind: type[OpenAIBatches], folder: Path) -> Coroutine[object, object, str]:
    target = Target("http://127.0.0.1:1/v1", "/batches", "m", "DF_API_KEY")
    api = kind(Transport(target.address, {}, lambda path: target))
    intervals = replace(QUICK, listing=0.0, give_up=-1.0)
    context = BatchContext(api, Records(str(folder), {"model": "m"}), intervals, target)
    return create(context, BatchRecord(TAG, "/images/edits", (TAG,), 0.0, "file-0", "ab"), may_exist=False)


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
