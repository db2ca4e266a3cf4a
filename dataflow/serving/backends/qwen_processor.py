"""Qwen's vision-language processor without its video part.

transformers 5 builds the video part of `Qwen2VLProcessor` only with torchvision, and the torchvision of PyPI
beside a CPU build of torch breaks every import. Pictures need no video part.
"""

import importlib.util

from dataflow.serving.local_checkpoint import Checkpoint


def image_only_processor(checkpoint: Checkpoint) -> dict[str, object]:
    """`{"processor": ...}` for `from_pretrained`; empty where the whole processor can be loaded."""
    if importlib.util.find_spec("torchvision") is not None:
        return {}
    from transformers import Qwen2VLProcessor

    class PictureProcessor(Qwen2VLProcessor):  # type: ignore[misc]
        """Pictures and text only."""

        @classmethod
        def get_attributes(cls) -> list[str]:
            return ["image_processor", "tokenizer"]

    return {"processor": PictureProcessor.from_pretrained(checkpoint.folder / "processor")}
