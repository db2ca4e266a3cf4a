"""A threshold with a promise, as `thresholds.json` holds it: of what a judge accepts, so much is good.

What people labelled tells of one judge that is asked by one rubric. Their digests stand in the file, and it is refused
for any other: the numbers of another model, or of other words, mean something else. So do means of several passes.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from dataflow.core.records import Row
from dataflow.core.words import count_of, percent
from dataflow.errors import ConfigError, InputError
from dataflow.judging.rubric import Rubric
from dataflow.utils.files import write_atomic
from dataflow.utils.held import not_stored

THRESHOLDS = "thresholds.json"
"""Name of the file; `dataflowmm calibrate` writes it into the cache directory, where the card of an export reads it."""

_VERSION = 1
_HALF = 0.0005  # rows have numbers rounded to three digits
Numbers = float | Mapping[str, float]
"""The least number that an axis must have: one for all, or by axis."""


@dataclass(frozen=True, slots=True)
class Promise:
    """At or above a threshold at least the share `precision` of the edits is good.

    Args:
        judge: digest of the judge's fingerprint, as its verdicts have it.
        rubric: digest of its rubric.
        at: the least number, 0 to 10, that each axis needs.
        precision: the share that is good.
        confidence: of all samples of labels at most the rest comes to a promise that is broken.
        accepted: labelled edits at or above the threshold.
        bad: of these, those that somebody would not train on.
        passes: how often each question was asked for the numbers; 0: not known, as in files of older versions.
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
        """The least number that reaches the threshold, which is held against rounded ones."""
        return max(0.0, self.at - _HALF)

    def as_row(self) -> Row:
        """As it stands in a file."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"at least {percent(self.precision)} good where each axis has {self.at:g} or more"
            f" (confidence {percent(self.confidence)}, {self.bad} of {self.accepted} labelled were bad)"
        )


def write_promise(path: Path, promise: Promise) -> None:
    """Write `thresholds.json`, whole or not at all.

    Raises:
        NotStored: the disk does not take it.
    """
    text = orjson.dumps({"version": _VERSION, **promise.as_row()}, option=orjson.OPT_INDENT_2) + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text)
    except OSError as error:
        raise not_stored(error, path) from error


def read_promise(path: str | Path) -> Promise:
    """The promise in a `thresholds.json`.

    Raises:
        InputError: the file is missing, of a newer version or something else; says what.
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
        said = found.get("version") if isinstance(found, dict) else found
        mend = f"upgrade dataflow-mm, or {make}" if isinstance(said, int) and said > _VERSION else make
        raise InputError(f"{path} holds no thresholds of version {_VERSION} (version {said!r:.40}): {mend}")
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
    """The promise that a user gave for a judge.

    Args:
        given: the promise, its file, or the folder of that.
        judge: digest of the judge.
        rubric: by which it is asked.
        passes: how often each question is asked.

    Raises:
        ConfigError: the promise is another judge's, of another rubric, or of other passes; names both.
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
    """The promise that a step judged by; None: it judged by numbers.

    Args:
        judged: how a step judged, as its figures have it.
    """
    known = judged.get("promise")
    return Promise(**{name: known[name] for name in _FIELDS}) if known else None


def precision_in_words(judged: Row) -> str:
    """What is known of the share of good ones among the edits that a step accepted."""
    return str(kept_promise(judged) or "not calibrated")
