"""FLUX.2 (dev and klein): draws from text and edits with several references."""

import importlib.util
from collections.abc import Sequence

from dataflow.errors import ConfigError
from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.backends import Backend, Plan, Sample, Size
from dataflow.serving.backends.canvas import GRID, MEGAPIXEL, at_area, on_grid

# The shortest side of a reference in pixels, and the most that its long side may be, in short sides.
# Source: Flux2ImageProcessor.check_image_input in diffusers.
_SHORTEST_SIDE, _LARGEST_ASPECT = 64, 8


class Flux2(Backend):
    """FLUX.2. The prompts of a call share its references, so a call edits one sample.

    Source: steps and guidance are those of the model cards of FLUX.2-dev, -klein-4B and -klein-base-4B; the klein that
    caches its references (KV) takes no guidance.
    """

    family = "FLUX.2"
    tasks = frozenset({"text2image", "imageedit"})
    pads_text = True
    encoded = ("rows", "rows")  # the language model's encoding, position ids

    def __init__(self, checkpoint: Checkpoint) -> None:
        if checkpoint.pipeline == "Flux2KleinPipeline":
            self.inpaint, self.inpaint_inputs = "Flux2KleinInpaintPipeline", 2
        if checkpoint.pipeline == "Flux2KleinKVPipeline":
            self.steps = 4
        else:
            distilled = checkpoint.index.get("is_distilled") is True
            self.steps, self.guidance = (4, 1.0) if distilled else (50, 4.0)

    def plan(self, asked: Size | None, pictures: Sequence[Size]) -> Plan:
        """The result has the first picture's size, or its aspect where the picture is above a megapixel."""
        inputs = tuple(_reference_size(picture) for picture in pictures)
        return Plan(asked or (inputs[0] if inputs else (1024, 1024)), inputs)

    def arguments(self, samples: Sequence[Sample]) -> dict[str, object]:
        """All pictures of the sample as references; None if it has none."""
        return {"image": list(samples[0].images) or None}

    def components(self, checkpoint: Checkpoint) -> dict[str, object]:
        """Nothing; checks for dev's tokenizer, a processor that transformers 5 loads only with torchvision.

        Raises:
            ConfigError: the checkpoint needs torchvision, and torchvision is not installed.
        """
        if checkpoint.parts().get("tokenizer") == "PixtralProcessor" and not importlib.util.find_spec("torchvision"):
            raise ConfigError(
                f"{checkpoint.folder / 'tokenizer'} is a PixtralProcessor, which needs torchvision: install the one"
                f" that fits your torch (https://pytorch.org/get-started)"
            )
        return {}


def _reference_size(picture: Size) -> Size:
    """The picture's own size if the pipeline accepts it, else the nearest size that the pipeline accepts."""
    width, height = _within_aspect(picture)
    grow = max(1.0, _SHORTEST_SIDE / min(width, height))
    size = on_grid((round(width * grow), round(height * grow)))
    if size[0] * size[1] > MEGAPIXEL:
        size = at_area((width, height), MEGAPIXEL)
    while size[0] * size[1] > MEGAPIXEL:
        size = (size[0] - GRID, size[1]) if size[0] > size[1] else (size[0], size[1] - GRID)
    return _within_aspect(size)


def _within_aspect(size: Size) -> Size:
    """The size with its long side shortened to the largest aspect that the pipeline accepts."""
    longest = _LARGEST_ASPECT * min(size)
    return min(size[0], longest), min(size[1], longest)
