"""Where a cache directory keeps what it needs beside step files and pictures: the one place that knows the names."""

from dataclasses import dataclass
from pathlib import Path

HIDDEN = ".dataflow"


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
    def statuses(self) -> Path:
        """The folder of the figures of each step that runs, or was interrupted."""
        return self.path / "status"

    def status(self, step_name: str) -> Path:
        """The figures of one step, by its name `{prefix}_step{n}`."""
        return self.statuses / f"{step_name.replace('/', '%2F')}.json"
