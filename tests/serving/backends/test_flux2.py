"""FLUX.2: the sizes of its references, and what dev needs installed."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.models.checkpoint import Checkpoint, read_checkpoint
from dataflow.serving.backends import backend_of
from tests.kit.families import family


@pytest.mark.parametrize("picture", [(640, 480), (4000, 3000), (20, 20), (5000, 100), (1024, 1025)])
def test_flux2_is_given_what_its_pipeline_accepts(picture: tuple[int, int]) -> None:
    from diffusers.pipelines.flux2.image_processor import Flux2ImageProcessor
    from PIL import Image

    ((width, height),) = family("Flux2Pipeline").plan(None, [picture]).inputs
    Flux2ImageProcessor.check_image_input(Image.new("RGB", (width, height)))
    assert width * height <= 1024 * 1024
    assert width % 16 == height % 16 == 0


def test_dev_without_torchvision_names_what_to_install(
    checkpoint: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)  # as if it were not installed
    tiny = read_checkpoint(checkpoint("flux2"))
    assert backend_of(tiny).components(tiny) == {}
    real = Checkpoint(tiny.folder, {**tiny.index, "tokenizer": ["transformers", "PixtralProcessor"]})
    with pytest.raises(ConfigError, match=r"tokenizer is a PixtralProcessor, which needs torchvision"):
        backend_of(real).components(real)
