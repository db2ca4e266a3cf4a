"""What can be checked of a picture model's settings before weights are loaded."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from dataflow.errors import ConfigError
from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.backends import Backend
from dataflow.serving.local.pictures.settings import LocalSettings


def check_family(backend: Backend, checkpoint: Checkpoint, settings: LocalSettings) -> None:
    """Check that the checkpoint is of the family that the user expects, and does the task.

    Raises:
        ConfigError: names both.
    """
    expected, task = settings.family, settings.task
    found = f"{checkpoint.folder / 'model_index.json'} names {checkpoint.pipeline}"
    if expected and _bare(expected) not in (_bare(backend.family), _bare(checkpoint.pipeline)):
        raise ConfigError(
            f"diffuser_model_name={expected!r}, but {found}, which is {backend.family}: correct the name, or"
            f" give another model"
        )
    if task not in backend.tasks:
        does = " or ".join(f"Image_gen_task={task!r}" for task in sorted(backend.tasks))
        raise ConfigError(
            f"Image_gen_task={task!r}, but {found} ({backend.family}), which does"
            f" {does or 'neither drawing nor editing from a prompt'}: change the task or the model"
        )


def check_loras(loras: Sequence[tuple[str, float]]) -> None:
    """Check that LoRAs named by a path are there, and what loads them.

    Args:
        loras: (path or hub name, scale) of each.

    Raises:
        ConfigError: names what is missing.
    """
    if loras and importlib.util.find_spec("peft") is None:
        raise ConfigError("lora=... needs the library peft: pip install 'dataflow-mm[lora]'")
    for path, _ in loras:
        is_path = path.endswith(".safetensors") or path.startswith((".", "/")) or path.count("/") != 1
        if is_path and not Path(path).exists():
            raise ConfigError(
                f"lora={path!r}: there is no {Path(path).absolute()}. Give a file or folder with .safetensors, or a"
                f" name on the hub such as owner/model"
            )


def _bare(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
