"""What was fetched from which address, so that a killed import, and the next one, ask for none of it again.

Addresses that gave nothing are kept with the reason; they are asked again unless the user says otherwise.
"""

import sqlite3
import threading
import time
from pathlib import Path

from dataflow.errors import NotStored

_TOGETHER = 16  # addresses, or those of a second: what a kill has asked for again; their pictures are in the store
_LONGEST = 1.0


class Fetched:
    """Addresses and the names that their pictures have in a store; made with the first address.

    Args:
        store: the folder of the store.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._file: sqlite3.Connection | None = None
        self._waiting = 0
        self._committed = time.monotonic()

    def path(self, url: str, tag: str) -> str:
        """The picture of an address, if it was fetched and still lies there; else ""."""
        with self._lock:
            row = self._opened().execute("SELECT name FROM fetched WHERE url = ? AND tag = ?", (url, tag)).fetchone()
        return str(self._store / row[0]) if row is not None and (self._store / row[0]).is_file() else ""

    def add(self, url: str, tag: str, path: str) -> None:
        """A picture was fetched and stored.

        Raises:
            NotStored: the disk does not take it.
        """
        name = Path(path).relative_to(self._store).as_posix()
        self._write("INSERT OR REPLACE INTO fetched VALUES (?, ?, ?)", (url, tag, name))
        self._write("DELETE FROM dead WHERE url = ?", (url,))

    def dead(self, url: str) -> str:
        """Why an address gave nothing when it was last asked; "" where it did, or was not asked."""
        with self._lock:
            row = self._opened().execute("SELECT reason FROM dead WHERE url = ?", (url,)).fetchone()
        return "" if row is None else str(row[0])

    def add_dead(self, url: str, reason: str) -> None:
        """An address gave nothing.

        Raises:
            NotStored: the disk does not take it.
        """
        if self.dead(url) != reason:  # a second import writes nothing
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
        """Keep what was added."""
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
