"""FLUX.1 Kontext: edits one picture, or draws without one.

The pipeline by itself makes 1024 x 1024 of everything and stretches a batch to its first picture. Here the
result takes the preferred size nearest the input's aspect, and the input keeps its own aspect at the same
area. A checkpoint that declares another size than 1024 has its preferred sizes scaled to it.
"""

from collections.abc import Sequence

from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.backends import Backend, Plan, Sample, Size
from dataflow.serving.backends.canvas import at_area, nearest_aspect, on_grid, stitched_size
from dataflow.serving.backends.native import native_side

# Source: PREFERRED_KONTEXT_RESOLUTIONS in diffusers' pipeline_flux_kontext.py; its other half is these turned.
_WIDE = ((1024, 1024), (1104, 944), (1184, 880), (1248, 832), (1328, 800), (1392, 752), (1456, 720), (1504, 688))
_PREFERRED = (*_WIDE, (1568, 672), *((height, width) for width, height in (*_WIDE[1:], (1568, 672))))


class FluxKontext(Backend):
    """Guidance is that of the model card of FLUX.1-Kontext-dev, the steps are diffusers' default, as there."""

    family = "FLUX-Kontext"
    tasks = frozenset({"text2image", "imageedit"})
    batches_pictures = True
    pads_text = True
    encoded = ("rows", "rows", "shared")  # T5's, CLIP's, positions
    inpaint = "FluxKontextInpaintPipeline"
    inpaint_inputs = 2

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.steps, self.guidance = 28, 2.5
        side = native_side(checkpoint)
        self._square = (side, side)
        self._preferred = tuple(on_grid((w * side // 1024, h * side // 1024)) for w, h in _PREFERRED)

    def plan(self, asked: Size | None, pictures: Sequence[Size]) -> Plan:
        """The preferred size nearest the aspect of the first picture; a stitched canvas stays at full size."""
        if not pictures:
            return Plan(asked or self._square)
        size = asked or nearest_aspect(pictures[0], self._preferred)
        if len(pictures) > 1:
            return Plan(size, (stitched_size(pictures),))
        return Plan(size, (at_area(pictures[0], size[0] * size[1]),))

    def arguments(self, samples: Sequence[Sample]) -> dict[str, object]:
        """One picture per prompt, and exactly the sizes of the plan."""
        size = samples[0].plan.size
        assert size is not None
        images = [sample.images[0] for sample in samples if sample.images]
        return {"image": images or None, "max_area": size[0] * size[1], "_auto_resize": False}
