"""FLUX.2 (dev and klein): draws from text and edits with several references."""

import importlib.util
from collections.abc import Sequence

from dataflow.errors import ConfigError
from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.backends import Backend, Plan, Sample, Size
from dataflow.serving.backends.canvas import GRID, MEGAPIXEL, at_area, on_grid

# Source: Flux2ImageProcessor.check_image_input in diffusers.
_SMALLEST, _LONGEST = 64, 8


class Flux2(Backend):
    """References are shared by all prompts of a call, so edits run one at a time.

    Source: steps and guidance are those of the model cards of FLUX.2-dev, -klein-4B and -klein-base-4B; klein with
    a cache of its references (KV) takes no guidance.
    """

    family = "FLUX.2"
    tasks = frozenset({"text2image", "imageedit"})
    pads_text = True
    encoded = ("rows", "rows")  # the language model's, positions

    def __init__(self, checkpoint: Checkpoint) -> None:
        if checkpoint.pipeline == "Flux2KleinPipeline":
            self.inpaint, self.inpaint_inputs = "Flux2KleinInpaintPipeline", 2
        if checkpoint.pipeline == "Flux2KleinKVPipeline":
            self.steps = 4
        else:
            distilled = checkpoint.index.get("is_distilled") is True
            self.steps, self.guidance = (4, 1.0) if distilled else (50, 4.0)

    def plan(self, asked: Size | None, pictures: Sequence[Size]) -> Plan:
        """The result has the first picture's size; above a megapixel, its aspect."""
        inputs = tuple(_reference_size(picture) for picture in pictures)
        return Plan(asked or (inputs[0] if inputs else (1024, 1024)), inputs)

    def arguments(self, samples: Sequence[Sample]) -> dict[str, object]:
        """All references of the one sample, or none."""
        return {"image": list(samples[0].images) or None}

    def components(self, checkpoint: Checkpoint) -> dict[str, object]:
        """Nothing, but dev's tokenizer is a processor that transformers 5 builds only with torchvision.

        Raises:
            ConfigError: torchvision is not installed.
        """
        if checkpoint.parts().get("tokenizer") == "PixtralProcessor" and not importlib.util.find_spec("torchvision"):
            raise ConfigError(
                f"{checkpoint.folder / 'tokenizer'} is a PixtralProcessor, which needs torchvision: install the one"
                f" that fits your torch (https://pytorch.org/get-started)"
            )
        return {}


def _reference_size(picture: Size) -> Size:
    """The picture's own size where the pipeline takes it, else the nearest it takes."""
    width, height = _less_long(picture)
    grow = max(1.0, _SMALLEST / min(width, height))
    size = on_grid((round(width * grow), round(height * grow)))
    if size[0] * size[1] > MEGAPIXEL:
        size = at_area((width, height), MEGAPIXEL)
    while size[0] * size[1] > MEGAPIXEL:
        size = (size[0] - GRID, size[1]) if size[0] > size[1] else (size[0], size[1] - GRID)
    return _less_long(size)


def _less_long(size: Size) -> Size:
    longest = _LONGEST * min(size)
    return min(size[0], longest), min(size[1], longest)
