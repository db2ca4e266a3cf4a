"""The variants that benchmarks/local_speed.py compares: diffusers as a script calls it, and our serving by preset."""

import asyncio
import itertools
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from PIL import Image

from benchmarks.flux_parts import MODELS
from dataflow.core.loop import submit
from dataflow.core.records import Answer, Job, Request
from dataflow.io import ImageIO
from dataflow.serving.local_image_gen_serving import LocalImageGenServing

GUIDANCE = {"drawing": 3.5, "kontext": 2.5}
PROMPT = "a lighthouse on a cliff at dusk, seen from the sea"


@dataclass(frozen=True, slots=True)
class Setup:
    """The settings of the comparison: what is drawn, and on which device."""

    half: str
    device: str
    side: int
    steps: int
    folder: Path

    @property
    def on_gpu(self) -> bool:
        return self.device != "cpu"


class Steps:
    """Records the times of a transformer's calls by the device's clock, and whether all outputs were finite."""

    def __init__(self, transformer: Any, setup: Setup) -> None:
        self._on_gpu = setup.on_gpu
        self._marks: list[Any] = []
        self._finite: list[Any] = []
        transformer.register_forward_pre_hook(self._began)
        transformer.register_forward_hook(self._ended)

    def _began(self, *_: object) -> None:
        if self._on_gpu:
            import torch

            self._marks.append(torch.cuda.Event(enable_timing=True))
            self._marks[-1].record()
        else:
            self._marks.append(time.perf_counter())

    def _ended(self, _: object, __: object, made: Any) -> None:
        self._finite.append(made[0].isfinite().all())

    def take(self, steps: int) -> tuple[float, bool]:
        """Milliseconds from one call to the next within a picture, and whether all was finite; begins anew."""
        marks, finite, self._marks, self._finite = self._marks, self._finite, [], []
        gaps = [
            one.elapsed_time(other) if self._on_gpu else 1000 * (other - one)
            for at, (one, other) in enumerate(itertools.pairwise(marks), 1)
            if at % steps
        ]
        return mean(gaps), all(bool(each) for each in finite)


class Plain:
    """The pipeline as a script calls it, one picture at a time."""

    def __init__(self, setup: Setup, parts: dict[str, Any], checkpoint: Path, *, compiled: bool) -> None:
        import torch
        from diffusers import DiffusionPipeline

        self.setup = setup
        models = {name: parts[name] for name in MODELS}
        self.pipeline = DiffusionPipeline.from_pretrained(checkpoint, **models).to(setup.device)
        self.pipeline.set_progress_bar_config(disable=True)
        if compiled:
            torch._dynamo.config.recompile_limit = 64
            parts["transformer"].compile_repeated_blocks(fullgraph=True, dynamic=False)

    def draw(self, seeds: list[int], source: Path | None) -> list[Path]:
        import torch

        side, more = self.setup.side, {}
        if source is not None:
            more = {"image": Image.open(source).convert("RGB"), "max_area": side * side, "_auto_resize": False}
        paths = []
        for seed in seeds:
            image = self.pipeline(
                prompt=PROMPT,
                generator=torch.Generator("cpu").manual_seed(seed),
                num_inference_steps=self.setup.steps,
                guidance_scale=GUIDANCE[self.setup.half],
                width=side,
                height=side,
                **more,
            ).images[0]
            paths.append(self.setup.folder / f"{id(self)}_{seed}.png")
            image.save(paths[-1])
        return paths

    def end(self) -> None:
        pass


class Ours:
    """The serving, without a pool."""

    def __init__(self, setup: Setup, parts: dict[str, Any], checkpoint: Path, preset: Any, batch: int | None) -> None:
        self.setup = setup
        self.serving = LocalImageGenServing(
            ImageIO(str(setup.folder / preset)),
            batch,
            hf_model_name_or_path=checkpoint,
            Image_gen_task="imageedit" if setup.half == "kontext" else "text2image",
            diffuser_num_inference_steps=setup.steps,
            diffuser_guidance_scale=GUIDANCE[setup.half],
            diffuser_image_height=setup.side,
            diffuser_image_width=setup.side,
            device=setup.device,
            pipe_kwargs={name: parts[name] for name in MODELS},
            preset=preset,
        )
        self.serving.prepare()
        self.serving.settle()
        submit(self.serving.setup()).result()

    def draw(self, seeds: list[int], source: Path | None) -> list[Path]:
        images = () if source is None else (str(source),)
        jobs = [Job(f"{seed:032x}", Request(PROMPT, images, seed=seed)) for seed in seeds]
        answers = submit(self._called(jobs)).result()
        for answer in answers:
            assert answer.error is None, answer.error
        return [Path(answer.pictures[0].path) for answer in answers]

    async def _called(self, jobs: list[Job]) -> list[Answer]:
        at_once = asyncio.Semaphore(self.serving.limits.width)

        async def call(batch: list[Job]) -> list[Answer]:
            async with at_once:
                return list(await self.serving.call(batch))

        size = self.serving.batching.max_batch
        batches = [jobs[start : start + size] for start in range(0, len(jobs), size)]
        return [answer for answers in await asyncio.gather(*map(call, batches)) for answer in answers]

    def end(self) -> None:
        submit(self.serving.close()).result()
