"""A loaded pipeline: weights in, pictures out, smaller batches and decoding in tiles when memory runs short.

All of it runs on one thread of the serving's. Noise comes from CPU generators, one per sample, so that of a row
depends neither on the device nor on the rows beside it. Its picture does as far as sums are rounded: in float32
on a CPU by a level in 1 to 3 of 4096 pixels of every third picture (measured November 2026).
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
from dataflow.serving.local.pictures.prompts import Prompts, draw_the_encodable
from dataflow.serving.local.pictures.settings import LocalSettings
from dataflow.serving.local.pictures.truncation import Cuts
from dataflow.serving.local.runtime import ShrinkingBatch, give_back_memory

log = logging.getLogger(__name__)

_PLAIN = (512, 512)  # an input picture that every pipeline takes


class LocalModel:
    """A diffusers pipeline on its device.

    Args:
        pipeline: on its device.
        denoiser: of the pipeline.
        backend: its family.
        settings: of the serving.
        at_once: most pictures in one call.
        prompts: of the pipeline.
        cuts: hears which prompts it cuts off; None: nobody listens.
        fitting: how many of them fit into memory; None leaves that to running out of it.
        inpaint: the pipeline that edits within a mask, of the same parts; None: there is none.
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
        cuts: Cuts | None = None,
        fitting: Fitting | None = None,
        inpaint: Any = None,
    ) -> None:
        self._pipeline = pipeline
        self._inpaint = inpaint
        self._denoiser = denoiser
        self._prompts = prompts
        self._cuts = cuts
        self._backend = backend
        self._settings = settings
        self._fitting = fitting
        self._batch = ShrinkingBatch(at_once, few_sizes=denoiser.compiled)
        self._faults = Faults("the pipeline", self._plain_sample)
        self._tiles: dict[Size | None, bool] = {}  # sizes too large to decode whole, and whether tiles helped
        self._missed: set[Size] = set()  # sizes at which it drew another
        self._known = inspect.signature(pipeline.__call__).parameters
        self._known_masked = {} if inpaint is None else inspect.signature(inpaint.__call__).parameters
        if unknown := self._asked_arguments().keys() - self._known.keys() - self._known_masked.keys():
            raise ConfigError(
                f"{type(pipeline).__name__} takes no {', '.join(sorted(unknown))}: leave it out of call_kwargs or of"
                f" the diffuser_ settings. It takes {', '.join(self._known)}"
            )

    @property
    def warming(self) -> str:
        """What the first pictures wait for."""
        return self._denoiser.warming

    def expect(self, prompts: Iterable[str]) -> None:
        """These will be drawn soon, so they may be encoded together with others; may be called from any thread."""
        self._prompts.expect(prompts)

    def cut_off(self, prompt: str) -> bool:
        """Whether the pipeline has read only the beginning of this prompt."""
        return self._cuts is not None and self._cuts.includes(prompt)

    def draw(self, samples: Sequence[Sample]) -> list[Drawn]:
        """One picture per sample, in order; the samples have one plan.

        A batch that does not fit is halved, and no later one is larger; a single sample that does not fit
        is decoded in tiles, which shows at most at their seams, or is that sample's failure. So is one that the
        pipeline raises over, if it does not raise over every other too.
        """
        plan, size = samples[0].plan, samples[0].plan.size
        shown = f"{size[0]} x {size[1]}" if size else "its size"

        def too_large(sample: Sample, reason: str) -> Drawn:
            if size not in self._tiles and (drawn := self._in_tiles(sample, shown)) is not None:
                return drawn
            fix = "ask for a smaller size, or load the model smaller with pipe_kwargs={'quantization_config': ...}"
            return Failure("retry", f"out of memory for one picture of {shown}: {fix}", said=reason, retries=0)

        def together(some: Sequence[Sample]) -> Sequence[Drawn]:
            what = f"{len(some)} pictures of {shown}" if len(some) > 1 else f"pictures of {shown}"

            def draw(some: Sequence[Sample]) -> Sequence[Drawn]:
                with self._fitting.measured(plan, len(some)) if self._fitting else nullcontext():
                    return self._denoiser.run((plan, len(some)), what, lambda: self._call(some))

            return self._faults.run(some, lambda some: draw_the_encodable(some, draw))

        if self._tiles:
            self._decode_in_tiles(self._tiles.get(size, False))
        most = partial(self._fitting.most, plan) if self._fitting else None
        return self._batch.run(samples, together, what=f"pictures of {shown}", too_large=too_large, most=most)

    def _in_tiles(self, sample: Sample, shown: str) -> "Drawn | None":
        """The picture decoded tile by tile, or None where that does not fit either."""
        import torch

        size = sample.plan.size
        self._tiles[size] = False
        if not self._decode_in_tiles(True):
            return None
        try:
            (drawn,) = draw_the_encodable([sample], self._call)
        except torch.OutOfMemoryError:
            self._decode_in_tiles(False)
            give_back_memory()
            return None
        self._tiles[size] = True
        log.warning("out of memory for one picture of %s: from now on those of its size are decoded in tiles", shown)
        return drawn

    def _decode_in_tiles(self, tiled: bool) -> bool:
        """Whether the pipeline's VAE can do so."""
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
            asked["negative_prompt"] = [negative] * len(samples)  # a single one fails beside a batch
        if isinstance(scale := asked.get("true_cfg_scale"), int | float) and scale <= 1:
            given.pop("negative_prompt", None)  # it counts for nothing, and each call would say so
        images = pipeline(**(given | asked)).images
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
        """A grey picture and a short prompt, as the settings ask for it."""
        from PIL import Image

        asked = self._settings.size
        pictures = [_PLAIN] if self._settings.task == "imageedit" else []
        masked = bool(pictures) and self._inpaint is self._pipeline  # it may do nothing else
        plan_of = self._backend.plan_masked if masked else self._backend.plan
        plan = plan_of(None if asked is None else on_grid(asked), pictures)
        mask = Image.new("L", plan.inputs[0], 255) if masked else None
        return Sample(plan, "a house", tuple(Image.new("RGB", size, "grey") for size in plan.inputs), seed=0, mask=mask)

    def _own_arguments(self, samples: Sequence[Sample], known: Collection[str]) -> dict[str, object]:
        """Those of the family, all of which the pipeline takes."""
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
        """What the family's defaults and the user's settings add to every call."""
        steps = self._settings.steps or self._backend.steps
        guidance = self._backend.guidance if self._settings.guidance is None else self._settings.guidance
        asked: dict[str, object] = {"num_inference_steps": steps, self._backend.guidance_name: guidance}
        return {name: value for name, value in asked.items() if value is not None} | dict(self._settings.call_kwargs)

    def free(self) -> None:
        """Let go of the weights."""
        self._prompts.free()
        if self._cuts is not None:
            self._cuts.free()
        self._denoiser.free()
        self._pipeline = self._inpaint = None
        give_back_memory()
