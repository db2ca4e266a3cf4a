"""The sources of rows for `TripletSynthesizer`: briefs, or photographs, as long as the quota wants more rows."""

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
from dataflow.quota.next_row import Ending
from dataflow.quota.quota import Quota
from dataflow.taxonomy.taxonomy import Taxonomy
from dataflow.utils.storage import Step

WRITTEN = "written"
"""Side output: the rows as the writer wrote them."""

OFFER = "\0offer"
"""Key, in the row of a photograph, of the `Offer` for the photograph; its value is None if the photograph is skipped.
No column of a user's row has this name."""


class WrittenRows(Slots):
    """The source of rows to write, draw and edit: each row is a slot and its brief.

    Args:
        wanted: how rows are written, and their number if there is no quota.
        written: columns of the descriptions and of the instruction, by which rows are compared.
        intake: the quota.
    """

    def __init__(self, wanted: Wanted, written: tuple[str, str], intake: Intake) -> None:
        super().__init__(wanted, written, None if intake.account is None else ())
        self._intake = intake
        self._hand_out()

    def settle(self, index: int, ended: Ended) -> Settled:
        """Accept a row, append its slot for another try, or give the slot up; then begin further rows of the quota."""
        slot = self._slots[index]
        is_rejected = ended.error is None and not ended.rows  # no edit was accepted: the slot has no other try
        settled = Settled() if is_rejected else super().settle(index, ended)
        settled = self._intake.take(slot.operation, ended, settled)
        self._hand_out()
        return settled

    @property
    def expected(self) -> int:
        """The forecast of all rows that will be begun."""
        return self._intake.expected(len(self))

    @property
    def open_at_most(self) -> int:
        """Greatest number of open rows, if this alone keeps a further row from being begun; 0: it does not."""
        account = self._intake.account
        return account.quota.open_at_most if account is not None and account.is_held else 0

    @property
    def seconds(self) -> float:
        """Seconds that the remaining rows take, by the forecast; 0: not known."""
        return self._intake.seconds

    @property
    def short(self) -> int:
        """Number of wanted rows that are not accepted yet."""
        return self._intake.short

    @property
    def note(self) -> str:
        """How far the quota is, in a few words."""
        return self._intake.note

    def report(self) -> Mapping[str, JSON]:
        """Return the figures of the written rows and of the quota."""
        written, quota = super().report(), self._intake.report()
        if quota:  # its figures count accepted rows; those of `Slots` count written ones
            written = {name: figure for name, figure in written.items() if name not in ("rows", "short")}
        return {**written, **quota}

    def describe(self) -> Sequence[str]:
        """Return the figures of the quota in words, as parts of one sentence."""
        return self._intake.describe()

    def _hand_out(self) -> None:
        while (operation := self._intake.hand_out()) is not None:
            self.add(operation)


_LEAST_OPEN, _OPEN_SHARE = 8, 4
"""At most so many photographs are open, or one for each `_OPEN_SHARE` wanted rows if these are more. A model may choose
one operation for all open photographs, so few are open of a small set. The number only grows with the set, so a larger
set begins every row that a smaller one begins."""


def _open_at_most(quota: Quota) -> int:
    return quota.ahead or min(quota.open_at_most, max(_LEAST_OPEN, quota.accepted // _OPEN_SHARE))


@dataclass(frozen=True, slots=True)
class Offer:
    """The operations that a model may choose from for a photograph.

    Args:
        taxonomy: the offered operations.
        turn: number of times that the photograph was offered before.
        target: the operation for which the row counts as open until it ends.
        filled: offered operations of which no more rows are wanted: if the model chooses one of them, the photograph
            is not edited.
    """

    taxonomy: Taxonomy
    turn: int
    target: str = ""
    filled: frozenset[str] = frozenset()


class PhotographRows(Source):
    """The rows of a step's input, each of them up to `turns` times.

    A model that sees a photograph chooses one of the offered operations, and the row counts for the chosen operation.
    The offered operations follow from the mix and the photograph's index alone (`Offers`), so a larger set asks
    everything that a smaller one asks. For the same reason the number of open rows includes skipped photographs, and
    an operation is filled by accepted rows alone, and not by open ones.

    Args:
        step: the step whose input has the photographs.
        taxonomy: the operations.
        turns: greatest number of times that each photograph is offered.
        intake: the quota.

    Raises:
        ConfigError: the input has no rows.
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
        self._offered: dict[int, Offer] = {}  # index of an open row → its offer; a skipped photograph has none
        self._open: dict[int, Row] = {}  # index of an open row → the row of the input
        self._anything = Offer(taxonomy, 0) if intake.account is None else None  # without a quota: all operations
        self._read = self._begun = self._ended = 0
        if intake.account is None:
            self._begun = self._most
        self._hand_out()

    def __len__(self) -> int:
        return self._begun

    def row(self, index: int) -> Row:
        """Return a row of the input with the `Offer` for its photograph under the key OFFER."""
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
        """Hand an ended row to the quota, and begin further rows."""
        del self._open[index]
        self._ended += 1
        settled = Settled()
        offer = self._offered.pop(index, self._anything)
        if offer is not None:
            settled = self._take(offer, ended)
        self._hand_out()
        return settled

    def _take(self, offer: Offer, ended: Ended) -> Settled:
        chosen = next((str(side.row["sub_type"]) for side in ended.sides if side.name == WRITTEN), "")
        ending: Ending | None = "unwanted" if ended.error is None and chosen in offer.filled else None
        if isinstance(ended.error, RowError) and not isinstance(ended.error, UnfitAnswer) and not ended.sides:
            ending = "unfit"
        settled = Settled(ended.rows, error=ended.error)
        return self._intake.take(offer.target, ended, settled, operation=chosen, ending=ending)

    @property
    def expected(self) -> int:
        """The forecast of all rows that will be begun."""
        return min(self._most, self._intake.expected(self._begun))

    @property
    def open_at_most(self) -> int:
        """Greatest number of open photographs, if this alone keeps a further one from being begun; 0: it does not."""
        account = self._intake.account
        if account is None or account.is_out_of_money or self._begun == self._most:
            return 0
        most = _open_at_most(account.quota)
        return most if self._begun - self._ended >= most and account.wanting() else 0

    @property
    def seconds(self) -> float:
        """Seconds that the remaining rows take, by the forecast; 0: not known."""
        return self._intake.seconds

    @property
    def short(self) -> int:
        """Number of wanted rows that are not accepted yet."""
        return self._intake.short

    @property
    def note(self) -> str:
        """How far the quota is, in a few words."""
        return self._intake.note

    def report(self) -> Mapping[str, JSON]:
        """Return the figures of the quota."""
        return self._intake.report()

    def describe(self) -> Sequence[str]:
        """Return the figures of the quota in words, and what to do if all photographs were not enough."""
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
            turn, photograph = divmod(self._begun, self._rows)
            # The offers move on by one photograph each turn, so that a photograph is not offered the same twice.
            names = offers.offered(turn + photograph)
            filled = frozenset(name for name in names if account.is_filled(name))
            if target := next((name for name in names if name not in filled), ""):  # else the photograph is skipped
                offered = Taxonomy({name: self._taxonomy.operations[name] for name in names})
                self._offered[self._begun] = Offer(offered, turn, target, filled)
                account.begin(target)
            self._begun += 1
