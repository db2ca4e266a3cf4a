"""At `max_cost` a step may be finished without the rows that cannot be paid."""

from pathlib import Path

import pytest

from dataflow.core.records import NANO
from dataflow.core.run_options import RunOptions
from dataflow.errors import ConfigError, Failure, StepFailed
from dataflow.journal.journal import Journal
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask, column, flat, read_rows
from tests.money.test_ledger import COST, MOST, PRICES, Paid, money, names, storage

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
    assert f"{100 - done} requests left out, for which max_cost leaves no room" in flat(summary)
    assert [line["attempts"] for line in read_rows(first.current.errors)] == [0] * (100 - done)

    second = finishing(tmp_path, max_cost=1.0)
    again = Ask(Paid()).run(second.step())
    assert (again.requests, again.failed, again.unpaid) == (100 - done, 0, 0)
    assert [str(text).split("/")[0] for text in column(second, "answer")] == names(100)
    assert money(tmp_path) == (100 * COST, 0, 0)


def test_a_step_of_which_nothing_can_be_paid_fails_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match=r"max_cost \(0.0010 USD\) leaves no room: raise it to go on"):
        Ask(Paid()).run(finishing(tmp_path, max_cost=0.001).step())


def test_what_was_cut_off_stays_reserved_however_often_its_row_is_left_out(tmp_path: Path) -> None:
    script = {"A": [Failure("retry", "lost", maybe_paid=True, retries=0)]}
    Ask(Paid(script)).run(storage(tmp_path, "AB", max_cost=1.0).step())
    with Journal.opened(tmp_path / "cache") as journal:
        journal.start("ab" * 16, 0, MOST)  # a run that was killed
    before = money(tmp_path)
    for _ in range(2):
        Ask(Paid()).run(
            storage(tmp_path, "ABC", max_cost=(before[0] + before[1] + MOST) / NANO, at_limit="finish").step()
        )
    spent, unsure, reserved = money(tmp_path)
    assert spent + unsure + reserved <= before[0] + before[1] + MOST
    assert (unsure, reserved) == (before[1], MOST)


def test_a_left_out_row_keeps_its_refusal(tmp_path: Path) -> None:
    refused = {"A": [Failure("refused", "policy")]}
    Ask(Paid(refused)).run(storage(tmp_path, "AB").step())
    spent = money(tmp_path)[0] / NANO
    options = RunOptions(max_cost=spent, at_limit="finish", retry_rejected=True, prices=PRICES)
    rows = FileStorage(tmp_path / "prompts.jsonl", tmp_path / "cache", options=options)
    left_out = Ask(Paid()).run(rows.step())
    assert (left_out.requests, left_out.unpaid) == (0, 1)
    again = Ask(Paid()).run(storage(tmp_path, "AB").step())
    assert (again.requests, again.failed) == (0, 1), "the refusal of before counts, and nobody asks for it anew"


def test_the_word_for_it_is_checked() -> None:
    with pytest.raises(ConfigError, match="at_limit is 'Stop': use one of stop, finish"):
        RunOptions(at_limit="Stop")  # type: ignore[arg-type]
