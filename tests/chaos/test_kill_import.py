"""kill -9 in the middle of imports: the rows of one run, no picture torn, none written twice."""

import hashlib
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.chaos.checks import ROOT
from tests.kit.publishers import hf_picture, rows_of, tree_of, write_parquet

ROWS, KILLS = 200, 20


def published(folder: Path) -> Path:
    """A parquet file of rows with two pictures each; every tenth result is the one before, every fiftieth is broken."""
    corners = np.random.default_rng(0).integers(0, 256, (ROWS, 2, 3, 4, 3), dtype=np.uint8)
    pictures = []
    for number, pair in enumerate(corners.reshape(-1, 3, 4, 3)):
        path = folder / "made" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pair).resize((160, 120), Image.Resampling.BICUBIC).save(path, compress_level=1)
        pictures.append(path.read_bytes())
    sources, results = pictures[::2], pictures[1::2]
    for number in range(ROWS):
        if number % 10 == 9:
            results[number] = results[number - 1]
        if number % 50 == 20:
            results[number] = results[number][:-200]
    columns = {
        "before": [hf_picture(each) for each in sources],
        "after": results,
        "words": [str(n) for n in range(ROWS)],
    }
    return write_parquet(folder / "data.parquet", columns, group=40)


def begin(data: Path, out: Path) -> "subprocess.Popen[bytes]":
    flags = ["import", str(data), "--columns=images=before,edited=after,instruction=words", "--out", str(out)]
    return subprocess.Popen([sys.executable, "-m", "dataflow.cli.main", *flags], cwd=ROOT, stdout=subprocess.DEVNULL)


def stored(out: Path) -> int:
    """Pictures that have their names."""
    return sum(1 for _ in out.with_suffix(".pictures").glob("??/*"))


@pytest.mark.chaos
def test_an_import_that_is_killed_twenty_times_gives_the_rows_of_one_run(tmp_path: Path) -> None:
    data, out, chance = published(tmp_path), tmp_path / "killed" / "rows.jsonl", random.Random(7)
    seen: dict[str, tuple[int, int]] = {}
    kills = 0
    while kills < KILLS:
        process, at = begin(data, out), stored(out) + chance.randint(10, 4 * ROWS // KILLS)
        while process.poll() is None and stored(out) < at and not out.exists():
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.01))
        if process.poll() is not None or out.exists():  # all pictures are there: kill it at some moment of the end
            assert process.wait(60) == 3
            out.unlink()
            out.with_suffix(".meta.json").unlink()
            process = begin(data, out)
            while process.poll() is None and not out.with_name("rows.jsonl.part").exists():
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.4))
        process.kill()
        process.wait(60)
        kills += 1
        now = tree_of(out.with_suffix(".pictures"))
        pictures = {name: stamp for name, stamp in now.items() if not name.startswith(".making/")}
        assert {name: pictures.get(name) for name in seen} == seen, "a picture was written twice"
        seen = pictures
    assert begin(data, out).wait(120) == 3
    whole = tmp_path / "whole" / "rows.jsonl"
    assert begin(data, whole).wait(120) == 3
    store, other = str(out.with_suffix(".pictures")), str(whole.with_suffix(".pictures"))
    assert out.read_text() == whole.read_text().replace(other, store)
    assert len(rows_of(out)) == ROWS - 4
    errors = out.with_name("rows.errors.jsonl")
    assert [row["place"] for row in rows_of(errors)] == [f"row {n + 1} of data.parquet" for n in range(20, ROWS, 50)]
    files = [path for path in Path(store).rglob("*") if path.is_file()]
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.stem for path in files)
    assert sorted(path.name for path in files) == sorted(path.name for path in Path(other).rglob("*") if path.is_file())
    before = tree_of(out.parent)
    assert begin(data, out).wait(120) == 3
    assert tree_of(out.parent) == before
