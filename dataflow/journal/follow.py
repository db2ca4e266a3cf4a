"""Reads along in a journal that another process may be writing: no lock, no index, nothing is written.

Only whole lines are given out, each once; what a writer has not ended yet, or a crash has torn, waits for the next
look. Opening the file anew each time sees what is new on a network disk too.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from dataflow.core.records import Row
from dataflow.errors import ConfigError
from dataflow.journal.lines import HEADER_LENGTH, decode_line, header_name
from dataflow.utils.cache_folder import CacheFolder

_BUFFER = 1 << 20


class JournalFollower:
    """The lines of a cache directory's journal as they come in.

    Args:
        cache_path: of the directory.

    Attributes:
        path: of the journal.
        damaged: lines passed over because they are broken and others follow them.
        generation: counts how often the file was another one than before, so that everything is read again.
    """

    def __init__(self, cache_path: Path) -> None:
        self.path = CacheFolder(cache_path).journal
        self.damaged = 0
        self.generation = 0
        self._offset = 0
        self._name = ""

    def has_new(self) -> bool:
        """Whether the file is there; what was read is forgotten if it is another one, or shorter, than before.

        Raises:
            JournalDamaged: its first line is not that of a journal.
            ConfigError: it cannot be read; a newer version wrote it.
        """
        try:
            with self.path.open("rb") as file:
                line = file.readline(HEADER_LENGTH)
                size = os.fstat(file.fileno()).st_size
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise unreadable(self.path.parent.parent, error) from None
        if not line.endswith(b"\n") and size < HEADER_LENGTH:  # it is being created
            return False
        name = header_name(line, self.path)
        if name != self._name or size < self._offset:
            self._name, self._offset, self.damaged = name, 0, 0
            self.generation += 1
        return size > self._offset

    def read(self) -> Iterator[Row]:
        """The entries of the lines that have been added since the last time."""
        with self.path.open("rb", buffering=_BUFFER) as file:
            file.seek(self._offset)
            broken = 0  # bytes of a broken line that may be the last
            for line in file:
                entry = decode_line(line)
                if entry is None and not broken:
                    broken = len(line)
                    continue
                if broken:
                    self.damaged += 1
                    self._offset += broken
                    broken = 0 if entry is not None else len(line)
                if entry is not None:
                    self._offset += len(line)
                    yield entry


def unreadable(cache_path: Path, error: OSError) -> ConfigError:
    """What somebody is told who may not look into a cache directory."""
    return ConfigError(
        f"{error.filename or cache_path} cannot be read ({error.strerror}): ask its owner for"
        f" `chmod -R a+rX {cache_path}`, or run this as the user who started the run"
    )
