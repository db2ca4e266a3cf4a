"""How far the steps of a cache directory are, seen from outside: its journal and its step files, nothing locked.

Nothing in the directory is opened for writing, so this works beside a run of another user, and on a copy that is
read-only. Figures of a running step are at most two seconds old.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import orjson

from dataflow.core.records import NANO, Row
from dataflow.errors import ConfigError
from dataflow.journal.follow import JournalFollower, unreadable
from dataflow.journal.lock import Holder, see_holder
from dataflow.utils.cache_folder import HIDDEN, CacheFolder
from dataflow.utils.rowfiles import CACHE_TYPES
from dataflow.view.reasons import FailedRows, Reasons, count_lines
from dataflow.view.tally import StepTally, Tally

_STEP = re.compile(rf"(?P<prefix>.+)_step(?P<number>\d+)\.({'|'.join(CACHE_TYPES)})(\.part)?")
_SCAN_TOLD = 50_000  # lines


@dataclass(frozen=True, slots=True)
class StepStatus:
    """One step.

    Args:
        prefix: of its storage.
        number: from 1.
        file: that it makes, relative to the cache directory.
        operator: its name; empty where that is not known: a step written by hand, or by an older version.
        state: "running", "complete", "stopped", or "removed": it was complete, and its file is gone.
        rows: that come in; None: not known.
        done: rows that need nothing more; None: not known.
        failed: rows without a result.
        failures: why, most frequent first.
        errors: the file with a line for each failed row, relative to the cache directory; None where there is none.
        requests: sent so far, by all runs of the step.
        retried: of these, attempts that another one followed.
        in_flight: requests under way now.
        rows_per_second: rows answered of late; 0: not known yet.
        seconds_left: at that rate; None: not known.
        cost: of the requests so far, by all runs of the step; in the directory's currency.
        began: when the step was last begun, in seconds since 1970; 0: not known.
        pause: what a running step waits for.
        why: what a stopped step was stopped by, where it could say so.
    """

    prefix: str
    number: int
    file: str
    operator: str
    state: str
    rows: int | None
    done: int | None
    failed: int
    failures: tuple[FailedRows, ...]
    errors: str | None
    requests: int
    retried: int
    in_flight: int
    rows_per_second: float
    seconds_left: float | None
    cost: float
    began: float
    pause: str
    why: str


@dataclass(frozen=True, slots=True)
class Status:
    """A cache directory.

    Args:
        cache_path: as given.
        state: "running"; "between steps": its process has released the directory a moment ago and lives on; "killed":
            it ended without a word; "not running".
        pid: of the process that works here or was the last to; 0: not known.
        here: that process runs, or ran, on this machine.
        steps: by prefix and number.
        told: when the journal was last told something dated, in seconds since 1970; 0: never.
        currency: of all costs; empty where nobody charges, or no amount is known.
        spent: by all requests of the directory so far.
        unsure: what may come on top at most: requests in flight, cut off, or of unknown cost.
        unpriced: requests of unknown cost that are not in `unsure`, since their model has no price.
        cut_off: requests of earlier runs that were sent and never ended: they may have been paid.
        damaged: journal lines that are broken.
    """

    cache_path: str
    state: str
    pid: int
    here: bool
    steps: tuple[StepStatus, ...]
    told: float
    currency: str
    spent: float
    unsure: float
    unpriced: int
    cut_off: int
    damaged: int


class StatusReader:
    """Looks at a cache directory again and again, and each time reads only what is new.

    Args:
        cache_path: of a FileStorage.
        reading: told how many lines of the journal have been read, while there are many.
    """

    def __init__(self, cache_path: Path, reading: Callable[[int], None] = lambda lines: None) -> None:
        self._root = cache_path
        self._reading = reading
        self._journal = JournalFollower(cache_path)
        self._tally = Tally()
        self._generation = 0
        self._reasons: dict[tuple[Path, int], Reasons] = {}

    def look(self) -> Status:
        """The state now.

        Raises:
            ConfigError: this is no cache directory; it cannot be read; a newer version wrote its journal.
            JournalDamaged: the journal's first line is broken.
        """
        holder = see_holder(CacheFolder(self._root).lock)  # first: what ends while we read is seen to run once more
        self._read_journal()
        try:
            files = {path.name for path in self._root.iterdir() if _STEP.fullmatch(path.name)}
        except (FileNotFoundError, NotADirectoryError):
            raise _no_cache(self._root) from None
        except OSError as error:
            raise unreadable(self._root, error) from None
        if not files and not self._journal.path.exists():
            raise _no_cache(self._root)
        names = {file.removesuffix(".part") for file in files} | set(self._tally.steps)
        steps = [self._step(name, holder) for name in names]
        money, tally = self._tally.money, self._tally
        return Status(
            cache_path=str(self._root),
            state=_state(holder),
            pid=holder.pid if holder is not None else tally.pid,
            here=holder is None or holder.here,
            steps=tuple(sorted(steps, key=lambda step: (step.prefix, step.number, step.file))),
            told=tally.told,
            currency=money.currency if tally.priced else "",
            spent=money.spent / NANO,
            unsure=(money.unsure + money.reserved) / NANO,
            unpriced=money.unpriced,
            cut_off=tally.cut_off + (0 if holder is not None and holder.works else tally.in_flight),
            damaged=self._journal.damaged,
        )

    def _read_journal(self) -> None:
        new = self._journal.has_new()
        if self._journal.generation != self._generation:
            self._generation, self._tally = self._journal.generation, Tally()
        if new:
            enter = self._tally.enter
            for count, entry in enumerate(self._journal.read(), 1):
                enter(entry)
                if count % _SCAN_TOLD == 0:
                    self._reading(count)

    def _step(self, name: str, holder: Holder | None) -> StepStatus:
        match = _STEP.fullmatch(name)
        prefix, number = (match["prefix"], int(match["number"])) if match else (name, 0)
        noted = self._tally.steps.get(name)
        tally = noted or StepTally()  # of a step written by hand, or by an older version, nothing is noted
        state = self._step_state(self._root / name, noted, holder)
        running, complete = state == "running", state == "complete"
        meta = _read_meta(self._root / f"{prefix}_step{number}.meta.json")
        rows: int | None = tally.rows
        done: int | None = tally.done
        if noted is None:
            done = int(meta["rows"]) if complete and "rows" in meta else count_lines(self._root / name)
            rows = done if complete else None
        failed = int(meta.get("failed", 0)) if complete else tally.failed
        errors = self._root / f"{prefix}_step{number}.errors.jsonl"
        in_the_making = errors.with_name(f"{errors.name}.part")
        if not complete and in_the_making.exists():  # a filter that let nothing pass has its errors complete
            errors = in_the_making
        rate = tally.rate(time.time()) if running else 0.0
        return StepStatus(
            prefix=prefix,
            number=number,
            file=name,
            operator=tally.name or str(meta.get("operator", "")),
            state=state,
            rows=rows,
            done=done,
            failed=failed,
            failures=self._failures(errors, tally.run) if failed else (),
            errors=errors.relative_to(self._root).as_posix() if failed and errors.exists() else None,
            requests=tally.requests,
            retried=tally.retried,
            in_flight=tally.in_flight if running else 0,
            rows_per_second=rate,
            seconds_left=(tally.rows - tally.done) / rate if rate else None,
            cost=tally.cost / NANO,
            began=tally.began,
            pause=tally.pause if running else "",
            why=tally.why if state == "stopped" else "",
        )

    def _step_state(self, path: Path, tally: StepTally | None, holder: Holder | None) -> str:
        works = holder is not None and holder.works
        if tally is not None and works and tally.run == self._tally.run and not tally.over:
            return "running"
        if path.with_name(f"{path.name}.part").exists():
            return "stopped"
        if path.exists():
            return "complete"
        return "removed" if tally is not None and tally.over and not tally.why else "stopped"

    def _failures(self, errors: Path, run: int) -> tuple[FailedRows, ...]:
        """Of one run: the next one begins the file anew."""
        return self._reasons.setdefault((errors, run), Reasons(errors)).read()


def _state(holder: Holder | None) -> str:
    if holder is None:
        return "not running"
    if holder.works:
        return "running"
    if holder.paused:
        return "between steps"
    return "killed" if holder.killed else "not running"


def _read_meta(path: Path) -> Row:
    try:
        meta = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return meta if isinstance(meta, dict) else {}


def _no_cache(folder: Path) -> ConfigError:
    why = f"it does not exist (looked from {Path.cwd()})"
    if folder.exists():
        why = f"it has neither {CacheFolder(Path()).journal} nor a file like dataflow_cache_step_step1.jsonl"
    near = [str(path) for path in islice(_caches_near(folder), 3)]
    advice = f"did you mean {' or '.join(near)}?" if near else "give the cache_path of a FileStorage"
    return ConfigError(f"{folder} is no cache directory: {why}; {advice}")


def _caches_near(folder: Path) -> Iterator[Path]:
    """The one that a file, or a folder, of it was named for; else those below."""
    if CacheFolder(folder.parent).path.is_dir():
        yield folder.parent
    for pattern in (f"*/{HIDDEN}", f"*/*/{HIDDEN}"):
        yield from sorted(path.parent for path in folder.glob(pattern))
