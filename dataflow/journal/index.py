"""The index of a journal, in SQLite: request id → line, path of a picture → its facts, and the sums of all costs.

The index is derived and never trusted. Where it is missing, behind, wrong or of another journal, it is filled again
from the journal. Its facts of pictures are kept even then, since each of them is checked by the size and the stamp of
the file; where the cache directory was moved, they move along.

SQLite keeps memory flat however many answers there are. Its write-ahead log costs 3 µs an answer, and without it a kill
in the middle of a commit left a malformed file in 2 of 25 trials (November 2026). Only one process has the index open,
so the log needs no shared memory, which network file systems lack.

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
-- `mtime` holds the stamp. Earlier versions stored the modification time in it, which is the stamp of no file.
CREATE TABLE IF NOT EXISTS pictures
  (path TEXT PRIMARY KEY, size INTEGER, mtime INTEGER, sha256 TEXT, width INTEGER, height INTEGER) WITHOUT ROWID;
"""
_PRAGMAS = ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=NORMAL", "temp_store=FILE", "cache_size=-65536")
_CHUNK = 500  # variables in one SELECT; the oldest SQLite builds allow 999
ANSWERED, REFUSED, FAILED = 0, 1, 2


class Place(NamedTuple):
    """The last line of a request in the journal.

    Args:
        offset: where the line starts, in bytes.
        kind: `ANSWERED`, `REFUSED` (for good, by the provider) or `FAILED`.
    """

    offset: int
    kind: int


@dataclass(slots=True)
class Batch:
    """Entries that are in memory and not yet in the SQLite file.

    Attributes:
        answers: id of a request → its last line.
        started: id of every attempt without an end, old ones included → what it may cost at most, in billionths.
        pictures: absolute path → facts.
        money: the sums over the whole journal.
    """

    answers: dict[bytes, Place] = field(default_factory=dict)
    started: dict[bytes, int] = field(default_factory=dict)
    pictures: dict[str, PictureFacts] = field(default_factory=dict)
    money: Money = field(default_factory=Money)

    def __len__(self) -> int:
        return len(self.answers) + len(self.pictures)


