"""A promise, as `thresholds.json` holds it: a threshold, and the share of the accepted edits that is good at least.

A promise holds for the judge, the rubric and the number of passes whose verdicts people labelled: the same number
means something else if another model, another rubric or other passes gave it. The file has the digests of judge and
rubric, and is refused for any others.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from dataflow.core.records import Row
from dataflow.core.words import count_of, percent
from dataflow.errors import ConfigError, InputError
from dataflow.judging.rubric import Rubric
from dataflow.utils.disk_retry import not_stored
from dataflow.utils.files import write_atomic

THRESHOLDS = "thresholds.json"
"""Name of the file of a promise. `dataflowmm calibrate` writes it into the cache directory, and an export reads it
there for its dataset card."""

_VERSION = 1
_HALF = 0.0005  # half of the last digit: the numbers in rows are rounded to three digits
Numbers = float | Mapping[str, float]
"""The least number that an axis needs: one number for all axes, or a mapping by axis."""


@dataclass(frozen=True, slots=True)
class Promise:
    """The promise that at least the share `precision` of the edits at or above a threshold is good.

    Args:
        judge: digest of the judge's fingerprint, as in its verdicts.
        rubric: digest of the judge's rubric.
        at: the threshold: the least number, 0 to 10, that each axis needs.
        precision: the promised share of good edits, between 0 and 1.
        confidence: share of the samples of labels, at least, whose promise is true; between 0 and 1.
        accepted: number of labelled edits at or above the threshold.
        bad: number of these that people labelled as bad.
        passes: number of times that each question was asked; 0: not known, in files of older versions.
    """

    judge: str
    rubric: str
    at: float
    precision: float
    confidence: float
    accepted: int
    bad: int
    passes: int = 0

    @property
    def least(self) -> float:
        """The least unrounded number that reaches the threshold, which was chosen among rounded numbers."""
        return max(0.0, self.at - _HALF)

    def as_row(self) -> Row:
        """Return the fields of `thresholds.json`."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"at least {percent(self.precision)} good where each axis has {self.at:g} or more"
            f" (confidence {percent(self.confidence)}, {self.bad} of {self.accepted} labelled were bad)"
        )


def write_promise(path: Path, promise: Promise) -> None:
    """Write `thresholds.json`, whole or not at all.

    Raises:
        NotStored: the disk is full or read-only.
    """
    text = orjson.dumps({"version": _VERSION, **promise.as_row()}, option=orjson.OPT_INDENT_2) + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text)
    except OSError as error:
        raise not_stored(error, path) from error


def read_promise(path: str | Path) -> Promise:
    """Read the promise in a `thresholds.json`.

    Args:
        path: the file, or the folder of a file with this name.

    Raises:
        InputError: the file is missing, is no promise, or is of a newer version.
    """
    path = Path(path).expanduser()
    path = path / THRESHOLDS if path.is_dir() else path
    make = "make one with `dataflowmm calibrate`"
    try:
        found = orjson.loads(path.read_bytes())
    except OSError as error:
        why = f"{error.strerror}; looked from {Path.cwd()}"
        raise InputError(f"cannot read thresholds from {path} ({why}): {make}") from None
    except ValueError as error:
        raise InputError(f"{path} is no JSON ({error}): {make}") from None
    if not isinstance(found, dict) or found.get("version") != _VERSION:
        version = found.get("version") if isinstance(found, dict) else found
        mend = f"upgrade dataflow-mm, or {make}" if isinstance(version, int) and version > _VERSION else make
        raise InputError(f"{path} holds no thresholds of version {_VERSION} (version {version!r:.40}): {mend}")
    found = {"passes": 0, **found}
    for name, (fits, words) in _FIELDS.items():
        value = found.get(name)
        if isinstance(value, bool) or not isinstance(value, str | int | float) or not fits(value):
            raise InputError(f"{path}: `{name}` is {value!r:.80}; expected {words}: {make}")
    return Promise(**{name: found[name] for name in _FIELDS})


def _is_share(value: object) -> bool:
    return isinstance(value, float) and 0 < value < 1


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value >= 0


_FIELDS: Mapping[str, tuple[Callable[[str | float], bool], str]] = {
    "judge": (lambda value: isinstance(value, str), "a digest"),
    "rubric": (lambda value: isinstance(value, str), "a digest"),
    "at": (lambda value: not isinstance(value, str) and 0 <= value <= 10, "a number from 0 to 10"),
    "precision": (_is_share, "a share between 0 and 1"),
    "confidence": (_is_share, "a share between 0 and 1"),
    "accepted": (_is_count, "a count"),
    "bad": (_is_count, "a count"),
    "passes": (_is_count, "a count"),
}


def promise_for(given: Promise | str | Path, *, judge: str, rubric: Rubric, passes: int) -> Promise:
    """Return the promise that a user gave, if it holds for a judge.

    Args:
        given: the promise, its file, or the folder of its file.
        judge: digest of the judge's fingerprint.
        rubric: the judge's rubric.
        passes: number of times that each question is asked.

    Raises:
        ConfigError: the promise is for another judge, rubric or number of passes; the message names both.
        InputError: the file cannot be read.
    """
    promise, place = (given, "the promise") if isinstance(given, Promise) else (read_promise(given), str(given))
    if (promise.judge, promise.rubric) != (judge, rubric.digest):
        raise ConfigError(
            f"{place} was calibrated for judge {promise.judge} with rubric {promise.rubric}, and this is judge {judge}"
            f" with rubric {rubric.digest} ({rubric.name}): the same number means something else of another model,"
            " setting or rubric. Label edits that this one judged, and calibrate it, or give thresholds as numbers"
        )
    if promise.passes not in (0, passes):
        raise ConfigError(
            f"{place} was calibrated for means of {count_of(promise.passes, 'pass', 'passes')}, and this judge is asked"
            f" with passes={passes}: give passes={promise.passes}, or label edits that were judged so, and calibrate"
        )
    return promise


def kept_promise(judged: Row) -> Promise | None:
    """Return the promise whose threshold a step used; None: its thresholds were not calibrated.

    Args:
        judged: the `judged` figures of the step, which `Judge.as_figures` made.
    """
    known = judged.get("promise")
    return Promise(**{name: known[name] for name in _FIELDS}) if known else None


def precision_in_words(judged: Row) -> str:
    """Say in words which share of a step's accepted edits is good, or that this is not calibrated."""
    return str(kept_promise(judged) or "not calibrated")
