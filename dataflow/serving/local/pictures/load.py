"""Load a checkpoint into a model that draws: read, quantise, cache, place, compile, wrap, in this order.

The order matters. Layers become fp8 one by one on the GPU, before the GPU holds the other parts. The step cache comes
before the hooks that offload parts: diffusers removes those hooks after each call, and removes with them whatever
replaced the denoiser's `forward` after them. Compiling comes last, because it compiles the code that runs in the end.
"""

import inspect
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dataflow.errors import ConfigError
from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.backends import Backend
from dataflow.serving.local.damage import damage_explained
from dataflow.serving.local.patches import quiet_torchao
from dataflow.serving.local.pictures.denoiser import Denoiser
from dataflow.serving.local.pictures.fitting import Card, Fitting
from dataflow.serving.local.pictures.model import LocalModel
from dataflow.serving.local.pictures.placing import Way, place
from dataflow.serving.local.pictures.presets import Speedups
from dataflow.serving.local.pictures.prompts import Prompts
from dataflow.serving.local.pictures.settings import LocalSettings
from dataflow.serving.local.pictures.truncation import Truncation
from dataflow.serving.local.runtime import dtype_of, no_bars

if TYPE_CHECKING:
    from torch.nn import Module


def load(
    checkpoint: Checkpoint, backend: Backend, settings: LocalSettings, device: str, *, speedups: Speedups, at_once: int
) -> LocalModel:
    """Load the weights onto a device and apply the speedups.

    Args:
        checkpoint: on disk, with all of its files.
        backend: the model family of the checkpoint.
        settings: the serving's.
        device: torch's name.
        speedups: those of the preset that this machine can apply.
        at_once: the most pictures that one call draws.

    Raises:
        ConfigError: the weights do not fit, the checkpoint cannot be loaded, or a lossy speedup fails.
    """
    import torch

    if device.startswith("cuda"):
        # The current device belongs to this thread; diffusers copies offloaded layers on a stream of that device.
        torch.cuda.set_device(torch.device(device).index or 0)
    try:
        with nullcontext() if speedups.fp8 or "quantization_config" in settings.pipe_kwargs else quiet_torchao():
            from diffusers import DiffusionPipeline  # noqa: F401 - the first one in a process imports torchao
        pipeline = _read(checkpoint, backend, settings, device)
        denoiser = Denoiser(pipeline, pads_text=backend.pads_text)
        if speedups.fp8:
            denoiser.quantise(device, adapters=bool(settings.loras))
        if speedups.cache is not None:
            denoiser.cache_steps(speedups.cache)
        way = _place(pipeline, device, settings.pipe_kwargs)
    except torch.OutOfMemoryError as error:
        raise ConfigError(
            f"{checkpoint.folder} does not fit on {device}: load it smaller with pipe_kwargs (a quantization_config,"
            f" or device_map='balanced' over several GPUs), or choose a smaller model"
        ) from error
    # A layer that is copied to the GPU and removed between two kernels cannot be compiled.
    denoiser.apply_lossless(speedups if way != "layer by layer" else replace(speedups, compiled=False))
    truncation = Truncation(pipeline, cuts_encodings=backend.cuts_encodings)
    truncation.observe()
    prompts = Prompts(pipeline, backend.encoded, ahead=way in ("in turns", "part by part"), together=device == "cpu")
    prompts.take_over()
    # Where weights are swapped, a measurement would count them among the memory that pictures take.
    is_measured = settings.batch_size is None and at_once > 1 and way == "whole" and device.startswith("cuda")
    fitting = Fitting(Card(device)) if is_measured else None
    inpaint = inpainting(pipeline, backend)
    return LocalModel(
        pipeline, denoiser, backend, settings, at_once, prompts, truncation=truncation, fitting=fitting, inpaint=inpaint
    )


