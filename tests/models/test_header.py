"""What the header of a weight file says, and that a damaged one is named."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dataflow.errors import ConfigError
from dataflow.models.header import StoredTensor, read_header


def written(path: Path, header: object, data: bytes = b"") -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def test_every_tensor_of_a_file_is_named_with_its_place(tmp_path: Path) -> None:
    tensors = {"a": torch.zeros(2, 3, dtype=torch.bfloat16), "b": torch.zeros((), dtype=torch.float32)}
    save_file(tensors, tmp_path / "a.safetensors", {"format": "pt"})
    found = read_header(tmp_path / "a.safetensors")
    assert {name: (each.dtype, each.shape, each.end - each.begin) for name, each in found.items()} == {
        "a": ("BF16", (2, 3), 12),
        "b": ("F32", (), 4),
    }


def test_a_file_without_tensors_is_whole(tmp_path: Path) -> None:
    assert read_header(written(tmp_path / "a", {"__metadata__": {"format": "pt"}})) == {}


@pytest.mark.parametrize(
    "header",
    [
        None,
        [1],
        {"a": 1},
        {"a": {"dtype": "F32", "shape": [1]}},
        {"a": {"dtype": "F32", "shape": 1, "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": ["1"], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": ["0", "4"]}},
        {"a": {"dtype": 32, "shape": [1], "data_offsets": [0, 4]}},
    ],
)
def test_a_header_that_is_none_is_damage(header: object, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="its header cannot be read"):
        read_header(written(tmp_path / "a", header, bytes(4)))


@pytest.mark.parametrize("size", [3, 5])
def test_a_file_of_another_size_than_its_header_says_is_cut_short(size: int, tmp_path: Path) -> None:
    header = {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    path = written(tmp_path / "a", header, bytes(4))
    assert read_header(path) == {"a": StoredTensor("F32", (1,), 0, 4)}
    with pytest.raises(ConfigError, match=r"cut short \(\d+ of \d+ bytes\)"):
        read_header(written(path, header, bytes(size)))
