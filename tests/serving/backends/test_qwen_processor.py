"""Qwen's processors where torchvision is not installed."""

import sys
from pathlib import Path
from typing import Any

import pytest

from dataflow.errors import ConfigError
from dataflow.models.checkpoint import Checkpoint, read_checkpoint
from dataflow.serving.backends.qwen_processor import image_only_processor
from tests.kit.tiny import with_processor


@pytest.fixture
def checkpoint_of_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    """A checkpoint that has a processor and nothing else, on a machine without torchvision."""
    monkeypatch.setitem(sys.modules, "torchvision", None)
    (tmp_path / "model_index.json").write_text("{}")
    return read_checkpoint(with_processor(tmp_path, "QwenImageEditPipeline"))


def test_it_is_loaded_without_its_video_part(checkpoint_of_processor: Checkpoint) -> None:
    processor: Any = image_only_processor(checkpoint_of_processor)["processor"]
    assert processor.image_processor.patch_size == 14
    assert not hasattr(processor, "video_processor")


def test_damaged_files_are_named_with_the_fix(checkpoint_of_processor: Checkpoint) -> None:
    settings = checkpoint_of_processor.folder / "processor" / "preprocessor_config.json"
    settings.write_text(settings.read_text()[:-9])
    with pytest.raises(ConfigError, match=r"processor cannot be loaded: .* Download it again"):
        image_only_processor(checkpoint_of_processor)


def test_a_checkpoint_without_such_a_processor_hands_nothing_over(tmp_path: Path) -> None:
    assert image_only_processor(Checkpoint(tmp_path, {"_class_name": "QwenImagePipeline"})) == {}
