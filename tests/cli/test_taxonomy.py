"""`dataflowmm taxonomy`: the table, the check, the copy."""

import unicodedata
from pathlib import Path

import pytest

from dataflow.cli.main import main
from dataflow.taxonomy.taxonomy import read_taxonomy, shipped_taxonomy
from tests.taxonomy.test_taxonomy import ONE


def columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line)


def test_the_table_fits_80_columns_and_has_every_operation(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["taxonomy"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(columns(line) for line in lines[:-1]) <= 80
    shown = {line.split()[1]: float(line.split()[0]) for line in lines[1:-2]}
    operations = shipped_taxonomy().operations
    assert all(shown[name] == pytest.approx(each.share, abs=0.05) for name, each in operations.items())
    assert shown["object"] == 30
    assert lines[-1].startswith(f"{len(operations)} operations in 9 groups: ")


def test_ones_own_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(ONE, encoding="utf-8")
    assert main(["taxonomy", str(own)]) == 0
    assert "1 operation in 1 group: " in capsys.readouterr().out
    own.write_text(ONE.replace("share: 2", "share: much"), encoding="utf-8")
    assert main(["taxonomy", str(own)]) == 1
    assert f"error: {own}:6: `share`: expected a number above 0" in capsys.readouterr().err


def test_a_copy_is_written_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "mine.yaml"
    assert main(["taxonomy", "--export", str(copy)]) == 0
    assert read_taxonomy(copy) == shipped_taxonomy()
    copy.write_text(ONE, encoding="utf-8")
    assert main(["taxonomy", "--export", str(copy)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert copy.read_text(encoding="utf-8") == ONE
    assert main(["taxonomy", "--export", str(tmp_path / "nowhere/mine.yaml")]) == 1
    assert "cannot be written: No such file or directory" in capsys.readouterr().err
