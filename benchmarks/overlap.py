"""Measures the time of overlapped steps against the slowest step; each step asks about the answers of the step before.

OMP_NUM_THREADS=1 python -m benchmarks.overlap --out FOLDER [--rounds 3] [--only stalls]

A worker takes 0.1 s for an answer and has four in flight. In each round the same steps run in turn, which says what the
slowest takes, and at once; both must write the same bytes. Rows are written in order, so a slow one holds the next step
back once for its own time at most: the fewer the rows, the more that counts.
"""

import argparse
import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import orjson

from dataflow.core.records import JSON, Answer, Job, Request, Row
from dataflow.core.worker import Limits, Worker
from dataflow.flow.summary import Summary
from dataflow.operators.base import Columns, OneWaveOperator
from dataflow.utils.storage import FileStorage, Step

SECONDS, IN_FLIGHT = 0.1, 4
RARE, SLOWER = 100, 50  # one row in so many takes so many times as long


@dataclass(frozen=True, slots=True)
class Case:
    """Steps to be measured.

    Args:
        name: for the table.
        steps: how many.
        rows: that each of them has.
        stalls: one row in a hundred takes fifty times as long, in each step.
    """

    name: str
    steps: int
    rows: int
    stalls: bool = False


CASES = (
    Case("two equal steps", 2, 400),
    Case("three", 3, 400),
    Case("two, 1 % of the rows 50 times slower", 2, 400, stalls=True),
    Case("the same with more rows", 2, 1000, stalls=True),
)


class Waiting(Worker):
    """A worker that waits, and answers with the number of the step."""

    limits = Limits(width=IN_FLIGHT)

    def __init__(self, step: int, *, stalls: bool) -> None:
        self._step, self._stalls = step, stalls

    def fingerprint(self) -> Mapping[str, JSON]:
        return {"model": f"waiting {self._step}"}

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """Numbers at the end of the prompt choose the slow rows: other ones in each step."""
        (job,) = batch
        number = int(job.request.prompt.rpartition(" ")[2])
        is_slow = self._stalls and number % RARE == 20 + 30 * self._step
        await asyncio.sleep(SECONDS * (SLOWER if is_slow else 1))
        return [Answer(text=f"{self._step} {number}")]


class Ask(OneWaveOperator):
    """Asks one request a row, about the column that the step before wrote."""

    def run(self, storage: Step, input_key: str, output_key: str) -> Summary:
        return self.execute(storage, inputs=input_key, outputs=output_key)

    def plan(self, row: Row, columns: Columns) -> Sequence[Request]:
        return [Request(row[columns.inputs[0]], makes="text")]

    def merge(self, row: Row, answers: Sequence[Answer], columns: Columns) -> Sequence[Row]:
        return [{**row, columns.output: answers[0].text}]


def run(case: Case, rows: Path, cache: Path, *, at_once: bool) -> tuple[float, Sequence[float], bytes]:
    """Run the steps; returns all seconds, the seconds of each step, and the last step's file."""
    storage = FileStorage(rows, cache)
    began = time.monotonic()
    with storage.overlapped() if at_once else nullcontext():
        summaries = [
            Ask(Waiting(number, stalls=case.stalls)).run(storage.step(), f"text{number}", f"text{number + 1}")
            for number in range(case.steps)
        ]
    return time.monotonic() - began, [each.seconds for each in summaries], storage.current.target.read_bytes()


def measure(case: Case, folder: Path, rounds: int) -> str:
    """A line of the table: medians over the rounds, each of which has both ways."""
    folder.mkdir()
    rows = folder / "rows.jsonl"
    rows.write_bytes(b"".join(orjson.dumps({"text0": f"row {number}"}) + b"\n" for number in range(case.rows)))
    figures = []
    for number in range(rounds):
        in_turn, each, file = run(case, rows, folder / f"turn {number}", at_once=False)
        at_once, _, same = run(case, rows, folder / f"once {number}", at_once=True)
        assert same == file
        figures.append((in_turn, max(each), at_once, at_once / max(each), at_once / in_turn))
    shown = [median(figure[place] for figure in figures) for place in range(5)]
    worst = max(figure[3] for figure in figures)
    seconds = " | ".join(f"{value:.1f}" for value in shown[:3])
    return f"| {case.name} | {case.rows:,} | {seconds} | {shown[3]:.2f} (at most {worst:.2f}) | {shown[4]:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("equal", "stalls"))
    options = parser.parse_args()
    options.out.mkdir(parents=True)
    print(
        "| steps | rows | in turn, s | the slowest, s | at once, s | of the slowest | of the sum |",
        "|---" * 7 + "|",
        sep="\n",
    )
    for case in CASES:
        if options.only in (None, "stalls" if case.stalls else "equal"):
            print(measure(case, options.out / case.name, options.rounds), flush=True)


if __name__ == "__main__":
    main()
