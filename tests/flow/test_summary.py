"""What a run came to: the closing line, and the same figures beside the step's file."""

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import pytest

from dataflow.core.records import JSON
from dataflow.core.words import columns_of
from dataflow.flow.counts import Counts
from dataflow.flow.summary import Summary
from tests.kit.flow import Ask, prompts_storage
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
