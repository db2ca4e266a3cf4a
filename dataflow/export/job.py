"""What one export is to do, and what it came to: what the writing of formats and of the card have in common."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dataflow.core.words import count_of
from dataflow.export.cache import Source
from dataflow.export.formats import Format
from dataflow.export.plan import Choice, Plan
from dataflow.export.records import RowsOf
from dataflow.export.spool import Part, Records, Rule
from dataflow.export.tree import Tree

NOT_JUDGED = "not judged"


@dataclass(frozen=True, slots=True)
class Job:
    """What is written, where to.

    Args:
        source: the step and its meta files.
        target: what the export will be called; absolute.
        folder: the same while it is made.
        choice: of the user.
        formats: in the order asked for.
        plans: of the records, by the rows that they are made of; what was left out, and why, stands in them.
    """

    source: Source
    target: Path
    folder: Path
    choice: Choice
    formats: Sequence[Format]
    plans: Mapping[RowsOf, Plan]

    def tree(self, of: RowsOf) -> Tree:
        """The tree of the formats that read these rows."""
        return Tree(bool(self.choice.split), "" if of == "rows" else of)

    def records(self, form: Format, counts: Counter[Part] | None = None) -> Records:
        """What a format is given.

        Args:
            form: one of `formats`.
            counts: of its parts, where somebody has counted.
        """
        rule = Rule(lambda record: not form.refusal(record), form.takes.turns, form.takes.captions)
        return Records(self.plans[form.rows].spool, rule, counts)


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export came to.

    Args:
        target: the folder; after a dry run there is none.
        source: the step's file.
        rows: that were read, of the step and of side outputs.
        formats: name → records in it.
        splits: name → records of the step's rows in it, conversations whole.
        left_out: why → rows that did not go out, but for findings.
        findings: kind → rows, see `dataflow.export.findings`.
        table: the findings in lines.
        not_judged: records that nobody judged.
        files: how many pictures of the trees are links, copies, baked.
        manifests_lost: pictures that were made anew, without the C2PA manifest that they had.
        commands: format → what trains on it.
        dry_run: nothing was written.
    """

    target: Path
    source: Path
    rows: int
    formats: Mapping[str, int]
    splits: Mapping[str, int]
    left_out: Mapping[str, int]
    findings: Mapping[str, int]
    table: Sequence[str]
    not_judged: int
    files: Mapping[str, int] = field(default_factory=dict)
    commands: Mapping[str, str] = field(default_factory=dict)
    manifests_lost: int = 0
    dry_run: bool = False

    def __str__(self) -> str:
        lines = [*self.table]
        lines += [f"left out: {count_of(count, 'row')} {why}" for why, count in self.left_out.items()]
        counts = ", ".join(f"{name} {count:,}" for name, count in self.formats.items())
        lines.append(f"{count_of(self.rows, 'row')} of {self.source.name}; records: {counts}")
        if len(self.splits) > 1:
            lines.append(", ".join(f"{name} {count:,}" for name, count in self.splits.items()))
        if self.dry_run:
            lines.append("(dry run) nothing was written")
        else:
            lines.append(f"-> {self.target}: " + ", ".join(f"{count:,} {name}" for name, count in self.files.items()))
        lines += [f"{name}: {command}" for name, command in self.commands.items()]
        if self.not_judged:
            lines.append(f"{NOT_JUDGED}: {count_of(self.not_judged, 'record')} without a verdict")
        return "\n".join(lines)
