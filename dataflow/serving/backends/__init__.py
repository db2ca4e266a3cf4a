"""What a model family is: how it takes pictures, which size it makes, and its arguments.

A family says only what sets it apart. Loading, seeds, batches, memory and saving are the same for all and
live in `dataflow.serving.local.pictures`. `plan` works on sizes alone and needs no weights, so that rows of one plan
can be brought together before anything is loaded.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias, get_args

from dataflow.errors import ConfigError

if TYPE_CHECKING:
    from PIL.Image import Image

    from dataflow.models.checkpoint import Checkpoint

Size = tuple[int, int]  # width, height in pixels
Task = Literal["text2image", "imageedit"]
Join = Literal["rows", "padded", "mask", "lists", "shared"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What one pipeline call makes of a job; jobs with equal plans may share a call.

    Args:
        size: of the result; None leaves it to the pipeline.
        inputs: sizes at which the input pictures reach the pipeline.
        masked: only a part of the first picture may change; its mask reaches the pipeline at that picture's size.
    """

    size: Size | None
    inputs: tuple[Size, ...] = ()
    masked: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """A job with its pictures, as the pipeline gets them.

    Args:
        plan: of this job.
        prompt: the description or instruction.
        images: RGB, of the sizes the plan says.
        seed: of the job.
        mask: in mode L and of the first picture's size, 255 where that may change, else 0; None: the job has none.
    """

    plan: Plan
    prompt: str
    images: "tuple[Image, ...]"
    seed: int
    mask: "Image | None" = None


class Backend(ABC):
    """One model family, or one checkpoint of it where they differ.

    Attributes:
        family: its name, as users write `diffuser_model_name`.
        tasks: what it does.
        batches_pictures: samples with different input pictures can share a call.
        gives_tensors: its pipeline's `output_type="pt"` is a tensor of n x channels x height x width, 0 to 1.
        pads_text: prompts of every length reach the denoiser at one length, so that each size is compiled once.
        encoded: how each of the values that the pipeline's `encode_prompt` returns for single prompts becomes that of
            a batch: tensors of one length as "rows"; "padded" to the longest, with a "mask" after it; "lists" of
            tensors; "shared" by all prompts. Empty: its prompts cannot be encoded apart from their pictures, or nobody
            looked.
        cuts_encodings: of a prompt that is too long its pipeline encodes all and drops the end.
        inpaint: the class of diffusers that edits within a mask with the same weights; empty: there is none.
        inpaint_inputs: pictures that it takes at most, the masked one included.
        steps: default number of denoising steps.
        guidance: default guidance; None leaves it to the pipeline.
        guidance_name: the pipeline's argument for it.
    """

    family: str
    tasks: frozenset[Task] = frozenset({"text2image"})
    batches_pictures: ClassVar[bool] = False
    gives_tensors: ClassVar[bool] = True
    pads_text: ClassVar[bool] = False
    encoded: ClassVar[tuple[Join, ...]] = ()
    cuts_encodings: ClassVar[bool] = False
    guidance_name: str = "guidance_scale"
    inpaint: str = ""
    inpaint_inputs: int = 1
    steps: int | None = None
    guidance: float | None = None

    def __init__(self, checkpoint: "Checkpoint") -> None:
        """Choose the defaults that fit this checkpoint; reads configuration files at most."""

    @abstractmethod
    def plan(self, asked: Size | None, pictures: Sequence[Size]) -> Plan:
        """The sizes for a job.

        Args:
            asked: the result's size, already a multiple of 16, or None.
            pictures: sizes of its input pictures; a plan with one input for several has them stitched.
        """

    def shares_call(self, plan: Plan) -> bool:
        """Whether several samples of this plan can be drawn in one call."""
        return self.batches_pictures or not plan.inputs

    def arguments(self, samples: Sequence[Sample]) -> dict[str, object]:
        """The pipeline's arguments that differ between families; the samples have one plan."""
        del samples
        return {}

    def plan_masked(self, asked: Size | None, pictures: Sequence[Size]) -> Plan:
        """The sizes for a job with a mask: the result is as large as its first picture reaches the pipeline."""
        first, *others = (self.plan(asked, [picture]).inputs[0] for picture in pictures)
        return Plan(first, (first, *others), masked=True)

    def arguments_masked(self, samples: Sequence[Sample]) -> dict[str, object]:
        """The arguments of `inpaint`: as for the whole picture, with the mask, and the second picture as a reference.

        What may change begins from noise alone, as it does without a mask: `strength` is 1.
        """
        firsts = [replace(sample, images=sample.images[:1]) for sample in samples]
        own = {**self.arguments(firsts), "image": [sample.images[0] for sample in samples], "strength": 1.0}
        if len(samples[0].images) > 1:
            own["image_reference"] = [sample.images[1] for sample in samples]
        return {**own, "mask_image": [sample.mask for sample in samples]}

    def components(self, checkpoint: "Checkpoint") -> dict[str, object]:
        """Parts that `from_pretrained` cannot load by itself on this machine."""
        del checkpoint
        return {}


Family: TypeAlias = type[Backend]

# Class named in model_index.json → module and class here; loaded when such a checkpoint is met.
FAMILIES: Mapping[str, tuple[str, str]] = {
    "FluxPipeline": ("flux", "Flux"),
    "FluxKontextPipeline": ("flux_kontext", "FluxKontext"),
    "Flux2Pipeline": ("flux2", "Flux2"),
    "Flux2KleinPipeline": ("flux2", "Flux2"),
    "Flux2KleinKVPipeline": ("flux2", "Flux2"),
    "QwenImagePipeline": ("qwen_image", "QwenImage"),
    "QwenImage21Pipeline": ("qwen_image_21", "QwenImage21"),
    "QwenImageEditPipeline": ("qwen_image_edit", "QwenImageEdit"),
    "QwenImageEditPlusPipeline": ("qwen_image_edit_plus", "QwenImageEditPlus"),
    "ZImagePipeline": ("z_image", "ZImage"),
}


def backend_of(checkpoint: "Checkpoint", own: Family | None = None) -> Backend:
    """The family of a checkpoint: the user's own, else by the pipeline class its model_index.json names.

    Raises:
        ConfigError: diffusers has no such class; the user's own has no name, or tasks that there are not.
    """
    if own is not None:
        return _checked(own(checkpoint))
    module, name = FAMILIES.get(checkpoint.pipeline, ("any", "AnyPipeline"))
    backend = getattr(importlib.import_module(f"{__name__}.{module}"), name)(checkpoint)
    if not isinstance(backend, Backend):
        raise ConfigError(f"{__name__}.{module}.{name} is no Backend")
    return backend


def _checked(family: Backend) -> Backend:
    name = type(family).__name__
    if not isinstance(getattr(family, "family", None), str):
        raise ConfigError(f'backend={name} has no name: say family = "..." in it')
    if not family.tasks or set(family.tasks) - set(get_args(Task)):
        known = ", ".join(map(repr, get_args(Task)))
        raise ConfigError(f"backend={name} has tasks {set(family.tasks)}: give a set of {known}")
    return family
