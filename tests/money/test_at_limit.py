"""At `max_cost` a step may be finished without the rows that cannot be paid."""

from pathlib import Path

import pytest

from dataflow.core.records import NANO
from dataflow.errors import StepFailed
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask, column, read_rows
from tests.money.test_ledger import COST, MOST, Paid, money, names, storage

LIMIT = 0.02


def finishing(folder: Path, **settings: object) -> FileStorage:
    return storage(folder, names(100), at_limit="finish", **settings)


def test_the_step_is_written_without_what_cannot_be_paid_and_a_higher_limit_goes_on(tmp_path: Path) -> None:
    first = finishing(tmp_path, max_cost=LIMIT)
    summary = Ask(Paid()).run(first.step())
    spent, unsure, reserved = money(tmp_path)
    assert (unsure, reserved) == (0, 0)
    assert LIMIT * NANO - MOST < spent <= LIMIT * NANO
    done = spent // COST
    assert (summary.rows, summary.failed, summary.unpaid) == (100, 100 - done, 100 - done)
    assert f"{100 - done} x max_cost (0.0200 USD) leaves no room: raise it to go on" in str(summary)
    assert len(read_rows(first.current.errors)) == 100 - done

    second = finishing(tmp_path, max_cost=1.0)
    again = Ask(Paid()).run(second.step())
    assert (again.requests, again.failed, again.unpaid) == (100 - done, 0, 0)
    assert [str(text).split("/")[0] for text in column(second, "answer")] == names(100)
    assert money(tmp_path) == (100 * COST, 0, 0)


def test_a_step_of_which_nothing_can_be_paid_fails_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match=r"max_cost \(0.0010 USD\) leaves no room: raise it to go on"):
        Ask(Paid()).run(finishing(tmp_path, max_cost=0.001).step())
