"""The family of every pipeline without a family of its own: one sample per call, with arguments from its signature.

The meaning of a list of pictures differs from class to class. Where the signature says that a list belongs to one
sample, several pictures reach the model as references; elsewhere they are stitched into one. Steps, guidance and size
are the pipeline's own unless the user gave them.
"""

import inspect
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import get_args, get_origin

from dataflow.errors import ConfigError
from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.backends import Backend, Plan, Sample, Size, Task
from dataflow.serving.backends.canvas import on_grid, stitched_size, within_a_megapixel
from dataflow.serving.backends.qwen_processor import image_only_processor

_PICTURES, _MASKS = ("image", "images"), ("mask_image", "mask")
# Pipelines whose list of pictures belongs to one sample although their signature does not say so.
# Source: `_validate_and_normalize_images` in diffusers' pipeline_glm_image.py.
_REFERENCED = {"GlmImagePipeline"}


class AnyPipeline(Backend):
    """A pipeline class of which nothing is known but its signature."""

    gives_tensors = False

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.family = checkpoint.pipeline
        takes = _parameters(checkpoint)
        self._sizes = {"height", "width"} <= takes.keys()
        self._pictures = next((name for name in _PICTURES if name in takes), "")
        self._mask = next((name for name in _MASKS if name in takes and self._pictures), "")
        self.inpaint = checkpoint.pipeline if self._mask else ""
        self.takes_references = bool(self._pictures) and (
            self.family in _REFERENCED or _is_list_of_one_sample(takes[self._pictures].annotation)
        )
        self.tasks = _tasks(takes, self._pictures)

    def plan(self, asked: Size | None, pictures: Sequence[Size]) -> Plan:
        """The pipeline's own size, or the first of several references'; inputs above a megapixel are scaled to one."""
        size = asked if self._sizes else None
        if not pictures:
            return Plan(size)
        if len(pictures) > 1 and not self.takes_references:
            return Plan(size, (stitched_size(pictures),))
        inputs = tuple(within_a_megapixel(picture) for picture in pictures)
        follows = on_grid(inputs[0]) if self._sizes and len(inputs) > 1 else None
        return Plan(size or follows, inputs)

    def plan_masked(self, asked: Size | None, pictures: Sequence[Size]) -> Plan:
        """The size of the first picture, rounded to the grid, a megapixel at most."""
        size = on_grid(within_a_megapixel(pictures[0]))
        return Plan(size if self._sizes else None, (size,), masked=True)

    def shares_call(self, plan: Plan) -> bool:
        """Never: the signature does not say how a batch must be passed."""
        del plan
        return False

    def arguments(self, samples: Sequence[Sample]) -> dict[str, object]:
        """The sample's pictures, if it has any."""
        (sample,) = samples
        if not sample.images:
            return {}
        return {self._pictures: list(sample.images) if self.takes_references else sample.images[0]}

    def arguments_masked(self, samples: Sequence[Sample]) -> dict[str, object]:
        """The sample's picture and its mask."""
        return {**self.arguments(samples), self._mask: samples[0].mask}

    def components(self, checkpoint: Checkpoint) -> dict[str, object]:
        """Qwen's processor without its video part, where torchvision is not installed."""
        return image_only_processor(checkpoint)


def _tasks(takes: Mapping[str, inspect.Parameter], pictures: str) -> frozenset[Task]:
    """The tasks of a pipeline with these arguments; none if it takes no prompt or makes videos."""
    if "prompt" not in takes or "num_frames" in takes:
        return frozenset()
    if not pictures:
        return frozenset({"text2image"})
    return frozenset({"text2image", "imageedit"} if takes[pictures].default is None else {"imageedit"})


def _is_list_of_one_sample(annotation: object) -> bool:
    """Whether an argument takes pictures and lists of pictures only; an argument for a batch takes tensors too."""
    kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
    if get_origin(annotation) is list:
        return all(map(_is_picture, kinds))
    lists = [kind for kind in kinds if get_origin(kind) is list]
    return bool(lists) and all(map(_is_picture, kinds))


def _is_picture(kind: object) -> bool:
    from PIL.Image import Image

    return kind is Image or (get_origin(kind) is list and all(map(_is_picture, get_args(kind))))


def _parameters(checkpoint: Checkpoint) -> Mapping[str, inspect.Parameter]:
    import diffusers

    pipeline = getattr(diffusers, checkpoint.pipeline, None)
    if pipeline is None:
        raise ConfigError(
            f"{checkpoint.folder / 'model_index.json'} names {checkpoint.pipeline}, which diffusers"
            f" {diffusers.__version__} does not have: upgrade diffusers, or choose another model"
        )
    return inspect.signature(pipeline.__call__).parameters
