"""kill -9 while local models draw and edit: only what was in flight is made again, and the pictures are the same.

The killed processes are forked from a server that has imported the libraries: importing them takes ten times
as long as a run.
"""

import io
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from dataflow.serving.local.pictures.serving import LocalServing
from tests.chaos.checks import in_flight, journal
from tests.chaos.draw_and_edit import BATCH, draw_and_edit, told
from tests.chaos.forking import begin, server
from tests.kit.flow import read_rows, write_rows
from tests.kit.tiny import enliven, flux_parts, saved

CALL = 0.2  # seconds; about what a call of a tiny model takes, its pictures written
Checkpoints = Callable[[str], Path]


def a_folder(home: Path, rows: int) -> Path:
    home.mkdir()
    described = (
        {"input_text": [f"A cat, {n}.", f"A hat, {n}."], "output_img_discript": f"The cat wears it, {n}."}
        for n in range(rows)
    )
    return write_rows(home / "rows.jsonl", described).parent


def pictures(folder: Path) -> list[list[bytes]]:
    """The bytes of each row's pictures: its two drawings and their edit."""
    rows = read_rows(folder / "cache/dataflow_cache_step_step2.jsonl")
    return [[Path(path).read_bytes() for path in (*row["input_image"], *row["output_image"])] for row in rows]


class Killed:
    """Runs the pipeline again and again, killing it a moment after a call began or ended.

    Attributes:
        in_flight: at each kill, how many requests were begun and not ended.
    """

    def __init__(self, folder: Path, models: tuple[Path, Path], points: list[int], seed: int) -> None:
        self.folder = folder
        self.models = models
        self.points = points
        self.random = random.Random(seed)
        self.heard = 0
        self.in_flight: list[int] = []

    def until_done(self) -> None:
        seen = 0
        while (code := self.run()) != 0:
            assert code == -9
            written = journal(self.folder)
            self.in_flight.append(in_flight(written[seen:]))
            seen = len(written)

    def run(self) -> int | None:
        hears, tells = server.Pipe(duplex=False)
        process = begin(told, tells, self.folder, *self.models)
        tells.close()
        with hears, suppress(EOFError):
            while hears.recv():
                self.heard += 1
                if self.points and self.heard >= self.points[0]:
                    del self.points[0]
                    process.join(self.random.uniform(0, CALL))
                    process.kill()
                    break
        process.join()
        return process.exitcode


def kill_until_done(home: Path, checkpoint: Checkpoints, rows: int, kills: int, seed: int) -> None:
    folder, whole = a_folder(home / "killed", rows), a_folder(home / "whole", rows)
    models = (checkpoint("flux"), checkpoint("flux_kontext"))
    calls = 3 * rows // BATCH
    points = sorted(random.Random(seed).sample(range(1, 2 * calls), kills))
    killed = Killed(folder, models, points, seed)
    killed.until_done()
    starts: Counter[str] = Counter()
    answered: set[str] = set()
    for line in journal(folder):
        if line["t"] == "start":
            assert line["id"] not in answered, "a journalled picture was made again"
            starts[line["id"]] += 1
        elif line["t"] == "got":
            answered.add(line["id"])
    again = starts.total() - 3 * rows
    print(f"{len(killed.in_flight)} kills, in flight {killed.in_flight}, {again} of {3 * rows} pictures begun again")
    assert len(answered) == 3 * rows
    assert len(killed.in_flight) > kills / 2
    assert max(killed.in_flight) <= LocalServing.limits.width * BATCH
    assert again <= sum(killed.in_flight)
    assert len(list((folder / "cache/images").rglob("*_0.png"))) == 3 * rows, "a picture was made that no row has"
    draw_and_edit(whole, *models)
    expected = pictures(whole)
    assert len({picture for row in expected for picture in row}) == 3 * rows
    check_same(pictures(folder), expected)


def check_same(found: list[list[bytes]], expected: list[list[bytes]]) -> None:
    """Drawings within a level: a resumed batch has other rows, and float32 sums depend on its size.

    An edit's id, and so its noise, follows from the bytes of its drawings; only equal ones have equal edits.
    """
    equal = 0
    for row, other in zip(found, expected, strict=True):
        for one, two in zip(row[:-1], other[:-1], strict=True):
            assert levels_apart(one, two) <= 1
        if row[:-1] == other[:-1]:
            equal += 1
            assert levels_apart(row[-1], other[-1]) <= 1
    assert equal >= 0.8 * len(expected)


def levels_apart(one: bytes, other: bytes) -> int:
    first, second = (Image.open(io.BytesIO(data)) for data in (one, other))
    return max(high for _, high in ImageChops.difference(first, second).getextrema())  # type: ignore[misc]


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_drawing_and_editing_survive_30_kills(checkpoint: Checkpoints, tmp_path: Path) -> None:
    kill_until_done(tmp_path, checkpoint, rows=40, kills=30, seed=11)


def other_model(family: str, folder: Path) -> Path:
    """The tiny checkpoint with other weights in its transformer."""
    from diffusers import FluxKontextPipeline, FluxPipeline

    parts = flux_parts()
    enliven(parts["transformer"], 60)
    pipeline = FluxPipeline if family == "flux" else FluxKontextPipeline
    return saved(pipeline(**parts), folder)


@pytest.mark.slow
def test_another_drawing_model_redoes_both_steps_and_another_editing_model_the_second(
    checkpoint: Checkpoints, tmp_path: Path
) -> None:
    folder, rows = a_folder(tmp_path / "rows", 3), 3
    drawing, editing = checkpoint("flux"), checkpoint("flux_kontext")
    other_drawing, other_editing = (other_model(name, tmp_path / name) for name in ("flux", "flux_kontext"))

    def requests(drawing: Path, editing: Path) -> tuple[int, ...]:
        return tuple(summary.requests for summary in draw_and_edit(folder, drawing, editing))

    assert requests(drawing, editing) == (2 * rows, rows)
    assert requests(drawing, other_editing) == (0, rows)
    assert requests(other_drawing, other_editing) == (2 * rows, rows)
    assert requests(drawing, editing) == (0, 0)
