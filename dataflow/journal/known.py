"""What a journal and its index know of pictures, read from outside: nothing is locked, and nothing is written.

The index is believed as far as its journal's name goes; what it says of a picture is checked by the file's stamp, and
where it says nothing of an answer the journal itself is read.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

from dataflow.core.records import Answer, PictureFacts
from dataflow.errors import ConfigError, JournalDamaged
from dataflow.journal.index import ANSWERED
from dataflow.journal.lines import HEADER_LENGTH, decode_answer, decode_line, header_name
from dataflow.utils.cache_folder import CacheFolder, root_of

_PICTURE = "SELECT size, mtime, sha256, width, height FROM pictures WHERE path = ?"
_PLACE = "SELECT place, kind FROM answers WHERE id = ?"


class KnownPictures:
    """Facts of picture files and the answers that made them.

    Args:
        cache_path: of a FileStorage; one without a journal knows nothing.
    """

    def __init__(self, cache_path: Path) -> None:
        cache_path = cache_path.expanduser().absolute()
        self._root = root_of(cache_path)
        self._folder = CacheFolder(cache_path)
        self._places: dict[bytes, int] | None = None
        self._db: sqlite3.Connection | None = None
        self._journal = -1

    @contextmanager
    def opened(self) -> Iterator["KnownPictures"]:
        """Meanwhile it can be asked.

        Raises:
            ConfigError: the journal may not be read.
        """
        with ExitStack() as stack:
            try:
                self._journal = os.open(self._folder.journal, os.O_RDONLY)
            except FileNotFoundError:
                yield self
                return
            except OSError as error:
                raise ConfigError(f"{self._folder.journal} cannot be read: {error.strerror}") from None
            stack.callback(os.close, self._journal)
            self._db = self._index(stack)
            yield self

    def _index(self, stack: ExitStack) -> sqlite3.Connection | None:
        """The index as it lies there; a copy where a killed run, or one that works now, left a part in its log."""
        path, log = self._folder.index, self._folder.index.with_name(f"{self._folder.index.name}-wal")
        try:
            name = header_name(os.pread(self._journal, HEADER_LENGTH, 0).partition(b"\n")[0] + b"\n", path)
            immutable = "&immutable=1"
            if log.exists() and log.stat().st_size:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                for file in (path, log):
                    shutil.copyfile(file, folder / file.name)
                path, immutable = folder / path.name, ""
            db = sqlite3.connect(f"file:{quote(str(path))}?mode={'ro' if immutable else 'rw'}{immutable}", uri=True)
            stack.callback(db.close)
            found = db.execute("SELECT value FROM facts WHERE name = 'journal'").fetchone()
        except (sqlite3.DatabaseError, OSError, JournalDamaged):
            return None
        return db if found == (name,) else None

    def facts(self, path: str) -> PictureFacts | None:
        """What is known of a picture file; whether it is still that file, its stamp tells."""
        if self._db is None:
            return None
        try:
            row = self._db.execute(_PICTURE, (path if path.isascii() else _storable(path),)).fetchone()
        except sqlite3.DatabaseError:
            return None
        return None if row is None else PictureFacts(*row)

    def pictures(self) -> Iterator[tuple[str, PictureFacts]]:
        """All that the index knows of pictures, by their paths."""
        if self._db is None:
            return
        for path, *facts in self._db.execute("SELECT path, size, mtime, sha256, width, height FROM pictures"):
            yield path, PictureFacts(*facts)

    def answer(self, request: str) -> Answer | None:
        """The answer to a request, by its id; None: there is none, or it failed."""
        if self._journal < 0:
            return None
        key = bytes.fromhex(request)
        place = self._place(key)
        if place is None:
            place = self._scanned().get(key)
        entry = None if place is None else self._entry_at(place)
        if entry is None or entry["t"] != "got" or entry["id"] != request:
            return None
        return decode_answer(entry, self._root)

    def _place(self, key: bytes) -> int | None:
        if self._db is None:
            return None
        try:
            row = self._db.execute(_PLACE, (key,)).fetchone()
        except sqlite3.DatabaseError:
            self._db = None
            return None
        return int(row[0]) if row is not None and row[1] == ANSWERED else None

    def _entry_at(self, offset: int) -> dict[str, object] | None:
        length = 1 << 12
        while b"\n" not in (line := os.pread(self._journal, length, offset)) and len(line) == length:
            length *= 4
        return decode_line(line.partition(b"\n")[0] + b"\n")

    def _scanned(self) -> dict[bytes, int]:
        """Where the answers with pictures are, by their ids, from the journal: read once, where the index lacks one."""
        if self._places is None:
            self._places = {}
            offset = 0
            with open(self._journal, "rb", closefd=False) as file:
                file.seek(0)
                for line in file:
                    if line.startswith(b'{"t":"got"') and b'"pics":[[' in line and (entry := decode_line(line)):
                        self._places[bytes.fromhex(str(entry["id"]))] = offset
                    offset += len(line)
        return self._places


def _storable(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()
