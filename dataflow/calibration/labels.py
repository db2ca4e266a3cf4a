"""Reads and writes `labels.jsonl`: a line for each label that a person gives to an edit.

A line is appended and fsynced at once and never changed, so a reload of the page loses nothing. A person who changes
their mind adds a line: of the lines on one showing of one picture the last counts. The form of a line, which a page
outside this package may write, too:

    {"kind": "label", "picture": SHA-256 of the edit, "label": "yes" | "no" | "unsure", "row": "FILE:LINE",
     "path": "of the edit", "reasons": [axes], "seconds": 4.2, "shown": 1,
     "sample": {"stratum": "upper" | "lower" | "all", "probability": 0.4, "threshold": 7.0, "seed": 0,
                "judge": digest, "rubric": digest, "copies": 1}}

Only `picture` and `label` are needed. `{"kind": "verdict", "label": "accept" | "reject"}` is a decision by hand, and no
answer to "would you train on this?". The label "withdrawn" takes the labels before it back.
"""

import fcntl
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast, get_args

from dataflow.core.records import JSON, Row
from dataflow.errors import InputError
from dataflow.utils.disk_retry import not_stored
from dataflow.utils.files import sync_folder
from dataflow.utils.row_json import dump_row, load_row

Stratum = Literal["upper", "lower", "all"]
STRATA: tuple[Stratum, ...] = get_args(Stratum)
YES, NO, UNSURE = "yes", "no", "unsure"
ACCEPT, REJECT = "accept", "reject"
WITHDRAWN = "withdrawn"
LABEL = "label"
VERDICT = "verdict"
SAID: Mapping[str, tuple[str, ...]] = {LABEL: (YES, NO, UNSURE, WITHDRAWN), VERDICT: (ACCEPT, REJECT, WITHDRAWN)}
"""Kind of a line → the labels that it may have."""

_LONGEST = 1 << 20  # bytes of a line


@dataclass(frozen=True, slots=True)
class Sample:
    """How an edit was drawn to be labelled.

    Args:
        stratum: the edits that it was drawn from: "upper", at or above the threshold; "lower", below; or "all".
        probability: of each edit of the stratum to be drawn, above 0 and at most 1.
        threshold: the number, 0 to 10, that the lowest axis of an edit of the upper stratum reaches.
        seed: of the drawing.
        judge: digest of the judge by whose numbers the strata were made; "": not known.
        rubric: digest of the judge's rubric; "": not known.
        copies: drawn edits with the same content, all of which one showing stands for.
    """

    stratum: Stratum
    probability: float
    threshold: float
    seed: int = 0
    judge: str = ""
    rubric: str = ""
    copies: int = 1

    def as_row(self) -> dict[str, JSON]:
        """The fields of a line."""
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def drawing(self) -> tuple[str, float, int, str, str]:
        """The settings of the drawing; of two samples with equal settings the larger holds the smaller."""
        return self.stratum, self.threshold, self.seed, self.judge, self.rubric


@dataclass(frozen=True, slots=True)
class Label:
    """What a person says of one edit.

    Args:
        picture: SHA-256 of the edit's file, 64 hex digits.
        label: "yes", "no", "unsure" or "withdrawn"; of the kind "verdict" it is "accept", "reject" or "withdrawn".
        kind: "label": whether the person would train on the edit; "verdict": a decision by hand.
        row: file and line of the row, "FILE:LINE"; "": not known.
        path: of the edit, as in the row; "": not known.
        reasons: axes on which the edit falls short.
        seconds: time for which the person looked at the edit.
        shown: number of the showing of the picture, from 1.
        sample: how the edit was drawn; None: nobody drew it, so the label says nothing of other edits.
        also: further samples that the edit was drawn for.
    """

    picture: str
    label: str
    kind: str = LABEL
    row: str = ""
    path: str = ""
    reasons: tuple[str, ...] = ()
    seconds: float = 0.0
    shown: int = 1
    sample: Sample | None = None
    also: tuple[Sample, ...] = ()

    @property
    def samples(self) -> tuple[Sample, ...]:
        """All samples that the edit was drawn for."""
        return self.also if self.sample is None else (*self.also, self.sample)

    def as_row(self) -> Row:
        """The fields of a line."""
        found: Row = {
            name: getattr(self, name) for name in ("kind", "picture", "label", "row", "path", "seconds", "shown")
        }
        found["reasons"] = list(self.reasons)
        return found | ({"sample": self.sample.as_row()} if self.sample is not None else {})


