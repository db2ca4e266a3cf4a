"""FLUX.1: the defaults of dev and schnell."""

from collections.abc import Callable
from pathlib import Path

from dataflow.models.checkpoint import Checkpoint, read_checkpoint
from dataflow.serving.backends import backend_of


def test_schnell_and_dev_are_distinguished_by_guidance(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    dev = backend_of(read_checkpoint(checkpoint("flux")))
    assert (dev.steps, dev.guidance) == (28, 3.5)
    (tmp_path / "transformer").mkdir()
    (tmp_path / "transformer" / "config.json").write_text('{"guidance_embeds": false}')
    schnell = backend_of(Checkpoint(tmp_path, {"_class_name": "FluxPipeline"}))
    assert (schnell.steps, schnell.guidance) == (4, 0.0)
