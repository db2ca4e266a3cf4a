"""The rows that a triplet begins with: briefs to write by, or photographs of one's own, so long as more are wanted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dataflow.core.records import JSON, Row
from dataflow.core.source import Ended, Settled, Source
from dataflow.errors import ConfigError, RowError, UnfitAnswer
from dataflow.judging.tries import TRIES
from dataflow.operators.core_text.choice import OFFERED
from dataflow.operators.core_text.slots import Slots
from dataflow.operators.core_text.wanted import Wanted
from dataflow.operators.core_vision.triplet_intake import Intake
from dataflow.taxonomy.taxonomy import Taxonomy
from dataflow.utils.storage import Step

OFFER = "offer"
"""Field of a row of photographs: the `Offer` for its picture."""


class WrittenRows(Slots):
    """Briefs.

    Args:
        wanted: how rows are written; without a quota also how many there are.
        written: columns of descriptions and of the instruction, by which rows are compared.
        intake: of what comes out.
    """

    def __init__(self, wanted: Wanted, written: tuple[str, str], intake: Intake) -> None:
        super().__init__(wanted, written, None if intake.account is None else ())
        self._intake = intake
        self._hand_out()

    def settle(self, index: int, ended: Ended) -> Settled:
        """Take a row, give its slot another try, or another slot a try."""
        slot = self._slots[index]
        is_rejected = ended.error is None and not ended.rows
        settled = Settled() if is_rejected else super().settle(index, ended)
        settled = self._intake.take(slot.operation, ended, settled)
        self._hand_out()
        return settled

    @property
    def expected(self) -> int:
        """Rows that there will be in the end, as far as is known."""
        return self._intake.expected(len(self))

    @property
    def note(self) -> str:
        """How far the quota is."""
        return self._intake.note

    def report(self) -> Mapping[str, JSON]:
        """As of written rows, and what the quota came to."""
        written, quota = super().report(), self._intake.report()
        if quota:  # which says better how many there are of each operation, and how many are missing
            written = {name: of for name, of in written.items() if name not in ("rows", "short")}
        return {**written, **quota}

    def describe(self) -> Sequence[str]:
        """What the quota came to."""
        return self._intake.describe()

    def _hand_out(self) -> None:
        while (operation := self._intake.hand_out()) is not None:
            self.add(operation)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a model may choose from for a picture.

    Args:
        taxonomy: of the operations.
        turn: how often the picture was shown before.
    """

    taxonomy: Taxonomy
    turn: int


class PhotographRows(Source):
    """The rows of a step's input, over and over.

    A model that sees a picture chooses what fits it. So it is offered the operations of which most is missing, and what
    it chose is what counts.

    Args:
        step: whose rows come in.
        taxonomy: of operations of one picture.
        turns: how often each row may be taken.
        intake: of what comes out.

    Raises:
        ConfigError: no row comes in.
    """

    reads_step = True

    def __init__(self, step: Step, taxonomy: Taxonomy, turns: int, intake: Intake) -> None:
        self._step, self._taxonomy, self._intake = step, taxonomy, intake
        self._cursor = step.cursor()
        self._rows = sum(1 for _ in step.rows())
        if not self._rows:
            raise ConfigError(f"{step.source} has no rows: give at least one with a picture")
        self._most = self._rows * turns
        self._targets: dict[int, tuple[str, ...]] = {}  # what was handed out, by index, until it ends
        self._open: dict[int, Row] = {}
        self._read = self._begun = 0
        if intake.account is None:
            self._begun = self._most
        self._hand_out()

    def __len__(self) -> int:
        return self._begun

    def row(self, index: int) -> Row:
        """The row of the input, with what is offered for its picture."""
        while index >= self._read:
            if self._read and self._read % self._rows == 0:
                self._cursor = self._step.cursor()
            ((_, self._open[self._read]),) = self._cursor.take(1)
            self._read += 1
        names = self._targets.get(index)
        offered = Taxonomy({name: self._taxonomy.operations[name] for name in names}) if names else self._taxonomy
        return {**self._open[index], OFFER: Offer(offered, index // self._rows)}

    def settle(self, index: int, ended: Ended) -> Settled:
        """Take a row that was accepted, and hand out others in place of what was not."""
        del self._open[index]
        target, *_ = self._targets.pop(index, ("",))
        edit = next((side.row for side in ended.sides if side.name == TRIES), {})
        settled = Settled(ended.rows, error=ended.error)
        is_unfit = isinstance(ended.error, RowError) and not isinstance(ended.error, UnfitAnswer) and not ended.sides
        operation = str(edit.get("sub_type", ""))
        settled = self._intake.take(target, ended, settled, operation=operation, is_unfit=is_unfit)
        self._hand_out()
        return settled

    @property
    def expected(self) -> int:
        """Rows that there will be in the end, as far as is known."""
        return min(self._most, self._intake.expected(self._begun))

    @property
    def note(self) -> str:
        """How far the quota is."""
        return self._intake.note

    def report(self) -> Mapping[str, JSON]:
        """What the quota came to."""
        return self._intake.report()

    def describe(self) -> Sequence[str]:
        """The same for people."""
        return self._intake.describe()

    def _hand_out(self) -> None:
        account = self._intake.account
        while account is not None and self._begun < self._most and (target := account.hand_out()) is not None:
            others = [name for name in account.wanting() if name != target]
            self._targets[self._begun] = (target, *others[: OFFERED - 1])
            self._begun += 1
