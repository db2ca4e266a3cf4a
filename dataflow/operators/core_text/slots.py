"""Decides which rows are written: how many of each operation, and which rows are written again.

Every wanted row is a slot of its operation. If the answer for a slot is unfit, or says the same as an earlier row, the
slot is appended to the end of the list once more, with other ideas, until its tries are used up. So the rows meet the
mix exactly, or the report says how many rows of which operation are missing.
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
"""Column in which the generator of a row hands over the kind of fault in the first answer, "" for none. `Slots` counts
the fault and removes the column before the row is written."""

_IDEAS = ("thing", "person", "outdoors", "light")


@dataclass(frozen=True, slots=True)
class Slot:
    """A wanted row of an operation, at one of its tries.

    Args:
        operation: name of the operation.
        number: number of the row among those of its operation, from 0.
        turn: languages and lengths alternate by this number. The first rows of different operations have different
            turns, so that a small set of rows is balanced, too.
        attempt: number of the try, from 0.
    """

    operation: str
    number: int
    turn: int
    attempt: int = 0

    def length(self, languages: int) -> str:
        """Return which form of the instruction the edit uses, one of LENGTHS; it changes after a turn of each language.

        Args:
            languages: number of languages.
        """
        return LENGTHS[1 - self.turn // languages % 2]


class Slots(Source):
    """The source of rows to write: each row is a slot and its brief.

    Args:
        wanted: the rows that the user wants.
        written: columns of the descriptions and of the instruction, by which rows are compared.
        operations: the operations of the first slots; None: all slots, by the shares of `wanted`.
    """

    def __init__(self, wanted: Wanted, written: tuple[str, str], operations: Iterable[str] | None = None) -> None:
        self._wanted, self._written = wanted, written
        self._slots: list[Slot] = []
        # By the whole taxonomy, so that another mix does not change the rows of an operation.
        self._first_turn = {name: index for index, name in enumerate(wanted.taxonomy.operations)}
        self._given: Counter[str] = Counter()  # operation → number of its slots
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
        """Append a slot of an operation."""
        number = self._given[operation]
        self._slots.append(Slot(operation, number, self._first_turn[operation] + number))
        self._given[operation] += 1

    def row(self, index: int) -> Row:
        """Return the slot and its brief."""
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
        """Accept the row of a slot, append the slot for another try, or give the slot up."""
        slot, error = self._slots[index], ended.error
        if isinstance(error, UnfitAnswer):
            self._answers["unfit_twice"] += 1
            self._faults[error.earlier] += 1
            return self._retry(slot, error)
        if isinstance(error, Failure) and error.kind == "refused":
            self._answers["refused"] += 1
            return self._retry(slot, UnfitAnswer("refused", str(error), said=error.said))
        if error is not None:  # such as a dead server: another brief would fail, too, and the next run asks again
            self._answers["none"] += 1
            return Settled(error=error)
        (row,) = ended.rows
        fault = row.pop(FAULT)
        self._answers["fit_when_asked_again" if fault else "fit_at_once"] += 1
        if fault:
            self._faults[fault] += 1
        return self._compare(slot, row)

    def _compare(self, slot: Slot, row: Row) -> Settled:
        """Accept a row, unless it says the same as an earlier one."""
        description, instruction = (" ".join(message["content"] for message in row[name]) for name in self._written)
        try:
            self._diversity.add(description, instruction, slot.operation, language=row["language"])
        except UnfitAnswer as same:
            return self._retry(slot, UnfitAnswer(same.fault, str(same), said=f"{description} {instruction}"))
        self._accepted[slot.operation] += 1
        return Settled([row])

    def _retry(self, slot: Slot, why: UnfitAnswer) -> Settled:
        self._rejected[why.fault] += 1
        if slot.attempt + 1 < self._wanted.tries:
            self._slots.append(replace(slot, attempt=slot.attempt + 1))
            return Settled()
        tries = count_of(self._wanted.tries, "try", "tries")
        what = f"{why.short}; no fit row in {tries} for `{slot.operation}` number {slot.number + 1}"
        return Settled(error=UnfitAnswer(why.fault, what, said=why.said))

    def report(self) -> Mapping[str, JSON]:
        """Return the accepted and the missing rows of each operation, the faults of answers and the diversity."""
        short = self._given - self._accepted
        return {
            "rows": dict(self._accepted),
            "short": dict(short),
            "answers": dict(self._answers),
            "first_faults": dict(self._faults),
            "rejected": dict(self._rejected),
            "diversity": self._diversity.report(),
        }
