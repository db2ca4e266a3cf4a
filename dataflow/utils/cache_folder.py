"""Where a cache directory keeps what it needs beside step files and pictures: the one place that knows the names."""

from dataclasses import dataclass
from pathlib import Path

from dataflow.core.shard import Shard, shard_of_folder

HIDDEN = ".dataflow"
_ORIGINS = "origins"


def root_of(cache_path: Path) -> Path:
    """The directory below which pictures are named: of a shard's cache the one that it will be merged into.

    Args:
        cache_path: of a shard or of none; a folder may only be called as one of a shard.
    """
    is_shard = shard_of_folder(cache_path.name) is not None and CacheFolder(cache_path).all_origins.is_dir()
    return cache_path.parent if is_shard else cache_path


def shards_in(cache_path: Path) -> list[tuple[Shard, Path]]:
    """The shards that have a cache below a cache path, and where, by their count and number."""
    try:
        found = [(shard, path) for path in cache_path.iterdir() if (shard := shard_of_folder(path.name)) is not None]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(found, key=lambda each: (each[0].count, each[0].index))


@dataclass(frozen=True, slots=True)
class CacheFolder:
    """The hidden folder of a cache directory.

    Args:
        cache_path: of the directory.
    """

    cache_path: Path

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.cache_path / HIDDEN

    @property
    def journal(self) -> Path:
        """Every answer of every step, as it arrived."""
        return self.path / "journal.jsonl"

    @property
    def index(self) -> Path:
        """What makes the journal quick to ask."""
        return self.path / "index.sqlite"

    @property
    def lock(self) -> Path:
        """Held by the process that works in the directory; says which."""
        return self.path / "lock"

    @property
    def totals(self) -> Path:
        """What everything in the journal comes to, for whoever watches."""
        return self.path / "totals.json"

    @property
    def merged(self) -> Path:
        """What of the shards below is merged: so much of their journals, and step files of that size and time."""
        return self.path / "merged.json"

    @property
    def all_origins(self) -> Path:
        """The folder of `origins`, there from a shard's first step on."""
        return self.path / _ORIGINS

    def origins(self, file: Path) -> Path:
        """Which row of the first step's source each row of a shard's file comes of."""
        return self.all_origins / f"{file.relative_to(self.cache_path).as_posix().replace('/', '%2F')}.u64"

    @property
    def statuses(self) -> Path:
        """The folder of the figures of each step that runs, or was interrupted."""
        return self.path / "status"

    def status(self, step_name: str) -> Path:
        """The figures of one step, by its name `{prefix}_step{n}`."""
        return self.statuses / f"{step_name.replace('/', '%2F')}.json"
