"""The status of all shards of a run together, for `dataflowmm status` of the cache path in which they lie."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from dataflow.core.intervals import share_of
from dataflow.core.shard import Shard
from dataflow.core.words import count_of
from dataflow.errors import ConfigError
from dataflow.shards.parts import find_shards
from dataflow.utils.cache_folder import CacheFolder
from dataflow.utils.shards import are_merged
from dataflow.view.reasons import FailedRows
from dataflow.view.status import Status, StatusReader, StepStatus, Verdicts

_NAMED = 10  # shards that are named in one list


class ShardsReader:
    """Reads the status of all shards in a cache path, as often as `look` is called.

    Args:
        cache_path: the cache path that the runs with a shard were given.
    """

    def __init__(self, cache_path: Path) -> None:
        self._root = cache_path
        self._readers: dict[Path, StatusReader] = {}

    def look(self) -> Status:
        """The status now; counts and money are sums over the shards.

        Raises:
            ConfigError: there are no shards, or shards of several runs; a shard cannot be read.
        """
        found = find_shards(self._root)
        statuses = {shard: self._look_at(path) for shard, path in found}
        begun = {shard: status for shard, status in statuses.items() if status is not None}
        missing = [Shard(index, found[0][0].count) for index in range(found[0][0].count)]
        missing = [shard for shard in missing if shard not in begun]
        names = sorted({(each.prefix, each.number, each.file) for status in begun.values() for each in status.steps})
        steps = [_step(found[0][0].count, begun, file) for _, _, file in names]
        states = [status.state for status in begun.values()]
        state = next((each for each in ("running", "between steps", "killed") if each in states), "not running")
        at_work = next((status for status in begun.values() if status.state == state), None)
        return Status(
            cache_path=str(self._root),
            state=state,
            pid=0 if at_work is None else at_work.pid,
            here=at_work is None or at_work.here,
            steps=tuple(steps),
            at=max([0.0, *(status.at for status in begun.values())]),
            currency=next((status.currency for status in begun.values() if status.currency), ""),
            spent=sum(status.spent for status in begun.values()),
            estimated=sum(status.estimated for status in begun.values()),
            unsure=sum(status.unsure for status in begun.values()),
            unpriced=sum(status.unpriced for status in begun.values()),
            cut_off=sum(status.cut_off for status in begun.values()),
            shards=_describe(self._root, begun, missing),
        )

    def _look_at(self, path: Path) -> Status | None:
        reader = self._readers.setdefault(path, StatusReader(path))
        try:
            return reader.look()
        except ConfigError:  # an empty folder: the shard has not begun
            if CacheFolder(path).journal.exists():
                raise
            return None


def reader_of(cache_path: Path) -> StatusReader | ShardsReader:
    """The reader for a cache path: of its shards while they are not merged, else of the directory itself."""
    return StatusReader(cache_path) if are_merged(cache_path) else ShardsReader(cache_path)


def _describe(root: Path, begun: dict[Shard, Status], missing: Sequence[Shard]) -> str:
    complete = [shard for shard, status in begun.items() if _is_complete(status)]
    running = [shard for shard, status in begun.items() if status.state in ("running", "between steps")]
    running = [shard for shard in running if shard not in complete]
    stopped = [shard for shard in begun if shard not in complete and shard not in running]
    parts = [f"{len(complete)} complete"]
    parts += [f"{len(running)} running"] if running else []
    parts += [f"{len(stopped)} stopped ({_names(stopped)})"] if stopped else []
    parts += [f"{len(missing)} not begun ({_names(missing)})"] if missing else []
    merge = f"; merge them: dataflowmm merge {root}" if len(parts) == 1 else ""
    return f"of {count_of(len(begun) + len(missing), 'shard')} {', '.join(parts)}{merge}"


def _is_complete(status: Status) -> bool:
    return bool(status.steps) and status.state != "running" and all(each.state == "complete" for each in status.steps)


def _names(shards: Sequence[Shard]) -> str:
    more = f" and {len(shards) - _NAMED:,} more" if len(shards) > _NAMED else ""
    return ", ".join(map(str, shards[:_NAMED])) + more


def _step(count: int, begun: dict[Shard, Status], file: str) -> StepStatus:
    """The status of one step over the shards that have begun it.

    Args:
        count: number of shards of the run.
        begun: status of each shard that has begun.
        file: the step's file.
    """
    there = [(shard, step) for shard, status in begun.items() for step in status.steps if step.file == file]
    steps = [step for _, step in there]
    states = {step.state for step in steps}
    whole = len(steps) == count and states == {"complete"}
    state = "running" if "running" in states else "complete" if whole else "stopped"
    failures = Counter[tuple[str, str]]()
    for each in (failure for step in steps for failure in step.failures):
        failures[each.kind, each.reason] += each.rows
    why = next((f"{shard}: {step.why}" for shard, step in there if step.why), "")
    complete = sum(step.state == "complete" for step in steps)
    return replace(
        steps[0],
        state=state,
        rows=_sum(step.rows for step in steps),
        done=_sum(step.done for step in steps),
        written=_sum(step.written for step in steps) if whole else None,
        failed=sum(step.failed for step in steps),
        failures=tuple(FailedRows(kind, reason, rows) for (kind, reason), rows in failures.most_common()),
        errors=next((f"{shard.folder}/{step.errors}" for shard, step in there if step.errors is not None), None),
        requests=sum(step.requests for step in steps),
        retried=sum(step.retried for step in steps),
        in_flight=sum(step.in_flight for step in steps),
        rows_per_second=sum(step.rows_per_second for step in steps),
        seconds_left=max((step.seconds_left for step in steps if step.seconds_left is not None), default=None),
        cost=sum(step.cost for step in steps),
        began=min(step.began for step in steps),
        at=max(step.at for step in steps),
        pause=next((f"{shard}: {step.pause}" for shard, step in there if step.pause), ""),
        why=why or ("" if state != "stopped" else f"complete in {complete} of {count_of(count, 'shard')}"),
        verdicts=_verdicts([step.verdicts for step in steps if step.verdicts is not None]),
    )


def _sum(numbers: Iterable[int | None]) -> int | None:
    """The sum of the known numbers; None: none is known."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def _verdicts(of_shards: Sequence[Verdicts]) -> Verdicts | None:
    """The sum of the shards' verdicts; None: no shard judges."""
    if not of_shards:
        return None
    accepted, rejected = (
        sum(verdicts.accepted for verdicts in of_shards),
        sum(verdicts.rejected for verdicts in of_shards),
    )
    surplus, unjudged = (
        sum(verdicts.surplus for verdicts in of_shards),
        sum(verdicts.unjudged for verdicts in of_shards),
    )
    judged = accepted + surplus + rejected
    share = share_of(accepted + surplus, judged) if judged else None
    costs = [(verdicts.cost, verdicts.accepted) for verdicts in of_shards]
    known = [cost * rows for cost, rows in costs if cost is not None]
    cost = sum(known) / accepted if accepted and known else None
    low, high = (None, None) if share is None else (share.low, share.high)
    precision = of_shards[0].precision  # shards that judge differently are refused by the merge
    return Verdicts(accepted, rejected, unjudged, share and share.share, low, high, cost, surplus, precision)
