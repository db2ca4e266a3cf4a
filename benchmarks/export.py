"""Measures exports of many rows whose pictures are linked: seconds and peak memory.

python -m benchmarks.export --rows 100000 --folder /tmp/exported
python -m benchmarks.export --rows 20000 --to ai-toolkit,musubi,diffsynth --side 365

The cache is made first: pictures of noise of `--side` pixels, a journal and its index as a run leaves them, so nothing
is known of the pictures but what a run knows. Each export runs in a process of its own, so that its peak memory is its
own. "again" exports a second time: the links of the first have changed the pictures' stamps.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from dataflow.core.records import Answer, Picture
from dataflow.io.encode import rgb_png
from dataflow.journal.journal import Journal
from dataflow.utils.files import sha256_hex

PROGRAM = "benchmarks.export"
NAMES = ("first", "again")


def make(folder: Path, rows: int, side: int) -> None:
    """Make a cache directory of edits, as a run leaves it."""
    random = np.random.default_rng(0)
    cache = folder / "cache"
    with Journal.opened(cache) as journal, (folder / "rows.jsonl").open("w", encoding="utf-8") as lines:
        for number in range(rows):
            name = f"{random.integers(0, 2**63):016x}{number:016x}"
            source = _picture(folder / f"sources/{number // 1000}/photo_{number}.png", random, side)
            edited = _picture(cache / f"images/{name[:2]}/{name}_0.png", random, side)
            journal.index.keep_stored(source)
            journal.start(name, 0)
            journal.got(name, 0, Answer((edited,), model="made-up-editor"))
            journal.index.keep_stored(edited)
            row = {
                "images": [source.path],
                "conversations": [{"role": "user", "content": f"paint the thing number {number} in another colour"}],
                "edited_images": [edited.path],
                "edit_type": "object",
                "sub_type": "recolour",
                "verdict": {"accepted": True, "score": 8.0, "axes": {"following": 8.0, "preservation": 8.0}},
            }
            lines.write(json.dumps(row) + "\n")
    (folder / "rows.jsonl").rename(cache / "dataflow_cache_step_step1.jsonl")


def _picture(path: Path, random: np.random.Generator, side: int) -> Picture:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = rgb_png(Image.fromarray(random.integers(0, 256, (side, side, 3), dtype=np.uint8)))
    path.write_bytes(data)
    return Picture(str(path), sha256_hex(data), len(data), side, side)


def run(folder: Path, to: str, name: str) -> None:
    """Export once, and print seconds and memory as JSON."""
    from dataflow.export import export

    began, cpu = time.monotonic(), time.process_time()
    done = export(folder / "cache", to, folder / f"out_{name}")
    found = {
        "rows": done.rows,
        "linked": done.files["linked"],
        "seconds": round(time.monotonic() - began, 1),
        "cpu": round(time.process_time() - cpu, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=16, help="of each picture, in pixels")
    parser.add_argument("--to", default="ai-toolkit,musubi")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/exported"))
    parser.add_argument("--phase", choices=("make", *NAMES))
    options = parser.parse_args()
    if options.phase == "make":
        make(options.folder.absolute(), options.rows, options.side)
    elif options.phase:
        run(options.folder.absolute(), options.to, options.phase)
    else:
        flags = [f"--{name}={getattr(options, name)}" for name in ("rows", "side", "to", "folder")]
        if not (options.folder / "cache").exists():
            subprocess.run([sys.executable, "-m", PROGRAM, *flags, "--phase=make"], check=True)
        for name in NAMES:
            print(f"{name:<6}", end=" ", flush=True)
            subprocess.run([sys.executable, "-m", PROGRAM, *flags, f"--phase={name}"], check=True)
        for name in NAMES:  # not between them: ext4 makes files slowly where many were removed a moment ago
            shutil.rmtree(options.folder / f"out_{name}")


if __name__ == "__main__":
    main()
