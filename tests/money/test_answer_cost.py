"""An answer knows what it cost, in the run that paid it and in every later one."""

from collections.abc import Sequence
from pathlib import Path

from dataflow.core.records import Answer, Row
from dataflow.errors import Failure
from dataflow.operators.base import Columns
from tests.kit.flow import Ask, column, prompts_storage
from tests.kit.workers import Echo
from tests.money.test_ledger import COST, Paid, storage


class AskItsPrice(Ask):
    """Stores what each answer cost."""

    def merge(self, row: Row, answers: Sequence[Answer], columns: Columns) -> Sequence[Row]:
        return [{**row, columns.output: "ok", "cost": [answer.cost for answer in answers]}]


def test_the_cost_of_an_answer_is_that_of_the_attempt_that_gave_it_in_every_run(tmp_path: Path) -> None:
    again = {"B": [Failure("retry", "busy")]}
    first = storage(tmp_path, "AB")
    AskItsPrice(Paid(again)).run(first.step())
    assert column(first, "cost") == [[COST], [COST]]
    second = storage(tmp_path, "AB")
    summary = AskItsPrice(Paid()).run(second.step())
    assert (column(second, "cost"), summary.requests) == ([[COST], [COST]], 0)


def test_an_answer_that_nobody_charges_for_costs_nothing(tmp_path: Path) -> None:
    free = prompts_storage(tmp_path, "A")
    AskItsPrice(Echo()).run(free.step())
    assert column(free, "cost") == [[0]]
