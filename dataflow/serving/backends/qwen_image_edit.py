"""Qwen-Image-Edit: edits one picture.

The pipeline scales its inputs to a megapixel at the aspect of the batch's first picture, and so distorts the other
pictures. Here every input reaches the pipeline at exactly the size that the pipeline would choose for it alone.
"""

import math
from collections.abc import Sequence

from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.backends import Backend, Plan, Sample, Size
from dataflow.serving.backends.canvas import MEGAPIXEL, stitched_size
from dataflow.serving.backends.qwen_processor import image_only_processor

NEGATIVE_PROMPT = " "  # not empty, because an empty negative prompt turns guidance off
TRUE_CFG_SCALE = 4.0
_GRID = 32


class QwenImageEdit(Backend):
    """Qwen-Image-Edit.

    Source: steps and guidance are those of the model card of Qwen-Image-Edit.
    """

    family = "Qwen-Image-Edit"
    tasks = frozenset({"imageedit"})
    batches_pictures = True
    guidance_name = "true_cfg_scale"
    inpaint = "QwenImageEditInpaintPipeline"

    def __init__(self, checkpoint: Checkpoint) -> None:
        del checkpoint
        self.steps, self.guidance = 50, TRUE_CFG_SCALE

    def plan(self, asked: Size | None, pictures: Sequence[Size]) -> Plan:
        """The result has the first picture's aspect; several pictures are stitched into one of a megapixel in all."""
        canvas = pictures[0] if len(pictures) == 1 else stitched_size(pictures)
        return Plan(asked or qwen_size(pictures[0]), (qwen_size(canvas),))

    def arguments(self, samples: Sequence[Sample]) -> dict[str, object]:
        """One picture and one negative prompt per sample."""
        return {"image": [sample.images[0] for sample in samples], "negative_prompt": [NEGATIVE_PROMPT] * len(samples)}

    def components(self, checkpoint: Checkpoint) -> dict[str, object]:
        """The processor without its video part, where torchvision is not installed."""
        return image_only_processor(checkpoint)


def qwen_size(picture: Size) -> Size:
    """The size near this picture's aspect that the pipeline does not change.

    Source: `calculate_dimensions` in diffusers' pipeline_qwenimage_edit.py. It is repeated until the size stays the
    same, because rounding to the grid changes the aspect, and the pipeline calculates again from that aspect.
    """
    for _ in range(8):
        width = math.sqrt(MEGAPIXEL * picture[0] / picture[1])
        height = width * picture[1] / picture[0]
        settled = max(1, round(width / _GRID)) * _GRID, max(1, round(height / _GRID)) * _GRID
        if settled == picture:
            break
        picture = settled
    return picture
