"""Makes the records that go out from rows: reads, chooses, checks and splits them, before a format writes a byte."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dataflow.core.records import JSON, Row
from dataflow.errors import RowError
from dataflow.export.by_hand import ByHand
from dataflow.export.cache import Source
from dataflow.export.checks import Checks, Sizes
from dataflow.export.findings import Findings
from dataflow.export.formats import Format
from dataflow.export.images import ChangedPicture, Images, UnusablePicture
from dataflow.export.licences import Licences
from dataflow.export.makers import Makers
from dataflow.export.mix import Mix
from dataflow.export.records import Bake, Image, Record, RowsOf
from dataflow.export.rows import NoCaption, Reader, edits_of, inputs_of, operation_of
from dataflow.export.select import Condition
from dataflow.export.space import Space
from dataflow.export.splits import Splits
from dataflow.export.spool import LEFT_OUT, Spool
from dataflow.journal.picture_facts import KnownPictures
from dataflow.judging.verdict import VERDICT, is_accepted

Progress = Callable[[str, int], None]
"""Called with what is being done, such as "checking", and with the number of rows that are done."""

EVERY = 256  # rows between two calls of Progress

FAILED, REJECTED, WHERE, MIX, SHAPE = "failed", "rejected", "not met by --where", "beyond the mix", "of another shape"
BY_HAND = "rejected by hand"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rows go out, and how; what the user asked for.

    Args:
        where: the condition that a row must meet; None: every row goes out.
        split: split → its share of the pictures' families, without "train"; empty: all records are "train".
        mix: operation or group → its part of the sum of parts; empty: no mix.
        languages: languages of the instructions that go out, the preferred one first; empty: all that a row has.
        sizes: what becomes of a source whose shape differs from its result's, see `read_sizes`.
        rejected: rows that a judge rejected go out too.
        by_hand: decisions that override the judge's.
    """

    where: Condition | None = None
    split: Mapping[str, float] = field(default_factory=dict)
    mix: Mapping[str, float] = field(default_factory=dict)
    languages: tuple[str, ...] = ()
    sizes: Sizes = "refuse"
    rejected: bool = False
    by_hand: ByHand = field(default_factory=ByHand)


@dataclass(slots=True)
class Plan:
    """The records that go out, and what became of all rows.

    Args:
        spool: the records.
        rows: how many rows were read.
        left_out: reason → rows, without those that `findings` counts.
        findings: what the checks found.
        not_judged: how many records go out without a verdict.
        by_hand: paths of all edits of those rows in which an edit was accepted by hand.
        operations: (operation, FAILED, REJECTED or "" for a row that goes out) → rows.
    """

    spool: Spool
    rows: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    findings: Findings = field(default_factory=Findings)
    not_judged: int = 0
    by_hand: set[str] = field(default_factory=set)
    operations: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __len__(self) -> int:
        return sum(number != LEFT_OUT for number in self.spool.split_numbers)


