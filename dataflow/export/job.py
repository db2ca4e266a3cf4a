"""The settings of one export and its result: what the formats and the card are written from."""

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
    """One export: which rows it writes, in which formats, and where.

    Args:
        source: the step and the meta files of the cache directory.
        target: absolute path of the finished export.
        folder: path of the export while it is made.
        choice: the user's choice of rows.
        formats: in the order in which the user named them.
        plans: "rows", "pairs" or "tries" → the plan of the records made of them.
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
        """The records that a format gets.

        Args:
            form: one of `formats`.
            counts: part → records; None: they are counted when they are first asked for.
        """
        rule = Rule(lambda record: not form.refusal(record), form.takes.turns, form.takes.captions)
        return Records(self.plans[form.rows].spool, rule, counts)


@dataclass(frozen=True, slots=True)
class Exported:
    """The result of an export. Its text has the findings, the counts and the command lines.

    Args:
        target: absolute path of the export's folder, which does not exist after a dry run.
        source: absolute path of the step's file.
        rows: how many rows were read, of the step and of its side outputs.
        formats: format → records in it.
        splits: split → records of the step's rows in it; a conversation counts once.
        left_out: reason → rows that did not go out, without those that `findings` counts.
        findings: kind → rows, see `dataflow.export.findings`.
        table: the findings as lines of text.
        not_judged: records without a verdict.
        files: "linked", "copied" or "baked" → pictures that stand in trees so.
        commands: format → the command line that trains on it.
        manifests_lost: pictures that were baked and lost a C2PA manifest by that.
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
