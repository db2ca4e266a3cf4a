"""`import_rows`: makes rows of the records of a source, in order, and stores the pictures of many records at once."""

import shlex
import signal
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import dataflow
from dataflow.core.records import JSON, Row
from dataflow.core.words import count_of, grouped
from dataflow.errors import ConfigError, Interrupted, RowError, StepFailed
from dataflow.ingest.columns import CONVERSATIONS, EDITED, Columns, read_columns, suggest
from dataflow.ingest.making import Made, Maker
from dataflow.ingest.output import Output
from dataflow.ingest.pictures import ADDRESS
from dataflow.ingest.records import Broken, Bytes, Record, Shape
from dataflow.ingest.sources import Source, reads, source_of
from dataflow.ingest.store import Store
from dataflow.serving.api.http.memory import return_large_buffers
from dataflow.utils.disk_retry import nearest_folder
from dataflow.utils.files import PathRules

SAMPLES = 3  # rows that a dry run shows
DRY_ROWS = 100  # records that a dry run looks at
_AHEAD = 64  # records whose pictures are fetched and stored at once
_IN_HAND = 12 << 20  # bytes of the pictures in these records
_KEPT = 10_000  # different reasons that are counted each for itself
_REASONS = 8  # kinds of reasons in a summary

Progress = Callable[[int, int | None], None]
"""Called after each record with the records done and the number of all; None: that number is not known."""


@dataclass(slots=True)
class Imported:
    """The result of an import, as far as it has come.

    Attributes:
        source: as the user gave it.
        target: the file of rows.
        store: the folder of pictures.
        errors: the file of failed records.
        columns: names of the rows' columns.
        rows: number of rows made.
        failed: reason → number of failed records.
        stored: number of pictures that were written into the store.
        known: number of pictures that lay in the store already.
        files: number of pictures that stay where they are.
        addresses: number of pictures that a dry run has not fetched.
        changed: whether the files of rows differ from those of the import before.
        samples: the first rows of a dry run.
        dry_run: whether nothing is written.
    """

    source: str
    target: Path
    store: Path
    errors: Path
    dry_run: bool = False
    columns: frozenset[str] = frozenset()
    rows: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    stored: int = 0
    known: int = 0
    files: int = 0
    addresses: int = 0
    changed: bool = True
    samples: list[Row] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def fail(self, reason: str) -> None:
        """Count a failed record; once there are very many reasons, new ones count together."""
        self.failed[reason if reason in self.failed or len(self.failed) < _KEPT else "for other reasons"] += 1

    def _lines(self) -> Iterator[str]:
        yield f"{count_of(self.rows, 'row')} of {count_of(self.rows + self.failed.total(), 'record')} of {self.source}"
        if self.failed:
            yield from self.failures()
        new = "to be stored" if self.dry_run else "stored"
        counts = {f"{new} in {self.store}": self.stored, "there already": self.known, "left where they are": self.files}
        counts["to be fetched"] = self.addresses
        parts = [f"{count:,} {what}" for what, count in counts.items() if count]
        yield f"pictures: {', '.join(parts) or 'none'}"
        if self.dry_run:
            yield "(dry run) nothing was written"
        else:
            yield f"-> {self.target}{'' if self.changed else ' (unchanged)'}"
            if self.next_command:
                yield f"next: {self.next_command}"

    def failures(self) -> list[str]:
        """Lines that say how many records failed, and why."""
        where = "" if self.dry_run else f": {self.errors}"
        reasons = [f"  {line}" for line in grouped(self.failed, _REASONS)]
        return [f"{count_of(self.failed.total(), 'record')} failed{where}", *reasons]

    @property
    def next_command(self) -> str:
        """The command that usually follows, by the columns of the rows; "": there is none."""
        rows = shlex.quote(str(self.target))
        if {EDITED, CONVERSATIONS} <= self.columns:
            folder = shlex.quote(str(self.target.parent))
            return f"dataflowmm judge {folder} --rows {rows} --judge_model <name>"
        if CONVERSATIONS in self.columns:
            return f"python gpu_pipelines/image_editing_pipeline.py --input {rows}"
        return "" if EDITED in self.columns else f"dataflowmm instruct {rows} --model <name>"


