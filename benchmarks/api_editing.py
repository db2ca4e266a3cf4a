"""The editing step against a server on this machine: time to the file, CPU and memory per image.

python -m benchmarks.api_editing

The server is a process of its own and answers after one second. Each measurement of the client is a
process of its own too; CPU and memory per image are differences between 50 and 200 images, so that imports
do not count.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from dataflow.io import ImageIO
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.utils.storage import FileStorage

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "example_data/image_gen/image_edit/image5.png"


@contextmanager
def server(pixels: int, shape: str) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.kit.loopback", "--latency", "1", "--size", str(pixels), "--shape", shape]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def client(url: str, folder: Path, rows: int, workers: int) -> None:
    """Edit `rows` rows, and print seconds, CPU and memory as JSON."""
    source = folder / "rows.jsonl"
    with source.open("w") as file:
        for number in range(rows):
            file.write(json.dumps({"images": str(PICTURE), "conversations": f"Make it number {number}."}) + "\n")
    serving = APIVLMServing_openai(
        url, model_name="loopback", image_io=ImageIO(str(folder / "cache/images")), max_workers=workers
    )
    step = FileStorage(source, folder / "cache").step()
    summary = PromptedImageEditGenerator(serving).run(step)
    assert summary.failed == 0 and summary.requests == rows
    with urllib.request.urlopen(url.removesuffix("/v1") + "/stats") as reply:
        first_request = json.load(reply)["first_at"]
    used = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "seconds": step.target.stat().st_mtime - first_request,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss / (1024 if sys.platform == "linux" else 1 << 20),
    }
    print(json.dumps(figures))


def measure(rows: int, pixels: int, shape: str) -> dict[str, float]:
    folder = Path(tempfile.mkdtemp(prefix="api-editing-"))
    try:
        with server(pixels, shape) as url:
            command = [sys.executable, "-m", "benchmarks.api_editing", "--client", url, str(folder), str(rows)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return dict(json.loads(done.stdout))
    finally:
        shutil.rmtree(folder)


def verify_and_load_seconds(pixels: int) -> float:
    """CPU seconds of Pillow's verify() and load() of one reply, the floor of what a checked image costs."""
    import io

    from PIL import Image

    from tests.kit.drawing import draw, mark_of

    data = draw("png", mark_of("x"), pixels, pixels)
    began = time.process_time()
    for _ in range(20):
        Image.open(io.BytesIO(data)).verify()
        Image.open(io.BytesIO(data)).load()
    return (time.process_time() - began) / 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--client", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    if options.client:
        url, folder, rows = options.client
        client(url, Path(folder), int(rows), 64)
        return
    names = ("openai", "pillow", "orjson")
    print(f"python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}", end="")
    print("".join(f", {name} {version(name)}" for name in names))
    seconds = sorted(measure(64, 240, "images")["seconds"] for _ in range(options.runs))
    print(
        f"64 rows, 100 KB replies, 64 in flight, 1 s latency: first request to file {seconds[len(seconds) // 2]:.2f} s"
    )
    print(f"  of {options.runs} runs: {seconds[0]:.2f} to {seconds[-1]:.2f} s")
    for shape in ("images", "markdown"):
        few, many = measure(50, 925, shape), measure(200, 925, shape)
        cpu = (many["cpu_seconds"] - few["cpu_seconds"]) / 150
        print(f"1.5 MB replies ({shape}): {cpu * 1000:.0f} ms CPU an image", end="")
        print(f" (verify and load alone {verify_and_load_seconds(925) * 1000:.0f} ms);", end="")
        print(f" peak memory {few['peak_mb']:.0f} MB at 50 images, {many['peak_mb']:.0f} MB at 200")


if __name__ == "__main__":
    main()