class Index:
    """The SQLite file beside a journal, and the newest entries in memory.

    The journal calls `start`, `end`, `keep_reserved` and `cut` under its own lock; any thread may call the other
    methods.

    Attributes:
        scanned: how many bytes of the journal, from its start, the SQLite file covers.
        money: the sums over the journal, with the entries in memory.
    """

    def __init__(self, path: Path, journal_name: str, tail: Callable[[int], bytes], root: Path | None = None) -> None:
        """Open the file; create it, or empty it, where it does not fit the journal.

        Args:
            path: of the SQLite file.
            journal_name: the name in the journal's first line.
            tail: offset → the last bytes of the journal before it. They show whether the journal is still the one that
                was scanned up to there.
            root: the folder below which pictures are named; None: the cache directory of the file.

        Raises:
            CacheBusy: another process has the file open.
        """
        self._path = path
        self._root = root or path.parent.parent
        self._journal_name = journal_name
        self._tail = tail
        self._cut_off: set[bytes] = set()  # ids of attempts that an earlier run started and did not end
        self._lock = threading.Lock()
        self._batch = Batch()  # collects new entries
        self._flushing = Batch()  # is being written by another thread; lookups see both
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
        """Read from the file what the index keeps in memory: unended attempts and the sums of money."""
        self.scanned = int(self._fact("scanned"))
        query = "SELECT id, IFNULL(most, 0) FROM started LEFT JOIN reserved USING (id)"
        self._started = dict(self._db.execute(query))  # id → most, in billionths
        self.money = Money(
            spent=int(self._fact("spent")),
            estimated=int(self._fact("estimated")),
            unsure=int(self._fact("unsure")),
            reserved=sum(self._started.values()),
            unpriced=int(self._fact("unpriced")),
            currency=self._fact("currency", Money().currency),
        )

    def forget(self) -> None:
        """Forget everything but the pictures, because an entry was wrong; the caller scans the journal again.

        A batch that was cut and is not written yet is dropped too, since its lines are in the journal.
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
        """Delete the SQLite file, its pictures included, and create it anew."""
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
        """If the cache directory was moved or copied, change the paths of its pictures to where they lie now."""
        before, now = self._fact("cache_path", ""), self._root
        if before == _storable(str(now)):
            return
        if before:
            old, new = (_storable(str(folder)) for folder in moved_along(Path(before), now))
            change = "UPDATE OR REPLACE pictures SET path = ? || substr(path, ?) WHERE path >= ? AND path < ?"
            self._db.execute(change, (new, len(old) + 1, old + "/", old + "0"))  # 0 is what follows /
        self._db.execute("INSERT OR REPLACE INTO facts VALUES ('cache_path', ?)", (_storable(str(now)),))

    def _fits(self) -> bool:
        """Whether the file is undamaged, of this journal, and covers a part of it that has not changed since."""
        if self._db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):  # 0.1 s for a million answers
            raise sqlite3.DatabaseError("damaged")
        if self._fact("journal") != self._journal_name:
            return False
        if self._fact("summed") != self._fact("scanned"):  # a version without sums of money scanned further
            return False
        return self._fact("tail") == self._tail(int(self._fact("scanned"))).hex()

    def _fact(self, name: str, default: str = "0") -> str:
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return default if row is None else str(row[0])

    def start(self, request: bytes, most: int = 0, *, resumes: bool = False) -> None:
        """Enter a `start` line: an attempt is sent, and what it may cost at most is reserved.

        Args:
            request: the id of the request.
            most: what the attempt may cost at most, in billionths of the currency.
            resumes: whether it takes the answer of the attempt that has not ended, so that the request is paid once.
        """
        before = self._started.get(request, 0)
        self._started[request] = most
        self._cut_off.discard(request)
        if most or before:  # an attempt that was cut off before may have been paid: it becomes `unsure`
            self.money.unsure += 0 if resumes else before
            self.money.reserved += most - before

    def divide(self, count: int) -> None:
        """Divide the sums so far by the number of shards, and forget attempts without an end.

        A shard's journal begins with the answers of the directory above it. Each shard bears its part of their cost,
        rounded up, so that all shards together count no less than was spent.

        Args:
            count: shards of the run.
        """
        money = self.money
        money.unsure, money.reserved = money.unsure + money.reserved, 0
        self._started.clear()
        self._cut_off.clear()
        for name in ("spent", "estimated", "unsure", "unpriced"):
            setattr(money, name, -(-getattr(money, name) // count))

    def reserved(self, request: bytes) -> int | None:
        """What the unended attempt at a request may cost at most, in billionths; None if there is no such attempt."""
        return self._started.get(request)

    def keep_reserved(self, request: bytes, place: Place) -> None:
        """Enter a `fail` line that says `goes_on`: the provider still works on it, so its cost stays reserved."""
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
        """Enter a `got` or `fail` line, which ends an attempt and releases what was reserved for it.

        A line whose attempt has no start, such as a line that stands twice, changes no sum.

        Args:
            request: the id of the request.
            place: the line; None for a failed attempt that another attempt follows.
            cost: of the attempt, in billionths of the currency; None: unknown, so its most becomes `unsure`.
            estimated: whether the cost is the price of usual pictures, since the reply counted no tokens.
            merged: whether it is a failure from a shard's journal: it does not replace an answer of another shard.
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
        """How many entries only memory holds."""
        return len(self._batch)

    def cut(self) -> Batch:
        """Take the entries in memory out, for `write` to store on another thread; lookups still find them meanwhile."""
        self._batch.started = dict(self._started)
        self._batch.money = replace(self.money)
        self._flushing, self._batch = self._batch, Batch()
        return self._flushing

    def write(self, batch: Batch, scanned: int) -> None:
        """Store a batch in the SQLite file, in one transaction; does nothing if `forget` was called since its cut.

        Args:
            batch: what `cut` returned last.
            scanned: the length of the journal at the cut, in bytes.

        Raises:
            sqlite3.Error: the disk does not take it, or the file is damaged.
        """
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
            # As text: SQLite's integers have 63 bits, so billionths in them end at 9.2 billion units of the currency.
            facts += [("spent", str(money.spent)), ("estimated", str(money.estimated)), ("unsure", str(money.unsure))]
            facts += [("unpriced", money.unpriced), ("currency", money.currency)]
            db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts)
            db.execute("COMMIT")
            self.scanned = scanned
            self._flushing = Batch()

    def places(self, requests: Sequence[bytes]) -> list[Place | None]:
        """The last line of each request, in the order of the ids; None for a request without one.

        Raises:
            sqlite3.DatabaseError: the file is damaged.
        """
        batch = self._batch  # read before `_flushing`: a cut between the two shows entries twice, else not at all
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
        """The facts of a picture file when it was last read; None if it never was. The caller checks the stamp."""
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
        """Remember the facts of a picture that was read whole.

        Args:
            path: absolute.
            facts: of the file when it was read.
        """
        self._batch.pictures[_storable(path)] = facts

    def keep_stored(self, picture: Picture) -> None:
        """Remember a picture that was just stored, unless the file at its path has another size by now."""
        try:
            now = os.stat(picture.path)  # noqa: PTH116 - twice as fast, and once per picture
        except OSError:
            return
        if now.st_size == picture.size:
            size, sha256, width, height = picture.size, picture.sha256, picture.width, picture.height
            self.keep_picture(picture.path, PictureFacts(size, stamp_of(now), sha256, width, height))

    def add_pictures(self, pictures: Iterable[tuple[str, PictureFacts]]) -> None:
        """Take over from another index the facts of pictures that this one lacks.

        Args:
            pictures: (absolute path, facts); a fact is used only while the stamp of the file is the same.
        """
        rows = ((path, *facts) for path, facts in pictures)
        with self._lock, self._db:  # rolls back where the other index turns out to be damaged
            self._db.execute("BEGIN")
            self._db.executemany("INSERT OR IGNORE INTO pictures VALUES (?, ?, ?, ?, ?, ?)", rows)

    def begin_run(self) -> int:
        """Count all unended attempts as cut off, since this run has none in flight yet; returns how many they are."""
        self._cut_off = set(self._started)
        return len(self._cut_off)

    def totals(self) -> dict[str, JSON]:
        """The sums over the journal as `totals.json` has them for `dataflowmm status`; amounts in its currency."""
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
        """How many requests have a `start` line without an end: they may have been paid."""
        return len(self._started)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()


def _open(path: Path) -> sqlite3.Connection:
    """Open or create the SQLite file with its tables.

    Raises:
        sqlite3.DatabaseError: it is damaged, or another process has it open.
    """
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    with ExitStack() as undo:
        undo.callback(db.close)
        for pragma in _PRAGMAS:
            db.execute(f"PRAGMA {pragma}")
        db.executescript(_SCHEMA)
        undo.pop_all()  # nothing failed, so the connection stays open
    return db


def _storable(path: str) -> str:
    """The path as a text that SQLite takes: bytes of a name that are not UTF-8 are written as escapes."""
    return path if path.isascii() else path.encode("utf-8", "backslashreplace").decode()


def _chunks(keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(keys), _CHUNK):
        yield keys[start : start + _CHUNK]
