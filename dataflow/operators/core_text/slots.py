"""The rows that are to be written: how many of which operation, what became of each, and which again.

Every row has a slot of its operation. An answer that will not do, or that says what another row says
already, gives the slot back: it is asked for again at the end of the line, with other ideas, at most so
often. So the mix is met exactly, or what it falls short by is known.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from dataflow.core.records import JSON, Row
from dataflow.core.source import Ended, Settled, Source
from dataflow.core.words import count_of
from dataflow.errors import Failure, UnfitAnswer
from dataflow.operators.core_text.wanted import Wanted
from dataflow.taxonomy.brief import Brief
from dataflow.taxonomy.draw import Draw
from dataflow.taxonomy.mix import interleaved
from dataflow.taxonomy.taxonomy import LENGTHS
from dataflow.taxonomy.templates import shipped_templates

FAULT = "fault"
"""Column of a written row that a slot takes off: the kind of fault in the first of two answers."""

_IDEAS = ("thing", "person", "outdoors", "light")


@dataclass(frozen=True, slots=True)
class Slot:
    """The k-th row of an operation, at one of its tries.

    Args:
        operation: its name.
        number: k, from 0.
        turn: languages and lengths take turns by it; its operations begin at different ones, so that few rows
            are balanced too.
        attempt: from 0.
    """

    operation: str
    number: int
    turn: int
    attempt: int = 0

    def length(self, languages: int) -> str:
        """Of the instruction to edit by, one of LENGTHS; it changes once all of so many languages had their turn."""
        return LENGTHS[1 - self.turn // languages % 2]


class Slots(Source):
    """Briefs by slot; see the module.

    Args:
        wanted: the rows.
        written: columns of descriptions and of the instruction, by which rows are compared.
        operations: of the rows to begin with; None: as many as are wanted.
    """

    def __init__(self, wanted: Wanted, written: tuple[str, str], operations: Iterable[str] | None = None) -> None:
        self._wanted, self._written = wanted, written
        self._slots: list[Slot] = []
        self._first_turn = {name: place for place, name in enumerate(wanted.taxonomy.operations)}  # whatever the mix
        self._given: Counter[str] = Counter()
        for name in islice(interleaved(wanted.shares), wanted.n) if operations is None else operations:
            self.add(name)
        self._accepted: Counter[str] = Counter()
        self._answers: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._diversity = wanted.diversity()

    def __len__(self) -> int:
        return len(self._slots)

    def add(self, operation: str) -> None:
        """One more slot, at the end of the line."""
        number = self._given[operation]
        self._slots.append(Slot(operation, number, self._first_turn[operation] + number))
        self._given[operation] += 1

    def row(self, index: int) -> Row:
        """The slot and its brief."""
        slot = self._slots[index]
        return {"slot": slot, "brief": self._brief(slot)}

    def _brief(self, slot: Slot) -> Brief:
        operation = self._wanted.taxonomy.operations[slot.operation]
        languages = self._wanted.languages
        language = languages[slot.turn % len(languages)]
        draw = Draw(self._wanted.seed, slot.operation, slot.number, slot.attempt)
        words = shipped_templates().words
        pictures = draw.pick(range(operation.pictures[0], operation.pictures[1] + 1))
        ideas = {kind: draw.pick(words[kind]).within(language) for kind in _IDEAS}
        return Brief(
            operation.name,
            language,
            languages,
            operation.names_target,
            pictures,
            refer=draw.pick(operation.refers) if pictures > 1 else "",
            style=draw.pick(words["look"]).within(language) if pictures > 1 else "",
            ideas=ideas,
        )

    def settle(self, index: int, ended: Ended) -> Settled:
        """Take a row, give its slot another try, or give it up."""
        slot, error = self._slots[index], ended.error
        if isinstance(error, UnfitAnswer):
            self._answers["unfit_twice"] += 1
            self._faults[error.earlier] += 1
            return self._again(slot, error)
        if isinstance(error, Failure) and error.kind == "refused":
            self._answers["refused"] += 1
            return self._again(slot, UnfitAnswer("refused", str(error), said=error.said))
        if error is not None:  # not the writer's doing: the next run asks again
            self._answers["none"] += 1
            return Settled(error=error)
        (row,) = ended.rows
        fault = row.pop(FAULT)
        self._answers["fit_when_asked_again" if fault else "fit_at_once"] += 1
        if fault:
            self._faults[fault] += 1
        return self._compared(slot, row)

    def _compared(self, slot: Slot, row: Row) -> Settled:
        described, asked = (" ".join(message["content"] for message in row[column]) for column in self._written)
        try:
            self._diversity.add(described, asked, slot.operation, language=row["language"])
        except UnfitAnswer as same:
            return self._again(slot, UnfitAnswer(same.fault, str(same), said=f"{described} {asked}"))
        self._accepted[slot.operation] += 1
        return Settled([row])

    def _again(self, slot: Slot, why: UnfitAnswer) -> Settled:
        self._rejected[why.fault] += 1
        if slot.attempt + 1 < self._wanted.tries:
            self._slots.append(replace(slot, attempt=slot.attempt + 1))
            return Settled()
        tries = count_of(self._wanted.tries, "try", "tries")
        what = f"{why.short}; no fit row in {tries} for `{slot.operation}` number {slot.number + 1}"
        return Settled(error=UnfitAnswer(why.fault, what, said=why.said))

    def report(self) -> Mapping[str, JSON]:
        """Rows per operation, what is missing, what was wrong with answers, and how varied the rows are."""
        short = self._given - self._accepted
        return {
            "rows": dict(self._accepted),
            "short": dict(short),
            "answers": dict(self._answers),
            "first_faults": dict(self._faults),
            "rejected": dict(self._rejected),
            "diversity": self._diversity.report(),
        }
