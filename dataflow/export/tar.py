"""Samples as tar shards that are read from front to back: plain USTAR, members of a sample one behind the other.

A member costs a header of 512 bytes and nothing else, so neither side holds more than one picture.
"""

import tarfile
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path

SHARD = 1_000_000_000
"""Most bytes of a shard, but for a single sample that has more."""

_BLOCK = 512


class TarShards:
    """Writes samples as `{name}-00000.tar`, and begins another file before one is over `SHARD`.

    Args:
        folder: is there.
        name: of the set of shards.
        shard: most bytes of one.

    Attributes:
        files: number of shards so far.
        samples: number of samples so far.
        size: bytes in all shards.
    """

    def __init__(self, folder: Path, name: str, *, shard: int = SHARD) -> None:
        self._folder, self._name, self._shard = folder, name, shard
        self._tar: tarfile.TarFile | None = None
        self._room = 0
        self.files = self.samples = self.size = 0

    def add(self, key: str, members: Mapping[str, bytes]) -> None:
        """Write one sample.

        Args:
            key: what the names of its members begin with; without a dot.
            members: ending → bytes: "input0.png", "json".
        """
        size = sum(_BLOCK + -(-len(data) // _BLOCK) * _BLOCK for data in members.values())
        if self._tar is None or size > self._room:
            self.close()
            self._tar = tarfile.open(self._path(self.files), "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
            self.files += 1
            self._room = self._shard
        for ending, data in members.items():
            member = tarfile.TarInfo(f"{key}.{ending}")  # its times and owners are 0: the same bytes in every run
            member.size = len(data)
            self._tar.addfile(member, BytesIO(data))
        self._room -= size
        self.size += size
        self.samples += 1

    def close(self) -> None:
        """All samples are there."""
        if self._tar is not None:
            self._tar.close()
            self._tar = None

    @property
    def paths(self) -> Iterable[Path]:
        """The shards, in order."""
        return map(self._path, range(self.files))

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._name}-{number:05d}.tar"
