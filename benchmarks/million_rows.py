"""Measures a step of many rows with a worker that answers at once: rows a second, memory, and the resume.

python benchmarks/million_rows.py --rows 1000000 --folder /tmp/million
python benchmarks/million_rows.py --rows 100000 --edits
python benchmarks/million_rows.py --rows 10000 --edits --stat_ms 2

Each phase runs in a process of its own, so that its peak memory is its own. "resume, nothing left" runs
the whole step again over a complete journal; "resume, one row added" asks that row and
nothing else. "index lost" does the first of these after deleting the index. With `--edits` each row has a picture of
its own and gets another, so that a resume looks at two files a row. With `--stat_ms` each look at a file waits so
long, as on a network disk.
"""

import argparse
import io
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from dataflow.core.records import JSON, Answer, Job, Picture, Request, Row
from dataflow.core.worker import Batching, Limits, Worker
from dataflow.flow.summary import Summary
from dataflow.operators.base import Columns, OneWaveOperator
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.utils.files import sha256_hex
from dataflow.utils.storage import FileStorage, Step

SIZE = (8, 8)  # pixels of a picture


class InstantWorker(Worker):
    """Answers with the prompt."""

    limits = Limits(width=64)

    def __init__(self, max_batch: int) -> None:
        self.batching = Batching(max_batch)

    def fingerprint(self) -> dict[str, JSON]:
        return {"model": "instant"}

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        return [Answer(text=job.request.prompt) for job in batch]


class InstantEditor(InstantWorker):
    """Answers with a small picture in a file of its own, which it does not force to the disk."""

    def __init__(self, max_batch: int, save_path: Path) -> None:
        super().__init__(max_batch)
        self.save_path = str(save_path)

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        return [Answer(pictures=(self._draw(job.id),)) for job in batch]

    def _draw(self, job_id: str) -> Picture:
        path, data = Path(self.save_path, job_id[:2], f"{job_id}.png"), one_colour(int(job_id[:6], 16))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return Picture(str(path), sha256_hex(data), len(data), *SIZE)


class Echo(OneWaveOperator):
    """One text request a row."""

    def __init__(self, max_batch: int) -> None:
        super().__init__(InstantWorker(max_batch))

    def run(self, storage: FileStorage | Step) -> Summary:
        return self.execute(storage, inputs="text", outputs="answer")

    def plan(self, row: Row, columns: Columns) -> Sequence[Request]:
        return [Request(row["text"], makes="text")]

    def merge(self, row: Row, answers: Sequence[Answer], columns: Columns) -> Sequence[Row]:
        return [{**row, columns.output: answers[0].text}]


def one_colour(number: int) -> bytes:
    """A PNG of one colour."""
    file = io.BytesIO()
    Image.new("RGB", SIZE, (number & 255, number >> 8 & 255, number >> 16 & 255)).save(file, "PNG")
    return file.getvalue()


def write_rows(source: Path, rows: range, *, edits: bool) -> None:
    """Add rows to a file; with edits each has a picture."""
    pictures = source.parent / "pictures"
    pictures.mkdir(exist_ok=True)
    with source.open("a") as file:
        for number in rows:
            text = f"Paint the house of row {number} in the colour of the sea."
            row: Row = {"text": text}
            if edits:
                path = pictures / f"{number}.png"
                path.write_bytes(one_colour(number))
                row = {"images": [str(path)], "conversations": [{"role": "user", "content": text}]}
            file.write(json.dumps(row) + "\n")


def slow_stats(seconds: float) -> None:
    """Have each stat of a file wait first, as the answer of a file server does."""
    stat = os.stat

    def wait_and_stat(path: Any, **how: Any) -> os.stat_result:
        time.sleep(seconds)
        return stat(path, **how)

    os.stat = wait_and_stat


def phase(source: Path, cache: Path, max_batch: int, *, edits: bool) -> None:
    """Run the step once and print its figures as JSON."""
    step = FileStorage(source, cache).step()
    editor = PromptedImageEditGenerator(InstantEditor(max_batch, cache / "edited"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, cpu = time.monotonic(), time.process_time()
    summary = editor.run(step) if edits else Echo(max_batch).run(step)
    seconds = time.monotonic() - began
    figures = {
        "rows": summary.rows,
        "requests": summary.requests,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "cpu_us_per_row": round((time.process_time() - cpu) / summary.rows * 1e6),
        "rows_per_second": round(summary.rows / seconds),
        "memory_growth_mb": round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024),
    }
    print(json.dumps(figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/dataflow-million"))
    parser.add_argument("--max_batch", type=int, default=1, help="jobs per call of the worker")
    parser.add_argument("--edits", action="store_true", help="pictures in and out")
    parser.add_argument("--stat_ms", type=float, default=0.0, help="milliseconds that a stat of a file takes")
    parser.add_argument("--phase", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    source, cache = options.folder / "rows.jsonl", options.folder / "cache"
    if options.phase:
        if options.stat_ms:
            slow_stats(options.stat_ms / 1e3)
        phase(source, cache, options.max_batch, edits=options.edits)
        return
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    write_rows(source, range(options.rows), edits=options.edits)
    print(f"python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}, {options.rows:,} rows")
    command = [sys.executable, __file__, "--phase", "--folder", str(options.folder)]
    command += ["--max_batch", str(options.max_batch), *["--edits"] * options.edits]
    command += ["--stat_ms", str(options.stat_ms)]

    def show(name: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        print(f"{name:24} {done.stdout.strip()}", flush=True)

    show("first run")
    show("resume, nothing left")
    write_rows(source, range(options.rows, options.rows + 1), edits=options.edits)
    show("resume, one row added")
    (cache / ".dataflow" / "index.sqlite").unlink()
    show("index lost")
    print(f"journal: {(cache / '.dataflow' / 'journal.jsonl').stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
