"""Remembers which picture was fetched from which address, so that no later import fetches it again.

Addresses that gave no picture are kept with the reason; later imports ask them again unless the user says otherwise.
"""

import sqlite3
import threading
import time
from pathlib import Path

from dataflow.errors import NotStored

# A kill loses the writes since the last commit: these addresses are asked again, though the store has their pictures.
_TOGETHER = 16  # writes in a commit
_LONGEST = 1.0  # seconds between two commits


class Fetched:
    """The addresses of a store's pictures, in `fetched.sqlite` of the store, which the first use creates.

    Args:
        store: folder of the store.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._file: sqlite3.Connection | None = None
        self._waiting = 0
        self._committed = time.monotonic()

    def path(self, url: str, tag: str) -> str:
        """The path of the picture of an address; "": it was not fetched with this tag, or the file is gone.

        Args:
            url: the address.
            tag: ETag or revision of the contents; "": none is known.
        """
        with self._lock:
            row = self._opened().execute("SELECT name FROM fetched WHERE url = ? AND tag = ?", (url, tag)).fetchone()
        return str(self._store / row[0]) if row is not None and (self._store / row[0]).is_file() else ""

    def add(self, url: str, tag: str, path: str) -> None:
        """Remember a picture that was fetched and stored.

        Args:
            url: the address.
            tag: ETag or revision of the contents.
            path: of the picture in the store.

        Raises:
            NotStored: the disk does not take it.
        """
        name = Path(path).relative_to(self._store).as_posix()
        self._write("INSERT OR REPLACE INTO fetched VALUES (?, ?, ?)", (url, tag, name))
        self._write("DELETE FROM dead WHERE url = ?", (url,))

    def dead(self, url: str) -> str:
        """Why an address gave no picture when it was last asked; "": it gave one, or was never asked."""
        with self._lock:
            row = self._opened().execute("SELECT reason FROM dead WHERE url = ?", (url,)).fetchone()
        return "" if row is None else str(row[0])

    def add_dead(self, url: str, reason: str) -> None:
        """Remember an address that gave no picture.

        Raises:
            NotStored: the disk does not take it.
        """
        if self.dead(url) != reason:  # an import that finds the same reason writes nothing
            self._write("INSERT OR REPLACE INTO dead VALUES (?, ?)", (url, reason))

    def _write(self, statement: str, values: tuple[str, ...]) -> None:
        with self._lock:
            try:
                self._opened().execute(statement, values)
                self._waiting += 1
                if self._waiting >= _TOGETHER or time.monotonic() - self._committed > _LONGEST:
                    self._commit()
            except sqlite3.OperationalError as error:
                raise NotStored(f"cannot write {self._store / 'fetched.sqlite'}: {error}; then run it again") from error

    def close(self) -> None:
        """Commit what was added, and close the file."""
        if self._file is not None:
            self._commit()
            self._file.close()

    def _commit(self) -> None:
        self._opened().commit()
        self._waiting = 0
        self._committed = time.monotonic()

    def _opened(self) -> sqlite3.Connection:
        if self._file is None:
            self._store.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(self._store / "fetched.sqlite", timeout=60, check_same_thread=False)
            self._file.execute(
                "CREATE TABLE IF NOT EXISTS fetched (url TEXT, tag TEXT, name TEXT, PRIMARY KEY (url, tag))"
            )
            self._file.execute("CREATE TABLE IF NOT EXISTS dead (url TEXT PRIMARY KEY, reason TEXT)")
        return self._file
