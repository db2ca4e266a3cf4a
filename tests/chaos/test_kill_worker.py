"""SIGKILL to worker processes that hold a real model: every row still gets its own picture, and no other's."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy
import pytest
from PIL import Image

from dataflow.core.records import Answer, Job
from dataflow.flow.summary import Summary
from dataflow.io import ImageIO
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.serving.local_image_gen_serving import LocalImageGenServing
from dataflow.utils.storage import FileStorage
from tests.kit.flow import draw, journal_entries, read_rows, write_rows

COLOURS = ("red", "lime", "blue", "white", "black", "yellow", "cyan", "magenta", "orange", "pink", "navy", "olive")
BEFORE, AFTER = 3, 8  # rows whose process is killed before and after their batch is drawn
BATCH = 2


class Victim(LocalImageGenServing):
    """Tells its process's id through the pipe of a row that it meets for the first time, and waits to be killed.

    Attributes:
        pipes: named pipes by row, "before" and "after"; whoever takes one away owns it.
    """

    pipes: Path

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        prompts = " ".join(job.request.prompt for job in batch)
        if "[before]" in prompts:
            self.await_death("before")
        answers = await super().call(batch)
        if "[after]" in prompts:
            self.await_death("after")
        return answers

    def await_death(self, name: str) -> None:
        pipe, taken = self.pipes / name, self.pipes / f"{name}-taken"
        if pipe.exists():
            pipe.rename(taken)
            taken.write_text(str(os.getpid()))
            signal.pause()


def edit(folder: Path, model: Path, rows: Path, *, kind: type[LocalImageGenServing], **settings: object) -> Summary:
    serving = kind(
        ImageIO(str(folder / "images")),
        hf_model_name_or_path=model,
        Image_gen_task="imageedit",
        diffuser_num_inference_steps=2,
        diffuser_image_height=64,
        diffuser_image_width=64,
        **settings,  # type: ignore[arg-type]
    )
    serving.pipes = folder.parent  # type: ignore[attr-defined]
    return PromptedImageEditGenerator(serving).run(FileStorage(rows, folder).step())


def results(folder: Path) -> list[numpy.ndarray]:
    """The picture of each row, in order."""
    paths = [path for row in read_rows(folder / "dataflow_cache_step_step1.jsonl") for path in row["edited_images"]]
    return [numpy.asarray(Image.open(path)).astype(int) for path in paths]


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_every_row_gets_its_own_picture_although_both_processes_are_killed(
    checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    said = {BEFORE: " [before]", AFTER: " [after]"}
    rows = [
        {
            "conversations": ["paint it" + said.get(n, "")],
            "images": [str(draw(tmp_path / f"{colour}.png", colour, (64, 64)))],
        }
        for n, colour in enumerate(COLOURS)
    ]
    source, model = write_rows(tmp_path / "rows.jsonl", rows), checkpoint("flux_kontext")
    for name in ("before", "after"):
        os.mkfifo(tmp_path / name)
    killed: list[int] = []

    def kill(name: str) -> None:
        with (tmp_path / name).open() as pipe:  # opened by path before it is taken away
            killed.append(int(pipe.read()))
        os.kill(killed[-1], signal.SIGKILL)

    killers = [threading.Thread(target=kill, args=(name,), daemon=True) for name in ("before", "after")]
    for killer in killers:
        killer.start()
    apart = edit(tmp_path / "apart", model, source, kind=Victim, device=["cpu", "cpu"], batch_size=BATCH)
    for killer in killers:
        killer.join()
    alone = edit(tmp_path / "alone", model, source, kind=LocalImageGenServing, device="cpu", batch_size=1)

    assert len(set(killed)) == 2
    assert (apart.rows, apart.failed, alone.failed) == (len(COLOURS), 0, 0)
    assert 2 * BATCH <= apart.requests - len(COLOURS) <= 2 * LocalImageGenServing.limits.width * BATCH
    got = Counter(entry["id"] for entry in journal_entries(tmp_path / "apart") if entry["t"] == "got")
    assert (len(got), max(got.values())) == (len(COLOURS), 1)
    expected = results(tmp_path / "alone")
    for at, made in enumerate(results(tmp_path / "apart")):
        apart_by = [int(abs(made - other).max()) for other in expected]
        assert [row for row, levels in enumerate(apart_by) if levels <= 1] == [at]
