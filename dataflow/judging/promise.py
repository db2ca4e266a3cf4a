"""A threshold with a promise, as `thresholds.json` holds it: of what a judge accepts, so much is good.

What people labelled tells of one judge that is asked by one rubric. Their digests stand in the file, and it is refused
for any other: the numbers of another model, or of other words, mean something else.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from dataflow.errors import ConfigError, InputError
from dataflow.judging.rubric import Rubric
from dataflow.utils.files import write_atomic

_VERSION = 1
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
    """

    judge: str
    rubric: str
    at: float
    precision: float
    confidence: float
    accepted: int
    bad: int


def write_promise(path: Path, promise: Promise) -> None:
    """Write `thresholds.json`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, orjson.dumps({"version": _VERSION, **asdict(promise)}, option=orjson.OPT_INDENT_2) + b"\n")


def read_promise(path: str | Path) -> Promise:
    """The promise in a `thresholds.json`.

    Raises:
        InputError: the file is missing, or something else; says what.
    """
    path = Path(path).expanduser()
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
        raise InputError(f"{path} holds no thresholds of version {_VERSION} (version {said!r:.40}): {make}")
    for name, (kind, words) in _FIELDS.items():
        value = found.get(name)
        if isinstance(value, bool) or not isinstance(value, kind):
            raise InputError(f"{path}: `{name}` is {value!r:.80}; expected {words}")
    return Promise(**{name: found[name] for name in _FIELDS})


_FIELDS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "judge": (str, "a digest"),
    "rubric": (str, "a digest"),
    "at": ((int, float), "a number from 0 to 10"),
    "precision": ((int, float), "a share"),
    "confidence": ((int, float), "a share"),
    "accepted": (int, "a count"),
    "bad": (int, "a count"),
}


def numbers_of(given: Numbers | Promise | str | Path, *, judge: str, rubric: Rubric) -> Numbers:
    """The thresholds for a judge.

    Args:
        given: what a user gave.
        judge: digest of the judge.
        rubric: by which it is asked.

    Raises:
        ConfigError: the promise is another judge's, or of another rubric; names both.
        InputError: the file cannot be read.
    """
    if not isinstance(given, Promise | str | Path):
        return given
    promise, place = (given, "the promise") if isinstance(given, Promise) else (read_promise(given), str(given))
    if (promise.judge, promise.rubric) != (judge, rubric.digest):
        raise ConfigError(
            f"{place} was calibrated for judge {promise.judge} with rubric {promise.rubric}, and this is judge {judge}"
            f" with rubric {rubric.digest} ({rubric.name}): the same number means something else of another model,"
            " setting or rubric. Label edits that this one judged, and calibrate it, or give thresholds as numbers"
        )
    return promise.at
