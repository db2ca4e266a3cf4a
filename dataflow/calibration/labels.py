"""`labels.jsonl`: what people said of edits, one line for each time that somebody said something.

A line is appended and fsynced at once and never changed, so nothing is lost on a reload. Whoever changes their mind
says it again: of the lines about one showing of one picture the last one counts. The form of a line, which a page may
also write itself:

    {"kind": "label", "picture": SHA-256 of the edit, "label": "yes" | "no" | "unsure", "row": "FILE:LINE",
     "path": "of the edit", "reasons": [axes], "seconds": 4.2, "shown": 1,
     "sample": {"stratum": "upper" | "lower" | "all", "probability": 0.4, "threshold": 7.0, "seed": 0,
                "judge": digest, "rubric": digest, "copies": 1}}

Of these `picture` and `label` are needed. `{"kind": "verdict", "label": "accept" | "reject"}` is a decision by hand and
no answer to "would you train on this?". The label "withdrawn" takes back what was said before.
"""

import fcntl
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast, get_args

from dataflow.core.records import JSON, Row
from dataflow.errors import InputError
from dataflow.utils.files import sync_folder
from dataflow.utils.held import not_stored
from dataflow.utils.row_json import dump_row, load_row

Stratum = Literal["upper", "lower", "all"]
STRATA: tuple[Stratum, ...] = get_args(Stratum)
YES, NO, UNSURE = "yes", "no", "unsure"
ACCEPT, REJECT = "accept", "reject"
WITHDRAWN = "withdrawn"
LABEL, VERDICT = "label", "verdict"
SAID: Mapping[str, tuple[str, ...]] = {LABEL: (YES, NO, UNSURE, WITHDRAWN), VERDICT: (ACCEPT, REJECT, WITHDRAWN)}
"""What may be said, by the kind of line."""

_LONGEST = 1 << 20  # bytes of a line


@dataclass(frozen=True, slots=True)
class Sample:
    """How a picture came to be shown.

    Args:
        stratum: from which edits it was drawn: "upper": at or above the threshold, "lower": below it, "all".
        probability: of each edit of the stratum to be drawn, above 0 and at most 1.
        threshold: at drawing: the number, 0 to 10, that the lowest axis of an edit of the upper stratum reaches.
        seed: of the drawing.
        judge: digest of the judge whose numbers these are.
        rubric: digest of its rubric.
        copies: edits with this content that were drawn; it is shown once for all of them.
    """

    stratum: Stratum
    probability: float
    threshold: float
    seed: int = 0
    judge: str = ""
    rubric: str = ""
    copies: int = 1

    def as_row(self) -> dict[str, JSON]:
        """As it stands in a line."""
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def drawing(self) -> tuple[str, float, int, str, str]:
        """What it was drawn by; a larger sample of the same drawing holds a smaller one."""
        return self.stratum, self.threshold, self.seed, self.judge, self.rubric


@dataclass(frozen=True, slots=True)
class Label:
    """What somebody said of one edit.

    Args:
        picture: SHA-256 of the edit's file, 64 hex digits.
        label: one of SAID for its kind.
        kind: "label": whether one would train on it; "verdict": a decision by hand.
        row: file and line of the row, "FILE:LINE".
        path: of the edit, as the row has it.
        reasons: axes on which it falls short.
        seconds: for which it was looked at.
        shown: which showing of the picture this is, from 1.
        sample: how it came to be shown; None: nobody drew it, so it says nothing of other edits.
        also: other samples that it was drawn for.
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
        """All that it was drawn for."""
        return self.also if self.sample is None else (*self.also, self.sample)

    def as_row(self) -> Row:
        """As it stands in a line."""
        found: Row = {
            name: getattr(self, name) for name in ("kind", "picture", "label", "row", "path", "seconds", "shown")
        }
        found["reasons"] = list(self.reasons)
        return found | ({"sample": self.sample.as_row()} if self.sample is not None else {})


def append_label(path: Path, label: Label) -> None:
    """Add a line, and return once it is on the disk.

    What a killed process left of a line at the end is cut off. Several processes may append to one file.

    Raises:
        NotStored: the disk does not take it.
        InputError: the file ends in no line of labels.
    """
    line = dump_row(label.as_row()) + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            left = memoryview(_mended(descriptor, path) + line)
            while left:
                left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            sync_folder(path.parent)
    except OSError as error:
        raise not_stored(error, path) from error


def read_labels(path: Path) -> list[Label]:
    """What counts: of each kind, picture and showing the last line, in the order in which they were first spoken of.

    A picture is in every sample that one of its lines names: a later word takes it out of none. A last line that a
    killed process wrote in part is passed over; no file is no label.

    Raises:
        InputError: another line is broken, or a field holds something else: names path, line and field.
    """
    said: dict[tuple[str, str, int], Label] = {}
    if not path.exists():
        return []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.isspace() or _is_torn(line):
                continue
            label = label_of(load_row(line, path, number), f"{path}:{number}")
            key = label.kind, label.picture, label.shown
            said[key] = _after(said[key], label) if key in said else label
    return [label for label in said.values() if label.label != WITHDRAWN]


def _after(before: Label, label: Label) -> Label:
    """A later word on the same showing."""
    if label.sample is None:
        return replace(label, sample=before.sample, also=before.also)
    drawing = label.sample.drawing
    return replace(label, also=tuple(each for each in before.samples if each.drawing != drawing))


def label_of(row: Mapping[str, object], where: str) -> Label:
    """The label in a row, from a file or from a page.

    Args:
        row: of the form above; fields that are not known are left out.
        where: for the error.

    Raises:
        InputError: a needed field is missing, or one holds something else.
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
    """The fields of one object, with where it stands."""

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


def _mended(descriptor: int, path: Path) -> bytes:
    """What a new line must begin with; a torn line at the file's end is cut off."""
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
    """Whether a line has no end, and is not whole without it either."""
    if not line or line.endswith(b"\n"):
        return False
    try:
        load_row(line, Path(), 0)
    except InputError:
        return True
    return False
