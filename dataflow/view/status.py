"""How far the steps of a cache directory are, seen from outside, with nothing locked.

A step that runs or was interrupted has a status file, a finished one its meta file. The lock shows whether the writer
of a status file lives, the journal's totals what everything has cost. Nothing in the directory is opened for writing,
so this works beside a run of another user, and on a copy that is read-only.

Over 300 lines with its docstrings: the shape of a status and what reads it stand together.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from dataflow.core.records import Row
from dataflow.errors import ConfigError
from dataflow.journal.lock import Holder, see_holder
from dataflow.judging.promise import precision_in_words
from dataflow.judging.verdict import EDITS_ACCEPTED, EDITS_REJECTED, EDITS_UNJUDGED, REJECTED
from dataflow.utils.cache_folder import HIDDEN, CacheFolder
from dataflow.utils.figures import figures_of_meta, of_all_runs, read_figures
from dataflow.utils.step_files import step_file
from dataflow.view.facts import SURPLUS
from dataflow.view.reasons import FailedRows, Reasons, count_lines

_META = ".meta.json"


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What became of the rows of a step that accepts or rejects, or of edits that a judge left in their rows.

    Args:
        accepted: rows with an accepted picture.
        rejected: rows of which every try was rejected.
        unjudged: failed rows of which nobody could tell whether a picture is good.
        share: of the accepted rows among accepted and rejected ones; None: there are none.
        low: the true share lies above this, and below `high`, 19 times in 20.
        high: see `low`.
        cost: per accepted row, what all before it took included; None: not known.
        surplus: rows with an accepted picture beyond those that a quota wants.
        precision: what is known of the share of good ones among what was accepted, in words.
    """

    accepted: int
    rejected: int
    unjudged: int
    share: float | None
    low: float | None
    high: float | None
    cost: float | None
    surplus: int = 0
    precision: str = "not calibrated"


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
        written: rows in the file of a complete step; None: not known, or it is not complete.
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
        at: when the figures of a step that is not complete were taken, in seconds since 1970; 0: not known.
        pause: what a running step waits for.
        retry_reason: why the last attempt failed that another one followed, in the last run of a step that is not
            complete.
        why: what a stopped step was stopped by, where it could say so.
        verdicts: what was accepted; None: the step rejects nothing, or an older version ran it.
        of_rows: what a step that makes its rows itself says of them, part by part.
    """

    prefix: str
    number: int
    file: str
    operator: str
    state: str
    rows: int | None
    done: int | None
    written: int | None
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
    at: float
    pause: str
    retry_reason: str
    why: str
    verdicts: Verdicts | None = None
    of_rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """A cache directory.

    Args:
        cache_path: as given.
        state: "running"; "between steps": its process has completed a step a moment ago and lives on; "killed": it
            ended without a word; "not running".
        pid: of the process that works here or was the last to; 0: not known.
        here: that process runs, or ran, on this machine.
        steps: by prefix and number.
        at: when the newest figures were taken, in seconds since 1970; 0: not known.
        currency: of all costs; empty where nobody charges, or no amount is known.
        spent: by all requests of the directory so far.
        estimated: of this, the price of usual pictures whose replies counted no tokens.
        unsure: what may come on top at most: requests in flight, cut off, or of unknown cost.
        unpriced: requests of unknown cost that are not in `unsure`, since their model has no price.
        cut_off: requests of earlier runs that were sent and never ended: they may have been paid.
        shards: how far shards are that are not merged, in words; empty where there are none.
    """

    cache_path: str
    state: str
    pid: int
    here: bool
    steps: tuple[StepStatus, ...]
    at: float
    currency: str
    spent: float
    estimated: float
    unsure: float
    unpriced: int
    cut_off: int
    shards: str = ""


class StatusReader:
    """Looks at a cache directory, again and again if wanted.

    Args:
        cache_path: of a FileStorage.
    """

    def __init__(self, cache_path: Path) -> None:
        self._root = cache_path
        self._folder = CacheFolder(cache_path)
        self._reasons: dict[tuple[Path, float], Reasons] = {}

    def look(self) -> Status:
        """The state now.

        Raises:
            ConfigError: this is no cache directory, or it cannot be read.
        """
        holder = see_holder(self._folder.lock)  # first: what ends while we read is seen to run once more
        statuses = {str(figures["file"]): figures for figures in self._read_statuses()}
        files = self._names_in(self._root)
        metas = {name.removesuffix(_META): figures_of_meta(self._root / name) for name in files if name.endswith(_META)}
        steps = {name.removesuffix(".part") for name in files if step_file(Path(name)) is not None} | set(statuses)
        steps |= {Path(meta["target"]).name for meta in metas.values() if "target" in meta}
        if not steps and not self._folder.journal.exists():
            raise _no_cache(self._root)
        found = [self._step(name, statuses.get(name, {}), metas, holder) for name in steps]
        totals = read_figures(self._folder.totals) or _totals_of(metas.values())
        return Status(
            cache_path=str(self._root),
            state=_state(holder, found),
            pid=0 if holder is None else holder.pid,
            here=holder is None or holder.here,
            steps=tuple(sorted(found, key=lambda step: (step.prefix, step.number, step.file))),
            at=max([0.0, totals.get("at", 0.0), *(step.at for step in found)]),
            currency=totals["currency"] if totals.get("spent") or totals.get("unsure") else "",
            spent=totals.get("spent", 0.0),
            estimated=totals.get("estimated", 0.0),
            unsure=totals.get("unsure", 0.0),
            unpriced=totals.get("unpriced", 0),
            cut_off=totals.get("cut_off", 0) + (0 if _works(holder) else totals.get("in_flight", 0)),
        )

    def _names_in(self, folder: Path) -> list[str]:
        try:
            return [path.name for path in folder.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            if folder == self._root:
                raise _no_cache(folder) from None
            return []
        except OSError as error:
            raise _unreadable(self._root, error) from None

    def _read_statuses(self) -> Iterator[Row]:
        folder = self._folder.statuses
        for name in self._names_in(folder):
            figures = read_figures(folder / name)
            if name.endswith(".json") and "file" in figures:  # others are being written
                yield figures

    def _step(self, name: str, status: Row, metas: Mapping[str, Row], holder: Holder | None) -> StepStatus:
        file = step_file(Path(name))
        prefix, number = (name, 0) if file is None else (str(file.path.with_name(file.prefix)), file.number)
        meta = metas.get(f"{prefix}_step{number}", {})
        state = self._step_state(self._root / name, status, meta, holder)
        running, over = state == "running", state in ("complete", "removed")
        figures = meta or status if over else status
        rows, done = self._rows(figures, name, over=over)
        failed, began = figures.get("failed"), figures.get("began", 0.0)
        errors = None if failed == 0 else self._errors(f"{prefix}_step{number}", over=over)
        failures = () if errors is None else self._reasons.setdefault((errors, began), Reasons(errors)).read()
        rate = figures.get("rows_per_second", 0.0) if running else 0.0
        return StepStatus(
            prefix=prefix,
            number=number,
            file=name,
            operator=figures.get("operator") or meta.get("operator", ""),
            state=state,
            rows=rows,
            done=done,
            written=figures.get("rows") if state == "complete" else None,
            failed=sum(each.rows for each in failures) if failed is None else failed,
            failures=failures,
            errors=None if errors is None else errors.relative_to(self._root).as_posix(),
            requests=int(of_all_runs(figures, "requests")),
            retried=int(of_all_runs(figures, "retried")),
            in_flight=figures.get("in_flight", 0) if running else 0,
            rows_per_second=rate,
            seconds_left=(figures["rows_in"] - figures["rows_done"]) / rate if rate else None,
            cost=of_all_runs(figures, "cost"),
            began=began,
            at=figures.get("at", 0.0),
            pause=figures.get("pause", "") if running else "",
            retry_reason="" if over else figures.get("retry_reason", ""),
            why=figures.get("why", ""),
            verdicts=_verdicts(figures),
            of_rows=tuple(figures.get("of_rows", ())),
        )

    def _rows(self, figures: Row, name: str, *, over: bool) -> tuple[int | None, int | None]:
        """Rows that come in, and those that are done; None: not known."""
        if figures.get("rows_done") is not None:
            return figures.get("rows_in"), figures["rows_done"]
        done = count_lines(self._root / name)  # a step written by hand, or one of an older version
        return done if over else None, done

    def _step_state(self, path: Path, status: Row, meta: Row, holder: Holder | None) -> str:
        if holder is not None and holder.works and status.get("process") == holder.process and not status["why"]:
            return "running"
        if path.with_name(f"{path.name}.part").exists():
            return "stopped"
        if path.exists():
            return "complete"
        return "removed" if "target" in meta and not status else "stopped"

    def _errors(self, step: str, *, over: bool) -> Path | None:
        """The file with a line for each failed row of the last run; the next run begins it anew."""
        errors = self._root / f"{step}.errors.jsonl"
        in_the_making = errors.with_name(f"{errors.name}.part")
        if not over and in_the_making.exists():  # a filter that let nothing pass has its errors complete
            return in_the_making
        return errors if errors.exists() else None


def _verdicts(figures: Row) -> Verdicts | None:
    if "unjudged" not in figures:
        return None
    sides, cost = figures["sides"], figures["cost_per_accepted"]
    precision = precision_in_words(figures.get("judged") or {})
    share, low, high = figures["pass_rate"] or (None, None, None)
    if REJECTED in sides:
        return Verdicts(
            figures["accepted"],
            sides[REJECTED],
            figures["unjudged"],
            share,
            low,
            high,
            cost,
            sides.get(SURPLUS, 0),
            precision,
        )
    accepted, rejected, left = (sides.get(name, 0) for name in (EDITS_ACCEPTED, EDITS_REJECTED, EDITS_UNJUDGED))
    if not accepted + rejected + left:
        return None
    return Verdicts(accepted, rejected, left, share, low, high, cost, precision=precision)


def _works(holder: Holder | None) -> bool:
    return holder is not None and holder.works


def _totals_of(metas: Iterable[Row]) -> Row:
    """What the directory came to, by the meta file that saw most of it: those of an older version have no other."""
    return max(metas, key=lambda meta: float(meta.get("spent", 0.0)), default={})


def _state(holder: Holder | None, steps: Sequence[StepStatus]) -> str:
    if holder is None:
        return "not running"
    if holder.works:
        return "running"
    last = max(steps, key=lambda step: step.began, default=None)
    if holder.paused and (last is None or last.state != "stopped"):
        return "between steps"
    return "killed" if holder.killed else "not running"


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


def _unreadable(cache_path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"{error.filename or cache_path} cannot be read ({error.strerror}): ask its owner for"
        f" `chmod -R a+rX {cache_path}`, or run this as the user who started the run"
    )
