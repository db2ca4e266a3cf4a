"""Measures ten million rows: a tenth runs through two steps, killed once and resumed, over a journal of all of them.

python -m benchmarks.ten_million        # 1,000,000 rows with texts, 100,000 with pictures, a journal of 10 million
python -m benchmarks.ten_million --rows 10000 --in_turn

Each phase is a process of its own, which prints its figures. Workers answer at once; each picture, and the journal, is
forced to the disk. A killed phase sends itself SIGKILL in the middle. "again" runs both steps over complete journals,
which is what a resume costs; "moved" does so after the cache directory was renamed, "copied" in a copy of it, where
every picture is digested, and "reading" only reads the pictures of the cache. Then the journal and its index are filled
up with answers that name a picture each, and "again" runs once more. Seconds need a machine with nothing else to do.
"""

import argparse
import asyncio
import hashlib
import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from benchmarks.million_rows import SIZE, InstantEditor, InstantWorker, one_colour, write_rows
from dataflow.core.records import JSON, Answer, Job, Picture, PictureFacts, Request, Row
from dataflow.flow.summary import Summary
from dataflow.io import ImageIO
from dataflow.journal.journal import Journal
from dataflow.operators.base import Columns, OneWaveOperator
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.utils.cache_folder import CacheFolder
from dataflow.utils.storage import FileStorage, Step

Figures = dict[str, float]
GOAL = 10_000_000  # rows
_AT_ONCE = 250_000  # answers: the index falls behind whoever does nothing but journal, 4.5 GB after 8 million


class Countdown:
    """Kills the process when so many answers were made; 0 never does."""

    def __init__(self, answers: int) -> None:
        self._left = answers

    def one_less(self) -> None:
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)


class Writer(InstantWorker):
    """Answers with the prompt."""

    def __init__(self, name: str, countdown: Countdown) -> None:
        super().__init__(1)
        self._name = name
        self._countdown = countdown

    def fingerprint(self) -> dict[str, JSON]:
        return {"model": self._name}

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        self._countdown.one_less()
        return await super().call(batch)


class Editor(InstantEditor):
    """Answers with a small picture, stored as those of an API are."""

    def __init__(self, name: str, save_path: Path, countdown: Countdown) -> None:
        super().__init__(1, save_path)
        self._name = name
        self._countdown = countdown
        self._images = ImageIO(str(save_path))

    def fingerprint(self) -> dict[str, JSON]:
        return {"model": self._name}

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        self._countdown.one_less()
        drawn = [one_colour(int(job.id[:6], 16)) for job in batch]
        return [
            Answer(pictures=await asyncio.to_thread(self._images.save, job.id, [data]))
            for job, data in zip(batch, drawn, strict=True)
        ]

    def recover(self, job: Job) -> Answer | None:
        found = self._images.find(job.id)
        return Answer(pictures=found) if found else None


class Write(OneWaveOperator):
    """One text request a row."""

    def run(self, storage: FileStorage | Step, *, reads: str, makes: str) -> Summary:
        return self.execute(storage, inputs=reads, outputs=makes)

    def plan(self, row: Row, columns: Columns) -> Sequence[Request]:
        return [Request(row[columns.inputs[0]], makes="text")]

    def merge(self, row: Row, answers: Sequence[Answer], columns: Columns) -> Sequence[Row]:
        return [{**row, columns.output: answers[0].text}]


def run(folder: Path, kind: str, cache: Path, *, kill_at: int, in_turn: bool) -> Figures:
    """Run both steps over the rows of a kind."""
    storage = FileStorage(folder / kind / "rows.jsonl", cache, file_name_prefix=kind)
    countdown = Countdown(kill_at)
    with nullcontext() if in_turn else storage.overlapped():
        if kind == "texts":
            first = Write(Writer("first", countdown)).run(storage.step(), reads="text", makes="answer")
            second = Write(Writer("second", countdown)).run(storage.step(), reads="answer", makes="said_again")
        else:
            edits = [PromptedImageEditGenerator(Editor(name, cache / name, countdown)) for name in ("first", "second")]
            first = edits[0].run(storage.step(), output_image_key="edited")
            second = edits[1].run(storage.step(), input_image_key="edited", output_image_key="edited_again")
    assert not first.failed + second.failed, (first, second)
    return {"rows": second.rows, "asked": first.requests + second.requests, "adopted": first.adopted + second.adopted}


