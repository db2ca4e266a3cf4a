"""Finds the shards to merge, and checks that all of them are there, are finished, and belong to one run."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dataflow.core.records import Row
from dataflow.core.shard import Shard
from dataflow.core.words import count_of, cut
from dataflow.errors import ConfigError
from dataflow.shards.figures import fingerprints_of
from dataflow.utils.cache_folder import shards_in
from dataflow.utils.figures import read_figures
from dataflow.utils.step_files import StepFile, step_files
from dataflow.view.status import Status, StatusReader

_Value = TypeVar("_Value")
_NAMED = 20  # shards that a refusal names
_LONGEST = 200  # characters of a setting in a refusal
_SAME: Mapping[str, Callable[[Row], object]] = {  # what is equal in all shards of a run → reads it from a step's meta
    "the operator": lambda meta: meta.get("operator", ""),
    "the output column": lambda meta: meta.get("summary", {}).get("output", ""),
    "the judging": lambda meta: meta.get("summary", {}).get("judged", {}),
    "the cache_path": lambda meta: meta.get("cache_path", ""),
}
_COMMON = ("of", "columns", "limit", "rows_of_all", "source_crc")


@dataclass(frozen=True, slots=True)
class Part:
    """A shard with its finished steps.

    Args:
        shard: number and count.
        path: the shard's cache directory.
        files: name of a step → the step's file.
    """

    shard: Shard
    path: Path
    files: Mapping[str, StepFile]

    def meta(self, step: str) -> Row:
        """The contents of a step's meta file; empty where there is none."""
        return read_figures(self.path / f"{step}.meta.json")


def find_shards(root: Path) -> list[tuple[Shard, Path]]:
    """The shards in a cache path, and their cache directories; all have the same count.

    Raises:
        ConfigError: there are no shards, or shards of several counts.
    """
    found = shards_in(root)
    if not found:
        why = "it has no folder such as shard-000-of-016" if root.is_dir() else f"it is not there (from {Path.cwd()})"
        raise ConfigError(f"{root} has no shards: {why}. Give the cache_path that the runs with --shard were given")
    counts = Counter(shard.count for shard, _ in found)
    if len(counts) > 1:
        in_words = " and ".join(f"{there} of {count}" for count, there in sorted(counts.items()))
        raise ConfigError(
            f"{root} has shards of several runs, {in_words}: rows would stand twice. Remove the wrong folders"
        )
    return found


