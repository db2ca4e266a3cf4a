"""The figures of a run: in the closing lines, in the step's meta file, and what a picture or a kept row has cost.

The cost of a picture is the same whatever part of all pictures the step's file shows.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import pytest

from dataflow.core.records import JSON, Answer, Request, Row
from dataflow.core.words import columns_of
from dataflow.core.worker import Billing
from dataflow.errors import ConfigError, Failure
from dataflow.flow.counts import Counts
from dataflow.flow.recipe import Steps
from dataflow.flow.summary import Summary
from dataflow.operators.base import Columns, FilterOperator, GeneratorOperator
from dataflow.operators.core_vision import PromptedImageGenerator
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask, flat, prompts_storage, read_rows, write_rows
from tests.kit.paid import Paid, PaidPainter
from tests.kit.workers import Echo


def summary(**changed: object) -> str:
    plain = {
        "step": 2, "target": "c/s.jsonl", "rows": 1, "failed": 0, "reasons": {}, "requests": 1, "reused": 0,
        "adopted": 0, "lost": 0, "maybe_paid": 0, "seconds": 2.0, "pictures": 0,
    }  # fmt: skip
    return str(Summary(**{**plain, **changed}))  # type: ignore[arg-type]


def test_the_summary_says_only_what_happened() -> None:
    assert summary() == "step 2: 1 row, 0 failed, 1 request sent, 0 answered before, 2.0 s\n  -> c/s.jsonl"
    full = summary(rows=1200, failed=3, reasons={"no": 1, "busy": 2}, pictures=8, adopted=1, lost=2, maybe_paid=4)
    assert full.splitlines() == [
        "step 2: 1,200 rows, 3 failed, 4 images/s, 1 request sent, 0 answered before,",
        "  1 picture adopted, 2 asked again (picture gone),",
        "  4 may have been paid without an answer, 2.0 s",
        "  2 x busy",
        "  1 x no",
        "  -> c/s.jsonl",
    ]


def test_every_line_but_that_of_the_file_fits_80_columns_and_says_what_is_cut() -> None:
    reasons = {f"no picture 'photo {n}.png' at /data/{'very ' * 9}long/{n}.png": 1 for n in range(5)}
    reasons |= {"模型拒绝" * 30: 3, "busy\x1b[2J\nand more": 1, "quota": 1, "odd": 1}
    said = summary(
        rows=9_999_999, failed=11, reasons=reasons, pictures=1_000_000, adopted=1_000, lost=1_000, maybe_paid=1_000,
        requests=88_888_888, reused=7_777_777, seconds=123_456.7, currency="USD", cost=1e5, spent=2e5, unsure=1e4,
        estimated=9e4, unpriced=12_345, accepted=9_999_999, input_tokens=10**12, output_tokens=10**12, kept=1_234_567,
        output="edited_images", target=f"{'a long folder/' * 9}s.jsonl", rows_replaced=5_000_000,
    )  # fmt: skip
    *lines, last = said.splitlines()
    assert [line for line in lines if columns_of(line) > 80] == []
    assert last == f"  -> {'a long folder/' * 9}s.jsonl"
    assert "  5 x such as: no picture 'photo 0.png' at /data/" in said
    assert sum(line.endswith("…") for line in lines) == 2
    assert "  2 rows for 2 other reasons" in lines
    assert "\x1b" not in said


@pytest.mark.parametrize(("pictures", "shown"), [(1, "0.5"), (3, "1.5"), (246, "123"), (15_041, "7,520")])
def test_a_speed_has_three_digits_and_no_exponent(pictures: int, shown: str) -> None:
    assert f", {shown} images/s, " in summary(pictures=pictures)


def test_a_step_names_who_made_it_and_the_libraries_of_the_last_run_that_asked(tmp_path: Path) -> None:
    class Versioned(Echo):
        libraries = "2.8"

        def provenance(self) -> Mapping[str, JSON]:
            return {"model": "owner/name", "libraries": {"torch": self.libraries}}

    worker, made_by = Versioned(), []
    for prompts, libraries in ((["p"], "2.8"), (["p"], "2.9"), (["p", "q"], "2.9")):
        worker.libraries = libraries
        storage = prompts_storage(tmp_path, prompts)
        Ask(worker).run(storage.step())
        made_by += json.loads(storage.current.meta.read_text())["made_by"].values()
    assert made_by == [{"model": "owner/name", "libraries": {"torch": each}} for each in ("2.8", "2.8", "2.9")]


def test_who_answered_is_told_where_it_is_another_than_asked_or_one_of_several() -> None:
    def by(**who: int) -> str:
        return summary(asked={"editor": "nano"}, answered_by={"editor": who})

    assert "answered by" not in by(nano=3)
    assert "answered by" not in by(**{"google/nano": 3})
    assert "answered by mini (3)" in by(mini=3)
    assert "answered by nano (2), mini (1)" in by(nano=2, mini=1)
    assert "answered by" not in summary(asked={"editor": "nano"})


def test_every_count_is_a_figure_but_what_only_the_bar_or_a_sentence_needs() -> None:
    figures = {each.name for each in fields(Summary)}
    unseen = {"again", "ends_in", "is_over", "held_use", "limit", "note", "speed", "started"}
    assert {each.name for each in fields(Counts)} - figures == unseen


def test_meta_has_the_figures_of_the_summary_beside_what_it_always_had(tmp_path: Path) -> None:
    Ask(Echo()).run(prompts_storage(tmp_path, ["p", "q"]).step())
    storage = prompts_storage(tmp_path, ["p", "q", "r"])
    summary = Ask(Echo()).run(storage.step())
    meta = json.loads(storage.current.meta.read_bytes())
    figures = {each.name: getattr(summary, each.name) for each in fields(Summary)}
    assert meta["summary"].items() >= {**figures, "of_rows": []}.items()
    assert meta["summary"] == json.loads(json.dumps(summary.figures()))
    assert (summary.rows_in, summary.rows_done, summary.rows_answered) == (3, 3, 1)
    assert (meta["rows"], meta["failed"], meta["operator"]) == (summary.rows, summary.failed, "Ask")
    assert set(meta["cost"]) == {
        "directory", "directory_unsure", "this_run", "currency", "prices_of", "input_tokens", "output_tokens",
        "accepted_pictures",
    }  # fmt: skip


PRICES = {
    "paint": {"image": 0.04},
    "paid": {"input": 1.0, "output": 20.0, "most_input": 1000, "most_output": 100},
}


ALL = "ABCDEFGHIJKL"


def storage(folder: Path, prompts: Iterable[str], **settings: object) -> FileStorage:
    rows = write_rows(folder / "rows.jsonl", [{"prompt": prompt} for prompt in prompts])
    return FileStorage(str(rows), folder / "cache", prices=PRICES, **settings)  # type: ignore[arg-type]


def paint(folder: Path, prompts: Iterable[str], **settings: object) -> Summary:
    operator = PromptedImageGenerator(PaidPainter(save_path=folder / "made"))
    step = storage(folder, prompts, **settings).step()
    return operator.run(step, input_conversation_key="prompt", output_image_key="made")


def test_a_limit_after_a_full_run_changes_no_price(tmp_path: Path) -> None:
    full = paint(tmp_path, ALL)
    short = paint(tmp_path, ALL, limit=3)
    assert (short.rows, short.accepted, short.requests) == (3, 3, 0)
    assert short.cost_per_image == full.cost_per_image == pytest.approx(0.04)
    assert "0.0400 USD per picture" in flat(short)
    again = paint(tmp_path, ALL)
    assert (again.requests, again.cost_per_image) == (0, pytest.approx(0.04))


@pytest.mark.parametrize("other", ["XYZ", "MNOPQRSTUVWX", "ABCXYZ", "KLMNOPQRSTUVWXYZ"])
def test_another_input_changes_no_price(tmp_path: Path, other: str) -> None:
    paint(tmp_path, ALL)
    summary = paint(tmp_path, other)
    assert summary.spent == pytest.approx(0.04 * len({*ALL, *other}))
    assert summary.cost_per_image == pytest.approx(0.04)


def test_what_was_made_before_for_nothing_has_no_part_in_the_price(tmp_path: Path) -> None:
    """As with the demo model, which has the default directory in common with an API."""
    free = PromptedImageGenerator(ScriptedWorker(save_path=tmp_path / "made", model="free"), repeat_times=1)
    for prompts in (ALL, "XYZ"):
        step = storage(tmp_path, prompts).step()
        assert free.run(step, input_conversation_key="prompt", output_image_key="made").cost_per_image is None
    for prompts in ("AB", "AC", "AB"):
        assert paint(tmp_path, prompts).cost_per_image == pytest.approx(0.04)


def test_a_run_that_was_broken_off_changes_no_price(tmp_path: Path) -> None:
    class Breaks(PaidPainter):
        def _answer(self, job: object) -> Answer:
            if len(self.asked) == 7:
                raise ConfigError("broken off")
            return super()._answer(job)  # type: ignore[arg-type]

    operator = PromptedImageGenerator(Breaks(save_path=tmp_path / "made"))
    with pytest.raises(ConfigError, match="broken off"):
        operator.run(storage(tmp_path, ALL).step(), input_conversation_key="prompt", output_image_key="made")
    for prompts in (ALL, ALL[:2]):
        assert paint(tmp_path, prompts).cost_per_image == pytest.approx(0.04)


def test_a_shorter_run_says_that_it_replaces_a_longer_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paint(tmp_path, ALL)
    assert caplog.text == ""
    dry = paint(tmp_path, "AB", dry_run=True)
    assert "2 rows, which would replace those of 12 rows, whose answers are kept, 0 requests to send" in flat(dry)
    assert len(read_rows(tmp_path / "cache/dataflow_cache_step_step1.jsonl")) == 12
    short = paint(tmp_path, ALL, limit=3)
    assert "step 1: 3 rows, in place of those of 12 rows, whose answers are kept, 0 failed" in flat(short)
    assert "was made of 12 rows, and a file of 3 takes its place" in caplog.text
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    caplog.clear()
    assert paint(tmp_path, "AB").rows_replaced == 3
    assert [paint(tmp_path, "AB").rows_replaced, paint(tmp_path, ALL).rows_replaced] == [0, 0]
    assert caplog.text.count("takes its place") == 1


def test_a_later_step_of_a_shorter_run_says_so_too(tmp_path: Path) -> None:
    def run(prompts: str) -> list[int]:
        made = storage(tmp_path, prompts)
        operator = PromptedImageGenerator(PaidPainter(save_path=tmp_path / "made"))
        columns = [("prompt", "first"), ("prompt", "second")]
        return [
            operator.run(made.step(), input_conversation_key=source, output_image_key=out).rows_replaced
            for source, out in columns
        ]

    assert [run(ALL), run("AB"), run("AB")] == [[0, 0], [12, 12], [0, 0]]


class Keep(FilterOperator):
    """Keeps what its judge calls good."""

    inputs = ("prompt",)

    def question(self, row: Row) -> Request:
        return Request(row["prompt"], makes="text", worker="judge")

    def keep(self, row: Row, answers: Sequence[Answer] | None) -> bool:
        return row["prompt"] < "E"


def test_a_filter_tells_the_price_of_a_row_that_it_accepted(tmp_path: Path) -> None:
    def judge(prompts: str) -> Summary:
        return Keep({"judge": Paid()}).run(storage(tmp_path, prompts).step())

    summary = judge(ALL)
    assert (summary.rows, summary.accepted, summary.cost_per_image) == (4, 4, pytest.approx(12 * 0.0003 / 4))
    assert "0.0009 USD per accepted row" in flat(summary)
    assert judge("ABE").cost_per_image == pytest.approx(12 * 0.0003 / 4)
    assert judge("EF" + ALL).rows_replaced == 0


class Judged(GeneratorOperator):
    """Draws until its judge is content."""

    def run(self, made: FileStorage) -> Summary:
        return self.execute(made.step(), inputs="prompt", outputs="made")

    def steps(self, row: Row, columns: Columns) -> Steps:
        for attempt in range(3):
            (drawn,) = yield [Request(row["prompt"], repeat=attempt, worker="painter")]
            (verdict,) = yield [Request(f"judge {attempt}", makes="text", worker="judge")]
            if verdict.text == "good":
                return [{**row, "made": [picture.path for picture in drawn.pictures]}]
        return []


def test_accepted_is_said_of_pictures_that_a_judge_accepted(tmp_path: Path) -> None:
    painter = PaidPainter(save_path=tmp_path / "made")
    judge = ScriptedWorker(lambda request: "good" if request.prompt.endswith("1") else "bad")
    summary = Judged({"painter": painter, "judge": judge}).run(storage(tmp_path, "AB"))
    assert summary.accepted == 2
    assert "0.0800 USD per accepted picture" in flat(summary)


def test_what_may_have_been_paid_beside_is_said_before_the_price(tmp_path: Path) -> None:
    class Doubtful(PaidPainter):
        def billing(self) -> Billing:
            return Billing("paint")

    replies = [Failure("retry", "lost", maybe_paid=True)]
    worker = Doubtful(lambda request: replies.pop() if replies else _picture(request), save_path=tmp_path / "made")
    operator = PromptedImageGenerator(worker)
    summary = operator.run(storage(tmp_path, "AB").step(), input_conversation_key="prompt", output_image_key="made")
    assert (summary.spent, summary.unsure) == (0.08, 0.04)
    assert "at least 0.0400 USD per picture" in flat(summary)


def _picture(request: Request) -> bytes:
    from dataflow.testing.pictures import plain_png

    return plain_png(request.prompt.encode(), (8, 8))


def test_what_later_steps_and_other_storages_cost_is_not_in_the_price(tmp_path: Path) -> None:
    def run(prefix: str, first: Path, steps: int) -> list[float | None]:
        made = FileStorage(str(first), tmp_path / "cache", prices=PRICES, file_name_prefix=prefix)
        prices = []
        for step in range(steps):
            worker = PaidPainter(save_path=tmp_path / "made", model=f"{prefix}{step}")
            operator = PromptedImageGenerator(worker)
            summary = operator.run(made.step(), input_conversation_key="prompt", output_image_key=f"{prefix}{step}")
            prices.append(summary.cost_per_image)
        return prices

    rows = write_rows(tmp_path / "rows.jsonl", [{"prompt": prompt} for prompt in ALL])
    of_two_steps = [pytest.approx(0.04), pytest.approx(0.08)]
    assert run("a", rows, 2) == of_two_steps
    assert run("a", rows, 2) == of_two_steps
    assert run("b", rows, 2) == of_two_steps
    assert run("c", tmp_path / "cache/a_step2.jsonl", 1) == [pytest.approx(5 * 0.04)]  # made of what "a" made
    assert run("a", rows, 2) == of_two_steps
