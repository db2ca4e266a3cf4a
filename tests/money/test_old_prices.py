"""Prices that were read long ago are named once, by an injected date."""

import logging
from datetime import date
from pathlib import Path

import pytest

from dataflow.core.run_options import RunOptions
from dataflow.core.worker import Billing
from dataflow.money.budget import make_budget
from tests.kit.flow import Ask, prompts_storage
from tests.kit.workers import Echo


class Paid(Echo):
    """A worker that is charged for under this name."""

    def __init__(self, model: str) -> None:
        super().__init__()
        self.model = model

    def billing(self) -> Billing:
        return Billing(self.model)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]


def test_the_shipped_prices_are_named_once_from_the_91st_day_on(caplog: pytest.LogCaptureFixture) -> None:
    workers = {"a": Paid("gpt-4o"), "b": Paid("gemini-3-pro-image")}
    make_budget(workers, RunOptions(), today=date(2027, 2, 21))
    assert told(caplog) == []
    for _ in range(2):
        make_budget(workers, RunOptions(), today=date(2027, 2, 22))
    (warning,) = told(caplog)
    assert "prices.yaml were read on 2026-11-23, more than 90 days ago" in warning


def test_prices_that_the_run_does_not_use_are_not_named(caplog: pytest.LogCaptureFixture) -> None:
    mine = RunOptions(prices={"nano": {"image": 0.02}, "own": {"free": True}})
    make_budget({"a": Paid("nano"), "b": Paid("own"), "c": Paid("unheard")}, mine, today=date(2030, 1, 1))
    make_budget({"a": Echo()}, RunOptions(), today=date(2030, 1, 1))
    assert told(caplog) == []


def test_a_file_of_ones_own_that_is_old_is_named_by_a_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "mine.yaml").write_text("date: 2020-05-04\nmodels: {nano: {image: 0.02}}\n")
    for _ in range(2):
        Ask(Paid("nano")).run(prompts_storage(tmp_path, ["p"], prices=str(tmp_path / "mine.yaml")).step())
    (warning,) = told(caplog)
    assert f"{tmp_path / 'mine.yaml'} were read on 2020-05-04" in warning
