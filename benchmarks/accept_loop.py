"""Measures retries on the demo's hard rows: how many rows are accepted, how many of these are right, and the requests.

OMP_NUM_THREADS=1 python -m benchmarks.accept_loop --out FOLDER [--rows 100] [--only hard]

All ways of retrying share one journal, so a way asks only for what no earlier way asked. A folder may be used again.
With `--driver` nothing is drawn: it measures the requests a second of the loop itself.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from benchmarks.hard_rows import ROWS, SETS, made_row, write_rows
from dataflow.core.records import JSON, Answer, Job, Picture, Row
from dataflow.core.worker import Limits, Worker
from dataflow.demo.judge import DRAWN_CANARIES, CheckerJudge
from dataflow.demo.truth import faults, truth_of
from dataflow.io import ImageIO
from dataflow.operators.core_vision import ImageEditAcceptLoop, ImageEditJudge
from dataflow.scripts.servings import make_serving
from dataflow.testing.pictures import plain_png
from dataflow.utils.storage import FileStorage

ERRING = {"false_accept": 0.3, "false_reject": 0.1}


@dataclass(frozen=True, slots=True)
class Way:
    """One way of retrying.

    Args:
        name: of the way, for the table.
        settings: of the accept loop.
        errs: how often the judge errs.
    """

    name: str
    settings: Mapping[str, Any]
    errs: Mapping[str, float] = field(default_factory=dict)


def way(tries: int, retry: str, *, candidates: int = 1, errs: Mapping[str, float] | None = None) -> Way:
    settings = {"tries": tries, "retry": retry, "candidates": candidates}
    return Way(f"{retry}, {candidates} at once" if candidates > 1 else retry, settings, errs or {})


WAYS: Mapping[str, Sequence[Way]] = {
    "hard": [
        *(way(tries, retry) for retry in ("reword", "resample", "critique") for tries in (1, 2, 4)),
        way(1, "reword", candidates=4),
    ],
    "second hard": [way(tries, "reword") for tries in (1, 2, 4)],
    "two and compose": [
        *(way(tries, retry) for retry in ("resample", "reword") for tries in (1, 2, 4)),
        *(way(tries, "resample", errs=ERRING) for tries in (1, 2, 4)),
    ],
}


def measured(folder: Path, name: str, rows: int) -> None:
    """Run every way of retrying on one set of rows, and print a line for each."""
    first = write_rows(folder / "rows", [made_row(SETS[name], number) for number in range(rows)])
    editor = make_serving("demo", "imageedit", str(folder / "pictures"))
    print(
        f"\n{name}: {rows} rows\n| retry | tries | judge | accepted | truly right | edits | pairs | new requests, s |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for number, each in enumerate(WAYS[name]):
        step = FileStorage(first, folder / "cache", file_name_prefix=f"way{number}").step()
        judge = ImageEditJudge(CheckerJudge(**each.errs), canaries=False if each.errs else DRAWN_CANARIES)
        summary = ImageEditAcceptLoop(editor, judge, **each.settings).run(step)
        out = [orjson.loads(line) for line in step.target.read_bytes().splitlines()]
        right = sum(map(is_right, out))
        erring = "errs" if each.errs else "exact"
        print(
            f"| {each.name} | {each.settings['tries']} | {erring} | {summary.accepted} | {right}"
            f" | {summary.sides['tries']} | {summary.sides['pairs']} | {summary.requests}, {summary.seconds:.0f} |",
            flush=True,
        )


def is_right(row: Row) -> bool:
    """Whether a row's edit shows what its truth says."""
    return faults(row["edited_images"], truth_of(row)["edited_images"], Path) == [""]


class Instant(Worker):
    """A worker that answers at once, with one of a few prepared pictures or with low numbers.

    Args:
        pictures: paths to choose from by the request's id; empty: the worker answers with numbers.
    """

    limits = Limits(width=64)

    def __init__(self, pictures: Sequence[Picture] = ()) -> None:
        self._pictures = pictures

    def fingerprint(self) -> Mapping[str, JSON]:
        """The fingerprint: one for pictures and one for numbers."""
        return {"model": "editor" if self._pictures else "judge"}

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """One answer per job."""
        return [self._answer(job) for job in batch]

    def _answer(self, job: Job) -> Answer:
        if self._pictures:
            return Answer(pictures=(self._pictures[int(job.id[:8], 16) % len(self._pictures)],))
        fields = orjson.loads(job.request.schema)["properties"]
        return Answer(text=orjson.dumps(dict.fromkeys(fields, 2)).decode())


def driven(folder: Path, rows: int) -> None:
    """Measure requests a second where all workers answer at once and no edit is accepted."""
    source = str(DRAWN_CANARIES.with_name("given.png"))
    given = [{"images": [source], "conversations": f"edit {number}"} for number in range(rows)]
    folder.mkdir(parents=True, exist_ok=True)
    first = folder / "driven.jsonl"
    first.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in given))
    files = ImageIO(str(folder / "pictures"))
    pictures = [files.save(f"{n:032x}", [plain_png(bytes([n]), (64, 64))])[0] for n in range(64)]
    judge = ImageEditJudge(Instant(), canaries=False)
    loop = ImageEditAcceptLoop(Instant(pictures), judge, tries=4, retry="resample", gates=False)
    for what in ("asked", "again"):
        cpu = time.process_time()
        summary = loop.run(FileStorage(first, folder / "cache").step())
        requests, cpu = summary.requests + summary.reused, time.process_time() - cpu
        speed = f"{requests / summary.seconds:,.0f} a second, {1000 * cpu / requests:.2f} ms of CPU each"
        print(f"{what}: {rows:,} rows, {requests:,} requests in {summary.seconds:.1f} s: {speed}")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accept_loop", description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("cache_local/accept_loop"), help="folder of rows and answers")
    parser.add_argument("--rows", type=int, default=ROWS, help="of each set (default %(default)s)")
    parser.add_argument("--only", choices=[*SETS], help="one set of rows")
    parser.add_argument("--driver", type=int, metavar="ROWS", help="measure the loop itself on so many rows")
    given = parser.parse_args()
    if given.driver:
        driven(given.out, given.driver)
        return
    for name in [given.only] if given.only else SETS:
        measured(given.out / name.replace(" ", "_"), name, given.rows)


if __name__ == "__main__":
    main()
