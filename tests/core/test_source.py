"""Rows that a step makes itself: written in order, made again at the end of the line, resumed by replay."""

from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest

from dataflow.core.records import JSON, Answer, Job, Request, Row
from dataflow.core.source import Ended, Settled, Source, SourceCursor
from dataflow.core.worker import Billing, Worker
from dataflow.errors import ConfigError, Failure, InputError, RowError, StepFailed
from dataflow.flow.recipe import Recipe, Steps
from dataflow.flow.runner import run_step
from dataflow.utils.storage import FileStorage
from tests.kit.flow import read_rows
from tests.kit.workers import Echo, Scripted, Uneven


class Numbers(Source):
    """n numbers; every third is made again, once, as "n again"."""

    def __init__(self, n: int) -> None:
        self.asked = [str(number) for number in range(n)]
        self.settled: list[int] = []
        self.costs: list[int | None] = []

    def __len__(self) -> int:
        return len(self.asked)

    def row(self, index: int) -> Row:
        return {"number": self.asked[index]}

    def settle(self, index: int, ended: Ended) -> Settled:
        self.settled.append(index)
        self.costs.append(ended.cost)
        if ended.error is not None:
            return Settled(error=ended.error)
        number = self.asked[index]
        if number.isdigit() and int(number) % 3 == 0:
            self.asked.append(f"{number} again")
            return Settled()
        return Settled(ended.rows)

    def report(self) -> Mapping[str, JSON]:
        return {"settled": len(self.settled)}


def ask(row: Row) -> Steps:
    (answer,) = yield [Request(row["number"], makes="text", worker="model")]
    return [{**row, "answer": answer.raise_for_error().text}]


def numbers(source: Source, worker: Worker) -> Recipe:
    return Recipe("Numbers", ask, {"model": worker}, inputs=(), output=None, source=source)


def test_rows_come_in_order_and_those_made_again_after_them(tmp_path: Path) -> None:
    storage, source = FileStorage(cache_path=tmp_path), Numbers(900)
    summary = run_step(numbers(source, Uneven(width=16)), storage.step())
    first = [str(number) for number in range(900) if number % 3]
    again = [f"{number} again" for number in range(0, 900, 3)]
    assert [row["number"] for row in read_rows(storage.current.target)] == [*first, *again]
    assert source.settled == [*range(1200)]
    assert (summary.rows, summary.failed, summary.requests) == (900, 0, 1200)
    assert (summary.rows_in, summary.rows_done) == (900, 900)
    assert orjson.loads(storage.current.meta.read_bytes())["report"] == {"settled": 1200}


def test_a_narrow_look_ahead_gives_the_same_rows(tmp_path: Path) -> None:
    wide, narrow = FileStorage(cache_path=tmp_path / "wide"), FileStorage(cache_path=tmp_path / "narrow")
    run_step(numbers(Numbers(60), Echo()), wide.step())
    run_step(numbers(Numbers(60), Uneven()), narrow.step(), lookahead=3)
    assert wide.current.target.read_bytes() == narrow.current.target.read_bytes()


def test_a_resumed_run_asks_only_what_is_missing_and_writes_the_same(tmp_path: Path) -> None:
    whole, broken = FileStorage(cache_path=tmp_path / "whole"), FileStorage(cache_path=tmp_path / "broken")
    run_step(numbers(Numbers(30), Echo()), whole.step())
    failing = Scripted({"7": [Failure("retry", "busy", retries=0)], "9 again": [Failure("retry", "busy", retries=0)]})
    summary = run_step(numbers(Numbers(30), failing), broken.step())
    assert (summary.rows, summary.failed) == (28, 2)
    failed = read_rows(broken.current.errors)
    assert [(line["row"], line["reason"]) for line in failed] == [(7, "busy"), (33, "busy")]
    assert not {"source", "line"} & failed[0].keys()  # there is no such file
    resumed = Echo()
    summary = run_step(numbers(Numbers(30), resumed), broken.reset().step())
    assert sorted(resumed.asked) == ["7", "9 again"]
    assert broken.current.target.read_bytes() == whole.current.target.read_bytes()
    assert not broken.current.errors.exists()


class Charging(Echo):
    def billing(self) -> Billing:
        return Billing("dear")

    async def answer(self, job: Job) -> Answer:
        return Answer(text="said", usage={"prompt_tokens": 2, "completion_tokens": 1})


def test_a_source_is_told_what_a_row_cost_the_same_from_the_journal(tmp_path: Path) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text("date: 2026-11-01\nmodels: {dear: {input: 1000, output: 500}}\n")
    costs = []
    for _ in range(2):
        source = Numbers(2)
        storage = FileStorage(cache_path=tmp_path / "cache", prices=prices)
        run_step(numbers(source, Charging()), storage.step())
        costs.append(source.costs)
    assert costs == [[2_500_000] * 3] * 2  # two input tokens at 1,000 and one output token at 500 a million


def test_nothing_written_is_a_failed_step(tmp_path: Path) -> None:
    class Refusing(Numbers):
        def settle(self, index: int, ended: Ended) -> Settled:
            return Settled(error=RowError("none will do"))

    with pytest.raises(StepFailed, match="none will do"):
        run_step(numbers(Refusing(3), Echo()), FileStorage(cache_path=tmp_path).step())


def test_rows_that_would_be_passed_over_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"number": 1}\n')
    with pytest.raises(ConfigError, match="makes its own rows"):
        run_step(numbers(Numbers(3), Echo()), FileStorage(tmp_path / "rows.jsonl", cache_path=tmp_path).step())
    storage = FileStorage(cache_path=tmp_path)
    run_step(numbers(Numbers(3), Echo()), storage.step())
    with pytest.raises(ConfigError, match="makes its own rows"):
        run_step(numbers(Numbers(3), Echo()), storage.step())


def test_a_storage_without_a_first_entry_has_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="step 1 has nothing to read"):
        FileStorage(cache_path=tmp_path).step().read()


def test_a_cursor_goes_on_when_its_source_grows() -> None:
    source = Numbers(3)
    cursor = SourceCursor(source)
    assert [row["number"] for _, row in cursor.take(10)] == ["0", "1", "2"]
    assert cursor.take(10) == []
    source.asked.append("3")
    assert cursor.take(10) == [(4, {"number": "3"})]
    assert cursor.position == 4


def test_an_answer_of_no_worker_reaches_settle_as_an_error(tmp_path: Path) -> None:
    class Failing(Echo):
        async def answer(self, job: object) -> Answer:
            return Answer(error=Failure("failed", "out of luck"))

    storage = FileStorage(cache_path=tmp_path)
    with pytest.raises(StepFailed, match="out of luck"):
        run_step(numbers(Numbers(2), Failing()), storage.step())
