"""The judged edits of a cache directory, one by one, as its step files have them; nothing is locked or written."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dataflow.core.records import Row
from dataflow.core.words import count_of
from dataflow.errors import ConfigError, InputError
from dataflow.judging.tries import TRIES
from dataflow.judging.verdict import VERDICT
from dataflow.utils.figures import figures_of_meta, read_figures
from dataflow.utils.files import PathRules, moved_along
from dataflow.utils.rowfiles import read_rows
from dataflow.utils.step_files import step_files

EDITED = "edited_images"


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit that a judge gave numbers.

    Args:
        path: of the picture, as the row has it.
        row: where it stands, "FILE:LINE".
        axes: name → 0 to 10.
        operation: the row's `sub_type`; empty where it has none.
        judge: digest of the judge.
        rubric: digest of its rubric.
    """

    path: str
    row: str
    axes: Mapping[str, float]
    operation: str = ""
    judge: str = ""
    rubric: str = ""

    @property
    def lowest(self) -> float:
        """The number that one threshold for all axes is held against."""
        return min(self.axes.values())

    @property
    def judged_by(self) -> tuple[str, str]:
        """Digests of judge and rubric."""
        return self.judge, self.rubric


def read_edits(path: Path, *, edited: str = EDITED, verdict: str = VERDICT) -> Iterator[Edit]:
    """Every edit of a step's file, or of a side output, that has a judge's numbers; streamed, each picture once.

    What fell at a gate, what the editor refused and what could not be judged have none.

    Args:
        path: of the file.
        edited: column of the edits.
        verdict: column of their verdicts.

    Raises:
        InputError: the file is missing or broken.
    """
    seen: set[int] = set()
    for number, row in read_rows(path):
        for picture, said in _pairs(row.get(edited), row.get(verdict)):
            axes = said.get("axes")
            if not isinstance(axes, Mapping) or not axes or (known := hash(picture)) in seen:
                continue
            seen.add(known)
            digests = str(said.get("judge", "")), str(said.get("rubric", ""))
            numbers = _numbers(axes, f"{path}:{number}: `{verdict}`")
            yield Edit(picture, f"{path.name}:{number}", numbers, str(row.get("sub_type") or ""), *digests)


def _numbers(axes: Mapping[str, object], where: str) -> dict[str, float]:
    found = {}
    for name, at in axes.items():
        if isinstance(at, bool) or not isinstance(at, int | float) or not math.isfinite(at):
            raise InputError(f"{where} says {at!r:.80} of the axis {name}; expected a number from 0 to 10")
        found[name] = float(at)
    return found


def _pairs(pictures: object, verdicts: object) -> Iterator[tuple[str, Row]]:
    """Each picture of a row with its verdict; those without either are left out, as refused edits are of a row."""
    paths = [each for each in _listed(pictures) if isinstance(each, str) and each]
    said = [each for each in _listed(verdicts) if isinstance(each, dict)]
    shown = said if len(said) == len(paths) else [each for each in said if each.get("gate") != "refused"]
    if len(shown) == len(paths):
        yield from zip(paths, shown, strict=True)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def judged_file(cache_dir: Path, name: str = "", *, verdict: str = VERDICT) -> Path:
    """The file of a cache directory that has all judged edits: an accept loop's `tries`, or a judged step's own.

    Args:
        cache_dir: the `cache_path` of a FileStorage.
        name: a file's path, or the prefix of the step's files; empty: the newest that has verdicts.
        verdict: column of the verdicts.

    Raises:
        ConfigError: there is no directory, or nothing judged in it.
    """
    for given in (Path(name), cache_dir / name) if name else ():
        if given.is_file():
            return given
    if not cache_dir.is_dir():
        raise ConfigError(f"{cache_dir} is not there (looked from {Path.cwd()}): give the cache_path of a pipeline")
    for step in reversed(step_files(cache_dir)):
        if step.is_whole and name in ("", step.prefix):
            for path in (step.path.with_name(f"{step.name}.{TRIES}.jsonl"), step.path):
                if path.is_file() and _has_verdicts(path, verdict):
                    return path
    what = f"no step of the prefix {name!r}" if name else "no step"
    raise ConfigError(f"{cache_dir} has {what} with verdicts in `{verdict}`: judge it first (dataflowmm judge)")


def _step_of(path: Path) -> str:
    """`{prefix}_step{n}` of a step's file or side output."""
    before, _, after = path.name.rpartition("_step")
    return f"{before}_step{after.partition('.')[0]}"


def _has_verdicts(path: Path, verdict: str) -> bool:
    return bool(next((row for _, row in read_rows(path)), {}).get(verdict))


def step_meta(path: Path) -> Path:
    """The file that says how a step's file, or a side output, was made."""
    return path.with_name(f"{_step_of(path)}.meta.json")


def passes_of(path: Path) -> int:
    """How often each question was asked for the numbers in a file; 0: not known, as of older versions."""
    judged = figures_of_meta(step_meta(path)).get("judged") or {}
    return int(judged.get("passes", 0))


def path_rules(path: Path) -> PathRules:
    """Where the pictures lie that rows of a step's file name, also where the cache directory was moved."""
    meta = read_figures(step_meta(path))
    here, cache = Path.cwd(), path.absolute().parent
    cwd, old = (Path(str(meta[name])) if meta.get(name) else None for name in ("cwd", "cache_path"))
    moved = moved_along(old, cache) if old is not None and old != cache else None
    return PathRules(here, (cache,), cwd if cwd != here else None, moved)


def judges_of(counts: Mapping[tuple[str, str], int], path: Path) -> tuple[tuple[str, str], str]:
    """Whose numbers are taken, and what to say of the others.

    Args:
        counts: edits by digests of judge and rubric.
        path: of the file, for the error.

    Raises:
        ConfigError: there are no judged edits.
    """
    if not counts:
        raise ConfigError(f"{path} has no edit with a judge's numbers: judge it first (dataflowmm judge)")
    first = max(counts, key=lambda each: counts[each])
    others = sum(counts.values()) - counts[first]
    told = f"{count_of(others, 'edit')} of another judge or rubric left out" if others else ""
    return first, told
