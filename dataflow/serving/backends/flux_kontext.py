"""FLUX.1 Kontext: edits one picture, or draws without one.

Without arguments the pipeline draws 1024 x 1024 whatever its input's aspect, and distorts the pictures of a batch to
the aspect of the first. Here the result has the preferred size nearest to the input's aspect, and the input keeps its
own aspect at the same area. A checkpoint that was trained at another side than 1024 has the preferred sizes scaled to
that side.
"""

from collections.abc import Sequence

from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.backends import Backend, Plan, Sample, Size
from dataflow.serving.backends.canvas import at_area, nearest_aspect, on_grid, stitched_size
from dataflow.serving.backends.native import native_side

# The square and wide sizes; the tall ones are the wide ones with width and height exchanged.
# Source: PREFERRED_KONTEXT_RESOLUTIONS in diffusers' pipeline_flux_kontext.py.
_WIDE = ((1024, 1024), (1104, 944), (1184, 880), (1248, 832), (1328, 800), (1392, 752), (1456, 720), (1504, 688))
_PREFERRED = (*_WIDE, (1568, 672), *((height, width) for width, height in (*_WIDE[1:], (1568, 672))))


class FluxKontext(Backend):
    """FLUX.1 Kontext.

    Source: guidance is that of the model card of FLUX.1-Kontext-dev; the steps are diffusers' default, which the card
    uses too.
    """

    family = "FLUX-Kontext"
    tasks = frozenset({"text2image", "imageedit"})
    batches_pictures = True
    pads_text = True
    encoded = ("rows", "rows", "shared")  # T5's encoding, CLIP's encoding, position ids
    inpaint = "FluxKontextInpaintPipeline"
    inpaint_inputs = 2

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.steps, self.guidance = 28, 2.5
        side = native_side(checkpoint)
        self._square = (side, side)
        self._preferred = tuple(on_grid((w * side // 1024, h * side // 1024)) for w, h in _PREFERRED)

    def plan(self, asked: Size | None, pictures: Sequence[Size]) -> Plan:
        """The preferred size nearest to the first picture's aspect; several pictures are stitched at full size."""
        if not pictures:
            return Plan(asked or self._square)
        size = asked or nearest_aspect(pictures[0], self._preferred)
        if len(pictures) > 1:
            return Plan(size, (stitched_size(pictures),))
        return Plan(size, (at_area(pictures[0], size[0] * size[1]),))

    def arguments(self, samples: Sequence[Sample]) -> dict[str, object]:
        """One picture per prompt, and what keeps the pipeline from changing the plan's sizes."""
        size = samples[0].plan.size
        assert size is not None
        images = [sample.images[0] for sample in samples if sample.images]
        return {"image": images or None, "max_area": size[0] * size[1], "_auto_resize": False}