def append_label(path: Path, label: Label) -> None:
    """Append a line, and return once it is on the disk; several processes may append to one file.

    If a killed process has left part of a line at the end of the file, that part is cut off first.

    Raises:
        NotStored: the disk does not take the line.
        InputError: the file ends in a line of over a megabyte, so it is no file of labels.
    """
    line = dump_row(label.as_row()) + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            unwritten = memoryview(_mend_end(descriptor, path) + line)
            while unwritten:
                unwritten = unwritten[os.write(descriptor, unwritten) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            sync_folder(path.parent)
    except OSError as error:
        raise not_stored(error, path) from error


def read_labels(path: Path) -> list[Label]:
    """Read the labels that count: the last line of each kind, picture and showing, in the order of the first lines.

    A picture stays in every sample that any of its lines names. A last line that a killed process wrote in part is
    passed over. Without a file there are no labels.

    Raises:
        InputError: a line is broken, or a field has a wrong value; the message names path, line and field.
    """
    latest: dict[tuple[str, str, int], Label] = {}
    if not path.exists():
        return []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.isspace() or _is_torn(line):
                continue
            label = label_of(load_row(line, path, number), f"{path}:{number}")
            key = label.kind, label.picture, label.shown
            latest[key] = _merged(latest[key], label) if key in latest else label
    return [label for label in latest.values() if label.label != WITHDRAWN]


def _merged(before: Label, label: Label) -> Label:
    """A later label of the same showing, in all samples that either label names."""
    if label.sample is None:
        return replace(label, sample=before.sample, also=before.also)
    drawing = label.sample.drawing
    return replace(label, also=tuple(each for each in before.samples if each.drawing != drawing))


def label_of(row: Mapping[str, object], where: str) -> Label:
    """Read a label from a row, which a file or a page gives.

    Args:
        row: in the form above; unknown fields are passed over.
        where: place of the row, which begins the message of an error.

    Raises:
        InputError: a needed field is missing, or a field has a wrong value.
    """
    fields = _Fields(row, where)
    kind = fields.one_of("kind", tuple(SAID), LABEL)
    picture = fields.text("picture")
    if len(picture) != 64 or not set(picture) <= set("0123456789abcdef"):
        raise fields.fault("picture", "the SHA-256 of the edit's file, 64 hex digits")
    sample = row.get("sample")
    if sample is not None and not isinstance(sample, Mapping):
        raise fields.fault("sample", "an object, or nothing")
    reasons = row.get("reasons") or []
    if not isinstance(reasons, list) or not all(isinstance(each, str) for each in reasons):
        raise fields.fault("reasons", "a list of names")
    return Label(
        picture,
        fields.one_of("label", SAID[kind]),
        kind,
        fields.text("row"),
        fields.text("path"),
        tuple(reasons),
        fields.number("seconds", 0, float("inf"), 0.0),
        int(fields.number("shown", 1, 1000, 1)),
        _sample_of(sample, f"{where}: `sample`") if sample is not None else None,
    )


def _sample_of(row: Mapping[str, object], where: str) -> Sample:
    fields = _Fields(row, where)
    probability = fields.number("probability", 0, 1)
    if not probability:
        raise fields.fault("probability", "a share above 0")
    return Sample(
        cast(Stratum, fields.one_of("stratum", STRATA)),
        probability,
        fields.number("threshold", 0, 10),
        int(fields.number("seed", -(2**63), 2**63, 0)),
        fields.text("judge"),
        fields.text("rubric"),
        int(fields.number("copies", 1, 1e9, 1)),
    )


@dataclass(frozen=True, slots=True)
class _Fields:
    """Reads fields of one object, and checks their values.

    Args:
        row: the object.
        where: place of the object, which begins the message of an error.
    """

    row: Mapping[str, object]
    where: str

    def fault(self, name: str, wanted: str) -> InputError:
        return InputError(f"{self.where}: `{name}` is {self.row.get(name)!r:.80}; expected {wanted}")

    def text(self, name: str) -> str:
        value = self.row.get(name, "")
        if not isinstance(value, str):
            raise self.fault(name, "a text")
        return value

    def one_of(self, name: str, choices: tuple[str, ...], default: str | None = None) -> str:
        value = self.row.get(name, default)
        if not isinstance(value, str) or value not in choices:
            raise self.fault(name, f"one of {', '.join(choices)}")
        return value

    def number(self, name: str, least: float, most: float, default: float | None = None) -> float:
        value = self.row.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise self.fault(name, f"a number from {least:g} to {most:g}")
        return value


def _mend_end(descriptor: int, path: Path) -> bytes:
    """Cut a torn line off the end of the file; returns a line end if the last whole line lacks one, else nothing.

    Raises:
        InputError: the file ends in a line of over a megabyte.
    """
    size = os.fstat(descriptor).st_size
    start = max(0, size - _LONGEST)
    tail = os.pread(descriptor, size - start, start)
    last = tail[tail.rfind(b"\n") + 1 :]
    if len(last) == _LONGEST:
        raise InputError(f"{path} ends in a line of more than a megabyte: it is no file of labels; name another")
    if not _is_torn(last):
        return b"\n" if last else b""
    os.ftruncate(descriptor, size - len(last))
    return b""


def _is_torn(line: bytes) -> bool:
    """Whether a line has no line end and is no whole JSON object."""
    if not line or line.endswith(b"\n"):
        return False
    try:
        load_row(line, Path(), 0)
    except InputError:
        return True
    return False
