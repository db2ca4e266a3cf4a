"""Creating a batch exactly once, whatever becomes of the reply that names it."""

import asyncio
import logging
import time
from dataclasses import dataclass
from functools import partial

from dataflow.errors import AnswerError, Failure
from dataflow.serving.api.batches.contract import BatchApi, Intervals
from dataflow.serving.api.batches.records import BatchRecord, Records
from dataflow.serving.api.batches.retrying import POLICY, BatchFailed, fatal, may_pass, retry_or_stop, stopping
from dataflow.serving.api.failures.attempts import Asked

log = logging.getLogger(__name__)

_LOOKS = 6  # in the provider's list, while a batch may still show up there


class NeverCreated(Exception):
    """A batch that was meant to be created is not there: its requests were never sent."""


@dataclass(frozen=True, slots=True)
class BatchContext:
    """What all batches of a serving share.

    Args:
        api: of the provider.
        records: on disk.
        intervals: how long things take.
        asked: where requests go, for the words of an error.
    """

    api: BatchApi
    records: Records
    intervals: Intervals
    asked: Asked


async def create(context: BatchContext, record: BatchRecord, *, may_exist: bool) -> str:
    """The provider's name of the batch that this record means.

    Args:
        context: what all batches share.
        record: on disk, without a name.
        may_exist: it was asked for before, perhaps by a run that was killed: it is looked for, and not asked for.

    Raises:
        NeverCreated: it may exist and does not.
        BatchFailed: the provider refuses it.
        AnswerError: fatal; the provider gives no usable reply.
    """
    if may_exist:
        if name := await _found(context, record, asked_at=record.began):
            return name
        raise NeverCreated
    began, attempt = asyncio.get_running_loop().time(), 0
    while True:
        failure = Failure("retry", "no name in its reply")
        try:
            if name := await context.api.create(record.path, record.input_file, record.tag):
                return name
        except AnswerError as error:
            failure = error.failure
        if not may_pass(failure):
            raise BatchFailed(fatal(failure), {})
        wait = POLICY.delay(failure, attempt, record.tag)
        log.info("batch %s was not created for sure: %s", record.tag, failure)
        # Only a refusal says that there is no batch; anything else leaves it open.
        if failure.kind != "wait" and (name := await _found(context, record, asked_at=time.time())):
            return name
        if asyncio.get_running_loop().time() - began > context.intervals.give_up:
            raise AnswerError(stopping(failure, f"{context.asked.host} creates no batch: {failure}"))
        attempt += 1
        await asyncio.sleep(wait)


async def _found(context: BatchContext, record: BatchRecord, *, asked_at: float) -> str:
    """The name of the batch if it exists; one that was just asked for may take a while to show up."""
    find = partial(context.api.find, record.tag, record.began)
    while not (name := await retry_or_stop(find, record.tag, context.intervals.give_up)):
        left = min(asked_at + context.intervals.listing - time.time(), context.intervals.listing)
        if left <= 0:
            return ""
        await asyncio.sleep(min(left, context.intervals.listing / _LOOKS))
    return name
