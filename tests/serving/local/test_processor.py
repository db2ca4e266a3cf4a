"""Pictures and processors as a model of pictures and text gets them."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from dataflow.errors import ConfigError
from dataflow.serving.local.processor import bounded, load_processor

Checkpoints = Callable[[str], Path]


@pytest.mark.parametrize(
    ("size", "most", "made"),
    [
        ((200, 100), 5000, (100, 50)),
        ((100, 50), 5000, (100, 50)),
        ((2000, 1), 500, (1000, 1)),
    ],
)
def test_a_picture_is_shrunk_to_so_many_pixels_and_keeps_its_aspect(
    size: tuple[int, int], most: int, made: tuple[int, int]
) -> None:
    assert bounded(Image.new("RGB", size), most).size == made


def test_a_picture_that_is_small_enough_is_not_copied() -> None:
    picture = Image.new("RGB", (10, 10))
    assert bounded(picture, 100) is picture


def test_without_torchvision_a_processor_has_no_video_part(
    text_checkpoint: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    folder = Path(shutil.copytree(text_checkpoint("qwen_vl"), tmp_path / "model"))
    processor = load_processor(folder)
    assert processor.tokenizer is not None
    assert not hasattr(processor, "video_processor")
    (folder / "preprocessor_config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"the processor in .* cannot be loaded: .* Download it again"):
        load_processor(folder)
