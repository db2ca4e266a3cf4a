"""The rows that a triplet begins with: briefs to write by, or photographs of one's own, so long as more are wanted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dataflow.core.records import JSON, Row
from dataflow.core.source import Ended, Settled, Source
from dataflow.errors import ConfigError, RowError, UnfitAnswer
from dataflow.flow.preflight import changed
from dataflow.operators.core_text.offers import Offers
from dataflow.operators.core_text.slots import Slots
from dataflow.operators.core_text.wanted import Wanted
from dataflow.operators.core_vision.triplet_intake import Intake
from dataflow.quota.account import Ending
from dataflow.quota.quota import Quota
from dataflow.taxonomy.taxonomy import Taxonomy
from dataflow.utils.storage import Step

WRITTEN = "written"
"""Side output: rows as they were written."""

OFFER = "\0offer"
"""Field of a row of photographs, unlike any column: the `Offer` for its picture; None: it is passed over."""


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
    def open_at_most(self) -> int:
        """Rows that the quota lets be open, while that keeps others from being begun; 0: it does not."""
        account = self._intake.account
        return account.quota.open_at_most if account is not None and account.is_held else 0

    @property
    def seconds(self) -> float:
        """How long the rest takes, as far as that is known."""
        return self._intake.seconds

    @property
    def short(self) -> int:
        """Accepted rows that are wanted and not there."""
        return self._intake.short

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


_LEAST_OPEN, _OPEN_SHARE = 8, 4
"""Photographs that may be open of a small set, and the part of those wanted: a model may take one operation for all of
them. More are open of a larger set, so its rows are those of the smaller one and more."""


def _open_at_most(quota: Quota) -> int:
    return quota.ahead or min(quota.open_at_most, max(_LEAST_OPEN, quota.accepted // _OPEN_SHARE))


@dataclass(frozen=True, slots=True)
class Offer:
    """What a model may choose from for a picture.

    Args:
        taxonomy: of the operations.
        turn: how often the picture was shown before.
        target: the operation that the row is counted for until it ends.
        filled: operations of which no more is wanted: one that is chosen is not worth an edit.
    """

    taxonomy: Taxonomy
    turn: int
    target: str = ""
    filled: frozenset[str] = frozenset()


class PhotographRows(Source):
    """The rows of a step's input, over and over.

    A model that sees a picture chooses what fits it, and what it chose is what counts. What it is offered follows from
    the mix and the picture's place alone (`Offers`), so every larger set asks what a smaller one asked. For the same
    reason rows that are open are counted by their places, those that are passed over too, and only what is known to be
    accepted makes an operation filled.

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
        self._offers = None if intake.account is None else Offers(intake.account.shares)
        self._offered: dict[int, Offer] = {}  # by index, until its row ends
        self._open: dict[int, Row] = {}
        self._anything = Offer(taxonomy, 0) if intake.account is None else None
        self._read = self._begun = self._ended = 0
        if intake.account is None:
            self._begun = self._most
        self._hand_out()

    def __len__(self) -> int:
        return self._begun

    def row(self, index: int) -> Row:
        """The row of the input, with what is offered for its picture; None: it is passed over."""
        while index >= self._read:
            if self._read and self._read % self._rows == 0:
                self._cursor = self._step.cursor()
            for _, row in self._cursor.take(1):
                self._open[self._read] = row
            if self._read not in self._open:
                raise changed(str(self._step.source))
            self._read += 1
        offer = self._offered.get(index, self._anything and replace(self._anything, turn=index // self._rows))
        return {**self._open[index], OFFER: offer}

    def settle(self, index: int, ended: Ended) -> Settled:
        """Take a row that was accepted, and hand out others in place of what was not."""
        del self._open[index]
        self._ended += 1
        settled = Settled()
        offer = self._offered.pop(index, self._anything)
        if offer is not None:
            settled = self._taken(offer, ended)
        self._hand_out()
        return settled

    def _taken(self, offer: Offer, ended: Ended) -> Settled:
        chosen = next((str(side.row["sub_type"]) for side in ended.sides if side.name == WRITTEN), "")
        ending: Ending | None = "unwanted" if ended.error is None and chosen in offer.filled else None
        if isinstance(ended.error, RowError) and not isinstance(ended.error, UnfitAnswer) and not ended.sides:
            ending = "unfit"
        settled = Settled(ended.rows, error=ended.error)
        return self._intake.take(offer.target, ended, settled, operation=chosen, ending=ending)

    @property
    def expected(self) -> int:
        """Rows that there will be in the end, as far as is known."""
        return min(self._most, self._intake.expected(self._begun))

    @property
    def open_at_most(self) -> int:
        """Photographs that may be open, while that keeps others from being begun; 0: it does not."""
        account = self._intake.account
        if account is None or account.is_out_of_money or self._begun == self._most:
            return 0
        most = _open_at_most(account.quota)
        return most if self._begun - self._ended >= most and account.wanting() else 0

    @property
    def seconds(self) -> float:
        """How long the rest takes, as far as that is known."""
        return self._intake.seconds

    @property
    def short(self) -> int:
        """Accepted rows that are wanted and not there."""
        return self._intake.short

    @property
    def note(self) -> str:
        """How far the quota is."""
        return self._intake.note

    def report(self) -> Mapping[str, JSON]:
        """What the quota came to."""
        return self._intake.report()

    def describe(self) -> Sequence[str]:
        """What the quota came to, and whether all photographs were used for it."""
        parts, account = self._intake.describe(), self._intake.account
        is_short = account is not None and not account.is_out_of_money and account.wanting()
        if not is_short or self._ended < self._most:
            return parts
        return [*parts, "every photograph was offered per_image times: raise per_image, or give more of them"]

    def _hand_out(self) -> None:
        account, offers = self._intake.account, self._offers
        if account is None or offers is None:
            return
        most = min(self._most, self._ended + _open_at_most(account.quota))
        while self._begun < most and account.may_begin():
            turn, place = divmod(self._begun, self._rows)
            names = offers.at(turn + place)
            filled = frozenset(name for name in names if account.is_filled(name))
            if target := next((name for name in names if name not in filled), ""):
                offered = Taxonomy({name: self._taxonomy.operations[name] for name in names})
                self._offered[self._begun] = Offer(offered, turn, target, filled)
                account.begin(target)
            self._begun += 1
