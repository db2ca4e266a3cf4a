"""Qwen-Image-2.1: draws from text and edits with several pictures as references, one sample at a time."""

from collections.abc import Sequence

from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.backends import Backend, Plan, Sample, Size
from dataflow.serving.backends.canvas import on_grid
from dataflow.serving.backends.qwen_image_edit import qwen_size
from dataflow.serving.backends.qwen_processor import image_only_processor

_GRID = 32


class QwenImage21(Backend):
    """References are shared by all prompts of a call. Steps and guidance are the pipeline's: 40, and none.

    A checkpoint may bring a schedule of its own (`sample_sigmas`), which decides on the steps whatever is asked.
    Guidance counts only beside a `negative_prompt` in `call_kwargs`.

    Source: `QwenImage21Pipeline` of diffusers 0.42.
    """

    family = "Qwen-Image-2.1"
    tasks = frozenset({"text2image", "imageedit"})
    guidance_name = "true_cfg_scale"

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Nothing depends on the checkpoint."""

    def plan(self, asked: Size | None, pictures: Sequence[Size]) -> Plan:
        """The result follows the first picture, where the pipeline would follow the last."""
        inputs = tuple(qwen_size(picture) for picture in pictures)
        size = on_grid(asked, _GRID) if asked is not None else None
        return Plan(size or (inputs[0] if inputs else (1024, 1024)), inputs)

    def shares_call(self, plan: Plan) -> bool:
        """Never: a prompt is drawn otherwise beside a longer one (by 95 of 255 levels, tiny weights, November 2026)."""
        del plan
        return False

    def arguments(self, samples: Sequence[Sample]) -> dict[str, object]:
        """All references of the one sample, or none."""
        return {"image": list(samples[0].images) or None}

    def components(self, checkpoint: Checkpoint) -> dict[str, object]:
        """The processor, where the installed libraries cannot load it whole."""
        return image_only_processor(checkpoint)