def import_rows(
    source: str | Source,
    out: str | Path,
    *,
    columns: str = "",
    kind: str = "",
    store: str | Path | None = None,
    copy: bool = False,
    root: str | Path | None = None,
    revision: str = "",
    picture_hosts: Sequence[str] = (),
    skip_dead: bool = False,
    limit: int | None = None,
    dry_run: bool = False,
    progress: Progress = lambda done, of: None,
) -> Imported:
    """Make rows that operators read of the records of a source.

    The same source gives the same rows, also after an import that was killed. Each picture is written once, and files
    whose contents would not change stay untouched.

    Args:
        source: a folder, a file, files by a pattern, an address, or a `Source`.
        out: the file of rows, `.jsonl`. Failed records go to `.errors.jsonl` beside it.
        columns: which fields become which columns, "images=source_image,instruction=edit.text"; "": the source decides.
        kind: kind of the source, see `dataflow.ingest.sources.source_of`; "": by the looks of `source`.
        store: the folder of the pictures; None: `NAME.pictures` beside `out`.
        copy: store also pictures that are files of this machine, which otherwise stay where they are.
        root: a folder or an address where relative paths of pictures begin; None: beside the source.
        revision: of a hub's data set; "": the revision of the rows that `out` already has, else the newest.
        picture_hosts: hosts of the user's own network from which pictures may be fetched, such as "10.0.0.5:9000".
        skip_dead: do not ask addresses again that gave no picture when they were last asked.
        limit: most records to import; None: all.
        dry_run: read the first hundred records, and write nothing.
        progress: called after each record.

    Raises:
        ConfigError: a flag is wrong; a field is missing; `out` is a file that no import made.
        StepFailed: every record failed.
        NotStored: the disk does not take a file.
        Interrupted: the user pressed Ctrl-C.
    """
    if limit is not None and limit < 1:
        raise ConfigError(f"limit is {limit}: give a number of records from 1")
    address = root if isinstance(root, str) and ADDRESS.match(root) else ""
    where = None if root is None or address else Path(root).expanduser().absolute()
    target = _target(out, source)
    output = Output(target)
    if isinstance(source, Source):
        opened = source
    else:
        same = revision or output.revision_of(source)
        opened = source_of(source, kind, root=where, revision=same, scratch=Path(nearest_folder(str(target.parent))))
    name = source if isinstance(source, str) else type(source).__name__
    with closing(opened):
        shape = opened.shape()
        chosen = _chosen(columns or opened.columns, shape, name)
        output.check()
        folder = target.with_suffix(".pictures") if store is None else Path(store).expanduser().absolute()
        named = frozenset(column for column, _ in chosen.pairs)
        done = Imported(name, target, folder, output.errors, dry_run, named)
        rules = address or (opened.base if where is None else "") or _rules(where, opened.home)
        job = _Job(opened, chosen, done, output, rules, picture_hosts, skip_dead, copy, limit)
        with _interruptible(done):
            job.look(DRY_ROWS, chosen.names(shape)) if dry_run else job.run(chosen.names(shape), progress)
    return done


def _target(out: str | Path, source: str | Source) -> Path:
    target = Path(out).expanduser().absolute()
    if isinstance(source, str) and reads(source, target):
        raise ConfigError(f"--out {out} is one of the files that {source} names: name one elsewhere")
    return target


def _rules(root: Path | None, home: Path | None) -> PathRules | None:
    """Where relative paths begin: at the root, else beside the source; None: the source has no paths, as an archive."""
    if root is not None:
        return PathRules(root)
    return None if home is None else PathRules(home, (Path.cwd(),))


def _chosen(columns: str, shape: Shape, source: str) -> Columns:
    """The columns that the user asks for, checked, with licence and credit where the source has them."""
    if not columns:
        raise suggest(shape, source)
    chosen = read_columns(columns)
    chosen.check(shape, source)
    return chosen.with_carried(shape)


