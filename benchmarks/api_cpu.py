"""CPU, throughput and memory of an editing step beside a bare asyncio client, in one interleaved run.

python -m benchmarks.api_cpu [--rounds 5] [--small_rows 20000]

Every client is a process of its own (benchmarks/api_clients.py), and so is the server, which answers after one
second with a PNG of 1.77 MB as base64 in JSON. Ratios are taken within a round; what is printed are medians.
`max_workers` is given, and every client first runs without being measured, until a limit that grows has grown.
"""

import argparse
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

from PIL import Image

from benchmarks.canned_server import ROOT, canned_server, make_picture

KINDS = ("stdlib", "fast", "ours")
NAMED = {"stdlib": "bare, json and base64", "fast": "bare, orjson and pybase64", "ours": "our step"}
CPU_RATIO, CHECK_RATIO, RATE_RATIO, MEMORY_MB = 1.25, 1.1, 0.85, 250

Figures = dict[str, float]


def measure(kind: str, url: str, rows: int, in_flight: int) -> Figures:
    folder = Path(tempfile.mkdtemp(prefix="api-cpu-"))
    command = [sys.executable, "-m", "benchmarks.api_clients", kind, url, str(folder), str(rows), str(in_flight)]
    try:
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        return dict(json.loads(done.stdout))
    finally:
        shutil.rmtree(folder)


def check_seconds(data: bytes) -> float:
    """CPU seconds of Pillow's verify() and load() of one picture."""
    began = time.process_time()
    for _ in range(20):
        Image.open(io.BytesIO(data)).verify()
        Image.open(io.BytesIO(data)).load()
    return (time.process_time() - began) / 20


def compare(url: str, data: bytes, rows: int, in_flight: int, rounds: int) -> None:
    found: dict[str, list[Figures]] = {kind: [] for kind in KINDS}
    checks = []
    for _ in range(rounds):
        for kind in KINDS:
            found[kind].append(measure(kind, url, rows, in_flight))
        checks.append(check_seconds(data))
    print(f"{in_flight} in flight, {rows} images, {rounds} rounds; verify() and load() {median(checks) * 1e3:.1f} ms")
    for kind in KINDS:
        cpu, rate = ([each[name] for each in found[kind]] for name in ("cpu", "rate"))
        print(f"  {NAMED[kind]:26s} {median(cpu) * 1e3:5.1f} ms CPU an image ({spread(cpu, 1e3)}),", end="")
        print(f" {median(rate):5.1f} images/s ({spread(rate)})")
    for kind in KINDS[:2]:
        pairs = list(zip(found["ours"], found[kind], checks, strict=True))
        left = [(our["cpu"] - CHECK_RATIO * check) / base["cpu"] for our, base, check in pairs]
        rate = [our["rate"] / base["rate"] for our, base, _ in pairs]
        print(f"  beside {NAMED[kind]}: CPU less {CHECK_RATIO} x verify and load {median(left):.2f} times", end="")
        print(f" ({spread(left)}; at most {CPU_RATIO}), images/s {median(rate):.2f} times ({spread(rate)}", end="")
        print(f"; at least {RATE_RATIO})")
    grown = [each["peak"] - each["start"] for each in found["ours"]]
    print(f"  memory above start at its peak: {max(grown):.0f} MB (at most {MEMORY_MB})", flush=True)


def spread(values: list[float], scale: float = 1.0) -> str:
    digits = 2 if max(values) * scale < 10 else 1
    return f"{min(values) * scale:.{digits}f} to {max(values) * scale:.{digits}f}"


def small_pictures(rows: int, folder: Path) -> None:
    """Memory over a long run of 1 KB pictures."""
    picture = folder / "small.png"
    picture.write_bytes(make_picture(18, 1000))
    with canned_server(picture, 0.01) as url:
        found = measure("ours", url, rows, 64)
    print(f"{rows} pictures of {picture.stat().st_size} bytes: {found['cpu'] * 1e3:.2f} ms CPU a row,", end="")
    print(f" {found['rate']:.0f} rows/s, {found['start']:.0f} MB at the start, then by tenths of the time:", end="")
    print(f" {', '.join(f'{each:.0f}' for each in found['over_time'])} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--in_flight", type=int, nargs="*", default=[100, 256])
    parser.add_argument("--small_rows", type=int, default=20_000, help="rows of 1 KB pictures; 0 leaves them out")
    options = parser.parse_args()
    print(f"python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}", end="")
    print("".join(f", {name} {version(name)}" for name in ("openai", "httpx2", "orjson", "pybase64", "pillow")))
    with tempfile.TemporaryDirectory(prefix="api-cpu-") as made:
        folder = Path(made)
        picture = folder / "picture.png"
        picture.write_bytes(make_picture(1024, 1_770_000))
        print(f"reply: a PNG of {picture.stat().st_size / 1e6:.2f} MB, 1024 x 1024, base64 in JSON, after 1 s")
        with canned_server(picture, 1.0) as url:
            for in_flight in options.in_flight:
                compare(url, picture.read_bytes(), max(500, 2 * in_flight), in_flight, options.rounds)
        if options.small_rows:
            small_pictures(options.small_rows, folder)


if __name__ == "__main__":
    main()
