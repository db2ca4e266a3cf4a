"""Trying again what failed for a passing reason, and how whole batches that failed are to be understood."""

import asyncio
import copy
import logging
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from dataflow.core.retry import RetryPolicy
from dataflow.errors import AnswerError, FatalAnswer, RateLimited, TransientAnswer
from dataflow.serving.api.batches.contract import Complaint
from dataflow.serving.api.failures.attempts import Asked
from dataflow.serving.api.failures.classify import classify

log = logging.getLogger(__name__)

RETRIES = 8  # of one kind of failure within batches, as many as elsewhere in all
NEVER_RUN_RETRIES = 6  # batches that may expire or be cancelled before a request is given up
POLICY = RetryPolicy(retries=4 * RETRIES)
_DOUBTED = 3  # a single "wrong key" in days of polling is usually the server's own trouble
Value = TypeVar("Value")


async def persist(
    act: Callable[[], Awaitable[Value]], name: str, patience: float = math.inf, *, proven: bool = True
) -> Value:
    """What `act` returns once it succeeds.

    Args:
        act: one attempt.
        name: hex digits; the waits differ by it.
        patience: seconds after which the last error is fatal.
        proven: key and address were right once, so that one reply that says otherwise is not believed.

    Raises:
        FatalAnswer: it cannot succeed, or did not for too long.
        AnswerError: it was refused for good.
    """
    began, fatal = time.monotonic(), 0
    attempt = 0
    while True:
        try:
            return await act()
        except AnswerError as error:
            fatal += isinstance(error, FatalAnswer)
            doubted = isinstance(error, FatalAnswer) and bool(error.doubt) and fatal < _DOUBTED and proven
            passes = isinstance(error, TransientAnswer) and error.retries != 0
            if not (passes or doubted):
                raise
            if time.monotonic() - began > patience:
                raise FatalAnswer(
                    f"{error.reason}; given up after {patience / 60:g} minutes", said=error.said
                ) from error
            log.log(logging.WARNING if attempt in (2, 20) else logging.INFO, "tried again: %s", error)
            wait = POLICY.delay(error if isinstance(error, TransientAnswer) else TransientAnswer(""), attempt, name)
        attempt += 1
        await asyncio.sleep(wait)


async def insist(act: Callable[[], Awaitable[Value]], name: str, patience: float) -> Value:
    """As `persist`; what stands in the way of one batch here stands in the way of all.

    Raises:
        FatalAnswer: it cannot succeed, or did not for too long.
    """
    try:
        return await persist(act, name, patience, proven=False)
    except AnswerError as error:
        raise fatal(error) from error


def fatal(error: AnswerError) -> FatalAnswer:
    """The same failure as one that stops the run."""
    return error if isinstance(error, FatalAnswer) else FatalAnswer(error.reason, said=error.said)


def in_batch(error: AnswerError | None) -> AnswerError | None:
    """A failure of one request as it is to be treated where all go into files.

    It says nothing of how many calls the address takes just now, and retries are counted for each kind, so that
    batches that expired leave a request the rest of them.
    """
    if not isinstance(error, TransientAnswer):
        if error is not None:
            error.outage = False
        return error
    retries = RETRIES if error.retries is None else error.retries
    return TransientAnswer(
        error.reason,
        said=error.said,
        maybe_paid=error.maybe_paid,
        usage=error.usage,
        retries=retries,
        refuse_after=error.refuse_after,
    )


def never_run(state: str) -> TransientAnswer:
    """The failure of a request whose batch ended before its turn; it cost nothing."""
    return TransientAnswer(f"its batch ended before its turn ({state or 'no reason given'})", retries=NEVER_RUN_RETRIES)


class BatchFailed(Exception):
    """A batch failed as a whole; it answered nothing and cost nothing.

    Args:
        error: for every request of it.
        blamed: line numbers, from 0, of requests with an error of their own.
    """

    def __init__(self, error: AnswerError, blamed: dict[int, AnswerError]) -> None:
        super().__init__(str(error))
        self.error = error
        self.blamed = blamed


def failure_of(complaints: Sequence[Complaint], lines: int, asked: Asked) -> BatchFailed:
    """What a batch that failed as a whole means for its requests.

    Args:
        complaints: of the provider.
        lines: that the batch had.
        asked: where it went, for the words.
    """
    errors = [(each.line, classify(each.attempt, asked)) for each in complaints]
    blamed = {
        line: TransientAnswer(f"the provider does not take this line of the batch: {error.said}", retries=0)
        for line, error in errors
        if line is not None and line < lines
    }
    whole = next((error for line, error in errors if line is None), None)
    if whole is None and blamed and len(blamed) < lines:
        again = TransientAnswer("its batch was refused because of other requests in it", retries=RETRIES)
        return BatchFailed(again, dict(blamed))
    if isinstance(whole, RateLimited):
        return BatchFailed(whole, {})
    if isinstance(whole, TransientAnswer) and whole.retries != 0:
        return BatchFailed(in_batch(whole) or whole, {})
    told = whole or next((error for _, error in errors), None) or AnswerError("no reason given")
    said = "" if not told.said or told.said in told.reason else f" ({told.said})"
    reason = f"{asked.host} refused a whole batch of {lines:,} requests, which cost nothing: {told.reason}{said}"
    return BatchFailed(FatalAnswer(reason, said=told.said), {})


def apart(error: AnswerError) -> AnswerError:
    """The error for one more request: each carries its own count of attempts."""
    return copy.copy(error)