@dataclass(frozen=True, slots=True)
class _Job:
    """One import, with the arguments of `import_rows` opened and checked."""

    source: Source
    columns: Columns
    done: Imported
    output: Output
    rules: PathRules | str | None
    hosts: Sequence[str]
    skip_dead: bool
    copy: bool
    limit: int | None

    def run(self, names: frozenset[str], progress: Progress) -> None:
        return_large_buffers()
        of = self.source.count()
        total = of if of is None or self.limit is None else min(of, self.limit)
        with ExitStack() as stack:
            output = stack.enter_context(self.output.opened())
            store = stack.enter_context(Store(self.done.store))
            maker = stack.enter_context(self._maker(store, dry=False))
            records = islice(self.source.records(names), self.limit)
            made = stack.enter_context(closing(_made(records, maker)))  # ends the threads before the store is closed
            for number, (place, outcome) in enumerate(made, 1):
                self._take(place, outcome, output)
                progress(number, total)
            store.settle()
            if self.done.failed and not self.done.rows:
                output.give_up()
                raise StepFailed("\n".join(["every record failed", *self.done.failures()]))
            self.done.changed = output.commit(self._meta())

    def look(self, count: int, names: frozenset[str]) -> None:
        """Make rows of the first records, and write nothing."""
        with self._maker(Store(self.done.store, dry=True), dry=True) as maker:
            for record in islice(self.source.records(names), self.limit or count):
                self._take(record.place, _outcome(record, maker), None)

    def _maker(self, store: Store, *, dry: bool) -> Maker:
        own, how = self.source.fetchers, {"skip_dead": self.skip_dead, "copy": self.copy, "dry": dry}
        return Maker(self.columns, store, self.rules, own, hosts=self.hosts, **how)

    def _take(self, place: str, outcome: Made | RowError, output: Output | None) -> None:
        """Write a row or a failed record, and count it."""
        done = self.done
        try:
            if isinstance(outcome, RowError):
                raise outcome
            if output is not None:
                output.write(outcome.row)
        except RowError as error:
            done.fail(str(error))
            if output is not None:
                output.fail({"source": done.source, "place": place, "class": "row", "reason": str(error)})
            return
        done.rows += 1
        new = sum(kept.is_new for kept in outcome.pictures)
        done.stored += new
        done.known += len(outcome.pictures) - new
        done.files += outcome.files
        done.addresses += outcome.addresses
        if output is None and len(done.samples) < SAMPLES:
            done.samples.append(outcome.row)

    def _meta(self) -> Mapping[str, JSON]:
        return {
            "source": self.done.source,
            "facts": dict(self.source.facts()),
            "columns": [f"{column}={path}" for column, path in self.columns.pairs],
            "limit": self.limit,
            "store": str(self.done.store),
            "rows": self.done.rows,
            "failed": self.done.failed.total(),
            "versions": {"dataflow": dataflow.__version__},
        }


def _outcome(record: Record | Broken, maker: Maker) -> Made | RowError:
    if isinstance(record, Broken):
        return RowError(record.reason)
    try:
        return maker.make(record)
    except RowError as error:
        return error


def _made(records: Iterator[Record | Broken], maker: Maker) -> Generator[tuple[str, Made | RowError]]:
    """Make rows in threads; yields the place and the row or error of each record, in order.

    At most 64 records are in memory, and fewer where their pictures are large.
    """
    pending: deque[tuple[str, int, Future[Made | RowError]]] = deque()
    in_hand = 0
    with ThreadPoolExecutor(_AHEAD, "import") as threads:
        try:
            for record in records:
                size = _bytes_in(record.fields) if isinstance(record, Record) else 0
                while pending and (len(pending) >= _AHEAD or in_hand + size > _IN_HAND):
                    place, freed, future = pending.popleft()
                    in_hand -= freed
                    yield place, future.result()
                in_hand += size
                pending.append((record.place, size, threads.submit(_outcome, record, maker)))
            while pending:
                place, _, future = pending.popleft()
                yield place, future.result()
        finally:
            maker.stop()
            threads.shutdown(wait=True, cancel_futures=True)


def _bytes_in(value: object) -> int:
    """Bytes of all pictures in a value of a record."""
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, Bytes):
        return len(value.data)
    if isinstance(value, Mapping):
        return sum(map(_bytes_in, value.values()))
    return sum(map(_bytes_in, value)) if isinstance(value, list | tuple) else 0


@contextmanager
def _interruptible(done: Imported) -> Iterator[None]:
    """Turn Ctrl-C into an `Interrupted` that says how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(
            f"stopped after {count_of(done.rows, 'row')}; what was stored is kept: run it again to go on",
            signal_number=signal.SIGINT,
        ) from None
