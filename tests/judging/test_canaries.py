"""Canaries: a file of one's own, and what is said of a judge that fails one."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from dataflow.errors import ConfigError, InputError
from dataflow.judging.canaries import CONDITIONS, PHOTOGRAPHS, Canary, read_canaries
from dataflow.judging.rubric import Drawn
from dataflow.judging.verdict import Verdict
from tests.kit.flow import draw

OWN = """
as asked for:
  sources: [before.png]
  edit: after.png
  instruction: Make the cup red.
  expects: {following: high, preservation: high}
another description:
  drawing: after.png
  description: a blue cup
  instruction: Make the cup red.
  expects: {shows: low}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    draw(tmp_path / "before.png")
    draw(tmp_path / "after.png")
    (tmp_path / "own.yaml").write_text(OWN)
    return tmp_path / "own.yaml"


def test_edits_and_drawings_of_a_file_are_read_with_pictures_beside_it(file: Path) -> None:
    before, after = (str(file.with_name(f"{name}.png")) for name in ("before", "after"))
    expects = {"following": "high", "preservation": "high"}
    edit, drawing = read_canaries(file)
    assert edit == Canary("as asked for", (before,), after, "Make the cup red.", expects)  # type: ignore[arg-type]
    assert (drawing.sources, drawing.edit, drawing.drawn) == ((), after, Drawn("a blue cup"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("before.png", "gone.png", "own.yaml:3: `sources`: no such picture: "),
        ("following: high", "following: great", "own.yaml:6: `following`: expected one of low, high"),
        ("  instruction: Make the cup red.\n  expects: {f", "  expects: {f", "`as asked for`: has no `instruction`"),
        ("  description: a blue cup\n", "", "has no `description`"),
    ],
)
def test_a_fault_is_told_with_its_line(file: Path, old: str, new: str, said: str) -> None:
    file.write_text(OWN.replace(old, new, 1))
    with pytest.raises(InputError) as error:
        read_canaries(file)
    assert said in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read"):
        read_canaries(tmp_path / "none.yaml")


def test_a_judge_passes_with_low_and_high_numbers_where_they_are_expected() -> None:
    canary = Canary("spoilt", ("/a.png",), "/b.png", "Make it red.", {"following": "high", "preservation": "low"})
    assert canary.problem(Verdict(False, axes={"following": 6, "preservation": 4})) == ""
    low = canary.problem(Verdict(False, axes={"following": 5.9, "preservation": 4}, critique="it is blue"))
    assert "its following must be at least 6; it said 5.9 (it is blue)" in low
    assert "does not see both pictures" in low
    high = canary.problem(Verdict(True, axes={"following": 9, "preservation": 4.1}))
    assert "its preservation must be at most 4; it said 4.1" in high
    assert "must be at least 6; no answer could be read. It" in canary.problem(
        Verdict(None, critique="no answer could be read")
    )


def test_a_notebook_is_told_to_run_its_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    said = Canary("as described", (), "/b.png", "Draw it.", {"shows": "high"}).problem(
        Verdict(False, axes={"shows": 0})
    )
    assert "put this one right and run the same cell, which asks anew" in said


def test_a_judge_that_fails_a_drawing_does_not_see_the_picture() -> None:
    canary = Canary("as described", (), "/b.png", "Make it red.", {"shows": "high"}, Drawn("a blue cup"))
    said = canary.problem(Verdict(False, axes={"shows": 0}))
    assert "of the drawing /b.png, made by 'a blue cup' and to be edited by 'Make it red.'" in said
    assert "does not see the picture, or it cannot judge drawings" in said


@pytest.mark.parametrize(("path", "count", "drawings"), [(PHOTOGRAPHS, 6, 0), (CONDITIONS, 3, 3)])
def test_the_shipped_canaries_are_whole(path: Path, count: int, drawings: int) -> None:
    canaries = read_canaries(path)
    assert (len(canaries), sum(each.drawn is not None for each in canaries)) == (count, drawings)
