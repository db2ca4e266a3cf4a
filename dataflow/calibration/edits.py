"""Reads the judged edits of a cache directory from its step files; nothing is locked or written."""

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
    """One edit to which a judge gave numbers.

    Args:
        path: of the edited picture, as in the row.
        row: file and line of the row, "FILE:LINE".
        axes: name of an axis → the judge's number, 0 to 10.
        operation: the row's `sub_type`; "": the row has none.
        judge: digest of the judge.
        rubric: digest of the judge's rubric.
    """

    path: str
    row: str
    axes: Mapping[str, float]
    operation: str = ""
    judge: str = ""
    rubric: str = ""

    @property
    def lowest(self) -> float:
        """The lowest axis: the edit reaches a threshold if this number does."""
        return min(self.axes.values())

    @property
    def judged_by(self) -> tuple[str, str]:
        """Digests of judge and rubric."""
        return self.judge, self.rubric


def read_edits(path: Path, *, edited: str = EDITED, verdict: str = VERDICT) -> Iterator[Edit]:
    """Stream the edits of a step file or side output that have a judge's numbers, each picture once.

    An edit has no numbers if a gate rejected it, the editor refused it, or no judge answered.

    Args:
        path: the file.
        edited: column of the edits.
        verdict: column of the verdicts.

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
    """The numbers of a verdict by axis.

    Raises:
        InputError: an axis has no finite number; the message begins with `where`.
    """
    found = {}
    for name, number in axes.items():
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise InputError(f"{where} says {number!r:.80} of the axis {name}; expected a number from 0 to 10")
        found[name] = float(number)
    return found


def _pairs(pictures: object, verdicts: object) -> Iterator[tuple[str, Row]]:
    """Each picture of a row with its verdict; none if the numbers of pictures and verdicts differ.

    A refused edit has a verdict and no picture, so its verdict is left out where the numbers would differ.
    """
    paths = [each for each in _listed(pictures) if isinstance(each, str) and each]
    found_verdicts = [each for each in _listed(verdicts) if isinstance(each, dict)]
    of_pictures = (
        found_verdicts
        if len(found_verdicts) == len(paths)
        else [each for each in found_verdicts if each.get("gate") != "refused"]
    )
    if len(of_pictures) == len(paths):
        yield from zip(paths, of_pictures, strict=True)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def judged_file(cache_dir: Path, name: str = "", *, verdict: str = VERDICT) -> Path:
    """Find the file of a cache directory with all judged edits: the `tries` of an accept loop, or a judged step's file.

    Args:
        cache_dir: the `cache_path` of a FileStorage.
        name: path of a file, or prefix of a step's files; "": the newest step with verdicts.
        verdict: column of the verdicts.

    Raises:
        ConfigError: there is no directory, or no step with verdicts in it.
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
    """The path of the meta file beside a step file or side output."""
    return path.with_name(f"{_step_of(path)}.meta.json")


def passes_of(path: Path) -> int:
    """How often each question was asked for the numbers in a file; 0: not known, for a file of an older version."""
    judged = figures_of_meta(step_meta(path)).get("judged") or {}
    return int(judged.get("passes", 0))


def path_rules(path: Path) -> PathRules:
    """Rules that find the pictures named by a step file, also after the cache directory was moved."""
    meta = read_figures(step_meta(path))
    here, cache = Path.cwd(), path.absolute().parent
    cwd, old = (Path(str(meta[name])) if meta.get(name) else None for name in ("cwd", "cache_path"))
    moved = moved_along(old, cache) if old is not None and old != cache else None
    return PathRules(here, (cache,), cwd if cwd != here else None, moved)


def judges_of(counts: Mapping[tuple[str, str], int], path: Path) -> tuple[tuple[str, str], str]:
    """Choose the judge with most edits in a file that several judges have judged.

    Args:
        counts: digests of judge and rubric → number of edits.
        path: of the file, for the error.

    Returns:
        Digests of the chosen judge and rubric, and a sentence on the edits of other judges; "": there are none.

    Raises:
        ConfigError: there are no judged edits.
    """
    if not counts:
        raise ConfigError(f"{path} has no edit with a judge's numbers: judge it first (dataflowmm judge)")
    first = max(counts, key=lambda each: counts[each])
    others = sum(counts.values()) - counts[first]
    left_out = f"{count_of(others, 'edit')} of another judge or rubric left out" if others else ""
    return first, left_out
