"""Measures seconds for a picture of FLUX.1: diffusers eager, diffusers compiled, and this package by preset.

python -m benchmarks.local_speed --half drawing      # FLUX.1
python -m benchmarks.local_speed --half kontext      # FLUX.1-Kontext

On a CUDA GPU the models have their true size (transformer 12 B, T5 4.8 B) and random weights, built in memory:
1024 x 1024, 28 steps, bfloat16; an H100 needs less than 10 minutes for each half, and --limit stops in time. Elsewhere
a toy of the same layout is drawn at 64 x 64, which shows that everything runs and says nothing of speed.

Every variant is first warmed up (compiled), then all draw in turn, so that they meet the same machine. "Ours" is
LocalImageGenServing's own `call`, its weights handed over through `pipe_kwargs`: request in, PNG on disk and digest
out, as many calls at once as the serving allows. Plain diffusers saves its PNG as a script would. ms a step is
measured between the transformer's calls; busy is nvidia-smi's share of time with a kernel running; peak counts the
variant's own weights. Random weights show neither how often a step cache hits nor what fp8 costs in quality.
"""

import argparse
import logging
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy
from PIL import Image

from benchmarks.flux_parts import MODELS, STEPS, floor_seconds, sharing_weights, toy_parts, true_parts, write_checkpoint
from benchmarks.local_variants import Ours, Plain, Setup, Steps
from dataflow.serving.local.pictures.placing import stored_bytes

PRESETS = ("exact", "fast", "turbo")


@dataclass(slots=True)
class Figures:
    """The figures of one variant."""

    first: float = 0.0
    seconds: list[float] = field(default_factory=list)
    step_ms: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    peak: int = 0
    finite: bool = True
    note: str = ""


