"""Measures what LocalImageGenServing costs beside a bare diffusers pipeline, for an editing step of 64 rows on a CPU.

OMP_NUM_THREADS=1 python -m benchmarks.local_overhead

A FLUX-Kontext checkpoint with random weights edits 64 x 64 pictures in 8 steps, 4 at a time. Each round runs
the operator's step and then the same batches on the bare pipeline, so that both meet the same machine; the
model is loaded before. The step's time counts everything from its input file to its output file: pictures read
and checked, journal, PNGs written and synced. A tiny model's call is so short that those files show, so a wider one, of
about half a second of CPU a call, is measured too. On a shared machine the CPU line is the one to trust; what it
leaves out is waiting for the disk.
"""

import argparse
import json
import os
import platform
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from PIL import Image

from dataflow.io import ImageIO
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.serving.local_image_gen_serving import LocalImageGenServing
from dataflow.utils.storage import FileStorage

SIDE, STEPS, BATCH = 64, 8, 4
HEAD = 8  # channels of an attention head


@dataclass(frozen=True, slots=True)
class Took:
    wall: float
    cpu: float


def timed(work: Callable[[], object]) -> Took:
    began, cpu = time.monotonic(), time.process_time()
    work()
    return Took(time.monotonic() - began, time.process_time() - cpu)


def checkpoint(folder: Path, heads: int) -> Path:
    """Save the tests' tiny FLUX-Kontext with a number of attention heads."""
    from diffusers import FluxKontextPipeline, FluxTransformer2DModel

    from tests.kit.tiny import enliven, flux_parts, saved

    parts = flux_parts()
    config = {**parts["transformer"].config, "num_attention_heads": heads}
    parts["transformer"] = enliven(FluxTransformer2DModel.from_config(config), 6)
    return saved(FluxKontextPipeline(**parts), folder)


def pictures(folder: Path, rows: int) -> list[Path]:
    """Pictures of noise."""
    folder.mkdir()
    paths = [folder / f"{number}.png" for number in range(rows)]
    for number, path in enumerate(paths):
        Image.frombytes("RGB", (SIDE, SIDE), random.Random(number).randbytes(SIDE * SIDE * 3)).save(path)
    return paths


class Bare:
    """The pipeline as a script would call it, its pictures already in memory."""

    def __init__(self, folder: Path) -> None:
        from diffusers import FluxKontextPipeline

        self.pipeline: Any = FluxKontextPipeline.from_pretrained(folder)
        self.pipeline.set_progress_bar_config(disable=True)

    def edit(self, prompts: list[str], images: list[Image.Image]) -> None:
        import torch

        for start in range(0, len(prompts), BATCH):
            some = slice(start, start + BATCH)
            self.pipeline(
                prompt=prompts[some],
                image=images[some],
                generator=[torch.Generator("cpu").manual_seed(seed) for seed in range(len(prompts[some]))],
                num_inference_steps=STEPS,
                guidance_scale=2.5,
                width=SIDE,
                height=SIDE,
                max_area=SIDE * SIDE,
                _auto_resize=False,
            )


class Ours:
    """The operator on the serving; a round has prompts and a cache of its own, so nothing is known before."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder = folder
        self.serving = LocalImageGenServing(
            ImageIO(str(folder / "edited")),
            BATCH,
            hf_model_name_or_path=model,
            Image_gen_task="imageedit",
            diffuser_num_inference_steps=STEPS,
            diffuser_image_height=SIDE,
            diffuser_image_width=SIDE,
            device="cpu",
        )

    def step(self, name: str, prompts: list[str], paths: list[Path]) -> Callable[[], None]:
        """The operator that runs the step."""
        source = self.folder / f"{name}.jsonl"
        rows = [{"images": str(path), "conversations": text} for path, text in zip(paths, prompts, strict=True)]
        source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

        def run() -> None:
            summary = PromptedImageEditGenerator(self.serving).run(FileStorage(source, self.folder / name).step())
            assert (summary.requests, summary.failed) == (len(rows), 0)

        return run


def storing(folder: Path, images: list[Image.Image]) -> Took:
    """Seconds to encode and write as many pictures."""
    io = ImageIO(str(folder))
    return timed(lambda: [io.save(f"{number:032x}", [image]) for number, image in enumerate(images)])


def measure(folder: Path, heads: int, rows: int, rounds: int) -> None:
    model = checkpoint(folder / "model", heads)
    paths = pictures(folder / "inputs", rows)
    images = [Image.open(path).convert("RGB") for path in paths]
    bare, ours = Bare(model), Ours(folder, model)
    ours.step("warm", ["Warm up."] * BATCH, paths[:BATCH])()
    bare.edit(["Warm up."] * BATCH, images[:BATCH])
    steps, calls, writes = [], [], []
    for number in range(rounds):
        prompts = [f"Paint house {row} of street {number}." for row in range(rows)]
        steps.append(timed(ours.step(f"round{number}", prompts, paths)))
        calls.append(timed(partial(bare.edit, prompts, images)))
        writes.append(storing(folder / f"stored{number}", images))
    count = -(-rows // BATCH)
    print(f"{heads * HEAD} channels: a call of {BATCH} takes {median(c.wall for c in calls) / count:.2f} s")
    for kind in ("wall", "cpu"):
        of_step, of_calls, of_writes = ([getattr(took, kind) for took in each] for each in (steps, calls, writes))
        ratios = sorted(100 * (step / call - 1) for step, call in zip(of_step, of_calls, strict=True))
        over = median(step - call for step, call in zip(of_step, of_calls, strict=True))
        print(
            f"  {kind:4}: step {median(of_step):.2f} s, bare calls {median(of_calls):.2f} s: overhead"
            f" {median(ratios):.1f} % ({1000 * over / rows:.1f} ms a picture, of which"
            f" {1000 * median(of_writes) / rows:.1f} ms PNG); rounds {ratios[0]:.1f} to {ratios[-1]:.1f} %",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--heads", type=int, nargs="+", default=[2, 7], help="of the transformer, 8 channels each")
    options = parser.parse_args()
    names = ("torch", "diffusers", "transformers", "pillow")
    print(f"python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}", end="")
    print("".join(f", {name} {version(name)}" for name in names))
    print(f"{options.rows} rows of {SIDE} x {SIDE}, {STEPS} steps, {options.rounds} rounds", end="")
    print(f", load {os.getloadavg()[0]:.1f}", flush=True)
    for heads in options.heads:
        with tempfile.TemporaryDirectory(prefix="local-overhead-") as folder:
            measure(Path(folder), heads, options.rows, options.rounds)


if __name__ == "__main__":
    main()
