"""FLUX.1: draws from text (dev, schnell, Krea)."""

from collections.abc import Sequence

from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.backends import Backend, Plan, Sample, Size
from dataflow.serving.backends.native import native_side


class Flux(Backend):
    """Guidance is distilled into the weights; schnell has none and draws in four steps.

    Source: the model cards of FLUX.1-dev and FLUX.1-schnell; 28 steps are the pipeline's default.
    """

    family = "FLUX"
    pads_text = True
    encoded = ("rows", "rows", "shared")  # T5's, CLIP's, positions

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.guided = checkpoint.config("transformer").get("guidance_embeds") is True
        self.steps, self.guidance = (28, 3.5) if self.guided else (4, 0.0)
        self._side = native_side(checkpoint)

    def plan(self, asked: Size | None, pictures: Sequence[Size]) -> Plan:
        """Square, at the checkpoint's own size (a megapixel for those of FLUX.1), unless asked otherwise."""
        del pictures
        return Plan(asked or (self._side, self._side))

    def arguments(self, samples: Sequence[Sample]) -> dict[str, object]:
        """Schnell was trained on prompts of at most 256 tokens."""
        del samples
        return {} if self.guided else {"max_sequence_length": 256}