class Planner:
    """Makes the plan for those formats that read the same rows.

    Args:
        source: the step.
        of: which of its rows are read.
        choice: the user's choice of rows.
        formats: the formats, all of which read these rows.
        findings: shared by all plans of an export.
    """

    def __init__(
        self, source: Source, of: RowsOf, choice: Choice, *, formats: Sequence[Format], findings: Findings
    ) -> None:
        self._source, self._of, self._choice, self._formats = source, of, choice, formats
        self._splits = Splits(choice.split)
        self._checks = Checks(findings, formats, choice.sizes, compare=of == "rows")
        self._findings = findings

    def plan(self, known: KnownPictures, folder: Path, space: Space, progress: Progress) -> Plan:
        """Read all rows, and write the records that may go out into the plan's spool, with their splits.

        Args:
            known: the journal's facts about pictures.
            folder: an existing folder for the spool's file.
            space: adds up the room that the records take.
            progress: called every EVERY rows.

        Raises:
            ConfigError: the condition compares a text with a number, or a part of the mix has no row.
        """
        spool = Spool(folder / f"{self._of}.jsonl", self._splits.names)
        plan = Plan(spool, findings=self._findings)
        mix, licences = Mix(self._choice.mix), Licences(self._findings)
        one_ending = any(form.takes.one_ending for form in self._formats)
        for record in self._records(plan, self._reader(known), progress):
            if (passed := self._checks.passed(record)) is not None:
                spool.add(of_one_ending(passed) if one_ending else passed)
                space.note(passed)
                plan.not_judged += passed.accepted is None
                self._splits.note(passed)
                mix.note(passed)
                licences.note(passed)
        spool.close()
        plan.left_out[SHAPE] += self._checks.skipped
        mix.settle()
        if self._choice.mix or self._choice.split or licences.are_mixed:
            self._settle(plan, mix, licences, progress)
        licences.report()
        plan.left_out = +plan.left_out
        return plan

    def _reader(self, known: KnownPictures) -> Reader:
        makers = Makers(known, self._source.metas.values())
        images = Images(known, makers, self._source.finished)
        return Reader(self._source.path_rules(), images, self._choice.languages)

    def _records(self, plan: Plan, reader: Reader, progress: Progress) -> Iterator[Record]:
        for place, row in self._source.rows(self._of):
            plan.rows += 1
            if not plan.rows % EVERY:
                progress("checking", plan.rows)
            yield from self._read(plan, reader, place, row)
        if self._of == "rows" and self._choice.by_hand.paths and self._source.has("tries"):
            for place, row in self._source.rows("tries"):
                if self._is_by_hand(row) and edits_of(row)[0] not in plan.by_hand:
                    yield from self._read(plan, reader, place, row, is_try=True)
        progress("checking", plan.rows)

    def _read(self, plan: Plan, reader: Reader, place: str, row: Row, *, is_try: bool = False) -> Sequence[Record]:
        """The records of a row that go out, as far as the row alone decides.

        Args:
            plan: counts what becomes of the row.
            reader: makes the records.
            place: file and line of the row.
            row: the row.
            is_try: the row is a try that was accepted by hand; its operation is counted with its own row.
        """
        try:
            reason = self._unwanted(row)
            made = [] if reason else reader.records(row, place, of=self._of)
        except ChangedPicture as error:
            self._findings.add("changed", place, str(error))
        except NoCaption as error:
            self._findings.add("caption", place, str(error))
        except UnusablePicture as error:
            self._findings.add("missing", place, str(error))
        except RowError as error:
            self._findings.add("broken", place, str(error))
        except (KeyError, TypeError, ValueError) as error:  # a column has the right name and an unknown form
            self._findings.add("broken", place, f"{type(error).__name__}: {error}")
        else:
            accepted = self._accepted(made)
            records = [record for record in accepted if self._meets(row, record)]
            if not is_try:
                plan.operations[operation_of(row), reason or ("" if accepted else REJECTED)] += 1
            if not records:
                plan.left_out[reason or (WHERE if accepted else self._rejected(made))] += 1
            if self._is_by_hand(row):
                plan.by_hand.update(edits_of(row))
            return records
        return ()

    def _is_by_hand(self, row: Row) -> bool:
        """Whether an edit of the row was accepted by hand."""
        return not self._choice.by_hand.paths.isdisjoint(edits_of(row))

    def _unwanted(self, row: Row) -> str:
        """Why a sound row does not go out: FAILED, REJECTED, or "" if it may."""
        if not edits_of(row):
            return FAILED
        if self._of == "rows" and not self._choice.rejected and _all_rejected(row) and not self._is_by_hand(row):
            return REJECTED
        return ""

    def _accepted(self, records: Sequence[Record]) -> Sequence[Record]:
        """The records of a row that go out: those that nobody rejected, and with `rejected` those a judge rejected."""
        by_hand, found = self._choice.by_hand, []
        for record in records:
            accepted = by_hand.accepts(record)
            goes_out = accepted is not False or self._choice.rejected or self._of == "pairs"
            if self._of == "tries" or (goes_out and not by_hand.rejects(record)):
                found.append(record if accepted == record.accepted else replace(record, accepted=accepted))
        return found

    def _rejected(self, records: Sequence[Record]) -> str:
        """Who rejected the records of a row: BY_HAND or REJECTED."""
        return BY_HAND if any(map(self._choice.by_hand.rejects, records)) else REJECTED

    def _meets(self, row: Row, record: Record) -> bool:
        where = self._choice.where
        return where is None or where(values_of(row, record))

    def _settle(self, plan: Plan, mix: Mix, licences: Licences, progress: Progress) -> None:
        """Apply what needs all records: the mix, licences that exclude each other, and the splits."""
        numbers, names = plan.spool.split_numbers, self._splits.names
        for number, record in plan.spool.all():
            if not (number + 1) % EVERY:
                progress("splitting", number + 1)
            numbers[number] = names.index(self._splits.of(record)) if mix.takes(record) else LEFT_OUT
            plan.left_out[MIX] += numbers[number] == LEFT_OUT
            if numbers[number] != LEFT_OUT and not licences.allow(record):
                numbers[number] = LEFT_OUT
            if numbers[number] != LEFT_OUT and (conflict := self._splits.conflicting_split(record)):
                self._findings.add("two_splits", record.place, f"{conflict} and {names[numbers[number]]}")
                numbers[number] = LEFT_OUT
            # The record was counted as not judged before it was left out.
            plan.not_judged -= numbers[number] == LEFT_OUT and record.accepted is None


def of_one_ending(record: Record) -> Record:
    """The record with files of one ending: if they differ, those that are no PNG are baked as PNG."""
    if len({image.ending for image in record.all_images()}) == 1:
        return record

    def baked(image: Image) -> Image:
        return image if image.ending == "png" else replace(image, bake=Bake())

    return replace(
        record,
        images=tuple(map(baked, record.images)),
        edited=baked(record.edited),
        losers=tuple(map(baked, record.losers)),
        turns=tuple(replace(turn, edited=baked(turn.edited)) for turn in record.turns),
    )


def values_of(row: Row, record: Record) -> dict[str, JSON]:
    """The values that a condition may name.

    They are the row's columns of texts and numbers, the axes and the score of the verdict, the number of inputs, and
    width and height of the result in pixels.
    """
    found: dict[str, JSON] = {name: value for name, value in row.items() if isinstance(value, str | int | float | bool)}
    for part in (record.verdict, record.axes):
        found |= {name: value for name, value in part.items() if isinstance(value, str | int | float | bool)}
    width, height = record.edited.shape
    found |= {"inputs": inputs_of(row), "width": width, "height": height, "turns": len(record.turns)}
    found |= {"edit_type": record.edit_type, "sub_type": record.sub_type, "relation": record.relation}
    found |= {"licence": record.licence, "id": record.id, "accepted": record.accepted}
    return found


def _all_rejected(row: Row) -> bool:
    verdict = row.get(VERDICT)
    verdicts = verdict if isinstance(verdict, list) else [verdict]
    if row.get("turns"):
        return bool(verdict) and not is_accepted(verdict)
    return all(isinstance(verdict, dict) and verdict.get("accepted") is False for verdict in verdicts)
