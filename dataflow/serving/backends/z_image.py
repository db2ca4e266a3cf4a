"""Z-Image: draws from text; Turbo in eight steps without guidance."""

from collections.abc import Sequence

from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.backends import Backend, Plan, Size

_TURBO_SHIFT = 3.0


class ZImage(Backend):
    """Z-Image. Turbo and the base model have the same classes; their schedulers' shifts tell them apart: 3 and 6.

    Source: steps and guidance are those of the model cards of Z-Image-Turbo and Z-Image. Turbo's card asks for 9 steps
    to get 8, because diffusers used to leave out the last one.
    """

    family = "Z-Image"
    encoded = ("lists", "lists")  # encodings of prompts, encodings of negative prompts

    def __init__(self, checkpoint: Checkpoint) -> None:
        shift = checkpoint.config("scheduler").get("shift")
        turbo = not isinstance(shift, int | float) or shift <= _TURBO_SHIFT
        self.steps, self.guidance = (8, 0.0) if turbo else (50, 4.0)

    def plan(self, asked: Size | None, pictures: Sequence[Size]) -> Plan:
        """A square of a megapixel, unless the user asked for a size; the pipeline refuses sizes off the grid of 16."""
        del pictures
        return Plan(asked or (1024, 1024))
