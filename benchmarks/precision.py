"""Measures whether 100 labels tell how good the accept loop's output is: their interval against the truth.

OMP_NUM_THREADS=1 python -m benchmarks.precision --out FOLDER [--rows 400] [--seeds 100]

Every edit of every row is drawn and measured once. Then the loop runs again for each seed, over these edits, with a
judge that praises 30 % of what is wrong and faults 10 % of what is right: which ones follows from requests' ids, and
these from the seed.
"""

import argparse
import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks.accept_loop import ERRING, is_right
from benchmarks.hard_rows import SETS, made_row, write_rows
from dataflow.core.intervals import share_of
from dataflow.core.records import Answer, Job, Picture, Request, Row
from dataflow.demo.judge import CheckerJudge
from dataflow.demo.reading import Unreadable
from dataflow.demo.world import Scene
from dataflow.gates.limits import Gates
from dataflow.judging.judge import make_judge
from dataflow.judging.loop import AcceptLoop
from dataflow.judging.tries import EDITOR, GAUGE, Outcome, Task, task_of
from dataflow.operators.core_vision import ImageEditAcceptLoop, ImageEditJudge
from dataflow.scripts.servings import make_serving
from dataflow.taxonomy.taxonomy import shipped_taxonomy
from dataflow.utils.storage import FileStorage

TRIES, LABELS = 2, 100


class LooksOnce(CheckerJudge):
    """A checker that reads each picture once, however often the picture is judged."""

    def __init__(self, *, false_accept: float = 0.0, false_reject: float = 0.0) -> None:
        super().__init__(false_accept=false_accept, false_reject=false_reject)
        self._seen: dict[str, Scene | Unreadable] = {}

    def scene_of(self, path: str) -> Scene | Unreadable:
        """The scene of a picture, from the first reading of it."""
        if path not in self._seen:
            self._seen[path] = super().scene_of(path)
        return self._seen[path]


class FindsFault(CheckerJudge):
    """A judge that rejects everything, so that every try of a row is made."""

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """Low numbers."""
        asked = [orjson.loads(job.request.schema)["properties"] for job in batch]
        return [Answer(text=orjson.dumps(dict.fromkeys(fields, 0)).decode()) for fields in asked]


@dataclass(frozen=True, slots=True)
class Made:
    """A row with all its edits.

    Args:
        task: what it wants.
        paths: of the edits, by prompt and repeat.
        measures: of the gates, as JSON text, by path.
        right: whether an edit is truly right, by path.
    """

    task: Task
    paths: Mapping[tuple[str, int], str]
    measures: Mapping[str, str]
    right: Mapping[str, bool]

    def answer(self, request: Request) -> Answer:
        """The answer of the editor or the gauge in the first run."""
        if request.worker == GAUGE:
            return Answer(text=self.measures[request.images[-1]])
        return Answer(pictures=(Picture(self.paths[request.prompt, request.repeat], "", 1, 1, 1),))


def made_rows(folder: Path, rows: int) -> list[Made]:
    """Every row with every edit; drawn in the first run alone."""
    first = write_rows(folder / "rows", [made_row(SETS["two and compose"], number) for number in range(rows)])
    editor = make_serving("demo", "imageedit", str(folder / "pictures"))
    step = FileStorage(first, folder / "cache").step()
    judge = ImageEditJudge(FindsFault(), canaries=False)
    ImageEditAcceptLoop(editor, judge, tries=TRIES, retry="resample").run(step)
    of_rows: list[list[Row]] = []
    for line in step.side("tries").read_bytes().splitlines():
        row = orjson.loads(line)
        if not row["verdict"]["try"]:
            of_rows.append([])
        of_rows[-1].append(row)
    return [_made(tries) for tries in of_rows]


def _made(tries: Sequence[Row]) -> Made:
    without = {**tries[0], "edited_images": []}
    task = task_of(
        without,
        shipped_taxonomy(),
        images="images",
        conversation="conversations",
        edited="edited_images",
        mask=None,
    )
    paths = [row["edited_images"][0] for row in tries]
    told = [row["verdict"] for row in tries]
    return Made(
        task,
        {(each["prompt"], at): path for at, (each, path) in enumerate(zip(told, paths, strict=True))},
        {path: orjson.dumps(each["measures"]).decode() for each, path in zip(told, paths, strict=True)},
        {path: is_right(row) for row, path in zip(tries, paths, strict=True)},
    )


def accepted(loop: AcceptLoop, judge: CheckerJudge, row: Made, seed: int) -> str:
    """The path of a row's accepted edit; empty: there is none."""
    asking = loop.accept(row.task)
    wave = next(asking)
    try:
        while True:
            wave = asking.send([_answer(judge, row, request, seed) for request in wave])
    except StopIteration as stop:
        outcome: Outcome = stop.value
        return outcome.winner.path if outcome.winner is not None else ""


def _answer(judge: CheckerJudge, row: Made, request: Request, seed: int) -> Answer:
    if request.worker in (EDITOR, GAUGE):
        return row.answer(request)
    said = f"{seed} {request.images} {request.prompt} {request.repeat}".encode()
    return judge.answer(Job(hashlib.blake2b(said, digest_size=16).hexdigest(), request))


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision", description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("cache_local/precision"), help="folder of rows and answers")
    parser.add_argument("--rows", type=int, default=400, help="of two edits in one, and compositions")
    parser.add_argument("--seeds", type=int, default=100, help="of the judge's errors and the labels' choice")
    given = parser.parse_args()
    rows = made_rows(given.out, given.rows)
    judge = LooksOnce(**ERRING)
    loop = AcceptLoop(make_judge(judge, None, 7.0, canaries=False), Gates(), TRIES, retry="resample")
    outputs = []
    for seed in range(given.seeds):
        winners = [(row, accepted(loop, judge, row, seed)) for row in rows]
        outputs.append([row.right[path] for row, path in winners if path])
    overall = sum(map(sum, outputs)) / sum(map(len, outputs))
    holds_own = holds_overall = 0
    for seed, output in enumerate(outputs):
        labels = random.Random(seed).sample(output, LABELS)
        interval = share_of(sum(labels), LABELS)
        holds_own += interval.low <= sum(output) / len(output) <= interval.high
        holds_overall += interval.low <= overall <= interval.high
    sizes = sorted(map(len, outputs))
    print(f"{len(rows)} rows, {sizes[0]} to {sizes[-1]} accepted, {overall:.3f} of all of them truly right")
    print(f"of {given.seeds} intervals of {LABELS} labels {holds_own} hold the precision of their own output,")
    print(f"{holds_overall} that of all outputs together")


if __name__ == "__main__":
    main()
