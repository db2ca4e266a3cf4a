"""A step of many rows through a worker that answers at once: rows a second, memory, and the resume.

python benchmarks/million_rows.py --rows 1000000 --folder /tmp/million

Each phase runs in a process of its own, so that its peak memory is its own. "resume, nothing left" runs
the whole step again over a complete journal; "resume, one row added" asks that row and
nothing else. "index lost" does the first of these after deleting the index.
"""

import argparse
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

from dataflow.core.records import JSON, Answer, Job, Request, Row
from dataflow.core.worker import Batching, Limits, Worker
from dataflow.flow.summary import Summary
from dataflow.operators.base import Columns, OneWaveOperator
from dataflow.utils.storage import FileStorage, Step


class InstantWorker(Worker):
    """Answers with the prompt."""

    limits = Limits(width=64)

    def __init__(self, max_batch: int) -> None:
        self.batching = Batching(max_batch)

    def fingerprint(self) -> dict[str, JSON]:
        return {"model": "instant"}

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        return [Answer(text=job.request.prompt) for job in batch]


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


def phase(source: Path, cache: Path, max_batch: int) -> None:
    """Run the step once and print its figures as JSON."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, cpu = time.monotonic(), time.process_time()
    summary = Echo(max_batch).run(FileStorage(source, cache).step())
    seconds = time.monotonic() - began
    figures = {
        "rows": summary.rows,
        "requests": summary.requests,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "rows_per_second": round(summary.rows / seconds),
        "memory_growth_mb": round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024),
    }
    print(json.dumps(figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/dataflow-million"))
    parser.add_argument("--max_batch", type=int, default=1, help="jobs per call of the worker")
    parser.add_argument("--phase", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    source, cache = options.folder / "rows.jsonl", options.folder / "cache"
    if options.phase:
        phase(source, cache, options.max_batch)
        return
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    with source.open("w") as file:
        for number in range(options.rows):
            file.write(json.dumps({"text": f"Paint the house of row {number} in the colour of the sea."}) + "\n")
    print(f"python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}, {options.rows:,} rows")
    command = [sys.executable, __file__, "--phase", "--folder", str(options.folder)]
    command += ["--max_batch", str(options.max_batch)]

    def show(name: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        print(f"{name:24} {done.stdout.strip()}", flush=True)

    show("first run")
    show("resume, nothing left")
    with source.open("a") as file:
        file.write('{"text": "One more row."}\n')
    show("resume, one row added")
    (cache / ".dataflow" / "index.sqlite").unlink()
    show("index lost")
    print(f"journal: {(cache / '.dataflow' / 'journal.jsonl').stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
