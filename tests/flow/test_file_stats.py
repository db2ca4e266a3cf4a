"""Looks at files that are made ahead: as those made one by one, and no older than the rows that they are for."""

import math
import os
from pathlib import Path

import pytest

from dataflow.errors import RowError
from dataflow.flow.file_stats import FileStats
from dataflow.utils.files import PathRules

COUNT = 100


@pytest.fixture
def names(tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"{number}.png" for number in range(COUNT)]
    for path in paths:
        path.write_bytes(b"1")
    return [str(path) for path in paths]


def looks(folder: Path, slow: float) -> FileStats:
    return FileStats(PathRules(folder), slow=slow)


@pytest.mark.parametrize(("slow", "most"), [(0.0, COUNT), (math.inf, 8)])
def test_a_slow_disk_is_asked_for_all_at_once_and_a_quick_one_for_a_few(
    tmp_path: Path, names: list[str], slow: float, most: int
) -> None:
    files = looks(tmp_path, slow)
    for _ in range(2):
        with files.ahead(names):
            for name in names:
                Path(name).write_bytes(b"22")
            assert [files.of(files.resolve(name)).st_size for name in names] == [1] * most + [2] * (COUNT - most)
        for name in names:
            Path(name).write_bytes(b"1")


def test_what_was_seen_ahead_is_forgotten_with_its_rows(tmp_path: Path, names: list[str]) -> None:
    files = looks(tmp_path, 0.0)
    with files.ahead(names):
        Path(names[0]).unlink()
        Path(names[1]).write_bytes(b"22")
    assert files.of(names[1]).st_size == 2
    with pytest.raises(OSError, match="No such file"):
        files.of(names[0])
    with pytest.raises(RowError, match="no picture"):
        files.resolve(names[0])


@pytest.mark.parametrize("slow", [0.0, math.inf])
def test_names_are_found_by_the_same_rules_ahead_and_alone(tmp_path: Path, names: list[str], slow: float) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    new.mkdir()
    (new / "a.png").write_bytes(b"1")
    files = FileStats(PathRules(tmp_path, moved=(old, new)), slow=slow)
    asked = ["3.png", str(old / "a.png"), names[0], "no.png", str(tmp_path / "no.png"), str(new)] * 5
    with files.ahead(asked):
        assert [files.resolve(name) for name in asked[:3]] == [names[3], str(new / "a.png"), names[0]]
        for name in asked[3:6]:
            with pytest.raises(RowError):
                files.resolve(name)


def test_what_is_found_ahead_is_what_the_system_says(tmp_path: Path, names: list[str]) -> None:
    files = looks(tmp_path, 0.0)
    with files.ahead(names):
        assert [files.of(name) for name in names] == [os.stat(name) for name in names]