@contextmanager
def watching(setup: Setup, busy: list[float]) -> Iterator[None]:
    """Collect, while the block runs, the percentage of time in which a kernel ran on the GPU."""
    if not setup.on_gpu or shutil.which("nvidia-smi") is None:
        yield
        return
    import torch

    name = f"GPU-{torch.cuda.get_device_properties(setup.device).uuid}"
    command = ["nvidia-smi", "-i", name, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "100"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield
        finally:
            process.terminate()
            said = process.communicate()[0].split()
    busy.extend(float(each) for each in said if each.isdigit())


def weight_bytes(parts: dict[str, Any]) -> int:
    """The bytes of the weights of all parts, as stored in memory."""
    return sum(stored_bytes(weight) for name in MODELS for weight in parts[name].parameters())


def measure(variant: Plain | Ours, steps: Steps, seeds: list[int], source: Path | None, figures: Figures) -> list[Path]:
    """Draw a number of pictures, and add the figures."""
    setup = variant.setup
    before = 0
    if setup.on_gpu:
        import torch

        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    began = time.monotonic()
    with watching(setup, figures.busy):
        began = time.monotonic()
        paths = variant.draw(seeds, source)
        took = (time.monotonic() - began) / len(seeds)
    step_ms, finite = steps.take(setup.steps)
    figures.finite &= finite
    if setup.on_gpu:
        figures.peak = max(figures.peak, torch.cuda.max_memory_allocated() - before)
    if figures.first:
        figures.seconds.append(took)
        figures.step_ms.append(step_ms)
    else:
        figures.first = took * len(seeds)
        figures.busy.clear()
    return paths


def pixels(path: Path) -> "numpy.ndarray[Any, Any]":
    return numpy.asarray(Image.open(path).convert("RGB")).astype(int)


def source_picture(setup: Setup) -> Path | None:
    if setup.half != "kontext":
        return None
    noise = numpy.random.default_rng(2).integers(0, 256, (16, 16, 3), numpy.uint8)
    path = setup.folder / "source.png"
    Image.fromarray(noise).resize((setup.side, setup.side), Image.Resampling.BICUBIC).save(path)
    return path


def table(all_figures: dict[str, Figures], setup: Setup, weights: dict[str, int]) -> Iterator[str]:
    yield "| variant | s an image (range) | ms a step | GPU busy | peak GB | first picture, s | floor, s | finite |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, figures in all_figures.items():
        if not figures.seconds:
            yield f"| {name} | not measured: {figures.note or 'time was up'} |||||||"
            continue
        low, middle, high = min(figures.seconds), median(figures.seconds), max(figures.seconds)
        cells = [name, f"{middle:.3g} ({low:.3g} to {high:.3g})", f"{median(figures.step_ms):.1f}"]
        cells.append(f"{mean(figures.busy):.0f} %" if figures.busy else "unknown")
        cells.append(f"{(weights[name] + figures.peak) / 1e9:.1f}" if setup.on_gpu else "no GPU")
        compiling = f"{figures.first:.0f}, of which {max(0.0, figures.first - middle):.0f} compiling or warming up"
        floor = (
            f"{floor_seconds(setup.half, fp8=name in ('ours fast', 'ours turbo')):.2f}" if setup.on_gpu else "no GPU"
        )
        yield "| " + " | ".join([*cells, compiling, floor, "yes" if figures.finite else "NO"]) + f" | {figures.note}"


def machine(setup: Setup) -> str:
    def of(name: str) -> str:
        try:
            return f"{name} {version(name)}"
        except PackageNotFoundError:
            return f"no {name}"

    where = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, no GPU"
    if setup.on_gpu:
        import torch

        where = f"{torch.cuda.get_device_name(setup.device)}, {os.cpu_count()} cores"
    names = ("torch", "diffusers", "transformers", "torchao", "cache-dit", "pillow")
    return f"{where}, python {platform.python_version()}, " + ", ".join(map(of, names))


class Comparison:
    """All variants on the same random weights, side by side."""

    def __init__(self, setup: Setup, batch: int | None) -> None:
        from diffusers import FluxKontextPipeline, FluxPipeline

        self._setup, self._batch = setup, batch
        kind = FluxKontextPipeline if setup.half == "kontext" else FluxPipeline
        self._parts = true_parts(setup.device) if setup.on_gpu else toy_parts()
        self._checkpoint = write_checkpoint(setup.folder / "model", self._parts, kind)
        self._source = source_picture(setup)
        self.gigabytes = weight_bytes(self._parts) / 1e9
        self.variants: dict[str, Plain | Ours] = {}
        self._watched: dict[str, Steps] = {}
        self._weights: dict[str, int] = {}
        self._figures: dict[str, Figures] = {}
        self._firsts: dict[str, Path] = {}

    def begin(self, name: str) -> None:
        """Build a variant and draw its first pictures, for which it compiles."""
        own = {**self._parts, "transformer": sharing_weights(self._parts["transformer"])}
        self._figures[name] = figures = Figures()
        if name.startswith("ours"):
            self.variants[name] = ours = Ours(self._setup, own, self._checkpoint, name.split()[1], self._batch)
            marks = ours.serving._speedups.marks()
            figures.note = f"levers that change pictures: {', '.join(marks) or 'none'}"
        else:
            self.variants[name] = Plain(self._setup, own, self._checkpoint, compiled=name.endswith("compiled"))
        self._watched[name] = Steps(own["transformer"], self._setup)
        size = self._batch if self._batch and name in ("ours exact", "ours fast") else 1
        self._firsts[name] = self.draw(name, list(range(1, 1 + size)))[0]
        self._weights[name] = weight_bytes(own)
        print(f"{name}: first after {figures.first:.0f} s", flush=True)

    def draw(self, name: str, seeds: list[int]) -> list[Path]:
        return measure(self.variants[name], self._watched[name], seeds, self._source, self._figures[name])

    def show(self) -> None:
        print("\n".join(table(self._figures, self._setup, self._weights)))
        plain = pixels(self._firsts["diffusers eager"])
        for name in list(self._firsts)[1:]:
            apart = abs(pixels(self._firsts[name]) - plain)
            print(f"{name} against diffusers eager, same seed: ", end="")
            print(f"at most {apart.max()}, mean {apart.mean():.3f} levels of 255")
        print("turbo: mechanism only. Random weights say neither how often its cache hits nor what quality it costs.")


def run(setup: Setup, rounds: int, pictures: int, batch: int | None, limit: float) -> None:
    began = time.monotonic()
    comparison = Comparison(setup, batch)
    print(f"built in {time.monotonic() - began:.0f} s: {comparison.gigabytes:.3g} GB of random weights", flush=True)
    for name in ("diffusers eager", "diffusers compiled", *(f"ours {preset}" for preset in PRESETS)):
        comparison.begin(name)
    for number in range(rounds):
        for name in comparison.variants:
            if time.monotonic() - began > limit:
                break
            comparison.draw(name, [1000 * (1 + number) + each for each in range(pictures)])
    comparison.show()
    for variant in comparison.variants.values():
        variant.end()
    print(f"{time.monotonic() - began:.0f} s in all")


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=("drawing", "kontext"), default="drawing")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--pictures", type=int, default=2, help="of each variant in a round")
    parser.add_argument("--batch", type=int, help="batch_size of ours; left out: as the preset chooses")
    parser.add_argument("--limit", type=float, default=480, help="seconds after which no variant begins")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    on_gpu = torch.cuda.is_available()
    with tempfile.TemporaryDirectory(prefix="local-speed-") as folder, torch.no_grad():
        device, side, steps = ("cuda:0", 1024, STEPS) if on_gpu else ("cpu", 64, 4)
        setup = Setup(options.half, device, side, steps, Path(folder))
        print(f"{options.half}, {side} x {side}, {steps} steps; {machine(setup)}", flush=True)
        if not on_gpu:
            print("NO GPU: a toy size that shows the mechanism; the GPU figures are missing.", flush=True)
        run(setup, options.rounds, options.pictures, options.batch, options.limit)


if __name__ == "__main__":
    main()
