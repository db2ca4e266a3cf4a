"""The folder of a static embedding model."""

from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save_file

from dataflow.errors import ConfigError
from dataflow.models.static_checkpoint import StaticLayout

NAMES = ["config.json", "model.safetensors", "tokenizer.json"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    save_file({"embeddings": numpy.zeros((2, 3), numpy.float32)}, tmp_path / "model.safetensors")
    return tmp_path


def test_a_whole_folder_passes_and_its_three_files_are_listed(folder: Path) -> None:
    (folder / "notes.json").write_text("{}")
    StaticLayout().check(folder)
    assert [path.name for path in StaticLayout().files(folder)] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_missing_is_named(name: str, folder: Path) -> None:
    (folder / name).unlink()
    with pytest.raises(ConfigError, match=f"{name} is missing: a part of every static embedding model"):
        StaticLayout().check(folder)


def test_weights_without_word_vectors_are_no_static_model(folder: Path) -> None:
    save_file({"weight": numpy.zeros(2)}, folder / "model.safetensors")
    with pytest.raises(ConfigError, match=r"no tensor `embeddings`.*minishlab/potion-base-8M"):
        StaticLayout().check(folder)


def test_only_what_is_loaded_is_downloaded() -> None:
    names = [*NAMES, "README.md", "LICENSE", "onnx/model.onnx", "pytorch_model.bin"]
    assert [name for name in names if StaticLayout().wants(name, names)] == [*NAMES, "README.md", "LICENSE"]
