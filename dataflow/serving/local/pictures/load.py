"""From a checkpoint on disk to a model that draws: read, quantise, cache, place, compile, wrap.

The order is not free. Layers become fp8 one by one on the card, before it holds the rest. A step cache is set up before
the hooks that bring parts to the card, since diffusers takes those off after each call, and with them what has replaced
the denoiser's `forward` since. Compiling comes last, over what runs in the end.
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
from dataflow.serving.local.patches import torchao_unasked
from dataflow.serving.local.pictures.denoiser import Denoiser
from dataflow.serving.local.pictures.fitting import Card, Fitting
from dataflow.serving.local.pictures.model import LocalModel
from dataflow.serving.local.pictures.placing import Way, place
from dataflow.serving.local.pictures.presets import Levers
from dataflow.serving.local.pictures.prompts import Prompts
from dataflow.serving.local.pictures.settings import LocalSettings
from dataflow.serving.local.pictures.truncation import Cuts
from dataflow.serving.local.runtime import dtype_of, no_bars

if TYPE_CHECKING:
    from torch.nn import Module


def load(
    checkpoint: Checkpoint, backend: Backend, settings: LocalSettings, device: str, *, levers: Levers, at_once: int
) -> LocalModel:
    """Load the weights onto a device and pull the levers.

    Args:
        checkpoint: whole.
        backend: its family.
        settings: of the serving.
        device: torch's name.
        levers: of the preset.
        at_once: most pictures in one call.

    Raises:
        ConfigError: they do not fit, the checkpoint cannot be loaded, or a lever that its ids promise fails.
    """
    import torch

    if device.startswith("cuda"):
        torch.cuda.set_device(torch.device(device).index or 0)  # of this thread: diffusers copies on a stream of it
    try:
        with nullcontext() if levers.fp8 or "quantization_config" in settings.pipe_kwargs else torchao_unasked():
            from diffusers import DiffusionPipeline  # noqa: F401 - the first one in a process imports torchao
        pipeline = _read(checkpoint, backend, settings, device)
        denoiser = Denoiser(pipeline, pads_text=backend.pads_text)
        if levers.fp8:
            denoiser.quantise(device, adapters=bool(settings.loras))
        if levers.cache is not None:
            denoiser.cache_steps(levers.cache)
        way = _place(pipeline, device, settings.pipe_kwargs)
    except torch.OutOfMemoryError as error:
        raise ConfigError(
            f"{checkpoint.folder} does not fit on {device}: load it smaller with pipe_kwargs (a quantization_config,"
            f" or device_map='balanced' over several GPUs), or choose a smaller model"
        ) from error
    # Layers that come and go between two kernels cannot be compiled.
    denoiser.pull(levers if way != "layer by layer" else replace(levers, compiled=False))
    cuts = Cuts(pipeline, behind=backend.cuts_encodings)
    cuts.listen()
    prompts = Prompts(pipeline, backend.encoded, ahead=way in ("in turns", "part by part"), together=device == "cpu")
    prompts.take_over()
    # Weights that come and go would be counted among what pictures take.
    is_measured = settings.batch_size is None and at_once > 1 and way == "whole" and device.startswith("cuda")
    fitting = Fitting(Card(device)) if is_measured else None
    inpaint = inpainting(pipeline, backend)
    return LocalModel(
        pipeline, denoiser, backend, settings, at_once, prompts, cuts=cuts, fitting=fitting, inpaint=inpaint
    )


def inpainting(pipeline: Any, backend: Backend) -> Any:
    """The pipeline that edits within a mask, of the same parts, wherever they lie; None where there is none.

    `from_pipe` would bring the parts to another dtype. Its prompts are those of the pipeline, which are remembered.
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
    """The pipeline of diffusers, its weights in memory or where the user's `device_map` puts them, with its LoRAs."""
    from diffusers import DiffusionPipeline
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    arguments: Mapping[str, Any] = {
        _dtype_argument(): dtype_of(settings.dtype, device),
        **backend.components(checkpoint),
        **settings.pipe_kwargs,
    }
    what = f"{checkpoint.folder} cannot be loaded as {checkpoint.pipeline}"
    with no_bars(of_diffusers, of_transformers):
        with damage_explained(what, "If pipe_kwargs fit this model, download it again"):
            pipeline = DiffusionPipeline.from_pretrained(checkpoint.folder, **arguments)
        if "device_map" not in settings.pipe_kwargs:  # else weights may wait on disk, which looks the same
            _check_all_read(pipeline, checkpoint)
        _add_loras(pipeline, settings.loras)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _check_all_read(pipeline: Any, checkpoint: Checkpoint) -> None:
    """Check that every weight of diffusers' models was in a file: it leaves out those that were not, and is content.

    Raises:
        ConfigError: names the first.
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
    """Put the LoRAs beside the weights, each at its scale."""
    names = [f"lora{number}" for number in range(len(loras))]
    for name, (path, _) in zip(names, loras, strict=True):
        with damage_explained(f"lora={path!r} cannot be loaded", "If it fits this model, download it again"):
            pipeline.load_lora_weights(path, adapter_name=name)
    if names:
        with damage_explained(f"lora={[*loras]!r} cannot be set", "Check that each fits this model"):
            pipeline.set_adapters(names, [scale for _, scale in loras])


def _place(pipeline: Any, device: str, pipe_kwargs: Mapping[str, object]) -> Way:
    """Bring the pipeline to its device, unless the user has said where its parts lie or how they are held."""
    if "device_map" in pipe_kwargs:
        return "whole"
    if "quantization_config" in pipe_kwargs:
        pipeline.to(device)
        return "whole"
    return place(pipeline, device)


def _dtype_argument() -> str:
    """What `from_pretrained` calls it: diffusers 0.40 renamed `torch_dtype`, and warns about the old name."""
    import diffusers

    major, minor = (int(part) for part in diffusers.__version__.split(".")[:2])
    return "dtype" if (major, minor) >= (0, 40) else "torch_dtype"
