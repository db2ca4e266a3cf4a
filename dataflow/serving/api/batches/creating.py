"""Creates a batch exactly once, even where the reply that names it is lost."""

import asyncio
import logging
import time
from dataclasses import dataclass
from functools import partial

from dataflow.errors import AnswerError, Failure
from dataflow.serving.api.batches.contract import BatchApi, Intervals
from dataflow.serving.api.batches.records import BatchRecord, Records
from dataflow.serving.api.batches.retrying import POLICY, BatchFailed, fatal, may_pass, retry_or_stop, stopping
from dataflow.serving.api.failures.attempts import Target

log = logging.getLogger(__name__)

_LISTINGS = 6  # of the provider's batches, while one that was just created may still be missing there


class NeverCreated(Exception):
    """The provider has no batch for a recorded intent, so its requests were never sent."""


@dataclass(frozen=True, slots=True)
class BatchContext:
    """What all batches of a serving share.

    Args:
        api: of the provider.
        records: of the batches, on disk.
        intervals: how often batches are looked at, and how long things may take.
        target: where batches are created, for the words of a failure.
    """

    api: BatchApi
    records: Records
    intervals: Intervals
    target: Target


async def create(context: BatchContext, record: BatchRecord, *, may_exist: bool) -> str:
    """Create the batch of a recorded intent, or find it; returns the provider's name of the batch.

    Args:
        context: what all batches share.
        record: on disk, without the provider's name of the batch.
        may_exist: whether an earlier request, perhaps of a run that was killed, may have created the batch: then it is
            only looked for.

    Raises:
        NeverCreated: the batch may exist, and does not.
        BatchFailed: the provider refuses the batch.
        AnswerError: fatal; the provider gave no usable reply in time.
    """
    if may_exist:
        if name := await _find(context, record, asked_at=record.began):
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
        # Only a reply that asks to wait says that there is no batch. After any other failure there may be one.
        if failure.kind != "wait" and (name := await _find(context, record, asked_at=time.time())):
            return name
        if asyncio.get_running_loop().time() - began > context.intervals.give_up:
            raise AnswerError(stopping(failure, f"{context.target.host} creates no batch: {failure}"))
        attempt += 1
        await asyncio.sleep(wait)


async def _find(context: BatchContext, record: BatchRecord, *, asked_at: float) -> str:
    """The provider's name of the batch; empty: it has not shown up in the provider's list in time.

    Args:
        context: what all batches share.
        record: of the batch.
        asked_at: when the batch was asked for, in seconds since the epoch.
    """
    find = partial(context.api.find, record.tag, record.began)
    while not (name := await retry_or_stop(find, record.tag, context.intervals.give_up)):
        remaining = min(asked_at + context.intervals.listing - time.time(), context.intervals.listing)
        if remaining <= 0:
            return ""
        await asyncio.sleep(min(remaining, context.intervals.listing / _LISTINGS))
    return name
