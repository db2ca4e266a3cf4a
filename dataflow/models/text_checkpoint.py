"""Check a language model on disk: a folder that transformers loads."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from dataflow.errors import ConfigError
from dataflow.models.files import VOCABULARY, check_weights, need_one, read_json

_NOTES = ("README", "LICENSE")
_LOADED = (".json", ".safetensors", ".txt", ".model", ".tiktoken", ".jinja")
SERVE_GGUF = (
    "which transformers unpacks to their full size: give the model's own folder, quantised by"
    " model_kwargs={'quantization_config': ...} if need be, or let llama.cpp serve the file and ask it with"
    " APIVLMServing_openai"
)
_ORIGINAL = "consolidated"  # how names of weight files in the maker's own format begin; transformers does not read them


@dataclass(frozen=True, slots=True)
class TransformersLayout:
    """The files of a language model: config.json, weights, tokenizer and chat template, at the top of one folder.

    Args:
        pictures: whether the checkpoint must have the settings of a picture processor.
        own_template: whether the user gives a chat template, so that the checkpoint needs none.
    """

    pictures: bool = False
    own_template: bool = False
    entry: str = "config.json"

    @property
    def hint(self) -> str:
        """What a user should give as a model."""
        example = "Qwen/Qwen2.5-VL-7B-Instruct" if self.pictures else "Qwen/Qwen3-4B-Instruct-2507"
        return f"a folder with a config.json, or a name on the hub such as {example}"

    def check(self, folder: Path) -> None:
        """Check that configuration, weights, vocabulary and chat template are there and whole.

        Raises:
            ConfigError: a file is missing or damaged; the error names the file and the fix.
        """
        if not (folder / self.entry).is_file():
            raise ConfigError(f"{folder} has no config.json: {_what_else(folder) or f'give {self.hint}'}")
        read_json(folder / self.entry)
        check_weights(folder)
        need_one(folder, VOCABULARY, "its vocabulary")
        if self.pictures:
            need_one(folder, ("preprocessor_config.json", "processor_config.json"), "what prepares pictures")
        if not self.own_template and not _has_template(folder):
            raise no_template(folder)

    def files(self, folder: Path) -> Iterator[Path]:
        """Every file that loading may read, in a fixed order."""
        paths = sorted(path for path in folder.iterdir() if path.is_file())
        names = [path.name for path in paths]
        return (path for path in paths if self.wants(path.name, names) and not path.name.startswith(_NOTES))

    def wants(self, name: str, names: Collection[str]) -> bool:
        """Whether `name` is a file at the top that transformers loads; `.bin` files only without any `.safetensors`."""
        if "/" in name or name.startswith((".", _ORIGINAL)):
            return False
        if name.endswith((".bin", ".bin.index.json")):
            return not any("/" not in path and path.endswith(".safetensors") for path in names)
        return name.endswith(_LOADED) or name.startswith(_NOTES)


def no_template(folder: Path) -> ConfigError:
    """The error for a checkpoint without a chat template."""
    return ConfigError(
        f"{folder} has no chat template, so it is a base model or an old one: use its instruct or chat version, or give"
        f" chat_template=... (Jinja, as its model card shows it)"
    )


def _has_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").is_file() or (folder / "chat_template.json").is_file():
        return True
    settings = ("tokenizer_config.json", "processor_config.json")
    return any(read_json(folder / name).get("chat_template") for name in settings if (folder / name).is_file())


def _what_else(folder: Path) -> str:
    """What a folder without a config.json is instead, and how to use it; empty if that is unknown."""
    if (folder / "model_index.json").is_file():
        return "it is a diffusers checkpoint, which makes pictures: use LocalImageGenServing"
    if (folder / "adapter_config.json").is_file():
        return "it is a LoRA: give it as lora=, and the model that it was made for here"
    if any(folder.glob("*.gguf")):
        return f"it has GGUF files, {SERVE_GGUF}"
    return ""