def inpainting(pipeline: Any, backend: Backend) -> Any:
    """The pipeline that edits within a mask, built from the parts of a pipeline; None where the family has none.

    The parts stay where they lie. diffusers' own `from_pipe` is not used, because it would cast them to another dtype.
    Prompts are encoded by the given pipeline, so encodings that are kept already serve both pipelines.
    """
    import diffusers

    kind = getattr(diffusers, backend.inpaint, None) if backend.inpaint else None
    if kind is None or isinstance(pipeline, kind):
        return kind and pipeline
    known = {**pipeline.config, **pipeline.components}
    parts = {name: known[name] for name in inspect.signature(kind).parameters if name in known}
    inpaint = kind(**parts)
    inpaint.set_progress_bar_config(disable=True)
    inpaint.encode_prompt = pipeline.encode_prompt
    return inpaint


def _read(checkpoint: Checkpoint, backend: Backend, settings: LocalSettings, device: str) -> Any:
    """The pipeline of diffusers with its LoRAs, its weights in main memory or where the user's `device_map` says."""
    from diffusers import DiffusionPipeline
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    arguments: Mapping[str, Any] = {
        _dtype_argument(): dtype_of(settings.dtype, device),
        **backend.components(checkpoint),
        **settings.pipe_kwargs,
    }
    what = f"{checkpoint.folder} cannot be loaded as {checkpoint.pipeline}"
    with no_bars(diffusers_logging, transformers_logging):
        with damage_explained(what, "If pipe_kwargs fit this model, download it again"):
            pipeline = DiffusionPipeline.from_pretrained(checkpoint.folder, **arguments)
        # With a device_map, weights may wait on disk; those look like weights that no file had.
        if "device_map" not in settings.pipe_kwargs:
            _check_all_read(pipeline, checkpoint)
        _add_loras(pipeline, settings.loras)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _check_all_read(pipeline: Any, checkpoint: Checkpoint) -> None:
    """Check that every weight of the pipeline was in a file; diffusers loads a model without the missing ones.

    Raises:
        ConfigError: weights are missing; the error names the first.
    """
    import torch

    parts: Mapping[str, Module] = {
        name: part for name, part in pipeline.components.items() if isinstance(part, torch.nn.Module)
    }
    for name, part in parts.items():
        lacking = [weight for weight, tensor in part.named_parameters() if tensor.is_meta]
        if lacking:
            raise ConfigError(
                f"{checkpoint.folder} cannot be loaded as {checkpoint.pipeline}: the files of its {name} lack"
                f" {len(lacking)} of the weights that config.json asks for, such as {lacking[0]}. Download it again"
            )


def _add_loras(pipeline: Any, loras: Sequence[tuple[str, float]]) -> None:
    """Load the LoRAs into the pipeline, each at its scale, without merging them into the weights."""
    names = [f"lora{number}" for number in range(len(loras))]
    for name, (path, _) in zip(names, loras, strict=True):
        with damage_explained(f"lora={path!r} cannot be loaded", "If it fits this model, download it again"):
            pipeline.load_lora_weights(path, adapter_name=name)
    if names:
        with damage_explained(f"lora={[*loras]!r} cannot be set", "Check that each fits this model"):
            pipeline.set_adapters(names, [scale for _, scale in loras])


def _place(pipeline: Any, device: str, pipe_kwargs: Mapping[str, object]) -> Way:
    """Bring the pipeline to its device, unless the user's `device_map` did; never offload what the user quantised."""
    if "device_map" in pipe_kwargs:
        return "whole"
    if "quantization_config" in pipe_kwargs:
        pipeline.to(device)
        return "whole"
    return place(pipeline, device)


def _dtype_argument() -> str:
    """The name of `from_pretrained`'s dtype argument: since diffusers 0.40 `torch_dtype` is deprecated."""
    import diffusers

    major, minor = (int(part) for part in diffusers.__version__.split(".")[:2])
    return "dtype" if (major, minor) >= (0, 40) else "torch_dtype"
