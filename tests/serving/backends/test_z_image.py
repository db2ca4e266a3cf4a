"""Z-Image: the defaults of Turbo and of the base model."""

from collections.abc import Callable
from pathlib import Path

from dataflow.models.checkpoint import read_checkpoint
from dataflow.serving.backends import backend_of


def test_z_image_and_its_turbo_are_distinguished_by_the_scheduler(checkpoint: Callable[[str], Path]) -> None:
    turbo, base = (backend_of(read_checkpoint(checkpoint(name))) for name in ("z_image", "z_image_base"))
    assert (turbo.steps, turbo.guidance) == (8, 0.0)
    assert (base.steps, base.guidance) == (50, 4.0)
