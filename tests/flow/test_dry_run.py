"""A dry run says what a run would ask and cost, and the run then asks just that; nothing is sent or written."""

import json
from pathlib import Path

import pytest

from dataflow.errors import ConfigError, InputError
from dataflow.flow.dry_run import total_of
from dataflow.flow.status_file import last_rows_per_second
from dataflow.flow.summary import Summary
from dataflow.operators.core_text import EditPromptGenerator
from dataflow.operators.core_vision import PromptedImageEditGenerator, PromptedImageGenerator
from dataflow.serving.template_writer import TemplateWriter
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask, draw, flat, journal_entries, prompts_storage, write_rows
from tests.kit.paid import COST, MOST, PRICES, Paid, PaidPainter
from tests.kit.workers import Echo

PAINT = {"paint": {"image": 0.04, "about_image": 0.03}}


class Untouchable(Paid):
    """Must neither be opened nor asked."""

    async def setup(self) -> None:
        raise AssertionError("opened")


def rehearsed(storage: FileStorage, worker: Echo) -> Summary:
    return Ask(worker).run(storage.step())


def test_nothing_is_sent_written_or_left_behind(tmp_path: Path) -> None:
    worker = Untouchable()
    summary = rehearsed(prompts_storage(tmp_path, "ABC", prices=PRICES, dry_run=True), worker)
    assert summary.estimate is not None
    assert (summary.estimate.remaining, summary.estimate.answered, summary.requests) == (3, 0, 0)
    assert worker.asked == []
    assert worker.prepared == 1  # its settings were looked at
    assert not (tmp_path / "cache").exists()
    assert flat(summary) == (
        "step 1 (dry run): 3 rows, 3 requests to send, 0 answered already, at most 0.0068 USD before retries, "
        "about 5 s (if a request takes 5 s, which is assumed)"
    )


def test_what_is_answered_is_counted_and_what_it_cost_estimates_the_rest(tmp_path: Path) -> None:
    Ask(Paid()).run(prompts_storage(tmp_path, "AB", prices=PRICES).step())
    before = {path: path.read_bytes() for path in (tmp_path / "cache").glob("*.jsonl*")}
    storage = prompts_storage(tmp_path, "ABCDE", prices=PRICES, dry_run=True)
    summary = rehearsed(storage, Untouchable())
    estimate = summary.estimate
    assert estimate is not None
    assert (estimate.remaining, estimate.answered, summary.rows) == (3, 2, 5)
    assert (estimate.about, estimate.most) == (pytest.approx(3 * COST / 1e9), 3 * MOST / 1e9)
    assert summary.spent == 2 * COST / 1e9
    assert {path: path.read_bytes() for path in (tmp_path / "cache").glob("*.jsonl*")} == before
    done = Ask(Paid()).run(prompts_storage(tmp_path, "ABCDE", prices=PRICES).step())
    assert (done.requests, done.reused, done.cost) == (3, 2, pytest.approx(estimate.about))


@pytest.mark.parametrize(
    ("limit", "lacks"),
    [
        (0.0020, "max_cost leaves 0.0017 USD: no room for the first request, which may cost 0.0023 USD,"),
        (0.0025, "max_cost leaves 0.0022 USD: no room for the first request,"),
        (0.0037, "max_cost leaves 0.0034 USD: not enough,"),
        (0.0040, "max_cost leaves 0.0037 USD: perhaps not enough,"),
    ],
)
def test_a_limit_that_leaves_too_little_is_told(tmp_path: Path, limit: float, lacks: str) -> None:
    Ask(Paid()).run(prompts_storage(tmp_path, "A", prices=PRICES).step())
    prompts = ["A", *(f"{n}" for n in range(12))]
    summary = rehearsed(prompts_storage(tmp_path, prompts, prices=PRICES, dry_run=True, max_cost=limit), Untouchable())
    assert lacks in flat(summary)
    assert lacks.rstrip(",") in total_of([summary])
    enough = prompts_storage(tmp_path, prompts, prices=PRICES, dry_run=True, max_cost=1)
    assert "max_cost" not in flat(rehearsed(enough, Untouchable()))


def test_rows_that_cannot_be_asked_are_told(tmp_path: Path) -> None:
    good = str(draw(tmp_path / "a.png"))
    rows = [{"prompt": "A", "images": [good]}, {"prompt": "B", "images": ["gone.png"]}, {"prompt": ""}]
    source = write_rows(tmp_path / "in.jsonl", rows)
    summary = rehearsed(FileStorage(source, tmp_path / "cache", dry_run=True), Untouchable())
    assert (summary.rows, summary.failed) == (3, 2)
    assert "2 cannot be asked" in flat(summary)
    (tmp_path / "in.jsonl").write_text('{"prompt": \n')
    with pytest.raises(InputError):
        rehearsed(FileStorage(source, tmp_path / "cache", dry_run=True), Untouchable())
    write_rows(tmp_path / "in.jsonl", [{"other": 1}])
    with pytest.raises(ConfigError, match="has `prompt`"):
        rehearsed(FileStorage(source, tmp_path / "cache", dry_run=True), Untouchable())


