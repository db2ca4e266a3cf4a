"""Z-Image: draws from text; Turbo in eight steps without guidance."""

from collections.abc import Sequence

from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.backends import Backend, Plan, Size

_TURBO_SHIFT = 3.0


class ZImage(Backend):
    """Turbo and the base model have the same classes and differ in the scheduler's shift: 3 against 6.

    Source: steps and guidance are those of the model cards of Z-Image-Turbo and Z-Image; Turbo's card writes its 8
    steps as 9, since diffusers used to leave out the last.
    """

    family = "Z-Image"
    encoded = ("lists", "lists")  # of the prompt, of the negative one

    def __init__(self, checkpoint: Checkpoint) -> None:
        shift = checkpoint.config("scheduler").get("shift")
        turbo = not isinstance(shift, int | float) or shift <= _TURBO_SHIFT
        self.steps, self.guidance = (8, 0.0) if turbo else (50, 4.0)

    def plan(self, asked: Size | None, pictures: Sequence[Size]) -> Plan:
        """One megapixel, square, unless asked otherwise; the pipeline refuses sizes off the grid."""
        del pictures
        return Plan(asked or (1024, 1024))
