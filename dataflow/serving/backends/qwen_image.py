"""Qwen-Image: draws from text, Chinese included, with true guidance against an empty prompt."""

from collections.abc import Sequence

from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.backends import Backend, Plan, Sample, Size


class QwenImage(Backend):
    """Qwen-Image. Guidance is `true_cfg_scale`, which has an effect only beside a negative prompt.

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
        """A square of the side that the model was trained at, unless the user asked for a size."""
        del pictures
        return Plan(asked or (1328, 1328))

    def arguments(self, samples: Sequence[Sample]) -> dict[str, object]:
        """One negative prompt per sample, because the pipeline refuses a single one beside a batch."""
        return {"negative_prompt": [" "] * len(samples)}
