"""The journal of a cache directory: every answer once, whichever step or row asked for it.

The file is append-only jsonl. Each line is one `os.write` as its answer arrives and carries a crc of its own: that
costs 3 µs a line, as measured, and leaves at most one torn line when the process is killed. An fsync follows after
`save_interval` answers or 100 ms. Opening a journal cuts a torn last line off and refuses damage before it.

`run` lines say which process and versions wrote what follows, `start` lines are written before an attempt is sent,
`got` lines once the pictures of an answer are safe on disk, `fail` lines for a failed attempt. `lines.py` has their
fields. The `step` and `rows` lines of older versions are passed over.

Over 300 lines with its docstrings: the one place that writes the file, under one lock.
"""

import logging
import os
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dataflow import __version__
from dataflow.core.records import JSON, NANO, Answer, Charge
from dataflow.core.words import count_of
from dataflow.errors import ConfigError, Failure, JournalDamaged
from dataflow.journal.index import ANSWERED, FAILED, REFUSED, Index, Place
from dataflow.journal.lines import (
    HEADER_LENGTH,
    VERSION,
    amount_of,
    decode_answer,
    decode_line,
    encode_answer,
    encode_failure,
    encode_line,
    header_name,
    line_number,
    may_be_torn,
    run_entry,
)
from dataflow.journal.lines_ahead import LinesAhead
from dataflow.journal.lock import FolderLock
from dataflow.journal.merging import begin_journal
from dataflow.journal.picture_facts import KnownPictures
from dataflow.utils.cache_folder import CacheFolder
from dataflow.utils.disk_retry import cannot_begin, not_stored
from dataflow.utils.figures import FiguresFile

log = logging.getLogger(__name__)

_SYNC_SECONDS = 0.1
_FLUSH_ENTRIES = 5000  # entries in memory after which the index is written
_TAIL_BYTES = 16  # at the end of the part that the index covers, by which it knows the journal again


