"""Which models answered: counted for each worker, with a warning for each model that was not asked for."""

import pytest

from dataflow.core.records import Answer
from dataflow.core.worker import Billing
from dataflow.flow.answered_by import AnsweredBy, who_answered
from tests.kit.workers import Echo


class Charging(Echo):
    """Charges for a model named `nano`."""

    def billing(self) -> Billing:
        return Billing("nano")


def test_another_model_is_warned_of_once_and_the_asked_one_never(caplog: pytest.LogCaptureFixture) -> None:
    answered_by = AnsweredBy({"model": Charging(), "free": Echo()})
    for model in ("nano", "google/nano", "mini", "mini", ""):
        answered_by.arrived("model", Answer(text="t", model=model))
    answered_by.arrived("free", Answer(text="t", model="mini"))
    assert [record.getMessage()[:38] for record in caplog.records] == ["nano was asked for, and mini answered:"]


def test_answers_that_rows_are_made_of_are_counted_by_worker_the_most_frequent_first() -> None:
    answered_by = AnsweredBy()
    answered_by.used([("judge", "a"), ("judge", "b"), ("judge", "b"), ("editor", "c")])
    assert answered_by.counts() == {"judge": {"b": 2, "a": 1}, "editor": {"c": 1}}
    assert [*answered_by.counts()["judge"]] == ["b", "a"]


def test_models_beyond_a_hundred_are_counted_together() -> None:
    answered_by = AnsweredBy()
    answered_by.used(("model", f"m{number}") for number in range(103))
    counts = answered_by.counts()["model"]
    assert (len(counts), counts["others"]) == (101, 3)


def test_the_provider_of_a_router_is_named_with_the_model() -> None:
    assert who_answered("model", Answer(text="t", model="nano", provider="Google")) == ("model", "nano at Google")
    assert who_answered("model", Answer(text="t")) is None
