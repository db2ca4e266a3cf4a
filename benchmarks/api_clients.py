"""The clients that benchmarks/api_cpu.py compares; each runs in a process of its own.

python -m benchmarks.api_clients KIND URL FOLDER ROWS IN_FLIGHT

`ours` is an editing step. The bare ones are plain asyncio over the same transport: they post the same number of
bytes, take the base64 out of the JSON, decode it and write the file, with the standard library's pieces or with
orjson and pybase64. All warm up first, so that imports, connections and a limit that has to grow do not count.
"""

import asyncio
import base64
import json
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from benchmarks.canned_server import PICTURE

Figures = dict[str, float | list[float]]


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def memory_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def bare(url: str, folder: Path, rows: int, in_flight: int, parse: Callable[[bytes], bytes]) -> Figures:
    import httpx2

    body = PICTURE.read_bytes() + bytes(400)

    async def fetch(client: httpx2.AsyncClient, left: list[int]) -> None:
        while left:
            number = left.pop()
            content = bytearray()
            async with client.stream("POST", f"{url}/images/edits", content=body) as response:
                async for chunk in response.aiter_bytes():
                    content += chunk
            (folder / f"{number}.png").write_bytes(parse(bytes(content)))

    async def run() -> Figures:
        limits = httpx2.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
        async with httpx2.AsyncClient(timeout=600, limits=limits) as client:

            async def wave(count: int) -> None:
                left = list(range(count))
                await asyncio.gather(*(fetch(client, left) for _ in range(in_flight)))

            await wave(in_flight)
            began, used = time.monotonic(), cpu_seconds()
            await wave(rows)
            seconds = time.monotonic() - began
            return {"rate": rows / seconds, "cpu": (cpu_seconds() - used) / rows}

    return asyncio.run(run())


def with_standard_library(body: bytes) -> bytes:
    return base64.b64decode(json.loads(body)["data"][0]["b64_json"])


def with_fast_pieces(body: bytes) -> bytes:
    import pybase64

    return pybase64.b64decode(orjson.loads(body)["data"][0]["b64_json"], validate=True)


def ours(url: str, folder: Path, rows: int, in_flight: int) -> Figures:
    from dataflow.io import ImageIO
    from dataflow.operators.core_vision import PromptedImageEditGenerator
    from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
    from dataflow.utils.storage import FileStorage

    image_io = ImageIO(str(folder / "images"))
    serving = APIVLMServing_openai(
        url, model_name="canned", image_io=image_io, api_format="images", max_workers=in_flight
    )
    operator = PromptedImageEditGenerator(serving)
    samples: list[float] = []

    def step(name: str, count: int) -> tuple[float, float]:
        source = folder / f"{name}.jsonl"
        with source.open("wb") as file:
            for number in range(count):
                row = {"images": str(PICTURE), "conversations": f"Make it {name} number {number}."}
                file.write(orjson.dumps(row) + b"\n")
        storage = FileStorage(source, folder / "cache", file_name_prefix=name)
        began, used = time.monotonic(), cpu_seconds()
        summary = operator.run(storage.step())
        assert summary.failed == 0 and summary.requests == count, summary
        return time.monotonic() - began, cpu_seconds() - used

    def sample() -> None:
        while True:
            samples.append(round(memory_mb(), 1))
            time.sleep(0.1)

    start = memory_mb()
    threading.Thread(target=sample, daemon=True).start()
    step("warm", in_flight)
    warmed = len(samples)
    seconds, used = step("measured", rows)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 * 1.048576
    tenth = max(1, (len(samples) - warmed) // 10)
    over_time = [max(samples[at : at + tenth]) for at in range(warmed, len(samples), tenth)]
    return {"rate": rows / seconds, "cpu": used / rows, "start": start, "peak": peak, "over_time": over_time}


def main() -> None:
    kind, url, where, rows, in_flight = sys.argv[1:]
    folder, sizes = Path(where), (int(rows), int(in_flight))
    if kind == "ours":
        figures = ours(url, folder, *sizes)
    else:
        parse = {"stdlib": with_standard_library, "fast": with_fast_pieces}[kind]
        figures = bare(url, folder, *sizes, parse)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
