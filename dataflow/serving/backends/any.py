"""Every other pipeline of diffusers: one sample at a time, with the arguments that its signature names.

What a list of pictures means differs from class to class, so several are stitched into one; steps, guidance
and size are the pipeline's own unless they were asked for.
"""

import inspect
from collections.abc import Mapping, Sequence

from dataflow.errors import ConfigError
from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.backends import Backend, Plan, Sample, Size, Task
from dataflow.serving.backends.canvas import MEGAPIXEL, at_area, stitched_size


class AnyPipeline(Backend):
    """A class we know nothing about but its signature."""

    gives_tensors = False

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.family = checkpoint.pipeline
        takes = _parameters(checkpoint)
        self._sizes = {"height", "width"} <= takes.keys()
        self.tasks = _tasks(takes)

    def plan(self, asked: Size | None, pictures: Sequence[Size]) -> Plan:
        """The pipeline's own size; a single large picture is brought down to a megapixel."""
        size = asked if self._sizes else None
        if not pictures:
            return Plan(size)
        canvas = pictures[0] if len(pictures) == 1 else stitched_size(pictures)
        large = len(pictures) == 1 and canvas[0] * canvas[1] > MEGAPIXEL
        return Plan(size, (at_area(canvas, MEGAPIXEL) if large else canvas,))

    def shares_call(self, plan: Plan) -> bool:
        """Never: what a batch means is the class's secret."""
        del plan
        return False

    def arguments(self, samples: Sequence[Sample]) -> dict[str, object]:
        """The picture, if there is one."""
        (sample,) = samples
        return {"image": sample.images[0]} if sample.images else {}


def _tasks(takes: Mapping[str, inspect.Parameter]) -> frozenset[Task]:
    """What a pipeline with these arguments does; nothing, if it hears no prompt or makes films."""
    if "prompt" not in takes or "num_frames" in takes:
        return frozenset()
    picture = takes.get("image")
    if picture is None:
        return frozenset({"text2image"})
    return frozenset({"text2image", "imageedit"} if picture.default is None else {"imageedit"})


def _parameters(checkpoint: Checkpoint) -> Mapping[str, inspect.Parameter]:
    import diffusers

    pipeline = getattr(diffusers, checkpoint.pipeline, None)
    if pipeline is None:
        raise ConfigError(
            f"{checkpoint.folder / 'model_index.json'} names {checkpoint.pipeline}, which diffusers"
            f" {diffusers.__version__} does not have: upgrade diffusers, or choose another model"
        )
    return inspect.signature(pipeline.__call__).parameters
