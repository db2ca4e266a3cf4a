"""What makes a large journal quick to ask: request id → line, picture → digest, and what all of it cost.

Derived and never trusted: when it is missing, behind, wrong, or of another journal, it is filled again from the
journal. What it knows of pictures stays, since each fact is checked by the file's size and stamp, and moves along with
the cache directory. SQLite keeps memory flat. Its log (WAL) costs 3 µs an answer more than none, and without one a kill
in the middle of a commit left a malformed file in 2 of 25 trials (November 2026). One process alone has it open, so the
log needs no shared memory, which network file systems lack.

Over 300 lines with its docstrings: every SQL statement of the index stands here.
"""

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from dataflow.core.records import JSON, NANO, Picture, PictureFacts
from dataflow.errors import CacheBusy
from dataflow.journal.totals import Money
from dataflow.utils.files import moved_along, stamp_of

log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (id BLOB PRIMARY KEY, place INTEGER, kind INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS started (id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reserved (id BLOB PRIMARY KEY, most INTEGER) WITHOUT ROWID;
-- `mtime` holds the stamp; in files of before the time alone, which is the stamp of no file.
CREATE TABLE IF NOT EXISTS pictures
  (path TEXT PRIMARY KEY, size INTEGER, mtime INTEGER, sha256 TEXT, width INTEGER, height INTEGER) WITHOUT ROWID;
"""
_PRAGMAS = ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=NORMAL", "temp_store=FILE", "cache_size=-65536")
_CHUNK = 500  # variables in one SELECT; the oldest SQLite builds allow 999
ANSWERED, REFUSED, FAILED = 0, 1, 2


class Place(NamedTuple):
    """Where an id's last line starts in the journal, in bytes, and what it is."""

    offset: int
    kind: int


@dataclass(slots=True)
class Batch:
    """Entries that are in memory and not yet in the file."""

    answers: dict[bytes, Place] = field(default_factory=dict)
    started: dict[bytes, int] = field(default_factory=dict)  # all of them, not only the new ones
    pictures: dict[str, PictureFacts] = field(default_factory=dict)
    money: Money = field(default_factory=Money)

    def __len__(self) -> int:
        return len(self.answers) + len(self.pictures)


class Index:
    """The SQLite file beside a journal.

    The journal calls `start`, `end` and `cut` under its own lock; everything else may be called from any thread.

    Attributes:
        scanned: how much of the journal, in bytes, the file covers.
        money: what the journal's attempts cost.
    """

    def __init__(self, path: Path, journal_name: str, tail: Callable[[int], bytes], root: Path | None = None) -> None:
        """Open the file, or begin it anew.

        Args:
            path: of the file.
            journal_name: from the journal's first line.
            tail: the journal's last bytes before an offset; they show whether it is still what was scanned.
            root: below which pictures are named; None: the cache directory of the file.
        """
        self._path = path
        self._root = root or path.parent.parent
        self._journal_name = journal_name
        self._tail = tail
        self._cut_off: set[bytes] = set()  # started by an earlier run, and not ended
        self._lock = threading.Lock()
        self._batch = Batch()
        self._flushing = Batch()
        try:
            self._db = _open(path)
            self._move_along()
            if not self._fits():
                self._empty()
            self._read_sums()
        except (sqlite3.DatabaseError, ValueError) as error:
            if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY:
                raise CacheBusy(
                    f"{path} is in use by another process: wait for it, or choose another cache_path"
                ) from None
            log.info("%s cannot be used (%s)", path, error)
            self._replace()
            self._read_sums()

    def _read_sums(self) -> None:
        self.scanned = int(self._fact("scanned"))
        query = "SELECT id, IFNULL(most, 0) FROM started LEFT JOIN reserved USING (id)"
        self._started = dict(self._db.execute(query))  # what each may cost at most
        self.money = Money(
            spent=int(self._fact("spent")),
            estimated=int(self._fact("estimated")),
            unsure=int(self._fact("unsure")),
            reserved=sum(self._started.values()),
            unpriced=int(self._fact("unpriced")),
            currency=self._fact("currency", Money().currency),
        )

    def begin_anew(self) -> None:
        """Forget all but the pictures, since it was wrong: the journal fills it again.

        What was cut and is not written yet is dropped: its lines are in the journal.
        """
        with self._lock:
            try:
                self._empty()
            except sqlite3.DatabaseError:
                self._replace()
            self._batch, self._flushing = Batch(pictures=self._batch.pictures), Batch()
            self._read_sums()

    def _empty(self) -> None:
        for table in ("facts", "answers", "started", "reserved"):
            self._db.execute(f"DROP TABLE {table}")
        self._begin()

    def _replace(self) -> None:
        if hasattr(self, "_db"):
            self._db.close()
        for ending in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
        self._db = _open(self._path)
        self._begin()

    def _begin(self) -> None:
        log.info("filling %s from its journal", self._path)
        self._db.executescript(_SCHEMA)
        self._db.execute("INSERT INTO facts VALUES ('journal', ?)", (self._journal_name,))
        self._move_along()

    def _move_along(self) -> None:
        """Where the cache directory was moved or copied since, know its pictures by their paths of now."""
        then, now = self._fact("cache_path", ""), self._root
        if then == _storable(str(now)):
            return
        if then:
            old, new = (_storable(str(folder)) for folder in moved_along(Path(then), now))
            change = "UPDATE OR REPLACE pictures SET path = ? || substr(path, ?) WHERE path >= ? AND path < ?"
            self._db.execute(change, (new, len(old) + 1, old + "/", old + "0"))  # 0 is what follows /
        self._db.execute("INSERT OR REPLACE INTO facts VALUES ('cache_path', ?)", (_storable(str(now)),))

    def _fits(self) -> bool:
        """Whether it is whole, of this journal, and knows nothing that the journal does not say."""
        if self._db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):  # 0.1 s for a million answers
            raise sqlite3.DatabaseError("damaged")
        if self._fact("journal") != self._journal_name:
            return False
        if self._fact("summed") != self._fact("scanned"):  # an older version scans on and sums up nothing
            return False
        return self._fact("tail") == self._tail(int(self._fact("scanned"))).hex()

    def _fact(self, name: str, default: str = "0") -> str:
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return default if row is None else str(row[0])

    def start(self, request: bytes, most: int = 0, *, resumes: bool = False) -> None:
        """A start line was written for this id; it may cost `most` billionths.

        Args:
            request: the id.
            most: in billionths.
            resumes: it is the attempt that has not ended, and not another one.
        """
        before = self._started.get(request, 0)
        self._started[request] = most
        self._cut_off.discard(request)
        if most or before:  # what was cut off may have been paid all the same
            self.money.unsure += 0 if resumes else before
            self.money.reserved += most - before

    def take_share(self, count: int) -> None:
        """What was read so far was spent without shards: each of `count` has a part of it, and nothing is in flight."""
        money = self.money
        money.unsure, money.reserved = money.unsure + money.reserved, 0
        self._started.clear()
        self._cut_off.clear()
        for name in ("spent", "estimated", "unsure", "unpriced"):
            setattr(money, name, -(-getattr(money, name) // count))

    def reserved(self, request: bytes) -> int | None:
        """What an attempt that has not ended may cost at most, in billionths; None: none was started."""
        return self._started.get(request)

    def leave(self, request: bytes, place: Place) -> None:
        """A line says that nobody waits for this attempt here any more; it goes on, and stays reserved."""
        self._batch.answers[request] = place
        if request in self._started:
            self._cut_off.add(request)

    def end(
        self,
        request: bytes,
        place: Place | None,
        cost: int | None = 0,
        *,
        estimated: bool = False,
        merged: bool = False,
    ) -> None:
        """A line that ends a start; one without a start, such as a line that stands twice, costs nothing.

        Args:
            request: the id.
            place: of the line; None for an attempt that another one follows.
            cost: of the attempt in billionths; None: unknown.
            estimated: the cost is that of usual pictures.
            merged: it is a failure of a shard, which counts for less than an answer that another shard has.
        """
        most = self._started.pop(request, None)
        self._cut_off.discard(request)
        if place is not None and not (merged and self._is_answered(request)):
            self._batch.answers[request] = place
        if most is None:
            return
        money = self.money
        money.reserved -= most
        if cost is not None:
            money.spent += cost
            money.estimated += cost if estimated else 0
        elif most:
            money.unsure += most
        else:
            money.unpriced += 1

    def _is_answered(self, request: bytes) -> bool:
        (place,) = self.places([request])
        return place is not None and place.kind == ANSWERED

    @property
    def unwritten(self) -> int:
        """Entries that only memory holds."""
        return len(self._batch)

    def cut(self) -> Batch:
        """Hand over what waits in memory, to be given to `write`; lookups go on seeing it."""
        self._batch.started = dict(self._started)
        self._batch.money = replace(self.money)
        self._flushing, self._batch = self._batch, Batch()
        return self._flushing

    def write(self, batch: Batch, scanned: int) -> None:
        """Store a cut batch, unless all began anew since; `scanned` is the journal's length at the cut."""
        with self._lock:
            if batch is not self._flushing:
                return
            db = self._db
            db.execute("BEGIN")
            db.execute("DELETE FROM started")
            db.execute("DELETE FROM reserved")
            db.executemany("INSERT INTO started VALUES (?)", [(key,) for key in batch.started])
            reserved = [(key, most) for key, most in batch.started.items() if most]
            db.executemany("INSERT INTO reserved VALUES (?, ?)", reserved)
            answers = sorted((key, *place) for key, place in batch.answers.items())
            db.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", answers)
            pictures = [(path, *facts) for path, facts in list(batch.pictures.items())]
            db.executemany("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?, ?, ?)", pictures)
            money = batch.money
            facts = [("scanned", scanned), ("summed", scanned), ("tail", self._tail(scanned).hex())]
            # As text: SQLite's whole numbers end at 9.2 billion units of the currency.
            facts += [("spent", str(money.spent)), ("estimated", str(money.estimated)), ("unsure", str(money.unsure))]
            facts += [("unpriced", money.unpriced), ("currency", money.currency)]
            db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts)
            db.execute("COMMIT")
            self.scanned = scanned
            self._flushing = Batch()

    def places(self, requests: Sequence[bytes]) -> list[Place | None]:
        """Where each id's last line is; None for an id without one."""
        batch = self._batch  # first: a cut in between moves it to `_flushing`, where it is then seen twice
        flushing = self._flushing
        found = {key: batch.answers.get(key) or flushing.answers.get(key) for key in requests}
        missing = [key for key, place in found.items() if place is None]
        for chunk in _chunks(missing):
            marks = ",".join("?" * len(chunk))
            query = f"SELECT id, place, kind FROM answers WHERE id IN ({marks})"  # noqa: S608 - only question marks
            with self._lock:
                rows = self._db.execute(query, chunk).fetchall()
            found.update((key, Place(offset, kind)) for key, offset, kind in rows)
        return [found[key] for key in requests]

    def picture(self, path: str) -> PictureFacts | None:
        """What is known of a picture file."""
        path = _storable(path)
        found = self._batch.pictures.get(path) or self._flushing.pictures.get(path)
        if found is None:
            query = "SELECT size, mtime, sha256, width, height FROM pictures WHERE path = ?"
            try:
                with self._lock:
                    row = self._db.execute(query, (path,)).fetchone()
            except sqlite3.DatabaseError:  # damaged: the picture is read again
                row = None
            found = None if row is None else PictureFacts(*row)
        return found

    def keep_picture(self, path: str, facts: PictureFacts) -> None:
        """Remember a picture that was read whole."""
        self._batch.pictures[_storable(path)] = facts

    def keep_stored(self, picture: Picture) -> None:
        """Remember a picture that was just stored, unless another file stands there now."""
        try:
            now = os.stat(picture.path)  # noqa: PTH116 - twice as fast, and once per picture
        except OSError:
            return
        if now.st_size == picture.size:
            size, sha256, width, height = picture.size, picture.sha256, picture.width, picture.height
            self.keep_picture(picture.path, PictureFacts(size, stamp_of(now), sha256, width, height))

    def learn(self, pictures: Iterable[tuple[str, PictureFacts]]) -> None:
        """Remember what another index knows of pictures, as far as this one does not; each is believed by its stamp."""
        rows = ((path, *facts) for path, facts in pictures)
        with self._lock, self._db:  # rolls back where the other index turns out to be damaged
            self._db.execute("BEGIN")
            self._db.executemany("INSERT OR IGNORE INTO pictures VALUES (?, ?, ?, ?, ?, ?)", rows)

    def begin_run(self) -> int:
        """Take what has not ended for cut off, since nothing is in flight yet; returns how much that is."""
        self._cut_off = set(self._started)
        return len(self._cut_off)

    def totals(self) -> dict[str, JSON]:
        """What the journal comes to now, for whoever watches; amounts in its currency."""
        money, cut_off = self.money, len(self._cut_off)
        return {
            "currency": money.currency,
            "spent": money.spent / NANO,
            "estimated": money.estimated / NANO,
            "unsure": (money.unsure + money.reserved) / NANO,
            "unpriced": money.unpriced,
            "in_flight": self.count_started() - cut_off,
            "cut_off": cut_off,
        }

    def count_started(self) -> int:
        """Ids with a start line and no end: they may have been paid."""
        return len(self._started)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    with ExitStack() as undo:
        undo.callback(db.close)
        for pragma in _PRAGMAS:
            db.execute(f"PRAGMA {pragma}")
        db.executescript(_SCHEMA)
        undo.pop_all()  # all went well: it stays open
    return db


def _storable(path: str) -> str:
    """The path as SQLite takes it: bytes of a name that are not UTF-8 stand as escapes."""
    return path if path.isascii() else path.encode("utf-8", "backslashreplace").decode()


def _chunks(keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(keys), _CHUNK):
        yield keys[start : start + _CHUNK]
