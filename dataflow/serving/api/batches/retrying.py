"""Trying again what failed for a passing reason, and how whole batches that failed are to be understood."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from dataflow.core.retry import RetryPolicy
from dataflow.core.words import count_of
from dataflow.errors import AnswerError, Failure
from dataflow.serving.api.batches.contract import Complaint
from dataflow.serving.api.failures.attempts import Asked
from dataflow.serving.api.failures.classify import classify

log = logging.getLogger(__name__)

RETRIES = 8  # of one kind of failure within batches, as many as elsewhere in all
NEVER_RUN_RETRIES = 6  # batches that may expire or be cancelled before a request is given up
POLICY = RetryPolicy(retries=4 * RETRIES)
_CONFIRMED = 3  # a single "wrong key" in days of polling is usually the server's own trouble
Value = TypeVar("Value")


async def retry_until_done(
    act: Callable[[], Awaitable[Value]], name: str, patience: float = math.inf, *, proven: bool = True
) -> Value:
    """What `act` returns once it succeeds.

    Args:
        act: one attempt.
        name: hex digits; the waits differ by it.
        patience: seconds after which the last failure is fatal.
        proven: key and address were right once, so that one reply that says otherwise is not believed.

    Raises:
        AnswerError: fatal, since it cannot succeed or did not for too long; or refused for good.
    """
    began, fatal = asyncio.get_running_loop().time(), 0
    attempt = 0
    while True:
        try:
            return await act()
        except AnswerError as error:
            failure = error.failure
            fatal += failure.kind == "fatal"
            unconfirmed = failure.kind == "fatal" and bool(failure.unconfirmed) and fatal < _CONFIRMED and proven
            if not (may_pass(failure) or unconfirmed):
                raise
            if asyncio.get_running_loop().time() - began > patience:
                reason = f"{failure}; given up after {patience / 60:g} minutes"
                raise AnswerError(stopping(failure, reason)) from error
        log.log(logging.WARNING if attempt in (2, 20) else logging.INFO, "tried again: %s", failure)
        await asyncio.sleep(POLICY.delay(failure, attempt, name))
        attempt += 1


async def retry_or_stop(act: Callable[[], Awaitable[Value]], name: str, patience: float) -> Value:
    """As `retry_until_done`; what stands in the way of one batch here stands in the way of all.

    Raises:
        AnswerError: fatal, since it cannot succeed or did not for too long.
    """
    try:
        return await retry_until_done(act, name, patience, proven=False)
    except AnswerError as error:
        raise AnswerError(fatal(error.failure)) from error


def may_pass(failure: Failure) -> bool:
    """Whether another attempt at the same may succeed."""
    return failure.transient and failure.retries != 0


def fatal(failure: Failure) -> Failure:
    """The same failure as one that stops the run; a fatal one may still be unconfirmed."""
    return failure if failure.kind == "fatal" else stopping(failure)


def stopping(failure: Failure, reason: str = "") -> Failure:
    """A failure to do something with files or batches, as one that stops the run.

    Only answers cost money, so no request of the batch counts as perhaps paid. A batch that exists all the same is
    found by the next run, which journals what its answers cost.

    Args:
        failure: of the last attempt.
        reason: to be given instead of the failure's own.
    """
    return replace(failure.last_word("fatal", reason), maybe_paid=False, usage={})


def in_batch(failure: Failure) -> Failure:
    """A failure of one request as it is to be treated where all go into files.

    It says nothing of how many calls the address takes just now, and retries are counted for each kind, so that
    batches that expired leave a request the rest of them.
    """
    if not failure.transient:
        return failure
    retries = RETRIES if failure.retries is None else failure.retries
    return replace(failure, kind="retry", retries=retries, wait=0.0, outage=False, unconfirmed="")


def never_run(state: str) -> Failure:
    """The failure of a request whose batch ended before its turn; it cost nothing."""
    reason = f"its batch ended before its turn ({state or 'no reason given'})"
    return Failure("retry", reason, retries=NEVER_RUN_RETRIES)


class BatchFailed(Exception):
    """A batch failed as a whole; it answered nothing and cost nothing.

    Args:
        failure: of every request of it.
        blamed: line numbers, from 0, of requests with a failure of their own.
    """

    def __init__(self, failure: Failure, blamed: dict[int, Failure]) -> None:
        super().__init__(failure)
        self.failure = failure
        self.blamed = blamed


def failure_of(complaints: Sequence[Complaint], lines: int, asked: Asked) -> BatchFailed:
    """What a batch that failed as a whole means for its requests.

    Args:
        complaints: of the provider.
        lines: that the batch had.
        asked: where it went, for the words.
    """
    failures = [(each.line, classify(each.attempt, asked)) for each in complaints]
    blamed = {
        line: Failure("retry", f"the provider does not take this line of the batch: {failure.said}", retries=0)
        for line, failure in failures
        if line is not None and line < lines
    }
    whole = next((failure for line, failure in failures if line is None), None)
    if whole is None and blamed and len(blamed) < lines:
        again = Failure("retry", "its batch was refused because of other requests in it", retries=RETRIES)
        return BatchFailed(again, blamed)
    if whole is not None and whole.kind == "wait":
        return BatchFailed(whole, {})
    if whole is not None and may_pass(whole):
        return BatchFailed(in_batch(whole), {})
    found = whole or next((failure for _, failure in failures), None) or Failure("failed", "no reason given")
    said = "" if not found.said or found.said in found.reason else f" ({found.said})"
    reason = f"{asked.host} refused a whole batch of {count_of(lines, 'request')}, which cost nothing: {found}{said}"
    return BatchFailed(Failure("fatal", reason, said=found.said), {})
