"""Qwen-Image-2.1: draws from text and edits with several pictures as references, one sample at a time."""

from collections.abc import Sequence

from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.backends import Backend, Plan, Sample, Size
from dataflow.serving.backends.canvas import on_grid
from dataflow.serving.backends.qwen_image_edit import qwen_size
from dataflow.serving.backends.qwen_processor import image_only_processor

_GRID = 32


class QwenImage21(Backend):
    """Qwen-Image-2.1. Steps and guidance are the pipeline's defaults: 40 steps, no guidance.

    A checkpoint may have a schedule of its own (`sample_sigmas`), which fixes the steps whatever the user asks for.
    Guidance has an effect only beside a `negative_prompt` in `call_kwargs`.

    Source: `QwenImage21Pipeline` of diffusers 0.42.
    """

    family = "Qwen-Image-2.1"
    tasks = frozenset({"text2image", "imageedit"})
    guidance_name = "true_cfg_scale"

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Do nothing: no default depends on the checkpoint."""

    def plan(self, asked: Size | None, pictures: Sequence[Size]) -> Plan:
        """The result has the aspect of the first picture; the pipeline by itself would take the last one's."""
        inputs = tuple(qwen_size(picture) for picture in pictures)
        size = on_grid(asked, _GRID) if asked is not None else None
        return Plan(size or (inputs[0] if inputs else (1024, 1024)), inputs)

    def shares_call(self, plan: Plan) -> bool:
        """Never: a longer prompt in the batch changes a picture (by 95 of 255 levels, tiny weights, November 2026)."""
        del plan
        return False

    def arguments(self, samples: Sequence[Sample]) -> dict[str, object]:
        """All pictures of the sample as references; None if it has none."""
        return {"image": list(samples[0].images) or None}

    def components(self, checkpoint: Checkpoint) -> dict[str, object]:
        """The processor without its video part, where torchvision is not installed."""
        return image_only_processor(checkpoint)
