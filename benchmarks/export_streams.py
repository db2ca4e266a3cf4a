"""Measures exports that contain the pictures: the speed of writing and of streaming back, and the memory.

python -m benchmarks.export_streams --rows 1200 --folder /tmp/streams

The cache is that of `benchmarks.export`, with pictures of 400 KB. Every export and every reader runs in a process of
its own. A reader's memory is what it takes beside its libraries: anonymous pages at most, less those before it reads.
CPU counts all threads.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.export import make

PROGRAM = "benchmarks.export_streams"
FORMATS = ("hf", "bagel", "webdataset")
READERS = {"hf": "datasets, streaming", "bagel": "pyarrow, group by group", "webdataset": "webdataset"}
SIDE = 365  # pixels; noise of it is a PNG of 400 KB


def memory(name: str) -> int:
    """The memory of this process in MB: `VmHWM` is the peak so far, `RssAnon` the anonymous pages now."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) // 1000 for line in lines if line.startswith(f"{name}:"))


def write(folder: Path, name: str) -> dict[str, float]:
    from dataflow.export import export

    began, cpu = time.monotonic(), time.process_time()
    export(folder / "cache", name, folder / name)
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    size = sum(path.stat().st_size for path in (folder / name).rglob("*") if path.is_file()) / 1e6
    return {"mb": size, "mb_per_s": size / seconds, "mb_per_cpu_s": size / cpu, "peak_mb": memory("VmHWM")}


def rows_of(folder: Path, name: str) -> Iterator[int]:
    """Yield 0 once the libraries are loaded, then for each row the bytes of its pictures."""
    if name == "hf":
        import datasets

        rows = datasets.load_dataset(str(folder / name), split="train", streaming=True).decode(False)
        yield 0
        for row in rows:
            yield sum(len(each["bytes"]) for each in (*row["images"], row["edited_image"]))
    elif name == "webdataset":
        import webdataset

        yield 0
        for sample in webdataset.WebDataset(sorted(map(str, (folder / name / name).iterdir())), shardshuffle=False):
            yield sum(len(data) for ending, data in sample.items() if ending.endswith("png"))
    else:
        import pyarrow.parquet

        yield 0
        for path in sorted((folder / name / name / "train").iterdir()):
            file = pyarrow.parquet.ParquetFile(path)
            for group in range(file.num_row_groups):
                for pictures in file.read_row_group(group, ["image_list"])["image_list"].to_pylist():
                    yield sum(map(len, pictures))


def read(folder: Path, name: str) -> dict[str, float]:
    rows = rows_of(folder, name)
    size, most = next(rows) / 1e6, 0
    before, began, cpu = memory("RssAnon"), time.monotonic(), time.process_time()
    for number, each in enumerate(rows):
        size += each / 1e6
        if not number % 8:
            most = max(most, memory("RssAnon"))
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    return {
        "mb": size,
        "mb_per_s": size / seconds,
        "mb_per_cpu_s": size / cpu,
        "libraries_mb": before,
        "more_mb": most - before,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_200)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/streams"))
    parser.add_argument("--phase", nargs=2)
    options = parser.parse_args()
    folder = options.folder.absolute()
    if options.phase:
        what, name = options.phase
        found = write(folder, name) if what == "write" else read(folder, name)
        print(json.dumps({key: round(value) for key, value in found.items()}))
        return
    if not (folder / "cache").exists():
        make(folder, options.rows, SIDE)
    for name in FORMATS:
        for what in ("write", "read"):
            print(f"{name:<11} {what:<6}", end="", flush=True)
            flags = [f"--folder={folder}", "--phase", what, name]
            subprocess.run([sys.executable, "-m", PROGRAM, *flags], check=True)
        shutil.rmtree(folder / name)


if __name__ == "__main__":
    main()
