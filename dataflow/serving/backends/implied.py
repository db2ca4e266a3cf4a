"""A family's default steps and guidance in a request's id, so that a new default never finds pictures of the old one.

Ids of the first release say nothing of a default. So one is in an id only where it differs from what the first
release used for that checkpoint, and ids of today are those of the first release. Whoever changes a default changes
the family's file and leaves this one alone.
"""

from dataclasses import dataclass

from dataflow.core.records import JSON
from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.backends import FAMILIES, Backend, Family, backend_of


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a family uses where the user says nothing; None leaves it to the pipeline."""

    steps: int | None = None
    guidance: float | None = None

    def as_json(self) -> dict[str, JSON]:
        """By name."""
        return {"steps": self.steps, "guidance": None if self.guidance is None else float(self.guidance)}


def stated(checkpoint: Checkpoint, own: Family | None) -> dict[str, JSON]:
    """What a fingerprint says of a checkpoint's family: all of one's own, of ours what no earlier id implies.

    Args:
        checkpoint: at least its settings.
        own: the user's family; None for ours.
    """
    if own is not None:
        family = backend_of(checkpoint, own)
        return {"family": family.family, **unlike(defaults_of(family), Defaults())}
    # Other pipelines keep their own defaults, and making a family of one would import diffusers.
    now = defaults_of(backend_of(checkpoint)) if checkpoint.pipeline in FAMILIES else Defaults()
    return unlike(now, implied(checkpoint))


def unlike(now: Defaults, then: Defaults) -> dict[str, JSON]:
    """The defaults of now that differ from those of then; None for one that is the pipeline's by now."""
    before = then.as_json()
    return {name: value for name, value in now.as_json().items() if value != before[name]}


def defaults_of(family: Backend) -> Defaults:
    """Of a family, for the checkpoint that it was made for."""
    return Defaults(family.steps, family.guidance)


def implied(checkpoint: Checkpoint) -> Defaults:
    """What the first release used for a checkpoint of its families. This never changes."""
    match checkpoint.pipeline:
        case "FluxPipeline":
            is_guided = checkpoint.config("transformer").get("guidance_embeds") is True
            return Defaults(28, 3.5) if is_guided else Defaults(4, 0.0)
        case "FluxKontextPipeline":
            return Defaults(28, 2.5)
        case "Flux2Pipeline" | "Flux2KleinPipeline":
            is_distilled = checkpoint.index.get("is_distilled") is True
            return Defaults(4, 1.0) if is_distilled else Defaults(50, 4.0)
        case "Flux2KleinKVPipeline":
            return Defaults(4)
        case "QwenImagePipeline" | "QwenImageEditPipeline":
            return Defaults(50, 4.0)
        case "QwenImageEditPlusPipeline":
            return Defaults(40, 4.0)
        case "ZImagePipeline":
            shift = checkpoint.config("scheduler").get("shift")
            is_turbo = not isinstance(shift, int | float) or shift <= 3.0
            return Defaults(8, 0.0) if is_turbo else Defaults(50, 4.0)
    return Defaults()
