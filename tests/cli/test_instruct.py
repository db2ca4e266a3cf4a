"""From a folder of photographs to instructed rows in two commands: the price first, then each picture once."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from dataflow.cli.main import main
from dataflow.testing import image_server
from tests.kit.flow import draw, read_rows


def sees(prompt: str, pictures: Sequence[bytes]) -> str:
    """A model that takes the first kind of edit that it is offered."""
    assert len(pictures) == 1
    words = {"short_en": "Change the wall.", "long_en": "Change the wall to a blue one and keep the light on it."}
    (taken, *_) = re.findall(r"^- (\w+): ", prompt, re.MULTILINE)
    return json.dumps({"operation": taken, "description": "A wall.", "target": "wall", **words})


def test_a_folder_of_photographs_becomes_instructed_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(2):
        draw(tmp_path / "photos" / f"{number}.png", size=(8 + number, 6))
    rows = tmp_path / "rows.jsonl"
    assert main(["import", str(tmp_path / "photos"), "--out", str(rows)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"next: dataflowmm instruct {rows} --model <name>"
    with image_server(sees) as url:
        flags = ["instruct", str(rows), "--model", "gemini-3.5-flash", "--url", url, "--languages", "en"]
        assert main(flags) == 0
        said = capsys.readouterr().out
        assert "Nothing was sent. Add --yes to write them.\nThe price is a bound: --limit 10 --yes first" in said
        assert main([*flags, "--yes"]) == 0
        monkeypatch.setenv("DF_SHARD", "1/2")
        assert main([*flags, "--cache_path", str(tmp_path / "part")]) == 0
        assert f"shard: 1/2, in {tmp_path}/part/shard-001-of-002\n" in capsys.readouterr().out
        monkeypatch.delenv("DF_SHARD")
        assert main([*flags, "--yes"]) == 0
    made = tmp_path / "rows.instructed" / "instructed_step1.jsonl"
    assert capsys.readouterr().out.splitlines()[-1].endswith(f"--input {made}")
    assert [row["images"] for row in read_rows(made)] == [[str(tmp_path / "photos" / f"{k}.png")] for k in range(2)]
    assert all(row["conversations"][0]["content"].startswith("Change the wall") for row in read_rows(made))
