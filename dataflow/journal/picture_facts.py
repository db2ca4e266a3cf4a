"""Reads from a journal and its index what they know of pictures, without a lock and without writing anything.

The index is used if it is of this journal. Its facts of a picture count while the stamp of the file is the same; an
answer that it lacks is looked for in the journal itself.
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
    """Facts of picture files, and the answers that made them, of one cache directory.

    Args:
        cache_path: of a FileStorage; a directory without a journal knows no pictures.
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
        """A context manager within which the journal and its index are open.

        Raises:
            ConfigError: the journal cannot be read.
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
        """The open index, or None if it is of another journal or damaged.

        SQLite may not write here. So a file whose log holds entries, of a killed run or of one that works now, is
        copied into a temporary folder and read there.
        """
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
        """The facts of a picture file when it was last read; None: not known. The caller checks the stamp."""
        if self._db is None:
            return None
        try:
            row = self._db.execute(_PICTURE, (path if path.isascii() else _storable(path),)).fetchone()
        except sqlite3.DatabaseError:
            return None
        return None if row is None else PictureFacts(*row)

    def pictures(self) -> Iterator[tuple[str, PictureFacts]]:
        """(absolute path, facts) of every picture that the index knows."""
        if self._db is None:
            return
        for path, *facts in self._db.execute("SELECT path, size, mtime, sha256, width, height FROM pictures"):
            yield path, PictureFacts(*facts)

    def answer(self, request: str) -> Answer | None:
        """The answer to a request; None if there is none, or only a failure.

        Args:
            request: the id of the request, 32 hex digits.
        """
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
        """The offset of an answer's line by the index; None if the index has no answer."""
        if self._db is None:
            return None
        try:
            row = self._db.execute(_PLACE, (key,)).fetchone()
        except sqlite3.DatabaseError:
            self._db = None
            return None
        return int(row[0]) if row is not None and row[1] == ANSWERED else None

    def _entry_at(self, offset: int) -> dict[str, object] | None:
        """The entry of the line that starts at this offset; None if the line is torn or damaged."""
        length = 1 << 12
        while b"\n" not in (line := os.pread(self._journal, length, offset)) and len(line) == length:
            length *= 4
        return decode_line(line.partition(b"\n")[0] + b"\n")

    def _scanned(self) -> dict[bytes, int]:
        """Id of a request → offset of its answer with pictures, from the whole journal, which is read once."""
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
