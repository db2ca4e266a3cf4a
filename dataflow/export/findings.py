"""Counts what the checks found, and shows it as a table: how many rows of each kind, and the first five of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from dataflow.core.words import WIDTH, count_of, cut

FIRST = 5


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding.

    Args:
        says: what is wrong with such a row, as a sentence.
        is_error: whether such a row may not go out: it stops the export, or `skip` leaves it out.
        fix: the flag that mends it; empty: none does.
    """

    says: str
    is_error: bool = True
    fix: str = ""


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "broken": Kind("the row cannot be read as an edit"),
        "missing": Kind("a picture is missing, empty or damaged"),
        "changed": Kind("a picture is another one now than when the row was made"),
        "no_op": Kind("the result is one of the row's own inputs"),
        "aspect": Kind("source and result have another shape", fix="--sizes skip leaves them out, pad pads sources"),
        "same_pixels": Kind("an earlier row has the same pictures"),
        "same_words": Kind("an earlier row has the same source and instruction"),
        "same_id": Kind("an earlier row has the same id"),
        "two_splits": Kind("a picture of the row stands in another split too"),
        "caption": Kind("there is no instruction, or none in the languages asked for"),
        "long": Kind("the instruction has more than some 512 tokens"),
        "licence": Kind("the licence forbids it"),
        "mixed_licence": Kind("the licence forbids selling; that of other rows does not", fix="--where can part them"),
        "some_licence": Kind(
            "no licence is named; other rows name one",
            fix="--where 'not licence' parts them; or give input rows a column `licence` and run again, for nothing",
        ),
        "size": Kind("source and result differ in size, not in shape", is_error=False),
        "small": Kind("a side is below 256 pixels", is_error=False),
        "odd": Kind("a side is no multiple of 16 pixels: loaders resize or crop", is_error=False),
        "baked": Kind("a picture is made anew: turned, transparent, padded, or not 8-bit RGB", is_error=False),
        "name": Kind("the id is no safe file name: a digest of it is the name", is_error=False),
        "lines": Kind("the instruction has several lines: text files get them as one line", is_error=False),
        "no_licence": Kind("no licence is named", is_error=False),
        "sale": Kind("the licence forbids selling", is_error=False),
        "more_captions": Kind("there are further captions, which some of the formats cannot take", is_error=False),
    }
)
"""Name → kind, of all kinds but those that a format declares for what it does not take."""


@dataclass(slots=True)
class _Rows:
    count: int = 0
    first: list[str] = field(default_factory=list)


class Findings:
    """Counts rows by kind of finding."""

    def __init__(self) -> None:
        self._found: dict[str, _Rows] = {}
        self._kinds: dict[str, Kind] = dict(KINDS)

    def add(self, kind: str, place: str, detail: str = "") -> None:
        """Count one more row.

        Args:
            kind: a name of `KINDS`, or one that `declare` was called with.
            place: file and line of the row.
            detail: what was found in the row; empty: the kind says it all.
        """
        found = self._found.setdefault(kind, _Rows())
        found.count += 1
        if len(found.first) < FIRST:
            found.first.append(f"{place}: {detail}" if detail else place)

    def add_all(self, kind: str, count: int, first: Sequence[str]) -> None:
        """Count several rows at once.

        Args:
            kind: as for `add`.
            count: how many rows.
            first: places of the first of these rows.
        """
        found = self._found.setdefault(kind, _Rows())
        found.count += count
        found.first += first[: FIRST - len(found.first)]

    def declare(self, name: str, kind: Kind) -> None:
        """Make a kind known that is none of `KINDS`; the first call of a name counts."""
        self._kinds.setdefault(name, kind)

    def count(self, kind: str) -> int:
        """How many rows are of a kind."""
        return self._found[kind].count if kind in self._found else 0

    @property
    def counts(self) -> dict[str, int]:
        """Kind → rows, in the order of `KINDS`."""
        return {name: self._found[name].count for name in self._kinds if name in self._found}

    @property
    def errors(self) -> dict[str, int]:
        """Kind → rows, of the kinds that stop an export."""
        return {name: count for name, count in self.counts.items() if self._kinds[name].is_error}

    def says(self, kind: str) -> str:
        """What is wrong with rows of a kind, as a sentence."""
        return self._kinds[kind].says

    def table(self, *, left_out: bool = False) -> list[str]:
        """The findings as lines for people, errors first.

        Args:
            left_out: the rows with errors were left out, so that these errors stopped nothing.
        """
        word = "left out" if left_out else "error"
        lines = []
        for name in sorted(self.counts, key=lambda kind: not self._kinds[kind].is_error):
            kind, found = self._kinds[name], self._found[name]
            lines.append(f"{word if kind.is_error else 'note'}: {count_of(found.count, 'row')}: {kind.says}")
            if kind.is_error:
                lines += [f"    {line}" for line in (*found.first, "" if left_out else kind.fix) if line]
            else:
                lines.append(f"    such as {cut(found.first[0], WIDTH)}")
        return lines
