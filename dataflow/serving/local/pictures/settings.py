"""The settings of a local model that draws, as one value, and which of them are part of every request's id."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from dataflow.core.records import JSON
from dataflow.errors import ConfigError
from dataflow.io.image import ImageIO
from dataflow.models.checkpoint import DiffusersLayout
from dataflow.models.source import Source
from dataflow.serving.backends import Backend, Family, Size, Task
from dataflow.serving.dialects.narrow import as_number
from dataflow.serving.local.pictures.presets import PRESETS, Preset
from dataflow.serving.local.runtime import dtype_name

# Arguments of a pipeline's call that `call_kwargs` may not have, and what sets each of them instead.
_SET_ELSEWHERE = {
    "prompt": "the row's conversation",
    "image": "the row's pictures",
    "generator": "seed",
    "num_images_per_prompt": "diffuser_num_images_per_prompt",
    "num_inference_steps": "diffuser_num_inference_steps",
    "height": "diffuser_image_height",
    "width": "diffuser_image_width",
    "output_type": "nothing: pictures are stored by image_io",
}


class LocalOptions(TypedDict, total=False):
    """The settings of `LocalImageGenServing` that have one name everywhere; `LocalSettings` says what they mean."""

    seed: int | None
    dtype: str | None
    device: str | Sequence[str] | None
    backend: Family | None
    revision: str | None
    lora: Sequence[tuple[str | Path, float]]
    pipe_kwargs: Mapping[str, object]
    call_kwargs: Mapping[str, object]
    preset: Preset


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """How a model draws, where it comes from and where it runs.

    Args:
        model: a folder, or a name on the hub.
        image_io: where pictures are stored.
        task: "text2image" draws, "imageedit" edits.
        cache_dir: huggingface_hub's cache; None for its default folder.
        local_dir: the folder in which each downloaded model gets a plain folder of its own; None uses the cache.
        family: the model family that the user expects; empty accepts any.
        steps: denoising steps; None for the family's default.
        guidance: the guidance scale; None for the family's default.
        size: width and height of results in pixels; None: the family's default for a drawing, the input's for an edit.
        batch_size: the most pictures that one call draws; None leaves it to the preset and the machine's memory.
        images_per_prompt: how many pictures an operator asks for per prompt.
        seed: another number gives other pictures; None gives those of a seed of its own.
        dtype: the dtype of the weights, by torch's name; None for bfloat16 on accelerators and float32 on a CPU.
        device: one or several devices, by torch's names; None for the best of this machine.
        backend: a model family of the user's own; None chooses ours by the checkpoint.
        revision: branch, tag or commit on the hub; None for the main branch.
        lora: path (or hub name) and scale of each LoRA, in order.
        pipe_kwargs: arguments of `DiffusionPipeline.from_pretrained`.
        call_kwargs: arguments of every call of the pipeline.
        preset: which speedups to apply; see `dataflow.serving.local.pictures.presets`.

    Raises:
        ConfigError: a setting is out of range, or an argument does not belong where it stands.
    """

    model: str
    image_io: ImageIO
    task: Task = "text2image"
    cache_dir: str | Path | None = None
    local_dir: str | Path | None = None
    family: str = ""
    steps: int | None = None
    guidance: float | None = None
    size: Size | None = None
    batch_size: int | None = None
    images_per_prompt: int = 1
    seed: int | None = None
    dtype: str | None = None
    device: str | Sequence[str] | None = None
    backend: Family | None = None
    revision: str | None = None
    lora: Sequence[tuple[str | Path, float]] = ()
    pipe_kwargs: Mapping[str, object] = field(default_factory=dict)
    call_kwargs: Mapping[str, object] = field(default_factory=dict)
    preset: Preset = "exact"

    def __post_init__(self) -> None:
        for name in ("pipe_kwargs", "call_kwargs"):
            object.__setattr__(self, name, dict(getattr(self, name) or {}))
        object.__setattr__(self, "dtype", dtype_name(self.dtype))
        counts = {
            "batch_size": 1 if self.batch_size is None else self.batch_size,
            "diffuser_num_images_per_prompt": self.images_per_prompt,
            "diffuser_num_inference_steps": 1 if self.steps is None else self.steps,
        }
        for name, count in counts.items():
            if count < 1:
                raise ConfigError(f"{name}={count} must be at least 1")
        if self.guidance is not None and not math.isfinite(self.guidance):
            raise ConfigError(f"diffuser_guidance_scale={self.guidance} must be a finite number")
        if self.task not in ("text2image", "imageedit"):
            raise ConfigError(f"Image_gen_task={self.task!r}: use 'text2image' or 'imageedit'")
        if self.backend is not None and not (isinstance(self.backend, type) and issubclass(self.backend, Backend)):
            raise ConfigError(f"backend={self.backend!r}: give a class derived from dataflow.serving.backends.Backend")
        if self.preset not in PRESETS:
            raise ConfigError(f"preset={self.preset!r}: use 'exact', 'fast' or 'turbo'")
        for name in _SET_ELSEWHERE.keys() & self.call_kwargs.keys():
            raise ConfigError(f"call_kwargs[{name!r}] is not for call_kwargs: it comes from {_SET_ELSEWHERE[name]}")
        for name, value in self.call_kwargs.items():
            if isinstance(value, str) and as_number(value) is not None and "prompt" not in name:
                raise ConfigError(f"call_kwargs[{name!r}]={value!r} is a text: give the number, {value.strip()}")

    @property
    def source(self) -> Source:
        """Where the model comes from."""
        layout = DiffusersLayout(frozenset(self.pipe_kwargs))
        return Source(self.model, layout, self.revision, self.cache_dir, self.local_dir)

    @property
    def loras(self) -> tuple[tuple[str, float], ...]:
        """Path and scale of each LoRA, with `~` replaced by the home folder."""
        return tuple((str(Path(path).expanduser()), float(scale)) for path, scale in self.lora)

    def sampling(self) -> dict[str, JSON]:
        """The settings that change pictures, beside model, LoRAs and preset, without those that have no value.

        They are part of every request's id, so a new setting must be left out while it has its default.
        """
        settings: dict[str, JSON] = {
            "task": self.task,
            "steps": self.steps,
            "guidance": None if self.guidance is None else float(self.guidance),
            "size": None if self.size is None else list(self.size),
            "seed": self.seed,
            "dtype": self.dtype,
            "pipe_kwargs": plain(self.pipe_kwargs),
            "call_kwargs": plain(self.call_kwargs),
        }
        return {name: value for name, value in settings.items() if value not in (None, {}, [])}


def plain(value: object) -> JSON:
    """A value as it stands in a fingerprint: JSON as it is, a configuration object by content, another by its class."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return [*sorted(str(plain(item)) for item in value)]
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    to_dict = getattr(value, "to_dict", None)
    if callable(to_dict):
        return {"class": kind, "value": plain(to_dict())}
    shown = repr(value)
    return kind if " at 0x" in shown or len(shown) > 1000 else f"{kind}: {shown}"
