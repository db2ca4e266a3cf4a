"""Load a LoRA into a language model from the folder that peft saved, which holds its settings and its weights."""

from pathlib import Path
from typing import Any

from dataflow.errors import ConfigError
from dataflow.models.digests import digest_files
from dataflow.models.files import read_json
from dataflow.serving.local.damage import damage_explained

_SETTINGS, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_SHOWN = 3  # how many weights an error names


def identify_adapter(folder: Path) -> str:
    """A digest of a LoRA's settings and weights.

    Args:
        folder: the LoRA's.

    Raises:
        ConfigError: one of the two files is missing.
    """
    for name in (_SETTINGS, _WEIGHTS):
        if not (folder / name).is_file():
            raise ConfigError(
                f"lora={str(folder)!r}: there is no {folder / name}. Give a folder with the {_SETTINGS} and {_WEIGHTS}"
                f" of peft; one on the hub comes with `hf download OWNER/NAME --local-dir FOLDER`"
            )
    return digest_files(folder, [folder / _SETTINGS, folder / _WEIGHTS])


def add_adapter(model: Any, folder: Path) -> None:
    """Load a LoRA into a model of transformers, without merging it into the weights.

    Raises:
        ConfigError: the LoRA was made for another model, or is damaged.
    """
    made_for = read_json(folder / _SETTINGS).get("base_model_name_or_path") or "a model that it does not name"
    what = f"lora={str(folder)!r} does not fit {model.name_or_path}: it was made for {made_for}"
    fix = "Give that model or another LoRA; if it is that model, download both again."
    with damage_explained(what, fix):
        report = model.load_adapter(str(folder))
    if unmatched := sorted({*report.unexpected_keys, *report.missing_keys}):  # transformers only logs them
        raise ConfigError(f"{what}. Weights that only one of the two has: {', '.join(unmatched[:_SHOWN])}. {fix}")
