"""Tries again what failed for a passing reason, and says what the failure of a whole batch means for its requests."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from dataflow.core.retry import RetryPolicy
from dataflow.core.words import count_of
from dataflow.errors import AnswerError, Failure
from dataflow.serving.api.batches.contract import BatchError
from dataflow.serving.api.failures.attempts import Target
from dataflow.serving.api.failures.classify import classify

log = logging.getLogger(__name__)

RETRIES = 8  # of one request for one kind of failure; outside of batches it is the number for all kinds together
NEVER_RUN_RETRIES = 6  # of one request whose batches expire or are cancelled
POLICY = RetryPolicy(retries=4 * RETRIES)
# Fatal failures in all that confirm one: a single "wrong key" in days of polling is usually the server's own trouble.
_CONFIRMED = 3
Value = TypeVar("Value")


async def retry_until_done(
    act: Callable[[], Awaitable[Value]], name: str, patience: float = math.inf, *, proven: bool = True
) -> Value:
    """Call `act` until it succeeds, and return its value.

    Args:
        act: makes one attempt.
        name: hex digits, from which the random part of each wait follows.
        patience: seconds after which a failed attempt is the last one; infinite: there is no last one.
        proven: whether key and address were right once, so that one fatal reply must be confirmed by further ones.

    Raises:
        AnswerError: fatal, since `act` cannot succeed or did not in time; or refused for good.
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
    """As `retry_until_done`, but every failure stops the run: what hinders one batch here hinders all of them.

    Args:
        act: makes one attempt.
        name: as in `retry_until_done`.
        patience: as in `retry_until_done`.

    Raises:
        AnswerError: fatal, since `act` cannot succeed or did not in time.
    """
    try:
        return await retry_until_done(act, name, patience, proven=False)
    except AnswerError as error:
        raise AnswerError(fatal(error.failure)) from error


def may_pass(failure: Failure) -> bool:
    """Whether another attempt at what failed may succeed."""
    return failure.transient and failure.retries != 0


def fatal(failure: Failure) -> Failure:
    """The failure as one that stops the run; one that is fatal already comes back as it is."""
    return failure if failure.kind == "fatal" else stopping(failure)


def stopping(failure: Failure, reason: str = "") -> Failure:
    """A failed upload, creation or look, as a failure that stops the run.

    Only answers cost money, so no request of the batch counts as perhaps paid. If the batch exists all the same, the
    next run finds it and journals what its answers cost.

    Args:
        failure: of the last attempt.
        reason: in place of the failure's own; empty: its own.
    """
    return replace(failure.last_word("fatal", reason), maybe_paid=False, usage={})


def in_batch(failure: Failure) -> Failure:
    """The failure of one request of a batch as the pool is to treat it.

    Such a failure does not say how many calls the address takes just now, so the pool neither slows down nor pauses.
    Retries are counted for each kind of failure, so that a request has those of other kinds left after batches expired.
    """
    if not failure.transient:
        return failure
    retries = RETRIES if failure.retries is None else failure.retries
    return replace(failure, kind="retry", retries=retries, wait=0.0, outage=False, unconfirmed="")


def never_run(state: str) -> Failure:
    """The failure of a request that cost nothing, since its batch ended before its turn.

    Args:
        state: the provider's word for how the batch ended.
    """
    reason = f"its batch ended before its turn ({state or 'no reason given'})"
    return Failure("retry", reason, retries=NEVER_RUN_RETRIES)


class BatchFailed(Exception):
    """A batch failed as a whole, so it answered nothing and cost nothing.

    Args:
        failure: of every request of the batch.
        blamed: line number, from 0 → the failure of a request that has one of its own.
    """

    def __init__(self, failure: Failure, blamed: dict[int, Failure]) -> None:
        super().__init__(failure)
        self.failure = failure
        self.blamed = blamed


def failure_of(errors: Sequence[BatchError], lines: int, target: Target) -> BatchFailed:
    """What the failure of a whole batch means for its requests.

    Args:
        errors: that the provider gives.
        lines: number of requests in the batch.
        target: where the batch went, for the words of a failure.
    """
    failures = [(error.line, classify(error.attempt, target)) for error in errors]
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
    words = "" if not found.said or found.said in found.reason else f" ({found.said})"
    reason = f"{target.host} refused a whole batch of {count_of(lines, 'request')}, which cost nothing: {found}{words}"
    return BatchFailed(Failure("fatal", reason, said=found.said), {})
