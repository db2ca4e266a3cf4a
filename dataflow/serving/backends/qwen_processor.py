"""Qwen's vision-language processor without its video part, where the installed libraries cannot load that."""

import importlib.util

from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.local.damage import damage_explained
from dataflow.serving.local.patches import image_only


def image_only_processor(checkpoint: Checkpoint) -> dict[str, object]:
    """`{"processor": ...}` for `from_pretrained`; empty where the whole processor can be loaded."""
    if importlib.util.find_spec("torchvision") is not None:
        return {}
    from transformers import Qwen2VLProcessor

    folder = checkpoint.folder / "processor"
    with damage_explained(f"{folder} cannot be loaded", "Download it again"):
        return {"processor": image_only(Qwen2VLProcessor).from_pretrained(folder)}
