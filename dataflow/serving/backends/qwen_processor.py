"""Load Qwen's vision-language processors without their video part, which needs torchvision."""

import importlib.util

from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.local.damage import damage_explained
from dataflow.serving.local.patches import image_only

_PROCESSORS = ("Qwen2VLProcessor", "Qwen2_5_VLProcessor", "Qwen3VLProcessor")


def image_only_processor(checkpoint: Checkpoint) -> dict[str, object]:
    """The argument `{"processor": ...}` for `from_pretrained`, the processor without its video part.

    Args:
        checkpoint: on disk.

    Returns:
        Empty where the checkpoint has no processor of Qwen's, or torchvision is installed.

    Raises:
        ConfigError: the processor's files are damaged.
    """
    kind = checkpoint.parts().get("processor")
    if kind not in _PROCESSORS or importlib.util.find_spec("torchvision") is not None:
        return {}
    import transformers

    folder = checkpoint.folder / "processor"
    with damage_explained(f"{folder} cannot be loaded", "Download it again"):
        return {"processor": image_only(getattr(transformers, kind)).from_pretrained(folder)}
