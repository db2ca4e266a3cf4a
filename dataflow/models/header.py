"""Read the header of a safetensors file: its tensors, and whether all of their bytes are there.

No weights are read, so a truncated download of 24 GB shows within a millisecond.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from dataflow.errors import ConfigError

_LFS_POINTER = b"version https://git-lfs"


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor in a file.

    Args:
        dtype: the name that safetensors gives the dtype, such as BF16.
        shape: the tensor's shape.
        begin: the offset of the tensor's first byte from the end of the header.
        end: the offset behind the tensor's last byte.
    """

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read_header(path: Path) -> Mapping[str, StoredTensor]:
    """The tensors of a safetensors file, by name.

    Source: https://github.com/huggingface/safetensors#format - 8 bytes of length, a JSON header, the data.

    Raises:
        ConfigError: the file is a Git LFS pointer, truncated or damaged.
    """
    refuse_pointer(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        length: int = struct.unpack("<Q", head)[0] if len(head) == 8 else size
        if length + 8 > size:
            raise _cut_short(path, size)
        text = file.read(length)
    try:
        header = orjson.loads(text)
    except orjson.JSONDecodeError:
        header = None
    if not isinstance(header, dict):
        raise _unreadable(path)
    tensors = {name: _tensor(path, entry) for name, entry in header.items() if name != "__metadata__"}
    whole = length + 8 + max((tensor.end for tensor in tensors.values()), default=0)
    if size != whole:
        raise _cut_short(path, size, whole)
    return tensors


def refuse_pointer(path: Path) -> None:
    """Check that a file is no Git LFS pointer.

    Raises:
        ConfigError: the file is a Git LFS pointer, which stands for weights that were not downloaded.
    """
    with path.open("rb") as file:
        if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
            raise ConfigError(f"{path} is a Git LFS pointer, not weights: run `git lfs pull` in {path.parent}")


def _tensor(path: Path, entry: object) -> StoredTensor:
    match entry:
        case {"dtype": str(dtype), "shape": [*sides], "data_offsets": [int(begin), int(end)]} if all(
            isinstance(side, int) for side in sides
        ):
            return StoredTensor(dtype, tuple(sides), begin, end)
    raise _unreadable(path)


def _unreadable(path: Path) -> ConfigError:
    return ConfigError(f"{path} is damaged: its header cannot be read. Download this file again")


def _cut_short(path: Path, size: int, whole: int | None = None) -> ConfigError:
    of = "" if whole is None else f" of {whole:,}"
    return ConfigError(f"{path} is damaged or cut short ({size:,}{of} bytes): download this file again")
