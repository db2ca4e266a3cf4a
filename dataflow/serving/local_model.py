"""A loaded pipeline: weights in, pictures out, smaller batches when memory runs short.

All of it runs on one thread of the serving's. Noise comes from CPU generators, one per sample, so a row's
picture depends neither on the device nor on the rows beside it.
"""

import gc
import inspect
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dataflow.errors import AnswerError, ConfigError, DataflowError, TransientAnswer
from dataflow.serving.backends import Backend, Sample
from dataflow.serving.local_checkpoint import Checkpoint
from dataflow.serving.local_settings import LocalSettings

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger(__name__)

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
        self._most = settings.batch_size
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
        import torch

        if len(samples) > self._most:
            return [*self.draw(samples[: self._most]), *self.draw(samples[self._most :])]
        try:
            return list(self._call(samples))
        except torch.OutOfMemoryError as error:
            reason = str(error).partition("\n")[0]
        _give_back_memory()
        size = samples[0].plan.size
        shown = f"{size[0]} x {size[1]}" if size else "its size"
        if len(samples) == 1:
            fix = "ask for a smaller size, or load the model smaller with pipe_kwargs={'quantization_config': ...}"
            return [TransientAnswer(f"out of memory for one picture of {shown}: {fix}", said=reason[:300], retries=0)]
        self._most = len(samples) // 2
        log.warning("out of memory for %d pictures of %s: from now on %d at a time", len(samples), shown, self._most)
        return self.draw(samples)

    def _call(self, samples: Sequence[Sample]) -> "Sequence[Image]":
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
        _give_back_memory()


def load(checkpoint: Checkpoint, backend: Backend, settings: LocalSettings, device: str) -> LocalModel:
    """Load the weights onto a device.

    Raises:
        ConfigError: they do not fit, or the checkpoint cannot be loaded.
    """
    import torch
    from diffusers import DiffusionPipeline
    from safetensors import SafetensorError

    try:
        with _no_bars():
            arguments: Mapping[str, Any] = {
                _dtype_argument(): _dtype(settings.dtype, device),
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


def _dtype(name: str | None, device: str) -> Any:
    """bfloat16 on accelerators, float32 on a CPU, unless the user chose."""
    import torch

    chosen = getattr(torch, name or ("float32" if device == "cpu" else "bfloat16"), None)
    if not isinstance(chosen, torch.dtype):
        raise ConfigError(f"dtype={name!r} is none of torch's: use 'bfloat16', 'float16' or 'float32'")
    return chosen


def _dtype_argument() -> str:
    """What `from_pretrained` calls it: diffusers 0.40 renamed `torch_dtype`, and warns about the old name."""
    import diffusers

    major, minor = (int(part) for part in diffusers.__version__.split(".")[:2])
    return "dtype" if (major, minor) >= (0, 40) else "torch_dtype"


def _give_back_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextmanager
def _no_bars() -> Iterator[None]:
    """Loading bars of diffusers and transformers off meanwhile; ours is the only one."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    shown = [library for library in (of_diffusers, of_transformers) if library.is_progress_bar_enabled()]
    for library in shown:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library in shown:
            library.enable_progress_bar()
