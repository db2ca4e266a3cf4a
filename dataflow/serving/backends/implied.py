"""Put a family's default steps and guidance into request ids, so that a changed default never reuses old pictures.

The ids of the first release imply its defaults without naming them. So an id names a default only where the default
differs from the first release's for that checkpoint; until a default changes, ids equal those of the first release. To
change a default, change the family's file and leave this file as it is.
"""

from dataclasses import dataclass

from dataflow.core.records import JSON
from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.backends import FAMILIES, Backend, Family, backend_of


@dataclass(frozen=True, slots=True)
class Defaults:
    """The steps and guidance that a family uses where the user gives none; None leaves them to the pipeline."""

    steps: int | None = None
    guidance: float | None = None

    def as_json(self) -> dict[str, JSON]:
        """The defaults by name, as they stand in a fingerprint."""
        return {"steps": self.steps, "guidance": None if self.guidance is None else float(self.guidance)}


def stated(checkpoint: Checkpoint, own: Family | None) -> dict[str, JSON]:
    """What a fingerprint names of a checkpoint's family.

    Of a user's family it names the family and all of its defaults; of ours, the defaults that differ from those that
    earlier ids imply.

    Args:
        checkpoint: at least its configuration files are on disk.
        own: the user's family; None for ours.
    """
    if own is not None:
        family = backend_of(checkpoint, own)
        return {"family": family.family, **unlike(defaults_of(family), Defaults())}
    # A pipeline without a family of ours keeps its own defaults, and `AnyPipeline` would import diffusers.
    now = defaults_of(backend_of(checkpoint)) if checkpoint.pipeline in FAMILIES else Defaults()
    return unlike(now, implied(checkpoint))


def unlike(now: Defaults, then: Defaults) -> dict[str, JSON]:
    """The current defaults that differ from earlier ones, by name; None for one that the pipeline decides by now."""
    before = then.as_json()
    return {name: value for name, value in now.as_json().items() if value != before[name]}


def defaults_of(family: Backend) -> Defaults:
    """The defaults of a family, for the checkpoint that it was made for."""
    return Defaults(family.steps, family.guidance)


def implied(checkpoint: Checkpoint) -> Defaults:
    """The first release's defaults for a checkpoint. Never change them: the ids of paid pictures imply them."""
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
