"""Reads how far the steps of a cache directory are, without taking its lock.

A step that runs or was interrupted has a status file, and a finished step has a meta file. The lock shows whether the
writer of a status file lives, and the journal's totals show what everything has cost. Nothing in the directory is
opened for writing, so this works beside a run of another user, and on a read-only copy.

The file has over 300 lines with its docstrings, since the values of a status and their reader belong together.
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
    """What a step accepted and rejected: rows, or edits if the step leaves rejected edits in their rows.

    Args:
        accepted: rows with an accepted edit.
        rejected: rows of which every try was rejected.
        unjudged: failed rows of whose edits none could be judged good or bad.
        share: accepted rows among accepted and rejected ones, 0 to 1; None: there are none.
        low: lower end of the 95% confidence interval of `share`.
        high: upper end of that interval.
        cost: per accepted row, with the cost of all earlier steps; None: not known.
        surplus: rows with an accepted edit beyond the quota.
        precision: what labels promise of the share of good edits among the accepted ones, in words.
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
    """The progress of one step.

    Args:
        prefix: of the storage that made the step.
        number: of the step, from 1.
        file: the file that the step writes, relative to the cache directory.
        operator: name of the operator; empty: not known, since the step was written by hand or by an older version.
        state: "running", "complete", "stopped", or "removed" for a complete step whose file is gone.
        rows: rows that the step reads; None: not known.
        done: rows that need no more requests; None: not known.
        written: rows in the file of a complete step; None: not known, or the step is not complete.
        failed: rows without a result.
        failures: failed rows by reason, the most frequent first.
        errors: the file with a line for each failed row, relative to the cache directory; None: there is no such file.
        requests: attempts that all runs of the step have sent.
        retried: those of these attempts that were followed by another attempt.
        in_flight: requests in flight now.
        rows_per_second: rows answered per second lately; 0: not known yet.
        seconds_left: seconds until the step is done at that rate; None: not known.
        cost: of all requests by all runs of the step, in the directory's currency.
        began: when the step's last run began, in seconds since 1970; 0: not known.
        at: when the figures of a step that is not complete were taken, in seconds since 1970; 0: not known.
        pause: what a running step waits for, as a sentence; empty: it does not wait.
        retry_reason: why an attempt of the last run failed and was followed by another one, most recently; empty: none
            was, or the step is complete.
        why: why a stopped step stopped; empty: its process could not say it.
        verdicts: what the step accepted; None: the step rejects nothing, or an older version ran it.
        of_rows: what a step says of the rows that it makes itself, such as how far its quota is.
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
    """The progress of a cache directory.

    Args:
        cache_path: the directory, as the caller spelled it.
        state: "running"; "between steps": the process has completed a step a moment ago and lives on; "killed": the
            process ended without releasing its lock; "not running".
        pid: id of the process that works in the directory, or was the last to; 0: not known.
        here: whether that process runs, or ran, on this machine.
        steps: sorted by prefix and number.
        at: when the newest figures were taken, in seconds since 1970; 0: not known.
        currency: of all costs; empty: nobody charges, or no amount is known.
        spent: cost of all requests of the directory.
        estimated: the part of `spent` that is estimated from usual prices, since replies counted no tokens.
        unsure: most that may be added to `spent`, by requests that are in flight, were cut off, or have unknown cost.
        unpriced: number of requests of unknown cost that are not in `unsure`, since their model has no price.
        cut_off: number of requests that earlier runs sent and whose answers never came; they may have been paid.
        shards: how far unmerged shards are, as a sentence; empty: there are none.
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
    """Reads the status of a cache directory; a reader that is kept reads only the new lines of errors files.

    Args:
        cache_path: the cache directory.
    """

    def __init__(self, cache_path: Path) -> None:
        self._root = cache_path
        self._folder = CacheFolder(cache_path)
        self._reasons: dict[tuple[Path, float], Reasons] = {}

    def look(self) -> Status:
        """Read the present status.

        Raises:
            ConfigError: the path is no cache directory, or cannot be read.
        """
        holder = see_holder(self._folder.lock)  # first, so that a step that ends meanwhile shows as running, not killed
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
            if name.endswith(".json") and "file" in figures:  # a run is still writing any other file
                yield figures

    def _step(self, name: str, status: Row, metas: Mapping[str, Row], holder: Holder | None) -> StepStatus:
        file = step_file(Path(name))
        prefix, number = (name, 0) if file is None else (str(file.path.with_name(file.prefix)), file.number)
        meta = metas.get(f"{prefix}_step{number}", {})
        state = self._step_state(self._root / name, status, meta, holder)
        running, is_over = state == "running", state in ("complete", "removed")
        figures = meta or status if is_over else status
        rows, done = self._rows(figures, name, is_over=is_over)
        failed, began = figures.get("failed"), figures.get("began", 0.0)
        errors = None if failed == 0 else self._errors(f"{prefix}_step{number}", is_over=is_over)
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
            failed=sum(failure.rows for failure in failures) if failed is None else failed,
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
            retry_reason="" if is_over else figures.get("retry_reason", ""),
            why=figures.get("why", ""),
            verdicts=_verdicts(figures),
            of_rows=tuple(figures.get("of_rows", ())),
        )

    def _rows(self, figures: Row, name: str, *, is_over: bool) -> tuple[int | None, int | None]:
        """How many rows the step reads, and how many are done; None: not known."""
        if figures.get("rows_done") is not None:
            return figures.get("rows_in"), figures["rows_done"]
        done = count_lines(self._root / name)  # a step written by hand, or one of an older version
        return done if is_over else None, done

    def _step_state(self, path: Path, status: Row, meta: Row, holder: Holder | None) -> str:
        if holder is not None and holder.works and status.get("process") == holder.process and not status["why"]:
            return "running"
        if path.with_name(f"{path.name}.part").exists():
            return "stopped"
        if path.exists():
            return "complete"
        return "removed" if "target" in meta and not status else "stopped"

    def _errors(self, step: str, *, is_over: bool) -> Path | None:
        """The file with a line for each failed row of the last run; the next run writes it anew."""
        errors = self._root / f"{step}.errors.jsonl"
        in_the_making = errors.with_name(f"{errors.name}.part")
        if not is_over and in_the_making.exists():  # a filter that no row passed stops without one
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
    accepted, rejected, unjudged = (sides.get(name, 0) for name in (EDITS_ACCEPTED, EDITS_REJECTED, EDITS_UNJUDGED))
    if not accepted + rejected + unjudged:
        return None
    return Verdicts(accepted, rejected, unjudged, share, low, high, cost, precision=precision)


def _works(holder: Holder | None) -> bool:
    return holder is not None and holder.works


def _totals_of(metas: Iterable[Row]) -> Row:
    """The totals in the meta file with the highest cost: caches of an older version have no other file of totals."""
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
    """Cache directories that the user may have meant: the folder's parent, and folders one or two levels below it."""
    if CacheFolder(folder.parent).path.is_dir():
        yield folder.parent
    for pattern in (f"*/{HIDDEN}", f"*/*/{HIDDEN}"):
        yield from sorted(path.parent for path in folder.glob(pattern))


def _unreadable(cache_path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"{error.filename or cache_path} cannot be read ({error.strerror}): ask its owner for"
        f" `chmod -R a+rX {cache_path}`, or run this as the user who started the run"
    )
