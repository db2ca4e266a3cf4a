"""The settings of a local model that writes, as one value, and which of them are part of every request's id."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from dataflow.core.records import JSON
from dataflow.errors import ConfigError
from dataflow.models.source import Source
from dataflow.models.text_checkpoint import SERVE_GGUF, TransformersLayout
from dataflow.serving.local.pictures.settings import plain
from dataflow.serving.local.runtime import dtype_name

# Arguments of `from_pretrained` that `model_kwargs` may not have, and what sets each of them instead.
_SET_ELSEWHERE = {
    "dtype": "dtype",
    "torch_dtype": "dtype",
    "gguf_file": "nothing: GGUF files are not read",
    "revision": "revision",
    "cache_dir": "hf_cache_dir",
    "trust_remote_code": "nothing: code that comes with a checkpoint is not run",
}


class LocalTextOptions(TypedDict, total=False):
    """The settings of `LocalLLMServing` and `LocalVLMServing` with one name everywhere; see `LocalTextSettings`."""

    max_new_tokens: int
    temperature: float | None
    top_p: float | None
    seed: int | None
    dtype: str | None
    device: str | Sequence[str] | None
    revision: str | None
    lora: str | Path | None
    chat_template: str | None
    template_arguments: Mapping[str, JSON]
    model_kwargs: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class LocalTextSettings:
    """How a model writes, where it comes from and where it runs.

    Args:
        model: a folder, or a name on the hub.
        pictures: whether the model reads pictures.
        revision: branch, tag or commit on the hub; None for the main branch.
        cache_dir: huggingface_hub's cache; None for its default folder.
        local_dir: the folder in which each downloaded model gets a plain folder of its own; None uses the cache.
        max_new_tokens: the longest answer, in tokens.
        temperature: 0 always takes the likeliest token; None takes the checkpoint's temperature.
        top_p: only the likeliest tokens that together have this probability; None takes the checkpoint's.
        seed: another number gives other answers; None gives those of a seed of its own.
        dtype: the dtype of the weights, by torch's name; None for bfloat16 on accelerators and float32 on a CPU.
        lora: the folder of a LoRA that peft saved; None loads none.
        max_pixels: larger pictures are shrunk to so many pixels before the model reads them; None shrinks none.
        chat_template: a Jinja template; None for the checkpoint's.
        template_arguments: further values for the template.
        model_kwargs: arguments of `from_pretrained`.
        batch_size: the most answers that one call writes.
        device: one or several devices, by torch's names; None for the best of this machine.

    Raises:
        ConfigError: a setting is out of range, or an argument does not belong where it stands.
    """

    model: str
    pictures: bool = False
    revision: str | None = None
    cache_dir: str | Path | None = None
    local_dir: str | Path | None = None
    max_new_tokens: int = 1024
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    dtype: str | None = None
    lora: str | Path | None = None
    max_pixels: int | None = None
    chat_template: str | None = None
    template_arguments: Mapping[str, JSON] = field(default_factory=dict)
    model_kwargs: Mapping[str, object] = field(default_factory=dict)
    batch_size: int = 8
    device: str | Sequence[str] | None = None

    def __post_init__(self) -> None:
        for name in ("template_arguments", "model_kwargs"):
            object.__setattr__(self, name, dict(getattr(self, name) or {}))
        object.__setattr__(self, "dtype", dtype_name(self.dtype))
        counts = {"batch_size": self.batch_size, "max_new_tokens": self.max_new_tokens, "max_pixels": self.max_pixels}
        for name, count in counts.items():
            if count is not None and count < 1:
                raise ConfigError(f"{name}={count} must be at least 1")
        if self.temperature is not None and not 0 <= self.temperature <= 100:
            raise ConfigError(f"temperature={self.temperature} must be 0 or more; 0 takes the likeliest token")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p={self.top_p} must be above 0 and at most 1")
        for name in _SET_ELSEWHERE.keys() & self.model_kwargs.keys():
            raise ConfigError(f"model_kwargs[{name!r}] is not for model_kwargs: it comes from {_SET_ELSEWHERE[name]}")

    @property
    def source(self) -> Source:
        """Where the model comes from."""
        layout = TransformersLayout(pictures=self.pictures, own_template=self.chat_template is not None)
        return Source(self.model, layout, self.revision, self.cache_dir, self.local_dir)

    @property
    def adapter(self) -> Path | None:
        """The absolute folder of the LoRA; None if there is none."""
        return None if self.lora is None else Path(self.lora).expanduser().absolute()

    def sampling(self) -> dict[str, JSON]:
        """The settings that change answers, beside model and LoRA, without those that have no value.

        They are part of every request's id, so a new setting must be left out while it has its default.
        """
        settings: dict[str, JSON] = {
            "max_new_tokens": self.max_new_tokens,
            "temperature": None if self.temperature is None else float(self.temperature),
            "top_p": None if self.top_p is None else float(self.top_p),
            "seed": self.seed,
            "dtype": self.dtype,
            "max_pixels": self.max_pixels,
            "chat_template": self.chat_template,
            "template_arguments": dict(self.template_arguments),
            "model_kwargs": plain(self.model_kwargs),
        }
        return {name: value for name, value in settings.items() if value not in (None, {})}


def model_name(model: str | Path) -> str:
    """The folder or hub name that the user gave, as a string.

    Raises:
        ConfigError: the name is empty, or names a GGUF file.
    """
    name = str(model)
    if not name:
        raise ConfigError("no hf_model_name_or_path: give a folder or a name such as Qwen/Qwen3-4B-Instruct-2507")
    if name.endswith(".gguf"):
        raise ConfigError(f"hf_model_name_or_path={name!r} is a GGUF file, {SERVE_GGUF}")
    return name
