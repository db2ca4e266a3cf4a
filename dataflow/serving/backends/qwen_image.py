"""Qwen-Image: draws from text, Chinese included, with true guidance against an empty prompt."""

from collections.abc import Sequence

from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.backends import Backend, Plan, Sample, Size


class QwenImage(Backend):
    """Guidance is `true_cfg_scale`, which counts only beside a negative prompt.

    Source: size, steps and guidance are those of the model card of Qwen-Image.
    """

    family = "Qwen-Image"
    guidance_name = "true_cfg_scale"
    encoded = ("padded", "mask")
    cuts_encodings = True

    def __init__(self, checkpoint: Checkpoint) -> None:
        del checkpoint
        self.steps, self.guidance = 50, 4.0

    def plan(self, asked: Size | None, pictures: Sequence[Size]) -> Plan:
        """The size the model was trained at, square, unless asked otherwise."""
        del pictures
        return Plan(asked or (1328, 1328))

    def arguments(self, samples: Sequence[Sample]) -> dict[str, object]:
        """One negative prompt per sample: a single one fails beside a batch."""
        return {"negative_prompt": [" "] * len(samples)}
