"""Figures for whoever watches: whole or absent, never in the way of a run."""

import json
from pathlib import Path

import pytest

from dataflow.utils.figures import FiguresFile, figures_of_meta, read_figures


def test_what_was_there_is_replaced_whole_and_has_its_time(tmp_path: Path) -> None:
    path = tmp_path / "a/b/figures.json"
    file = FiguresFile(path)
    assert file.is_due
    for rows in (1, 2):
        file.write({"rows": rows})
        assert not file.is_due
        found = read_figures(path)
        assert (found["rows"], list(path.parent.iterdir())) == (rows, [path])
        assert abs(found["at"] - path.stat().st_mtime) < 60
    file.remove()
    file.remove()
    assert read_figures(path) == {}


def test_a_write_that_fails_is_logged_once_and_leaves_what_was_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "figures.json"
    file = FiguresFile(path)
    file.write({"rows": 1})
    (tmp_path / "figures.json.part").mkdir()
    for _ in range(2):
        file.write({"rows": 2})
    assert read_figures(path)["rows"] == 1
    assert [str(path) in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.parametrize("content", [b"", b'{"rows": ', b"[1]", b"\xff"])
def test_what_is_no_object_says_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "figures.json").write_bytes(content)
    assert read_figures(tmp_path / "figures.json") == {}
    assert read_figures(tmp_path / "figures.json" / "below") == {}


def test_the_meta_file_of_an_older_version_tells_less(tmp_path: Path) -> None:
    path = tmp_path / "a_step1.meta.json"
    cost = {"directory": 3.0, "directory_unsure": 1.0, "this_run": 2.0, "currency": "USD"}
    old = {"cwd": "/", "rows": 3, "failed": 1, "operator": "Ask", "cost": cost}
    path.write_text(json.dumps(old))
    expected = {
        "operator": "Ask", "failed": 1, "rows_in": 3, "rows_done": 3, "cost": 2.0, "currency": "USD", "spent": 3.0,
        "unsure": 1.0, "accepted": 0,
    }  # fmt: skip
    assert figures_of_meta(path) == expected
    path.write_text(json.dumps({**old, "summary": {"rows_in": 5, "cost_before": 4.0}}))
    assert figures_of_meta(path) == {**expected, "rows_in": 5, "cost_before": 4.0}
