"""Which failures of attempts are worth a warning: each reason once."""

import logging

import pytest

from dataflow.errors import Failure
from dataflow.pools.executor import LocalExecutor, call_directly
from dataflow.pools.retry_warnings import RetryWarnings
from tests.kit.workers import Scripted, asks


@pytest.fixture
def all_levels(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "dataflow")
    return caplog


def lines(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == level]


def test_each_reason_is_a_warning_once_and_information_from_then_on(all_levels: pytest.LogCaptureFixture) -> None:
    warnings = RetryWarnings()
    for reason in ("HTTP 500", "HTTP 503", "HTTP 500", "HTTP 500"):
        warnings.report(Failure("retry", reason))
    assert lines(all_levels, logging.WARNING) == ["asked again: HTTP 500", "asked again: HTTP 503"]
    assert lines(all_levels, logging.INFO) == ["asked again: HTTP 500"] * 2


def test_a_wait_of_a_minute_or_more_is_named_and_is_news_once(all_levels: pytest.LogCaptureFixture) -> None:
    warnings = RetryWarnings()
    for wait in (59.0, 3600.0, 3540.0):
        warnings.report(Failure("wait", "HTTP 429", wait=wait))
    long = "asked again in 60 min, as the server wants: HTTP 429"
    assert lines(all_levels, logging.WARNING) == ["asked again: HTTP 429", long]
    assert len(lines(all_levels, logging.INFO)) == 1


def test_twenty_reasons_are_enough(all_levels: pytest.LogCaptureFixture) -> None:
    warnings = RetryWarnings()
    for number in range(30):
        warnings.report(Failure("retry", f"reason {number}"))
    assert len(lines(all_levels, logging.WARNING)) == 20
    assert len(lines(all_levels, logging.INFO)) == 10


def test_why_requests_are_asked_again_is_told_once(executor: LocalExecutor, caplog: pytest.LogCaptureFixture) -> None:
    busy = Failure("retry", "HTTP 500")
    assert len(call_directly(Scripted({"a": [busy, busy], "b": [busy]}), asks("a", "b"), executor=executor)) == 2
    assert [record.getMessage() for record in caplog.records] == ["asked again: HTTP 500"]
