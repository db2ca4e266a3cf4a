"""What a local model is told, as one value, and what of it makes its pictures what they are."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dataflow.core.records import JSON
from dataflow.errors import ConfigError
from dataflow.io.image import ImageIO
from dataflow.serving.backends import Backend, Family, Size, Task
from dataflow.serving.local.pictures.presets import PRESETS, Preset

# Arguments of a call that belong to the job or have a setting of their own.
_OURS = {
    "prompt": "the row's conversation",
    "image": "the row's pictures",
    "generator": "seed",
    "num_images_per_prompt": "diffuser_num_images_per_prompt",
    "num_inference_steps": "diffuser_num_inference_steps",
    "height": "diffuser_image_height",
    "width": "diffuser_image_width",
    "output_type": "nothing: pictures are stored by image_io",
}


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """What a local serving is told.

    Args:
        model: a folder, or a name on the hub.
        image_io: where pictures are stored.
        task: what to do.
        revision: branch, tag or commit on the hub; None for the main branch.
        cache_dir: huggingface_hub's cache.
        local_dir: folder for plain copies of models.
        family: the family the user expects; empty for any.
        backend: a family of the user's own; None for ours.
        steps: denoising steps; None for the family's default.
        guidance: None for the family's default.
        size: of results, in pixels; None lets drawings take the family's size and edits their input's.
        seed: another number gives other pictures; None counts as a number of its own.
        dtype: of the weights, by torch's name; None for bfloat16 on accelerators and float32 on a CPU.
        lora: (path, scale), in order.
        pipe_kwargs: for `from_pretrained`.
        call_kwargs: for every call of the pipeline.
        batch_size: most pictures in one call; None for what the preset does best with the machine's memory.
        images_per_prompt: pictures that an operator asks for per prompt.
        devices: torch's names; empty for the best there is.
        preset: how fast, at which loss.
    """

    model: str
    image_io: ImageIO
    task: Task = "text2image"
    revision: str | None = None
    cache_dir: str | None = None
    local_dir: str | None = None
    family: str = ""
    backend: Family | None = None
    steps: int | None = None
    guidance: float | None = None
    size: Size | None = None
    seed: int | None = None
    dtype: str | None = None
    lora: tuple[tuple[str, float], ...] = ()
    pipe_kwargs: Mapping[str, object] = field(default_factory=dict)
    call_kwargs: Mapping[str, object] = field(default_factory=dict)
    batch_size: int | None = None
    images_per_prompt: int = 1
    devices: tuple[str, ...] = ()
    preset: Preset = "exact"

    def __post_init__(self) -> None:
        counts = {
            "batch_size": 1 if self.batch_size is None else self.batch_size,
            "diffuser_num_images_per_prompt": self.images_per_prompt,
            "diffuser_num_inference_steps": self.steps or 1,
        }
        for name, count in counts.items():
            if count < 1:
                raise ConfigError(f"{name}={count} must be at least 1")
        if self.task not in ("text2image", "imageedit"):
            raise ConfigError(f"Image_gen_task={self.task!r}: use 'text2image' or 'imageedit'")
        if self.backend is not None and not (isinstance(self.backend, type) and issubclass(self.backend, Backend)):
            raise ConfigError(f"backend={self.backend!r}: give a class derived from dataflow.serving.backends.Backend")
        if self.preset not in PRESETS:
            raise ConfigError(f"preset={self.preset!r}: use 'exact', 'fast' or 'turbo'")
        for name in _OURS.keys() & self.call_kwargs.keys():
            raise ConfigError(f"call_kwargs[{name!r}] is not for call_kwargs: it comes from {_OURS[name]}")

    def sampling(self) -> dict[str, JSON]:
        """What of this changes pictures, the model and the preset apart; what was left alone is left out."""
        told: dict[str, JSON] = {
            "task": self.task,
            "steps": self.steps,
            "guidance": self.guidance,
            "size": None if self.size is None else list(self.size),
            "seed": self.seed,
            "dtype": self.dtype,
            "pipe_kwargs": plain(self.pipe_kwargs),
            "call_kwargs": plain(self.call_kwargs),
        }
        return {name: value for name, value in told.items() if value not in (None, {}, [])}


def plain(value: object) -> JSON:
    """A value that can stand in a fingerprint: JSON as it is, configuration objects by content, others by class."""
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
