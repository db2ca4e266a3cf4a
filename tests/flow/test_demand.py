"""The requests that a dry run counts: those that rows are seen to ask, and those that their operator expects."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from dataflow.core.records import Answer, Job, Request, Row
from dataflow.core.worker import Worker
from dataflow.errors import ConfigError
from dataflow.flow.dry_run import total_of
from dataflow.flow.recipe import Expects, Steps
from dataflow.flow.summary import Summary
from dataflow.operators.base import Columns, FilterOperator, GeneratorOperator
from dataflow.operators.core_vision import PromptedImageGenerator
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask, flat, prompts_storage, write_rows
from tests.kit.paid import COST, PRICES, USAGE, Paid, PaidPainter
from tests.kit.workers import Echo

PAINT = {"paint": {"image": 0.04, "about_image": 0.03}}


class DrawUntilApproved(GeneratorOperator):
    """A drawing and a verdict, at most three times."""

    def __init__(self, painter: Worker, judge: Worker) -> None:
        super().__init__({"painter": painter, "judge": judge})

    def run(self, storage: FileStorage) -> Summary:
        return self.execute(storage.step(), inputs="prompt", outputs="drawn")

    def steps(self, row: Row, columns: Columns) -> Steps:
        for attempt in range(3):
            (drawn,) = yield [Request(row["prompt"], repeat=attempt, worker="painter")]
            (verdict,) = yield [Request(f"approve {row['prompt']} {attempt}?", makes="text", worker="judge")]
            if verdict.text == "yes":
                break
        return [{**row, "drawn": [drawn.pictures[0].path]}]

    def expects(self, row: Row, columns: Columns) -> Expects:
        return {"painter": (1, 3), "judge": (1, 3)}


class PaidJudge(Paid):
    """Approves all."""

    async def answer(self, job: Job) -> Answer:
        return Answer(text="yes", usage=USAGE)


def test_what_comes_after_an_answer_is_as_the_operator_expects(tmp_path: Path) -> None:
    def run(prompts: str, *, dry_run: bool = False) -> Summary:
        storage = prompts_storage(tmp_path, prompts, prices={**PAINT, **PRICES}, dry_run=dry_run)
        return DrawUntilApproved(PaidPainter(save_path=tmp_path / "drawn"), PaidJudge()).run(storage)

    rehearsed = run("ABC", dry_run=True)
    estimate = rehearsed.estimate
    assert estimate is not None
    assert (estimate.remaining, estimate.assumed, estimate.remaining_most) == (6, 3, 18)
    # The words of a verdict are not known, so it may take all that the model reads.
    assert estimate.most == pytest.approx(3 * (3 * 0.04 + 3 * (1000 * 1.0 + 100 * 20.0) / 1e6))
    assert flat(rehearsed) == (
        "step 1 (dry run): 3 rows, 6 requests to send (3 of them assumed, 18 if answers will not do), "
        "0 answered already, about 0.0900 USD (if a picture costs 0.0300 USD, which is assumed) beside 3 requests of"
        " unknown cost, at most 0.3870 USD before retries, about 41 s (if a request takes 5 or 12 s, which is assumed)"
    )
    run("A")
    estimate = run("ABC", dry_run=True).estimate
    assert estimate is not None
    assert (estimate.remaining, estimate.assumed, estimate.remaining_most, estimate.answered) == (4, 2, 12, 2)
    assert estimate.about == pytest.approx(2 * (0.04 + COST / 1e9))
    lines = (tmp_path / "cache/.dataflow/journal.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "cache/.dataflow/journal.jsonl").write_bytes(b"".join(line for line in lines if b"yes" not in line))
    estimate = run("ABC", dry_run=True).estimate
    assert estimate is not None  # of A the drawing alone is there, so its verdict is seen
    assert (estimate.remaining, estimate.assumed, estimate.remaining_most, estimate.answered) == (5, 2, 17, 1)


def test_an_operator_that_expects_an_unknown_worker_is_named(tmp_path: Path) -> None:
    class Misspelt(Ask):
        def expects(self, row: Row, columns: object) -> Expects:
            return {"modle": (1, 2)}

    with pytest.raises(ConfigError, match="Misspelt expects requests of 'modle', a worker that it was not given"):
        Misspelt(Echo()).run(prompts_storage(tmp_path, "A", dry_run=True).step())


class Polite(FilterOperator):
    """Asks about a column that it does not name among its inputs."""

    def question(self, row: Row) -> Request:
        return Request(f"is it polite? {row['answer']}", makes="text")

    def keep(self, row: Row, answers: Sequence[Answer] | None) -> bool:
        return True


def test_rows_that_are_not_made_yet_are_planned_where_they_have_what_that_takes(tmp_path: Path) -> None:
    rows = [{"prompt": f"p{n}", "text": [{"content": f"d{n}{k}"} for k in range(n)]} for n in (1, 2, 3)]
    storage = FileStorage(write_rows(tmp_path / "in.jsonl", rows), tmp_path / "cache", prices=PAINT, dry_run=True)
    asked = Ask(Echo()).run(storage.step())
    kept = Polite(Echo()).run(storage.step())
    painter = PaidPainter(save_path=tmp_path / "pictures")
    drawn = PromptedImageGenerator(painter).run(storage.step(), input_conversation_key="text", output_image_key="drawn")
    drawn_twice = PromptedImageGenerator(painter, repeat_times=2).run(
        storage.step(), input_conversation_key="described", output_image_key="drawn"
    )
    estimates = [each.estimate for each in (asked, kept, drawn, drawn_twice)]
    assert [estimate.remaining for estimate in estimates if estimate] == [3, 3, 6, 6]
    assert [estimate.assumed for estimate in estimates if estimate] == [0, 3, 6, 6]
    assert total_of([asked, kept, drawn, drawn_twice]) == (
        "in all 18 requests to send, 0 answered already, about 0.3600 USD, at most 0.4800 USD before retries, "
        "about 3 min; assumed: 15 of the requests, which depend on answers to come, that no step drops a row,"
        " 0.0300 USD for a picture, and 5 or 12 s for a request; nothing was sent"
    )


def test_a_cost_that_is_known_of_some_requests_only_says_so(tmp_path: Path) -> None:
    storage = FileStorage(
        write_rows(tmp_path / "in.jsonl", [{"prompt": "a"}]), tmp_path / "cache", prices=PAINT, dry_run=True
    )
    drawn = DrawUntilApproved(PaidPainter(save_path=tmp_path), Paid()).run(storage)
    costs = "beside 1 request of unknown cost, at most 0.1200 USD before retries for what has a price"
    assert f" {costs}, " in flat(drawn)


def test_a_price_for_each_picture_is_not_assumed_and_answers_are_better_than_a_usual_price(tmp_path: Path) -> None:
    def run(prompts: str, prices: object, *, dry_run: bool = True) -> Summary:
        shop = prompts_storage(tmp_path, prompts, prices=prices, dry_run=dry_run)
        painter = PromptedImageGenerator(PaidPainter(save_path=tmp_path / "pictures"))
        return painter.run(shop.step(), input_conversation_key="prompt", output_image_key="drawn")

    each = run("AB", {"paint": {"image": 0.04}})
    assert "about 0.0800 USD, at most 0.0800 USD before retries, " in flat(each)
    assert "USD for a picture" not in total_of([each])
    usual = run("AB", PAINT)
    assert "about 0.0600 USD (if a picture costs 0.0300 USD, which is assumed), at most " in flat(usual)
    assert "; assumed: 0.0300 USD for a picture, and 12 s for a request; " in total_of([usual])
    run("A", PAINT, dry_run=False)
    assert "about 0.0400 USD, at most 0.0400 USD before retries, " in flat(run("AB", PAINT))