def whole_parts(root: Path, *, mixed: bool = False) -> list[Part]:
    """All shards of a run, by their number, each with the same finished steps.

    Args:
        root: the cache path in which the shards lie.
        mixed: take shards that were answered by different models, too.

    Raises:
        ConfigError: shards are missing, at work, unfinished, or of different runs; the message names them.
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
    if not mixed and (problems := list(_of_other_models(parts))):
        raise _refusal(root, count, problems, "Or give --mixed: rows of several models then stand in one file")
    return parts


def _unfinished(path: Path) -> Iterator[str]:
    """Why a shard is no finished run, in a sentence for each reason; none: it is finished."""
    try:
        status = StatusReader(path).look()
    except ConfigError:  # an empty folder: the run was stopped before its first step
        yield "it has no finished step"
        return
    if status.state == "running":
        yield f"process {status.pid} works in it"
        return
    yield from (_why(status, step.number) for step in status.steps if step.state != "complete")
    if not status.steps:
        yield "it has no finished step"
    newest: dict[str, float] = {}
    for step in status.steps:
        if step.began and step.began < newest.get(step.prefix, 0.0):
            yield f"step {step.number} ({step.prefix}) was made before the one before it was run again"
        newest[step.prefix] = max(step.began, newest.get(step.prefix, 0.0))


def _why(status: Status, number: int) -> str:
    step = next(each for each in status.steps if each.number == number and each.state != "complete")
    why = step.why or ("the process was killed" if step.state == "stopped" else "its file is gone")
    return f"step {number} ({step.prefix}) is {step.state}: {why}"


def _unlike(parts: Sequence[Part]) -> Iterator[tuple[Shard, str]]:
    """Shards that differ from most shards in their steps, in how a step was made, or in its rows, with a reason."""
    of_each = [tuple(sorted(each.path.name for each in part.files.values())) for part in parts]
    usual = {*_usual(of_each)}
    for part, names in zip(parts, of_each, strict=True):
        if more := sorted(usual - {*names}):
            yield part.shard, f"it lacks {', '.join(more)}, which others have"
        if more := sorted({*names} - usual):
            yield part.shard, f"it has {', '.join(more)}, which others lack"
    for step in sorted({name for part in parts for name in part.files}):
        metas = [(part.shard, meta) for part in parts if (meta := part.meta(step))]
        yield from _made_differently(step, metas)
        yield from _of_other_rows(step, [(shard, meta["shard"]) for shard, meta in metas if "shard" in meta], parts)


def _usual(values: Sequence[_Value]) -> _Value:
    """The most frequent of some values, which need no hash."""
    names = [repr(value) for value in values]
    return values[names.index(Counter(names).most_common(1)[0][0])]


def _made_differently(step: str, metas: Sequence[tuple[Shard, Row]]) -> Iterator[tuple[Shard, str]]:
    """Shards whose step has another operator, output column, judging or cache path than that of most shards."""
    for what, read in _SAME.items():
        known = [(shard, read(meta)) for shard, meta in metas]
        usual = _usual([value for _, value in known])
        for shard, value in known:
            if value != usual:
                yield shard, f"{what} of {step} was {_cut(value)}, and that of others {_cut(usual)}"


def _of_other_rows(step: str, known: Sequence[tuple[Shard, Row]], parts: Sequence[Part]) -> Iterator[tuple[Shard, str]]:
    """Shards whose first step read other rows than most shards, and shards that together miss rows of the source."""
    common = [[facts.get(name) for name in _COMMON] for _, facts in known]
    others = [at for at, each in enumerate(common) if each != _usual(common)]
    for shard, facts in (known[at] for at in others):
        yield shard, f"its first step read other rows than the others' ({_said(facts)})"
    rows = sum(facts["rows"] for _, facts in known)
    of_all = max((each["rows_of_all"] for _, each in known), default=0)
    if not others and len(known) == len(parts) and rows != of_all:
        yield parts[0].shard, f"the shards of {step} have {rows:,} rows, and their source {of_all:,}"


def _of_other_models(parts: Sequence[Part]) -> Iterator[tuple[Shard, str]]:
    """Shards in which a step was answered by another model, or by other settings, than in most shards."""
    for step in sorted(parts[0].files):
        workers = [(part.shard, part.meta(step).get("workers", {})) for part in parts]
        for name in dict.fromkeys(name for _, each in workers for name in each):
            answered = [(shard, fingerprints_of(each[name])) for shard, each in workers if name in each]
            usual = _usual([prints for _, prints in answered])
            for shard, prints in answered:
                if not any(_agree(one, other) for one in prints for other in usual):
                    yield shard, f"the {name} of {step} was {_cut(prints[0])}, and that of others {_cut(usual[0])}"


def _agree(first: Row, second: Row) -> bool:
    """Whether two fingerprints are equal in all fields that both have.

    A fingerprint may gain fields once the server was asked, so a missing field is no difference.
    """
    return all(first[name] == second[name] for name in first.keys() & second.keys())


def _cut(value: object) -> str:
    return cut(str(value), _LONGEST)


def _said(facts: Row) -> str:
    columns = ", ".join(facts["columns"]) or "all columns"
    limit = "" if facts["limit"] is None else f", the first {facts['limit']:,} of its file"
    return f"{count_of(facts['rows_of_all'], 'row')}, split by {columns}{limit}"


def _refusal(root: Path, count: int, problems: Sequence[tuple[Shard, str]], advice: str = "") -> ConfigError:
    lines = [f"  {shard}: {problem}" for shard, problem in problems[:_NAMED]]
    if len(problems) > _NAMED:
        lines.append(f"  and {len(problems) - _NAMED:,} more")
    again = " ".join(dict.fromkeys(str(shard.index) for shard, _ in problems))
    return ConfigError(
        f"{root} is not merged, since its shards of {count} are not all finished runs of the same kind:\n"
        + "\n".join(lines)
        + f"\nRun these shards again, which asks only what is missing: {again}"
        + (f"\n{advice}" if advice else "")
    )
