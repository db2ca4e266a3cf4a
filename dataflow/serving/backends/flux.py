"""FLUX.1: draws from text (dev, schnell, Krea)."""

from collections.abc import Sequence

from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.backends import Backend, Plan, Sample, Size
from dataflow.serving.backends.native import native_side


class Flux(Backend):
    """FLUX.1. Guidance is distilled into dev's and Krea's weights; schnell has none, and draws in four steps.

    Source: the model cards of FLUX.1-dev and FLUX.1-schnell; 28 steps are the pipeline's default.
    """

    family = "FLUX"
    pads_text = True
    encoded = ("rows", "rows", "shared")  # T5's encoding, CLIP's encoding, position ids

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.guided = checkpoint.config("transformer").get("guidance_embeds") is True
        self.steps, self.guidance = (28, 3.5) if self.guided else (4, 0.0)
        self._side = native_side(checkpoint)

    def plan(self, asked: Size | None, pictures: Sequence[Size]) -> Plan:
        """A square of the checkpoint's own size (a megapixel for FLUX.1's), unless the user asked for a size."""
        del pictures
        return Plan(asked or (self._side, self._side))

    def arguments(self, samples: Sequence[Sample]) -> dict[str, object]:
        """At most 256 tokens for schnell, which was trained on such prompts."""
        del samples
        return {} if self.guided else {"max_sequence_length": 256}
