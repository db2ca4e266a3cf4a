"""A loaded pipeline: weights in, pictures out, smaller batches when memory runs short.

All of it runs on one thread of the serving's. Noise comes from CPU generators, one per sample, so that of a row
depends neither on the device nor on the rows beside it. Its picture does as far as sums are rounded: in float32
on a CPU by a level in 1 to 3 of 4096 pixels of every third picture (measured November 2026).
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dataflow.errors import AnswerError, ConfigError, DataflowError, TransientAnswer
from dataflow.serving.backends import Backend, Sample
from dataflow.serving.local.checkpoint import Checkpoint
from dataflow.serving.local.runtime import ShrinkingBatch, dtype_of, give_back_memory, no_bars
from dataflow.serving.local.settings import LocalSettings

if TYPE_CHECKING:
    from PIL.Image import Image

Drawn = "Image | AnswerError"


class LocalModel:
    """A diffusers pipeline on its device.

    Args:
        pipeline: as `from_pretrained` gave it.
        backend: its family.
        settings: of the serving.
    """

    def __init__(self, pipeline: Any, backend: Backend, settings: LocalSettings) -> None:
        self._pipeline = pipeline
        self._backend = backend
        self._settings = settings
        self._batch = ShrinkingBatch(settings.batch_size)
        self._known = inspect.signature(pipeline.__call__).parameters
        if unknown := self._asked_arguments().keys() - self._known.keys():
            raise ConfigError(
                f"{type(pipeline).__name__} takes no {', '.join(sorted(unknown))}: leave it out of call_kwargs or of"
                f" the diffuser_ settings. It takes {', '.join(self._known)}"
            )

    def draw(self, samples: Sequence[Sample]) -> "list[Image | AnswerError]":
        """One picture per sample, in order; the samples have one plan.

        A batch that does not fit is halved, and no later one is larger; a single sample that does not fit
        is that sample's failure.
        """
        size = samples[0].plan.size
        shown = f"{size[0]} x {size[1]}" if size else "its size"

        def alone(_: Sample, reason: str) -> "Image | AnswerError":
            fix = "ask for a smaller size, or load the model smaller with pipe_kwargs={'quantization_config': ...}"
            return TransientAnswer(f"out of memory for one picture of {shown}: {fix}", said=reason, retries=0)

        return self._batch.run(samples, self._call, what=f"pictures of {shown}", alone=alone)

    def _call(self, samples: Sequence[Sample]) -> "Sequence[Image | AnswerError]":
        import torch

        size = samples[0].plan.size
        shared: dict[str, object] = {
            "prompt": [sample.prompt for sample in samples],
            "generator": [torch.Generator("cpu").manual_seed(sample.seed) for sample in samples],
            "num_images_per_prompt": 1,
            "output_type": "pil",
        }
        if size is not None:
            shared |= {"width": size[0], "height": size[1]}
        shared |= self._backend.arguments(samples)
        known = {name: value for name, value in shared.items() if name in self._known}
        asked = self._asked_arguments()
        if isinstance(negative := asked.get("negative_prompt"), str):
            asked["negative_prompt"] = [negative] * len(samples)  # a single one fails beside a batch
        images = self._pipeline(**(known | asked)).images
        if len(images) != len(samples):
            raise DataflowError(f"{type(self._pipeline).__name__} gave {len(images)} pictures for {len(samples)}")
        return list(images)

    def _asked_arguments(self) -> dict[str, object]:
        """What the family's defaults and the user's settings add to every call."""
        steps = self._settings.steps or self._backend.steps
        guidance = self._backend.guidance if self._settings.guidance is None else self._settings.guidance
        asked: dict[str, object] = {"num_inference_steps": steps, self._backend.guidance_name: guidance}
        return {name: value for name, value in asked.items() if value is not None} | dict(self._settings.call_kwargs)

    def free(self) -> None:
        """Let go of the weights."""
        self._pipeline = None
        give_back_memory()


def load(checkpoint: Checkpoint, backend: Backend, settings: LocalSettings, device: str) -> LocalModel:
    """Load the weights onto a device.

    Raises:
        ConfigError: they do not fit, or the checkpoint cannot be loaded.
    """
    import torch
    from diffusers import DiffusionPipeline
    from diffusers.utils import logging as of_diffusers
    from safetensors import SafetensorError
    from transformers.utils import logging as of_transformers

    try:
        with no_bars(of_diffusers, of_transformers):
            arguments: Mapping[str, Any] = {
                _dtype_argument(): dtype_of(settings.dtype, device),
                **backend.components(checkpoint),
                **settings.pipe_kwargs,
            }
            pipeline = DiffusionPipeline.from_pretrained(checkpoint.folder, **arguments)
            for number, (path, _) in enumerate(settings.lora):
                pipeline.load_lora_weights(path, adapter_name=f"lora{number}")
            if settings.lora:
                names = [f"lora{number}" for number in range(len(settings.lora))]
                pipeline.set_adapters(names, [scale for _, scale in settings.lora])
            if "device_map" not in settings.pipe_kwargs:
                pipeline.to(device)
        pipeline.set_progress_bar_config(disable=True)
    except torch.OutOfMemoryError as error:
        raise ConfigError(
            f"{checkpoint.folder} does not fit on {device}: load it smaller with pipe_kwargs (a quantization_config,"
            f" or device_map='balanced' over several GPUs), or choose a smaller model"
        ) from error
    except (OSError, ValueError, RuntimeError, LookupError, AttributeError, TypeError, SafetensorError) as error:
        raise ConfigError(
            f"{checkpoint.folder} cannot be loaded as {checkpoint.pipeline}: {error}. If pipe_kwargs and lora fit"
            f" this model, download it again"
        ) from error
    except ImportError as error:
        raise ConfigError(f"{checkpoint.folder} needs a library that is not installed: {error}") from error
    return LocalModel(pipeline, backend, settings)


def _dtype_argument() -> str:
    """What `from_pretrained` calls it: diffusers 0.40 renamed `torch_dtype`, and warns about the old name."""
    import diffusers

    major, minor = (int(part) for part in diffusers.__version__.split(".")[:2])
    return "dtype" if (major, minor) >= (0, 40) else "torch_dtype"
