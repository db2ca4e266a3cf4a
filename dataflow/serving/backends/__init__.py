"""The base class of model families: which sizes a family draws, how it takes pictures, and its call's arguments.

A family defines only what distinguishes it. Loading, seeds, batches, memory and saving are the same for all families
and are in `dataflow.serving.local.pictures`. `Backend.plan` computes with sizes alone and needs no weights, so that
rows of equal plans can be grouped before anything is loaded.
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
"""How a value that `encode_prompt` returns for single prompts becomes that of a batch; see `Backend.encoded`."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The sizes of one job in a pipeline's call; jobs with equal plans may share a call.

    Args:
        size: width and height of the result in pixels; None leaves them to the pipeline.
        inputs: the sizes at which the input pictures reach the pipeline.
        masked: whether only a part of the first picture may change; the mask then reaches the pipeline at the first
            picture's size.
    """

    size: Size | None
    inputs: tuple[Size, ...] = ()
    masked: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """A job with its pictures, as the pipeline takes them.

    Args:
        plan: the job's.
        prompt: the description or instruction.
        images: RGB pictures, of the sizes in `plan.inputs`.
        seed: the seed of the job's noise.
        mask: a picture in mode L of the first picture's size, 255 where that picture may change, else 0; None if the
            job has no mask.
    """

    plan: Plan
    prompt: str
    images: "tuple[Image, ...]"
    seed: int
    mask: "Image | None" = None


class Backend(ABC):
    """One model family, with the defaults that fit one of its checkpoints.

    Attributes:
        family: the family's name, as users write `diffuser_model_name`.
        tasks: the tasks that the family does.
        batches_pictures: whether samples with different input pictures can share a call.
        gives_tensors: whether the pipeline's `output_type="pt"` is a tensor of n x channels x height x width, 0 to 1.
        pads_text: whether prompts of every length reach the denoiser at one length; each size is then compiled once.
        encoded: for each value that the pipeline's `encode_prompt` returns, how the values of single prompts become
            the value of a batch: "rows" concatenates tensors of equal length; "padded" pads tensors to the longest
            one, and a "mask" that follows marks the padding; "lists" concatenates lists of tensors; "shared" takes the
            value of any prompt. Empty where prompts cannot be encoded apart from their pictures, or where nobody has
            checked; prompts are then not cached.
        cuts_encodings: whether the pipeline encodes the whole of a prompt that is too long, and drops the encoding's
            end.
        inpaint: the pipeline class of diffusers that edits within a mask with the same weights; empty if there is none.
        inpaint_inputs: the most pictures that the `inpaint` pipeline takes, the masked one included.
        steps: the default number of denoising steps; None leaves it to the pipeline.
        guidance: the default guidance scale; None leaves it to the pipeline.
        guidance_name: the name of the pipeline's argument for the guidance scale.
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
        """Choose the defaults that fit this checkpoint; may read its configuration files, but no weights."""

    @abstractmethod
    def plan(self, asked: Size | None, pictures: Sequence[Size]) -> Plan:
        """The plan of a job.

        Args:
            asked: the size that the user asked for, its sides multiples of 16; None if the user asked for none.
            pictures: the sizes of the job's input pictures. If the plan has one input for several pictures, the
                pictures are stitched into one.
        """

    def shares_call(self, plan: Plan) -> bool:
        """Whether several samples of this plan can be drawn in one call."""
        return self.batches_pictures or not plan.inputs

    def arguments(self, samples: Sequence[Sample]) -> dict[str, object]:
        """The pipeline's arguments in which families differ.

        Args:
            samples: those of one call; their plans are equal.
        """
        del samples
        return {}

    def plan_masked(self, asked: Size | None, pictures: Sequence[Size]) -> Plan:
        """The plan of a job with a mask: the result has the size at which the first picture reaches the pipeline."""
        first, *others = (self.plan(asked, [picture]).inputs[0] for picture in pictures)
        return Plan(first, (first, *others), masked=True)

    def arguments_masked(self, samples: Sequence[Sample]) -> dict[str, object]:
        """The arguments of the `inpaint` pipeline: those of `arguments`, the masks, and a second picture as reference.

        `strength` is 1, so that the masked part starts from noise alone, as the whole picture does without a mask.
        """
        firsts = [replace(sample, images=sample.images[:1]) for sample in samples]
        own = {**self.arguments(firsts), "image": [sample.images[0] for sample in samples], "strength": 1.0}
        if len(samples[0].images) > 1:
            own["image_reference"] = [sample.images[1] for sample in samples]
        return {**own, "mask_image": [sample.mask for sample in samples]}

    def components(self, checkpoint: "Checkpoint") -> dict[str, object]:
        """Components to hand over to `from_pretrained`, by name, because it cannot load them on this machine."""
        del checkpoint
        return {}


Family: TypeAlias = type[Backend]

# Pipeline class that model_index.json names → module and class of its family; the module is imported when needed.
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
    """The family of a checkpoint: the user's own class, else the one for the pipeline class in its model_index.json.

    Args:
        checkpoint: at least its configuration files are on disk.
        own: a family of the user's; None for ours.

    Raises:
        ConfigError: diffusers has no such pipeline class, or the user's family has no name or an unknown task.
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