def two_steps(folder: Path, rows: int, repeat: int, *, dry_run: bool) -> list[Summary]:
    """Draw, then edit what was drawn; two candidates each."""
    source = write_rows(folder / "in.jsonl", [{"text": f"d{n}", "change": f"c{n}"} for n in range(rows)])
    storage = FileStorage(source, folder / "cache", prices=PAINT, dry_run=dry_run)
    painter = PaidPainter(save_path=folder / "pictures")
    drawn = PromptedImageGenerator(painter, repeat_times=1).run(
        storage.step(), input_conversation_key="text", output_image_key="drawn"
    )
    edited = PromptedImageEditGenerator(painter, repeat_times=repeat).run(
        storage.step(), input_image_key="drawn", input_conversation_key="change", output_image_key="edited"
    )
    return [drawn, edited]


def test_a_later_step_is_counted_up_to(tmp_path: Path) -> None:
    drawn, edited = two_steps(tmp_path, 5, 3, dry_run=True)
    assert drawn.estimate is not None
    assert edited.estimate is not None
    assert (drawn.estimate.remaining, drawn.estimate.up_to) == (5, False)
    assert (edited.estimate.remaining, edited.estimate.up_to) == (15, True)
    assert (edited.estimate.most, edited.estimate.about) == (pytest.approx(0.6), pytest.approx(0.45))
    assert flat(edited).startswith(
        "step 2 (dry run): up to 5 rows, up to 15 requests to send, 0 answered already, about"
    )
    assert [summary.requests for summary in two_steps(tmp_path, 5, 3, dry_run=False)] == [5, 15]
    for summary in two_steps(tmp_path, 5, 3, dry_run=True):
        assert summary.estimate is not None
        assert (summary.estimate.remaining, summary.estimate.up_to) == (0, False)


def test_rows_that_a_step_makes_itself_are_counted_too(tmp_path: Path) -> None:
    storage = FileStorage(cache_path=tmp_path / "cache", dry_run=True)
    written = EditPromptGenerator(TemplateWriter(), n=6).run(
        storage.step(), output_text_key="text", output_conversation_key="change"
    )
    painter = ScriptedWorker(save_path=tmp_path / "pictures")
    painter.images_per_prompt = 1  # type: ignore[attr-defined]
    drawn = PromptedImageGenerator(painter).run(storage.step(), input_conversation_key="text", output_image_key="drawn")
    assert written.estimate is not None
    assert drawn.estimate is not None
    assert (written.estimate.remaining, drawn.estimate.remaining) == (6, 6)
    assert not (tmp_path / "cache").exists()


def test_an_orphan_picture_is_counted_as_answered_and_not_journalled(tmp_path: Path) -> None:
    two_steps(tmp_path, 2, 1, dry_run=False)
    path = tmp_path / "cache/.dataflow/journal.jsonl"
    lines = [line for line in path.read_bytes().splitlines(keepends=True) if b'"got"' not in line]
    path.write_bytes(b"".join(lines))
    drawn, _ = two_steps(tmp_path, 2, 1, dry_run=True)
    assert drawn.estimate is not None
    assert (drawn.estimate.remaining, drawn.adopted) == (0, 2)
    assert not [entry for entry in journal_entries(tmp_path / "cache") if entry["t"] == "got"]


def test_a_model_without_price_has_no_estimate(tmp_path: Path) -> None:
    summary = rehearsed(prompts_storage(tmp_path, "AB", dry_run=True), Untouchable())
    assert "at a cost that no price table tells" in flat(summary)
    assert "at a cost that no price table tells" in total_of([summary])
    assert "at most" not in total_of([summary])
    priced = rehearsed(prompts_storage(tmp_path, "ABC", prices=PRICES, dry_run=True), Untouchable())
    assert "at most 0.0068 USD before retries for what has a price, " in total_of([summary, priced])
    assert "at most 0.0068 USD before retries, " in total_of([priced])


def test_the_time_left_is_by_the_last_runs_speed_if_it_is_known(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, "AB", prices=PRICES)
    Ask(Paid()).run(storage.step())
    meta = json.loads(storage.current.meta.read_bytes())
    meta["summary"] |= {"rows_answered": 40, "seconds": 20.0}
    storage.current.meta.write_text(json.dumps(meta))
    assert last_rows_per_second(storage.current) == 2.0
    summary = rehearsed(prompts_storage(tmp_path, "ABCDEF", prices=PRICES, dry_run=True), Untouchable())
    assert flat(summary).split(", ")[-2] == "about 2 s (by the speed of the last run)"


def test_many_rows_that_are_not_made_yet_are_like_the_first_ones(tmp_path: Path) -> None:
    rows = [{"prompt": f"p{n}", "text": [{"content": "d"}] * (n % 2 + 1)} for n in range(1000)]
    storage = FileStorage(write_rows(tmp_path / "in.jsonl", rows), tmp_path / "cache", dry_run=True)
    Ask(Echo()).run(storage.step())
    drawn = PromptedImageGenerator(PaidPainter(save_path=tmp_path)).run(
        storage.step(), input_conversation_key="text", output_image_key="drawn"
    )
    assert drawn.estimate is not None
    assert (drawn.rows, drawn.estimate.remaining) == (1000, 1500)
