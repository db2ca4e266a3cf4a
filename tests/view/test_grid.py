"""`storage.show(n)` shows rows as cards, those without an accepted result first, and moves nothing."""

import re
from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.utils.storage import FileStorage
from tests.kit.judged import STEP, judged_cache, row_of, verdict_of, write_rows

WORDS = re.compile(r"font-weight:600\">(\w+)")


def storage_of(folder: Path) -> FileStorage:
    storage = FileStorage("rows.jsonl", folder)
    storage.step()
    return storage


def test_failures_come_first_then_the_lowest_scores(tmp_path: Path) -> None:
    storage = storage_of(judged_cache(tmp_path))
    grid = storage.show(5)
    assert WORDS.findall(grid._repr_html_()) == ["rejected", "rejected", "failed", "accepted", "accepted"]
    assert "the model would not do it" in grid._repr_html_()
    assert grid._repr_html_().count("<img ") == 2 * 3 + 1 + 2 * 2
    assert repr(grid) == f"5 of 9 rows of {STEP}, 3 of them without an accepted result"
    assert storage.operator_step == 1


def test_what_a_row_holds_is_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    write_rows(tmp_path / f"{STEP}.jsonl", [row_of(tmp_path, 0, conversations=evil, images=["gone.png"])])
    html = storage_of(tmp_path).show()._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "no picture" in html


def test_a_later_step_without_a_file_shows_what_it_reads(tmp_path: Path) -> None:
    write_rows(tmp_path / f"{STEP}.jsonl", [row_of(tmp_path, 0, verdict=verdict_of(8))])
    storage = storage_of(tmp_path)
    storage.operator_step = 2
    assert repr(storage.show()) == f"1 of 1 row of {STEP}"


def test_nothing_is_shown_before_a_step_is_handed_out(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="step"):
        FileStorage("rows.jsonl", tmp_path).show()


def test_a_step_that_was_not_run_says_so(tmp_path: Path) -> None:
    storage = storage_of(tmp_path)
    assert repr(storage.show()) == f"{STEP} has no rows yet: run its operator, then show() again"
