"""A loaded pipeline that draws batches of samples, smaller batches or tiles where memory runs short.

Everything here runs on the serving's launch thread. Each sample has its own noise generator on the CPU, so a row's
noise depends neither on the device nor on the other rows of its batch. A row's picture does depend on its batch, as far
as sums are rounded: in float32 on a CPU, every third picture differs by one level in 1 to 3 of 4096 pixels (measured
November 2026).
"""

import inspect
import logging
from collections.abc import Collection, Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from dataflow.core.words import count_of
from dataflow.errors import ConfigError, DataflowError, Failure
from dataflow.serving.backends import Backend, Sample, Size
from dataflow.serving.backends.canvas import on_grid
from dataflow.serving.local.faults import Faults
from dataflow.serving.local.pictures.denoiser import Denoiser
from dataflow.serving.local.pictures.fitting import Fitting
from dataflow.serving.local.pictures.pixels import Drawn, pixels_of
from dataflow.serving.local.pictures.prompts import Prompts, draw_all_but_unencodable
from dataflow.serving.local.pictures.settings import LocalSettings
from dataflow.serving.local.pictures.truncation import Truncation
from dataflow.serving.local.runtime import ShrinkingBatch, give_back_memory

log = logging.getLogger(__name__)

_PLAIN = (512, 512)  # width and height of an input picture that every pipeline accepts


