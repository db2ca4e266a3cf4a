"""The shards that are to be merged, and whether all of them are there, whole, and of one run."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataflow.core.records import Row
from dataflow.core.shard import Shard
from dataflow.core.words import count_of
from dataflow.errors import ConfigError
from dataflow.utils.cache_folder import shards_in
from dataflow.utils.figures import read_figures
from dataflow.utils.step_files import StepFile, step_files
from dataflow.view.status import Status, StatusReader

_NAMED = 20  # shards of which a refusal says what is wrong
_COMMON = ("of", "columns", "limit", "rows_of_all", "source_bytes")


@dataclass(frozen=True, slots=True)
class Part:
    """A shard with its finished steps.

    Args:
        shard: which.
        path: of its cache directory.
        files: name of a step → its file.
    """

    shard: Shard
    path: Path
    files: Mapping[str, StepFile]

    def meta(self, step: str) -> Row:
        """What stands beside a step's file."""
        return read_figures(self.path / f"{step}.meta.json")


def find_shards(root: Path) -> list[tuple[Shard, Path]]:
    """The shards below a cache path, all of one count.

    Raises:
        ConfigError: there are none, or shards of several counts.
    """
    found = shards_in(root)
    if not found:
        why = "it has no folder such as shard-000-of-016" if root.is_dir() else f"it is not there (from {Path.cwd()})"
        raise ConfigError(f"{root} has no shards: {why}. Give the cache_path that the runs with --shard were given")
    counts = Counter(shard.count for shard, _ in found)
    if len(counts) > 1:
        said = " and ".join(f"{there} of {count}" for count, there in sorted(counts.items()))
        raise ConfigError(
            f"{root} has shards of several runs, {said}: rows would stand twice. Remove the wrong folders"
        )
    return found


def whole_parts(root: Path) -> list[Part]:
    """All shards of a run, by their number, each with the same finished steps.

    Raises:
        ConfigError: some are missing, at work, unfinished, or not of the same run; says which.
    """
    found = find_shards(root)
    count = found[0][0].count
    missing = [Shard(index, count) for index in sorted({*range(count)} - {shard.index for shard, _ in found})]
    problems = [(shard, "it was never run") for shard in missing]
    parts = []
    for shard, path in found:
        files = {each.name: each for each in step_files(path)}
        parts.append(Part(shard, path, files))
        problems += [(shard, problem) for problem in _unfinished(path)]
    problems = problems or list(_unlike(parts))
    if problems:
        raise _refusal(root, count, problems)
    return parts


def _unfinished(path: Path) -> Iterator[str]:
    try:
        status = StatusReader(path).look()
    except ConfigError:  # a folder and no more: it was stopped at the very beginning
        yield "it has no finished step"
        return
    if status.state == "running":
        yield f"process {status.pid} works in it"
        return
    yield from (_why(status, step.number) for step in status.steps if step.state != "complete")
    if not status.steps:
        yield "it has no finished step"


def _why(status: Status, number: int) -> str:
    step = next(each for each in status.steps if each.number == number and each.state != "complete")
    why = step.why or ("the process was killed" if step.state == "stopped" else "its file is gone")
    return f"step {number} ({step.prefix}) is {step.state}: {why}"


def _unlike(parts: Sequence[Part]) -> Iterator[tuple[Shard, str]]:
    """Where a shard is not of the run that most others are of."""
    usual = Counter(tuple(sorted(each.path.name for each in part.files.values())) for part in parts).most_common(1)[0][
        0
    ]
    for part in parts:
        names = {each.path.name for each in part.files.values()}
        if more := sorted(set(usual) - names):
            yield part.shard, f"it lacks {', '.join(more)}, which others have"
        if more := sorted(names - set(usual)):
            yield part.shard, f"it has {', '.join(more)}, which others lack"
    for step in sorted({name for part in parts for name, file in part.files.items() if file.number == 1}):
        known = [(part.shard, facts) for part in parts if (facts := part.meta(step).get("shard"))]
        common = Counter(_common(facts) for _, facts in known)
        for shard, facts in known:
            if _common(facts) != common.most_common(1)[0][0]:
                yield shard, f"its first step read other rows than the others' ({_said(facts)})"
        rows, of_all = (
            sum(facts["rows"] for _, facts in known),
            max((each["rows_of_all"] for _, each in known), default=0),
        )
        if len(common) == 1 and len(known) == len(parts) and rows != of_all:
            yield parts[0].shard, f"the shards of {step} have {rows:,} rows, and their source {of_all:,}"


def _common(facts: Row) -> str:
    return repr([facts.get(name) for name in _COMMON])


def _said(facts: Row) -> str:
    columns = ", ".join(facts["columns"]) or "all columns"
    limit = "" if facts["limit"] is None else f", the first {facts['limit']:,} of its file"
    return f"{count_of(facts['rows_of_all'], 'row')}, split by {columns}{limit}"


def _refusal(root: Path, count: int, problems: Sequence[tuple[Shard, str]]) -> ConfigError:
    lines = [f"  {shard}: {problem}" for shard, problem in problems[:_NAMED]]
    if len(problems) > _NAMED:
        lines.append(f"  and {len(problems) - _NAMED:,} more")
    again = " ".join(dict.fromkeys(str(shard.index) for shard, _ in problems))
    return ConfigError(
        f"{root} is not merged, since its shards of {count} are not all finished runs of the same kind:\n"
        + "\n".join(lines)
        + f"\nRun these shards again, which asks only what is missing: {again}"
    )
