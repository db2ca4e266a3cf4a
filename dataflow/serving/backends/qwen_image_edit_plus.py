"""Qwen-Image-Edit-Plus (2509, 2511): several pictures as references, one sample at a time."""

from collections.abc import Sequence

from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.backends import Backend, Plan, Sample, Size
from dataflow.serving.backends.qwen_image_edit import NEGATIVE_PROMPT, TRUE_CFG_SCALE, qwen_size
from dataflow.serving.backends.qwen_processor import image_only_processor


class QwenImageEditPlus(Backend):
    """Qwen-Image-Edit-Plus. Each reference reaches the model at a megapixel of its own; the pipeline refuses batches.

    The pipeline also shows each reference to the text encoder, at the area of 384 x 384 with sides rounded to multiples
    of 32. That distorts the aspect by up to 4 %, and no argument of the pipeline changes it.

    Source: steps and guidance are those of the model card of Qwen-Image-Edit-2509.
    """

    family = "Qwen-Image-Edit-Plus"
    tasks = frozenset({"imageedit"})
    guidance_name = "true_cfg_scale"

    def __init__(self, checkpoint: Checkpoint) -> None:
        del checkpoint
        self.steps, self.guidance = 40, TRUE_CFG_SCALE

    def plan(self, asked: Size | None, pictures: Sequence[Size]) -> Plan:
        """The result has the aspect of the first picture; the pipeline by itself would take the last one's."""
        return Plan(asked or qwen_size(pictures[0]), tuple(qwen_size(picture) for picture in pictures))

    def arguments(self, samples: Sequence[Sample]) -> dict[str, object]:
        """All pictures of the sample as references."""
        (sample,) = samples
        return {"image": list(sample.images), "negative_prompt": NEGATIVE_PROMPT}

    def components(self, checkpoint: Checkpoint) -> dict[str, object]:
        """The processor without its video part, where torchvision is not installed."""
        return image_only_processor(checkpoint)