class LocalModel:
    """A diffusers pipeline on its device.

    Args:
        pipeline: of diffusers, on its device.
        denoiser: the pipeline's, with its speedups.
        backend: the model family.
        settings: the serving's.
        at_once: the most pictures that one call draws.
        prompts: the cache of the pipeline's prompt encodings.
        truncation: knows which prompts the pipeline truncates; None marks no answer as truncated.
        fitting: how many pictures fit into memory; None finds that out by running out of memory.
        inpaint: the pipeline that edits within a mask, built from the same parts; None if the family has none.

    Raises:
        ConfigError: the pipeline does not take an argument of `call_kwargs` or of the family.
    """

    def __init__(
        self,
        pipeline: Any,
        denoiser: Denoiser,
        backend: Backend,
        settings: LocalSettings,
        at_once: int,
        prompts: Prompts,
        *,
        truncation: Truncation | None = None,
        fitting: Fitting | None = None,
        inpaint: Any = None,
    ) -> None:
        self._pipeline = pipeline
        self._inpaint = inpaint
        self._denoiser = denoiser
        self._prompts = prompts
        self._truncation = truncation
        self._backend = backend
        self._settings = settings
        self._fitting = fitting
        self._batch = ShrinkingBatch(at_once, few_sizes=denoiser.compiled)
        self._faults = Faults("the pipeline", self._plain_sample)
        self._tiles: dict[Size | None, bool] = {}  # size that was too large to decode whole → whether tiles helped
        self._missed: set[Size] = set()  # sizes for which the pipeline drew another size
        self._known = inspect.signature(pipeline.__call__).parameters
        self._known_masked = {} if inpaint is None else inspect.signature(inpaint.__call__).parameters
        if unknown := self._asked_arguments().keys() - self._known.keys() - self._known_masked.keys():
            raise ConfigError(
                f"{type(pipeline).__name__} takes no {', '.join(sorted(unknown))}: leave it out of call_kwargs or of"
                f" the diffuser_ settings. It takes {', '.join(self._known)}"
            )

    @property
    def warming(self) -> str:
        """What the next picture waits for, in words, such as compiling; empty if nothing."""
        return self._denoiser.warming

    def expect(self, prompts: Iterable[str]) -> None:
        """Note the prompts that will be drawn soon, to encode them ahead; may be called from any thread."""
        self._prompts.expect(prompts)

    def cut_off(self, prompt: str) -> bool:
        """Whether the pipeline truncated this prompt."""
        return self._truncation is not None and self._truncation.includes(prompt)

    def draw(self, samples: Sequence[Sample]) -> list[Drawn]:
        """Draw samples that have one plan; return one picture or failure per sample, in order.

        A batch that does not fit into memory is halved, and no later batch is larger. A single sample that does not
        fit is decoded in tiles, which are visible at most at their seams; if tiles do not fit either, the sample fails.
        A sample for which the pipeline raises fails too, unless the pipeline raises for a plain sample as well.
        """
        plan, size = samples[0].plan, samples[0].plan.size
        shown = f"{size[0]} x {size[1]}" if size else "its size"

        def too_large(sample: Sample, reason: str) -> Drawn:
            if size not in self._tiles and (drawn := self._in_tiles(sample, shown)) is not None:
                return drawn
            fix = "ask for a smaller size, or load the model smaller with pipe_kwargs={'quantization_config': ...}"
            return Failure("retry", f"out of memory for one picture of {shown}: {fix}", said=reason, retries=0)

        def draw_batch(batch: Sequence[Sample]) -> Sequence[Drawn]:
            what = f"{len(batch)} pictures of {shown}" if len(batch) > 1 else f"pictures of {shown}"

            def draw(part: Sequence[Sample]) -> Sequence[Drawn]:
                with self._fitting.measured(plan, len(part)) if self._fitting else nullcontext():
                    return self._denoiser.run((plan, len(part)), what, lambda: self._call(part))

            return self._faults.run(batch, lambda part: draw_all_but_unencodable(part, draw))

        if self._tiles:
            self._decode_in_tiles(self._tiles.get(size, False))
        most = partial(self._fitting.most, plan) if self._fitting else None
        return self._batch.run(samples, draw_batch, what=f"pictures of {shown}", too_large=too_large, most=most)

    def _in_tiles(self, sample: Sample, shown: str) -> "Drawn | None":
        """Draw one sample and decode its picture tile by tile; None where tiles do not fit into memory either."""
        import torch

        size = sample.plan.size
        self._tiles[size] = False
        if not self._decode_in_tiles(True):
            return None
        try:
            (drawn,) = draw_all_but_unencodable([sample], self._call)
        except torch.OutOfMemoryError:
            self._decode_in_tiles(False)
            give_back_memory()
            return None
        self._tiles[size] = True
        log.warning("out of memory for one picture of %s: from now on those of its size are decoded in tiles", shown)
        return drawn

    def _decode_in_tiles(self, tiled: bool) -> bool:
        """Switch tiled decoding on or off; return whether the pipeline's VAE has that switch."""
        vae = getattr(self._pipeline, "vae", None)
        switch = getattr(vae, "enable_tiling" if tiled else "disable_tiling", None)
        if switch is None:
            return False
        switch()
        return True

    def _call(self, samples: Sequence[Sample]) -> Sequence[Drawn]:
        import torch

        size, masked = samples[0].plan.size, samples[0].plan.masked
        pipeline, known = (self._inpaint, self._known_masked) if masked else (self._pipeline, self._known)
        shared: dict[str, object] = {
            "prompt": [sample.prompt for sample in samples],
            "generator": [torch.Generator("cpu").manual_seed(sample.seed) for sample in samples],
            "num_images_per_prompt": 1,
            "output_type": "pt" if self._backend.gives_tensors else "pil",
        }
        if size is not None:
            shared |= {"width": size[0], "height": size[1]}
        given = {name: value for name, value in shared.items() if name in known} | self._own_arguments(samples, known)
        asked = {name: value for name, value in self._asked_arguments().items() if name in known}
        if isinstance(negative := asked.get("negative_prompt"), str):
            asked["negative_prompt"] = [negative] * len(samples)  # pipelines refuse one text beside a list of prompts
        if isinstance(scale := asked.get("true_cfg_scale"), int | float) and scale <= 1:
            given.pop("negative_prompt", None)  # it has no effect at this scale, and each call would warn about it
        images = pipeline(**(given | asked)).images  # the user's arguments win over the family's
        if len(images) != len(samples):
            raise DataflowError(f"{type(pipeline).__name__} gave {count_of(len(images), 'picture')} for {len(samples)}")
        drawn = (images.shape[3], images.shape[2]) if self._backend.gives_tensors else images[0].size
        if size not in (None, drawn) and size not in self._missed:
            self._missed.add(size)
            log.warning(
                "%s was asked for %d x %d and drew %d x %d: it chooses its own size. A Backend says otherwise in its"
                " arguments, such as max_area", type(pipeline).__name__, *size, *drawn
            )  # fmt: skip
        return pixels_of(images) if self._backend.gives_tensors else list(images)

    def _plain_sample(self) -> Sample:
        """A sample that nothing is odd about: a short prompt, and for an edit a grey picture, of the user's size."""
        from PIL import Image

        asked = self._settings.size
        pictures = [_PLAIN] if self._settings.task == "imageedit" else []
        masked = bool(pictures) and self._inpaint is self._pipeline  # such a pipeline may draw only within a mask
        plan_of = self._backend.plan_masked if masked else self._backend.plan
        plan = plan_of(None if asked is None else on_grid(asked), pictures)
        mask = Image.new("L", plan.inputs[0], 255) if masked else None
        return Sample(plan, "a house", tuple(Image.new("RGB", size, "grey") for size in plan.inputs), seed=0, mask=mask)

    def _own_arguments(self, samples: Sequence[Sample], known: Collection[str]) -> dict[str, object]:
        """The family's arguments for these samples.

        Raises:
            ConfigError: the pipeline does not take one of them.
        """
        masked = samples[0].plan.masked
        own = self._backend.arguments_masked(samples) if masked else self._backend.arguments(samples)
        if unknown := own.keys() - set(known):
            raise ConfigError(
                f"{type(self._backend).__name__}.arguments gives {', '.join(sorted(unknown))}, which"
                f" {type(self._inpaint if masked else self._pipeline).__name__} does not take. It takes"
                f" {', '.join(known)}"
            )
        return own

    def _asked_arguments(self) -> dict[str, object]:
        """The arguments that the family's defaults and the user's settings add to every call."""
        steps = self._settings.steps or self._backend.steps
        guidance = self._backend.guidance if self._settings.guidance is None else self._settings.guidance
        asked: dict[str, object] = {"num_inference_steps": steps, self._backend.guidance_name: guidance}
        return {name: value for name, value in asked.items() if value is not None} | dict(self._settings.call_kwargs)

    def free(self) -> None:
        """Release the weights and the memory they took."""
        self._prompts.free()
        if self._truncation is not None:
            self._truncation.free()
        self._denoiser.free()
        self._pipeline = self._inpaint = None
        give_back_memory()