def fill(cache: Path, rows: int) -> Figures:
    """Add answers that name a picture each, until the journal has so many; no such files are made."""
    for first in range(0, rows, _AT_ONCE):
        with Journal.opened(cache) as journal:
            for number in range(first, min(first + _AT_ONCE, rows)):
                name = hashlib.blake2b(number.to_bytes(8), digest_size=32).hexdigest()
                path = str(cache / "filled" / name[:2] / f"{name}_0.png")
                journal.start(name, 0)
                journal.got(name, 0, Answer(pictures=(Picture(path, name, 1_500_000, *SIZE),)))
                journal.index.keep_picture(path, PictureFacts(1_500_000, number, name, *SIZE))
    return {"rows": rows}


def read(cache: Path) -> Figures:
    """Read every picture of the cache once."""
    paths = [path for name in ("first", "second") for path in (cache / name).rglob("*.png")]
    return {"rows": len(paths) // 2, "bytes": sum(len(path.read_bytes()) for path in paths)}


def phase(options: argparse.Namespace) -> None:
    """Run one phase, and print its figures as JSON."""
    before, began, cpu = memory_mb(), time.monotonic(), time.process_time()
    match options.phase:
        case "fill":
            found = fill(options.cache, options.rows)
        case "read":
            found = read(options.cache)
        case kind:
            found = run(options.folder, kind, options.cache, kill_at=options.kill_at, in_turn=options.in_turn)
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    found |= {"seconds": round(seconds, 1), "cpu_us_a_row": round(cpu / found["rows"] * 1e6, 1)}
    print(json.dumps({**found, "memory_growth_mb": round(memory_mb() - before)}))


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Phases:
    """Runs phases one after another and shows what each prints."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._command = [sys.executable, "-m", "benchmarks.ten_million", "--folder", str(options.folder)]
        self._command += ["--in_turn"] * options.in_turn

    def show(self, title: str, name: str, cache: Path, *, kill_at: int = 0, rows: int = 0) -> Figures:
        command = [*self._command, "--phase", name, "--cache", str(cache), "--kill_at", str(kill_at)]
        began = time.monotonic()
        done = subprocess.run([*command, "--rows", str(rows)], stdout=subprocess.PIPE, text=True)
        if kill_at:
            assert done.returncode == -signal.SIGKILL, done.returncode
            said = f"killed after {kill_at:,} answers and {time.monotonic() - began:.1f} s"
        else:
            assert done.returncode == 0, done.returncode
            said = done.stdout.strip()
        print(f"{title:32} {said}", flush=True)
        return {} if kill_at else dict(json.loads(said))


def compare(options: argparse.Namespace) -> None:
    folder, cache, phases = options.folder, options.folder / "cache", Phases(options)
    pictures = options.rows // 10
    for kind, rows in (("texts", options.rows), ("pictures", pictures)):
        (folder / kind).mkdir(parents=True)
        write_rows(folder / kind / "rows.jsonl", range(rows), edits=kind == "pictures")
        phases.show(f"{rows:,} {kind}", kind, cache, kill_at=rows)  # of two answers a row
        resumed = phases.show(f"{kind}, resumed", kind, cache)
        print(f"  asked again, of {2 * rows:,} answers: {resumed['asked'] + resumed['adopted'] - rows:,.0f}")
        phases.show(f"{kind}, again", kind, cache)
    moved = cache.rename(folder / "moved")
    phases.show("pictures, moved", "pictures", moved)
    phases.show("reading them once", "read", moved)
    shutil.copytree(moved, folder / "copied")
    phases.show("pictures, copied", "pictures", folder / "copied")
    shutil.rmtree(folder / "copied")
    answers = 2 * (options.rows + pictures)
    phases.show(f"filled to {10 * options.rows:,} answers", "fill", moved, rows=10 * options.rows - answers)
    at = CacheFolder(moved)
    sizes = {path.name: path.stat().st_size for path in (at.journal, at.index)}
    print("  " + ", ".join(f"{name} {size / 1e6:,.0f} MB" for name, size in sizes.items()))
    again = {kind: phases.show(f"{kind}, again", kind, moved) for kind in ("texts", "pictures")}
    for kind, figures in again.items():
        clock, cpu = figures["seconds"] / figures["rows"] * GOAL / 60, figures["cpu_us_a_row"] / 1e6 * GOAL / 60
        print(f"  two steps of {GOAL:,} {kind} resume in {clock:.0f} minutes, {cpu:.0f} of CPU")
    at.index.unlink()
    phases.show("texts, again, index deleted", "texts", moved)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="with texts; a tenth as many have pictures")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/dataflow-ten-million"))
    parser.add_argument("--in_turn", action="store_true", help="one step after the other")
    for hidden, kind in (("--phase", str), ("--cache", Path), ("--kill_at", int)):
        parser.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.phase:
        phase(options)
        return
    shutil.rmtree(options.folder, ignore_errors=True)
    print(f"python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}")
    compare(options)


if __name__ == "__main__":
    main()
