"""kill -9 of a step with side outputs: each row stands in them, and in the step's file, exactly once and in order."""

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.checks import PICTURE, ROOT
from tests.chaos.test_kill import Killer, kill_until_done
from tests.kit.drawing import mark_of, read_mark


def numbers_in(path: Path) -> list[int]:
    """Of the rows in this file; each has the picture that answers its own instruction."""
    rows: list[dict[str, Any]] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        (edited,) = row["edited_images"]
        assert read_mark(edited) == mark_of(row["conversations"], [PICTURE.read_bytes()])
    return [row["number"] for row in rows]


def sorted_out(folder: Path, rows: int, kills: int) -> None:
    made = [{"images": str(PICTURE), "conversations": f"Paint wall {n}.", "number": n} for n in range(rows)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made))
    chance = random.Random(rows)

    def run(url: str, killer: Killer, number: int) -> int:
        process = subprocess.Popen([sys.executable, "-m", "tests.chaos.sort_out", url, str(folder)], cwd=ROOT)
        killer.process = process
        return process.wait()

    figures = kill_until_done(folder, rows, sorted(chance.sample(range(1, rows + 1), kills)), run)
    step = folder / "cache" / "dataflow_cache_step_step1"
    assert numbers_in(step.with_suffix(".jsonl")) == [n for n in range(rows) if n % 3]
    assert numbers_in(step.with_suffix(".dropped.jsonl")) == list(range(0, rows, 3))
    assert numbers_in(step.with_suffix(".kept_twice.jsonl")) == list(range(1, rows, 3))
    files = sorted(path.name.removeprefix(f"{step.name}.") for path in step.parent.glob(f"{step.name}.*"))
    assert files == ["dropped.jsonl", "jsonl", "kept_twice.jsonl", "meta.json", "never.jsonl"]
    assert step.with_suffix(".never.jsonl").read_bytes() == b""
    print(figures)


def test_side_outputs_survive_kills(tmp_path: Path) -> None:
    sorted_out(tmp_path, rows=21, kills=4)


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_side_outputs_of_300_rows_survive_50_kills(tmp_path: Path) -> None:
    sorted_out(tmp_path, rows=300, kills=50)
