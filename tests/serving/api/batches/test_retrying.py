"""What is left of a failure once batches were tried for long enough: its words, and no money."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace

import pytest

from dataflow.errors import AnswerError, Failure
from dataflow.serving.api.batches.retrying import RETRIES, fatal, in_batch, retry_or_stop, retry_until_done
from tests.kit.batch_edits import LOST, TAG
from tests.kit.failing import fails


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
