"""A row on its way: an answer is paid once, and a source learns what the row cost."""

import pytest

from dataflow.core.key_table import KeyTable
from dataflow.core.records import Answer, Job, Request, Row
from dataflow.core.source import Ended, Settled, Source
from dataflow.errors import RowError
from dataflow.flow.walk import Walk

JOBS = [Job(f"{number:032x}", Request("p", makes="text")) for number in (1 << 100, 2 << 100)]


class Strict(Source):
    """Gives up every row, and notes how each row ended."""

    def __init__(self) -> None:
        self.endings: list[Ended] = []

    def __len__(self) -> int:
        return 1

    def row(self, index: int) -> Row:
        return {"index": index}

    def settle(self, index: int, ended: Ended) -> Settled:
        self.endings.append(ended)
        return Settled((), ended.sides, RowError("not good enough"))


def walk(*costs: int | None) -> Walk:
    row = Walk(0, 1, {}, rows=[{"made": 1}])
    for job, cost in zip(JOBS, costs, strict=False):
        row.known[job.id] = Answer(text="t", cost=cost)
        row.spend(job, row.take_answer(job.id))
    return row


def test_an_answer_that_a_row_takes_twice_costs_once() -> None:
    row = walk(7)
    assert row.take_answer(JOBS[0].id).cost == 0
    assert (row.cost, row.counted) == (7, {JOBS[0].id: 7})


def test_a_cost_that_is_not_known_makes_that_of_the_row_unknown() -> None:
    assert (walk(7, None).cost, walk(7, 5).cost) == (None, 12)


@pytest.mark.parametrize(("costs", "first", "second"), [((7, 5), 12, 0), ((7, None), None, None)])
def test_the_first_of_the_rows_that_share_answers_bears_their_cost(
    costs: tuple[int | None, ...], first: int | None, second: int | None
) -> None:
    source, paid = Strict(), KeyTable()
    for row in (walk(*costs), walk(*costs)):
        row.settle(source, paid)
        assert (row.rows, str(row.error)) == ((), "not good enough"), "the source decides"
    assert [ended.cost for ended in source.endings] == [first, second]
    assert source.endings[0].rows == [{"made": 1}]
