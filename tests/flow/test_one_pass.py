"""A pass over the rows: what asks before any row does, how many rows wait at once, and how little memory it takes."""

import json
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dataflow.core.records import Answer, Job, Request, Row
from dataflow.errors import ConfigError, Failure, StepFailed
from dataflow.flow.recipe import Steps
from dataflow.flow.runner import run_step
from dataflow.pools.executor import LocalExecutor
from dataflow.utils.storage import FileStorage
from tests.kit.flow import (
    column,
    judge_until_good,
    prompts_storage,
    recipe,
    write_rows,
)
from tests.kit.workers import Echo, Gated, Scripted, Uneven


def proof(said: str = "proof") -> Steps:
    """Two waves, of which the second depends on the first."""
    (first,) = yield [Request(said, makes="text", worker="model")]
    answers: Sequence[Answer] = yield [
        Request(f"after {first.raise_for_error().text[:5]}", makes="text", worker="model")
    ]
    if "bad" in said:
        raise ConfigError(f"the judge cannot see: {answers[0].text[:11]}")
    rows: list[Row] = []
    return rows


def proving(worker: Echo, said: str = "proof"):
    return replace(recipe(worker), before=lambda: proof(said))


def test_rows_wait_for_it_and_a_later_run_asks_it_no_more(tmp_path: Path) -> None:
    worker, storage = Echo(), prompts_storage(tmp_path, "AB")
    summary = run_step(proving(worker), storage.step())
    assert worker.asked[:2] == ["proof", "after proof"]
    assert (summary.rows, summary.rows_answered, summary.requests) == (2, 2, 4)
    assert [str(text)[0] for text in column(storage, "answer")] == ["A", "B"]
    again = run_step(proving(Echo()), prompts_storage(tmp_path, "ABC").step())
    assert (again.rows, again.requests) == (3, 1)


def test_what_it_raises_ends_the_run_before_any_row_is_asked(tmp_path: Path) -> None:
    worker = Echo()
    with pytest.raises(ConfigError, match="the judge cannot see: after bad p"):
        run_step(proving(worker, "bad proof"), prompts_storage(tmp_path, "AB").step())
    assert len(worker.asked) == 2
    with pytest.raises(ConfigError, match="cannot see"):
        run_step(proving(worker, "bad proof"), prompts_storage(tmp_path, "AB").step())
    assert len(worker.asked) == 2, "its answers are journalled"


def test_without_an_answer_to_it_no_row_begins(tmp_path: Path) -> None:
    worker = Scripted({"proof": [Failure("failed", "down")]})
    with pytest.raises(StepFailed, match="Ask could not begin: down"):
        run_step(proving(worker), prompts_storage(tmp_path, "AB").step())
    assert len(worker.asked) == 1


def test_a_dry_run_counts_it_once(tmp_path: Path) -> None:
    for prompts, open_before in ("AB", 1 + 2), ("AB", 1 + 2):
        estimate = run_step(proving(Echo()), prompts_storage(tmp_path, prompts, dry_run=True).step()).estimate
        assert estimate is not None
        assert estimate.remaining == open_before
    run_step(proving(Echo()), prompts_storage(tmp_path, "AB").step())
    estimate = run_step(proving(Echo()), prompts_storage(tmp_path, "ABC", dry_run=True).step()).estimate
    assert estimate is not None
    assert (estimate.remaining, estimate.answered) == (1, 4)


def test_where_no_row_asks_it_is_not_asked_either(tmp_path: Path) -> None:
    worker, storage = Echo(), prompts_storage(tmp_path, [])
    rows = [{"prompt": "A", "answer": "there"}]
    FileStorage(write_rows(tmp_path / "prompts.jsonl", rows), tmp_path / "cache")
    summary = run_step(proving(worker), storage.step())
    assert (worker.asked, summary.kept, summary.rows_done) == ([], 1, 1)


def test_rows_that_are_kept_are_done_while_it_is_asked(tmp_path: Path) -> None:
    counts: list[int] = []

    class Watching(Echo):
        async def answer(self, job: Job) -> Answer:
            figures = json.loads(next((tmp_path / "cache/.dataflow/status").glob("*.json")).read_text())
            counts.append(figures["rows_done"])
            return await super().answer(job)

    run_step(proving(Watching()), prompts_storage(tmp_path, "AB").step())
    assert min(counts) >= 0


def test_a_failed_answer_is_the_same_live_and_from_the_journal(tmp_path: Path) -> None:
    class Mumbling(Echo):
        async def answer(self, job: Job) -> Answer:
            if job.request.prompt == "A":
                return Answer(text="half a word", error=Failure("failed", "cut"))
            return await super().answer(job)

    def asks_again(row: Row) -> Steps:
        (first,) = yield [Request(row["prompt"], makes="text", worker="model")]
        (second,) = yield [Request(f"again {first.text}", makes="text", worker="model")]
        return [{**row, "answer": second.text}]

    given = replace(recipe(Mumbling()), steps=asks_again)
    summary = run_step(given, prompts_storage(tmp_path, "BA").step())
    assert (summary.rows, summary.requests) == (2, 4)


def test_at_most_lookahead_rows_are_unanswered_and_answered_ones_make_room(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["slow", *(f"p{n}" for n in range(400))])

    class Watched(Gated):
        async def answer(self, job: Any) -> Any:
            if len(self.asked) == 401:
                self.open()  # all rows behind the slow one were answered although it was not
            return await super().answer(job)

    worker = Watched(held="slow", width=4)
    run_step(recipe(worker), storage.step(), lookahead=8, executor=LocalExecutor())
    assert len(worker.asked) == 401
    assert [str(text).split("/")[0] for text in column(storage, "answer")][:3] == ["slow", "p0", "p1"]


def test_no_more_rows_are_begun_than_the_lookahead_allows(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, [f"p{n}" for n in range(100)])
    begun: set[str] = set()
    unanswered: list[int] = []

    class Counting(Echo):
        async def answer(self, job: Any) -> Any:
            unanswered.append(len(begun) - len(self.asked) + 1)
            return await super().answer(job)

    worker = Counting(width=1)

    def steps(row: dict[str, Any]) -> Any:
        begun.add(row["prompt"])
        return recipe(worker).steps(row)

    run_step(recipe(worker, steps=steps), storage.step(), lookahead=5)
    assert len(worker.asked) == 100
    assert max(unanswered) == 5


def test_all_workers_are_checked_before_the_first_is_asked(tmp_path: Path) -> None:
    class Keyless(Echo):
        def prepare(self) -> None:
            raise ConfigError("the judge has no key")

    storage = prompts_storage(tmp_path, ["a"])
    editor = Echo()
    with pytest.raises(ConfigError, match="the judge has no key"):
        run_step(recipe(editor, steps=judge_until_good, workers={"editor": editor, "judge": Keyless()}), storage.step())
    assert editor.asked == []


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        source = write_rows(tmp_path / f"{rows}.jsonl", ({"prompt": f"{n}" + "x" * 1000} for n in range(rows)))
        storage = FileStorage(str(source), cache_path=str(tmp_path / f"cache{rows}"))
        tracemalloc.start()
        run_step(recipe(Uneven(width=64)), storage.step(), lookahead=200)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    small, large = peak(600), peak(1500)
    notes = 900 * 1200  # the worker of the test keeps each prompt
    assert large - small - notes < 1_200_000, (small, large)  # 600 kB more (2026-11); a row kept is another 1 kB
