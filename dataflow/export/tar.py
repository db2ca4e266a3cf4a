"""Writes samples into tar shards (USTAR), with the members of a sample one behind the other.

Shards are written and read from front to back, so writer and reader hold one picture at a time. A member costs a header
of 512 bytes.
"""

import tarfile
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path

SHARD = 1_000_000_000
"""Most bytes of a shard; only a single sample may have more."""

_BLOCK = 512


class TarShards:
    """Writes samples into `{name}-00000.tar` and further shards.

    Args:
        folder: an existing folder.
        name: of the set of shards.
        shard: most bytes of a shard; a new shard begins before one has more.

    Attributes:
        files: number of shards so far.
        samples: number of samples so far.
        size: bytes of all samples so far.
    """

    def __init__(self, folder: Path, name: str, *, shard: int = SHARD) -> None:
        self._folder, self._name, self._shard = folder, name, shard
        self._tar: tarfile.TarFile | None = None
        self._room = 0
        self.files = self.samples = self.size = 0

    def add(self, key: str, members: Mapping[str, bytes]) -> None:
        """Write one sample.

        Args:
            key: beginning of the names of its members; it has no dot.
            members: rest of the name, such as "input0.png" or "json" → bytes.
        """
        size = sum(_BLOCK + -(-len(data) // _BLOCK) * _BLOCK for data in members.values())
        if self._tar is None or size > self._room:
            self.close()
            self._tar = tarfile.open(self._path(self.files), "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
            self.files += 1
            self._room = self._shard
        for ending, data in members.items():
            member = tarfile.TarInfo(f"{key}.{ending}")  # time and owner stay 0, so every run writes the same bytes
            member.size = len(data)
            self._tar.addfile(member, BytesIO(data))
        self._room -= size
        self.size += size
        self.samples += 1

    def close(self) -> None:
        """Close the last shard, after all samples."""
        if self._tar is not None:
            self._tar.close()
            self._tar = None

    @property
    def paths(self) -> Iterable[Path]:
        """The shards, in order."""
        return map(self._path, range(self.files))

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._name}-{number:05d}.tar"
