"""The names of the hidden files of a cache directory, and of its shards; no other file of the code knows them."""

from dataclasses import dataclass
from pathlib import Path

from dataflow.core.shard import Shard, shard_of_folder

HIDDEN = ".dataflow"
_ORIGINS = "origins"


def root_of(cache_path: Path) -> Path:
    """The directory below which pictures are named: for the cache of a shard the directory that it is merged into.

    Args:
        cache_path: a cache directory. It is a shard's if it has the name of one and holds the origins of its rows; the
            name alone is not enough, since a user may call any folder so.
    """
    is_shard = shard_of_folder(cache_path.name) is not None and CacheFolder(cache_path).all_origins.is_dir()
    return cache_path.parent if is_shard else cache_path


def shards_in(cache_path: Path) -> list[tuple[Shard, Path]]:
    """The shards that have a cache directory below this one, each with its path, sorted by count and index."""
    try:
        found = [(shard, path) for path in cache_path.iterdir() if (shard := shard_of_folder(path.name)) is not None]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(found, key=lambda pair: (pair[0].count, pair[0].index))


@dataclass(frozen=True, slots=True)
class CacheFolder:
    """The paths of the hidden files of a cache directory.

    Args:
        cache_path: the cache directory.
    """

    cache_path: Path

    @property
    def path(self) -> Path:
        """The hidden folder."""
        return self.cache_path / HIDDEN

    @property
    def journal(self) -> Path:
        """The journal: every answer of every step."""
        return self.path / "journal.jsonl"

    @property
    def index(self) -> Path:
        """The index of the journal, which is derived and may be deleted."""
        return self.path / "index.sqlite"

    @property
    def lock(self) -> Path:
        """The lock file, which the process that works in the directory holds and writes its name into."""
        return self.path / "lock"

    @property
    def totals(self) -> Path:
        """The sums of money over the journal, for `dataflowmm status`."""
        return self.path / "totals.json"

    @property
    def merged(self) -> Path:
        """What the last merge took of each shard: bytes of its journal, and the sizes and times of its step files."""
        return self.path / "merged.json"

    @property
    def all_origins(self) -> Path:
        """The folder of the files that `origins` names; it exists from the first step of a shard on."""
        return self.path / _ORIGINS

    def origins(self, file: Path) -> Path:
        """The file that says for each row of a shard's file which row of the first step's source it comes of."""
        return self.all_origins / f"{file.relative_to(self.cache_path).as_posix().replace('/', '%2F')}.u64"

    @property
    def statuses(self) -> Path:
        """The folder of the status files of steps that run or were interrupted."""
        return self.path / "status"

    def status(self, step_name: str) -> Path:
        """The status file of one step.

        Args:
            step_name: `{prefix}_step{n}`; a slash in the prefix is escaped.
        """
        return self.statuses / f"{step_name.replace('/', '%2F')}.json"
