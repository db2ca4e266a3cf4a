"""From rows to the records that go out: read, choose, check, split; all before the first byte of a format."""

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
from dataflow.export.images import ChangedPicture, Images
from dataflow.export.licences import Licences
from dataflow.export.makers import Makers
from dataflow.export.mix import Mix
from dataflow.export.records import Bake, Image, Record, RowsOf
from dataflow.export.rows import NoCaption, Reader, edits_of, inputs_of, operation_of
from dataflow.export.select import Condition
from dataflow.export.space import Space
from dataflow.export.splits import Splits
from dataflow.export.spool import LEFT_OUT, Spool
from dataflow.journal.known import KnownPictures
from dataflow.judging.verdict import VERDICT, is_accepted

Progress = Callable[[str, int], None]
"""Told what is being done and how many rows it has done so far."""

EVERY = 256  # rows between two words of progress

FAILED, REJECTED, WHERE, MIX, SHAPE = "failed", "rejected", "not met by --where", "beyond the mix", "of another shape"
BY_HAND = "rejected by hand"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rows go out, and how.

    Args:
        where: a condition; None: all.
        split: name → share; empty: all is train.
        mix: operation or group → its part; empty: all.
        languages: of instructions, the first one first; empty: as the rows have them.
        sizes: what becomes of sources of another shape than their result.
        rejected: rows that a judge rejected go out too.
        by_hand: goes before what a judge said.
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
        left_out: why → how many rows, without those that `findings` count.
        findings: what is the matter.
        not_judged: records that go out without a verdict.
        by_hand: paths of edits in rows of the step of which one was accepted by hand.
        operations: (operation, FAILED, REJECTED or "") → rows.
    """

    spool: Spool
    rows: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    findings: Findings = field(default_factory=Findings)
    not_judged: int = 0
    by_hand: set[str] = field(default_factory=set)
    operations: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __len__(self) -> int:
        return sum(fate != LEFT_OUT for fate in self.spool.fates)


class Planner:
    """Makes the plan for those formats that read the same rows.

    Args:
        source: the step.
        of: which of its rows.
        choice: of the user.
        formats: all of them read these rows.
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
        """Read all rows; records that may go out are in the plan's spool, split.

        Args:
            known: what the journal knows of pictures.
            folder: for the spool.
            space: is told what the records take.
            progress: told how far it is.
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
        if self._choice.mix or self._choice.split or licences.part:
            self._settle(plan, mix, licences, progress)
        licences.tell()
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
        """The records of a row that go out, as far as it alone decides."""
        try:
            reason = self._unwanted(row)
            made = [] if reason else reader.records(row, place, of=self._of)
        except ChangedPicture as error:
            self._findings.add("changed", place, str(error))
        except NoCaption as error:
            self._findings.add("caption", place, str(error))
        except RowError as error:
            self._findings.add("missing" if "picture" in str(error) else "broken", place, str(error))
        except (KeyError, TypeError, ValueError) as error:  # a column of ours in a form of someone else's
            self._findings.add("broken", place, f"{type(error).__name__}: {error}")
        else:
            accepted = self._accepted(made)
            records = [each for each in accepted if self._meets(row, each)]
            if not is_try:
                plan.operations[operation_of(row), reason or ("" if accepted else REJECTED)] += 1
            if not records:
                plan.left_out[reason or (WHERE if accepted else self._rejected(made))] += 1
            if self._is_by_hand(row):
                plan.by_hand.update(edits_of(row))
            return records
        return ()

    def _is_by_hand(self, row: Row) -> bool:
        """Whether one of its edits was accepted by hand."""
        return not self._choice.by_hand.paths.isdisjoint(edits_of(row))

    def _unwanted(self, row: Row) -> str:
        """Why a row does not go out that nothing is the matter with; empty: it may."""
        if not edits_of(row):
            return FAILED
        if self._of == "rows" and not self._choice.rejected and _all_rejected(row) and not self._is_by_hand(row):
            return REJECTED
        return ""

    def _accepted(self, records: Sequence[Record]) -> Sequence[Record]:
        """Those of a row's records that nobody rejected, or a judge alone where these are wanted too."""
        by_hand, found = self._choice.by_hand, []
        for each in records:
            said = by_hand.says(each)
            goes_out = said is not False or self._choice.rejected or self._of == "pairs"
            if self._of == "tries" or (goes_out and not by_hand.rejects(each)):
                found.append(each if said == each.accepted else replace(each, accepted=said))
        return found

    def _rejected(self, records: Sequence[Record]) -> str:
        """By whom."""
        return BY_HAND if any(map(self._choice.by_hand.rejects, records)) else REJECTED

    def _meets(self, row: Row, record: Record) -> bool:
        where = self._choice.where
        return where is None or where(values_of(row, record))

    def _settle(self, plan: Plan, mix: Mix, licences: Licences, progress: Progress) -> None:
        """Now that all are known: the mix, what may not lie beside each other, and the splits."""
        fates, names = plan.spool.fates, self._splits.names
        for number, record in plan.spool.all():
            if not (number + 1) % EVERY:
                progress("splitting", number + 1)
            fates[number] = names.index(self._splits.of(record)) if mix.takes(record) else LEFT_OUT
            plan.left_out[MIX] += fates[number] == LEFT_OUT
            if fates[number] != LEFT_OUT and not licences.allow(record):
                fates[number] = LEFT_OUT
            if fates[number] != LEFT_OUT and (other := self._splits.astray(record)):
                self._findings.add("two_splits", record.place, f"{other} and {names[fates[number]]}")
                fates[number] = LEFT_OUT
            plan.not_judged -= fates[number] == LEFT_OUT and record.accepted is None


def of_one_ending(record: Record) -> Record:
    """A record of which all files have one ending: those that have not are baked."""
    if len({each.ending for each in record.all_images()}) == 1:
        return record

    def baked(image: Image) -> Image:
        return image if image.ending == "png" else replace(image, bake=Bake())

    return replace(
        record,
        images=tuple(map(baked, record.images)),
        edited=baked(record.edited),
        losers=tuple(map(baked, record.losers)),
        turns=tuple(replace(each, edited=baked(each.edited)) for each in record.turns),
    )


def values_of(row: Row, record: Record) -> dict[str, JSON]:
    """What a condition may name: columns of texts and numbers, axes and score of the verdict, inputs, width, height."""
    found: dict[str, JSON] = {name: each for name, each in row.items() if isinstance(each, str | int | float | bool)}
    for part in (record.verdict, record.axes):
        found |= {name: each for name, each in part.items() if isinstance(each, str | int | float | bool)}
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
    return all(isinstance(each, dict) and each.get("accepted") is False for each in verdicts)