class Journal:
    """The open journal of one cache directory; any thread may write.

    Open it with `Journal.opened`, which holds the lock of the directory and shares one journal within the process.

    Attributes:
        cache_path: the cache directory, absolute.
        folder: the paths of its hidden files.
        index: finds lines and pictures, and has the sums of money.
        size: bytes of the file.
        save_interval: answers after which an fsync is due at the latest.
        maybe_paid: requests that earlier runs sent and that have no end in the journal.
        shared: whether several steps have had the journal open at the same time.
    """

    def __init__(self, cache_path: Path, root: Path) -> None:
        self.cache_path = cache_path
        self.folder = CacheFolder(cache_path)
        self._root = root
        self._totals = FiguresFile(self.folder.totals)
        self.save_interval = 64
        self.shared = False
        self.size = 0
        self._users = 0
        self._lock = threading.Lock()
        self._due = threading.Condition()
        self._unsynced = 0
        self._closing = False
        self._failure: OSError | None = None

    @classmethod
    @contextmanager
    def opened(cls, cache_path: Path, root: Path | None = None) -> Iterator["Journal"]:
        """A context manager that opens the journal of a directory, or shares the one that this process has open.

        Args:
            cache_path: the cache directory.
            root: the folder below which pictures are named; of a shard, the cache directory of all shards. None:
                `cache_path`.

        Raises:
            CacheBusy: another process holds the directory.
            JournalDamaged: a line cannot be trusted.
            ConfigError: the folder cannot be written, or a newer version wrote the journal.
        """
        key = cache_path.resolve()
        with _open_lock:
            journal = _open_journals.get(key)
            if journal is None:
                journal = cls(cache_path.absolute(), (root or cache_path).absolute())
                journal._open()
                _open_journals[key] = journal
            journal._users += 1
            journal.shared = journal.shared or journal._users > 1
        try:
            yield journal
        finally:
            with _open_lock:
                journal._users -= 1
                if not journal._users:
                    del _open_journals[key]
                    journal._close()

    def _open(self) -> None:
        """Take the lock of the directory, open the files and start the thread that syncs them.

        Raises:
            CacheBusy, JournalDamaged, ConfigError: as `opened` says.
        """
        try:
            self.folder.path.mkdir(parents=True, exist_ok=True)
            self._folder_lock = FolderLock(self.folder.lock)
            with ExitStack() as undo:
                undo.callback(self._folder_lock.release)
                self._open_files()
                undo.pop_all()
        except OSError as error:
            raise cannot_begin(error, self.folder.path) from None
        except sqlite3.Error as error:
            fix = "free some space, or choose another disk"
            raise ConfigError(f"cannot write {self.folder.index} ({error}): {fix}") from None
        self._syncer = threading.Thread(target=self._sync_in_groups, name="dataflow-journal", daemon=True)
        self._syncer.start()

    def _open_files(self) -> None:
        """Open the journal and its index, and enter the lines that the index does not cover.

        A shard's new journal begins with the answers of the directory above it; its index takes the facts of pictures
        from there, so that no picture is read again.
        """
        is_new_shard = self._root != self.cache_path and begin_journal(self.cache_path, self._root)
        self._file = os.open(self.folder.journal, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        with ExitStack() as undo:
            undo.callback(os.close, self._file)
            self._lines = LinesAhead(self._file)
            self.size = os.fstat(self._file).st_size
            name = self._read_header()
            self.index = Index(self.folder.index, name, self._before, self._root)
            undo.callback(self.index.close)
            try:
                self._scan(max(self.index.scanned, self._header_size))
            except JournalDamaged:  # perhaps only the index is wrong about where a line starts
                self._fill_again()
            if is_new_shard:
                with KnownPictures(self._root).opened() as known:
                    self.index.add_pictures(known.pictures())
            self.maybe_paid = self.index.begin_run()
            self._append(run_entry())
            undo.pop_all()  # nothing failed, so both files stay open

    def _read_header(self) -> str:
        """The name in the journal's first line, which is written where the file is new.

        Raises:
            JournalDamaged: the file is no journal.
            ConfigError: a newer version wrote it.
        """
        line, newline, _ = os.pread(self._file, HEADER_LENGTH, 0).partition(b"\n")
        if not newline:
            if self.size >= HEADER_LENGTH:
                raise JournalDamaged(f"{self.folder.journal}:1: not a journal")
            os.ftruncate(self._file, 0)  # empty, or its creation was cut off within the first line
            self.size = 0
            name = uuid.uuid4().hex
            self._append({"t": "journal", "v": VERSION, "name": name})
            self._header_size = self.size
            return name
        self._header_size = len(line) + 1
        return header_name(line + newline, self.folder.journal)

    def _before(self, offset: int) -> bytes:
        """The last bytes before an offset, with the crc of the line that ends there."""
        start = max(0, offset - _TAIL_BYTES)
        return os.pread(self._file, offset - start, start)

    def _scan(self, offset: int) -> None:
        """Enter the lines from an offset on into the index, and cut a torn last line off; a doubled line counts once.

        Raises:
            JournalDamaged: a line before the last one is damaged, or no line starts at the offset.
            ConfigError: a whole line has a form that this version does not know.
        """
        if not self._before(offset).endswith(b"\n"):  # the rest of a line there is no torn last line
            raise self._damaged(offset)
        torn, before = None, b""
        with os.fdopen(os.dup(self._file), "rb", buffering=1 << 20) as file:
            file.seek(offset)
            for line in file:
                if torn is not None:
                    raise self._damaged(torn)
                entry = decode_line(line)
                if entry is None:
                    if not may_be_torn(line):
                        raise self._damaged(offset)
                    torn = offset
                else:
                    if line != before:
                        self._enter_known(entry, offset)
                    offset += len(line)
                before = line
                if self.index.unwritten >= 10 * _FLUSH_ENTRIES:
                    self.index.write(self.index.cut(), offset)
        if torn is not None:
            log.warning("cut a torn last line of %s off %s", count_of(self.size - torn, "byte"), self.folder.journal)
            os.ftruncate(self._file, torn)
            self.size = torn

    def _fill_again(self) -> None:
        """Fill the index from the first line on, because it named a wrong line."""
        self.index.forget()
        self.size = os.fstat(self._file).st_size
        self._scan(self._header_size)

    def _enter_known(self, entry: Mapping[str, JSON], offset: int) -> None:
        """Enter a line that some version wrote.

        Raises:
            ConfigError: this version does not know the form of the line.
        """
        try:
            self._enter(entry, offset)
        except (KeyError, ValueError, TypeError) as error:
            raise self._of_another_version(offset, error) from None

    def _of_another_version(self, offset: int, error: Exception) -> ConfigError:
        path = self.folder.journal
        return ConfigError(
            f"{path}:{line_number(path, offset)}: this line is whole, and of a form that dataflow-mm {__version__} does"
            f" not know ({type(error).__name__}: {error}): use the version that wrote it, or choose another cache_path"
        )

    def _enter(self, entry: Mapping[str, JSON], offset: int) -> None:
        """Enter a line that starts at this offset into the index."""
        match entry["t"]:
            case "start":
                most, resumes = amount_of(entry, "most") or 0, bool(entry.get("resumes"))
                self.index.start(bytes.fromhex(str(entry["id"])), most, resumes=resumes)
            case "got":
                place = Place(offset, ANSWERED)
                cost, is_estimated = amount_of(entry, "cost"), bool(entry.get("estimated"))
                self.index.end(bytes.fromhex(str(entry["id"])), place, cost, estimated=is_estimated)
            case "fail":
                kind = REFUSED if entry["class"] == "refused" else FAILED
                request, last = bytes.fromhex(str(entry["id"])), None if entry.get("again") else Place(offset, kind)
                if entry.get("goes_on"):
                    self.index.keep_reserved(request, Place(offset, kind))
                else:
                    self.index.end(request, last, amount_of(entry, "cost"), merged=bool(entry.get("merged")))
            case "seed" if "shards" in entry:
                self.index.divide(int(str(entry["shards"])))
            case "currency":
                self.index.money.currency = str(entry["name"])

    def _damaged(self, offset: int) -> JournalDamaged:
        path = self.folder.journal
        return JournalDamaged(
            f"{path}:{line_number(path, offset)}: this line is damaged, and lines follow it. Restore the file"
            f" from a backup, or delete that line: its answer is then adopted from its picture or asked again"
        )

    def start(self, request_id: str, attempt: int, most: int = 0, *, resumes: bool = False) -> None:
        """Write the `start` line of an attempt that is about to be sent.

        Args:
            request_id: the id of the request, 32 hex digits.
            attempt: attempts before this one.
            most: what the attempt may cost at most, in billionths of the currency.
            resumes: whether it only takes the answer of the attempt that has not ended.

        Raises:
            OSError: the disk does not take the line, or a write failed before: then the attempt must not be sent.
        """
        entry: dict[str, JSON] = {"t": "start", "id": request_id, "n": attempt}
        if most:
            entry["most"] = most / NANO
        if resumes:
            entry["resumes"] = True
        if self._failure is not None:  # nothing new is sent; answers in flight are paid and still written
            raise self._failure
        with self._lock:
            self._append(entry)
            self.index.start(bytes.fromhex(request_id), most, resumes=resumes)

    def got(self, request_id: str, attempt: int, answer: Answer, charge: Charge | None = None) -> None:
        """Write the `got` line of an answer whose pictures are safe on disk.

        The worker that stored the pictures has checked them, so they are not read again here.

        Args:
            request_id: the id of the request, 32 hex digits.
            attempt: attempts before this one.
            answer: with pictures by absolute paths.
            charge: what the attempt cost; None where nobody charges.

        Raises:
            OSError: the disk does not take the line.
        """
        self._record(encode_answer(request_id, attempt, answer, self._root, charge))
        for picture in answer.pictures:
            self.index.keep_stored(picture)

    def fail(
        self, request_id: str, attempt: int, failure: Failure, *, again: bool, charge: Charge | None = None
    ) -> None:
        """Write the `fail` line of an attempt.

        Args:
            request_id: the id of the request, 32 hex digits.
            attempt: attempts before this one.
            failure: why it failed.
            again: whether the pool makes another attempt.
            charge: what the attempt cost; None where nobody charges.

        Raises:
            OSError: the disk does not take the line.
        """
        self._record(encode_failure(request_id, attempt, failure, again=again, charge=charge))

    def count_in(self, currency: str) -> None:
        """Write the `currency` line, before the first cost: all costs of the journal are in this currency."""
        with self._lock:
            entry: dict[str, JSON] = {"t": "currency", "name": currency}
            self._enter(entry, self._append(entry))

    def _record(self, entry: Mapping[str, JSON]) -> None:
        """Write and enter the line of an attempt's end, and count it for the next fsync."""
        with self._lock:
            self._enter(entry, self._append(entry))
        with self._due:
            self._unsynced += 1
            if self._unsynced >= self.save_interval:
                self._due.notify()

    def _append(self, entry: Mapping[str, JSON]) -> int:
        """Write one line whole or not at all; returns the offset at which it starts.

        Raises:
            OSError: the disk does not take it.
        """
        offset, line = self.size, encode_line(entry)
        try:
            written = os.write(self._file, line)
            while written < len(line):  # a full disk or a file-size limit writes a part and reports no error
                written += os.write(self._file, line[written:])
        except OSError as error:
            os.ftruncate(self._file, offset)
            error.filename = str(self.folder.journal)
            raise
        self.size += len(line)
        return offset

    def read(self, place: Place, request_id: str) -> Answer | None:
        """The answer in a line, or its failure as `answer.error`.

        Args:
            place: the line, as `places` returned it.
            request_id: the request that the line must be of.

        Returns:
            None where the index was wrong: it is filled again, and the journal has no such line.

        Raises:
            ConfigError: the line is whole, and of a form that this version does not know.
        """
        entry = decode_line(self._lines.line(place.offset))
        if entry is None or entry.get("id") != request_id:
            with self._lock:
                self._fill_again()
            (found,) = self.places([request_id])
            return None if found is None or found.kind != place.kind else self.read(found, request_id)
        try:
            return decode_answer(entry, self._root)
        except (KeyError, ValueError, TypeError) as error:
            raise self._of_another_version(place.offset, error) from None

    def places(self, request_ids: Sequence[str]) -> list[Place | None]:
        """The last line of each request, in the order of the ids; None for a request without one."""
        keys = [bytes.fromhex(request_id) for request_id in request_ids]
        try:
            return self.index.places(keys)
        except sqlite3.DatabaseError as error:
            log.info("%s cannot be read (%s)", self.folder.index, error)
            with self._lock:
                self._fill_again()
            return self.index.places(keys)

    def _sync_in_groups(self) -> None:
        """The thread that calls fsync, writes the index and the totals, and renews the time of the lock file."""
        while True:
            with self._due:
                self._due.wait_for(lambda: self._closing or self._unsynced >= self.save_interval, _SYNC_SECONDS)
                closing, unsynced, self._unsynced = self._closing, self._unsynced, 0
            self._folder_lock.beat()
            if closing or self._totals.is_due:
                self._totals.write(self.index.totals())
            try:
                if unsynced:
                    os.fsync(self._file)
                if self.index.unwritten >= _FLUSH_ENTRIES or closing:
                    self._flush_index()
            except (OSError, sqlite3.Error) as error:  # raised by the next `start`, and by `sync`
                self._failure = error if isinstance(error, OSError) else OSError(f"index.sqlite: {error}")
                return
            if closing:
                return

    def _flush_index(self) -> None:
        """Write the entries in memory into the SQLite file, without keeping the journal's lock meanwhile."""
        with self._lock:
            if os.fstat(self._file).st_size != self.size:  # another program wrote too: the next run scans
                return
            batch, size = self.index.cut(), self.size
        try:
            self.index.write(batch, size)
        except sqlite3.DatabaseError as error:
            log.info("%s cannot be written (%s)", self.folder.index, error)
            with self._lock:
                self._fill_again()
                self.index.write(self.index.cut(), self.size)

    def sync(self) -> None:
        """Return once everything that was written so far survives a power cut.

        Raises:
            NotStored: the disk did not take all of it.
        """
        try:
            os.fsync(self._file)
            if self._failure is not None:
                raise self._failure
        except OSError as error:
            raise not_stored(error, self.folder.journal) from error

    def _close(self) -> None:
        with self._due:
            self._closing = True
            self._due.notify()
        self._syncer.join()
        self.index.close()
        os.close(self._file)
        self._folder_lock.release()


_open_lock = threading.Lock()
_open_journals: dict[Path, Journal] = {}
