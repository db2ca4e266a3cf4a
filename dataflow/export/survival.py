"""Counts the accepted, rejected and failed rows of each operation, for the card."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from dataflow.export.job import Job
from dataflow.export.plan import FAILED, REJECTED
from dataflow.export.rows import operation_of
from dataflow.judging import verdict
from dataflow.utils.rowfiles import read_rows


@dataclass(frozen=True, slots=True)
class Survival:
    """The rows of one operation.

    Args:
        rows: all rows.
        rejected: rows that a judge, a gate or a person rejected.
        failed: rows without a result.
    """

    rows: int
    rejected: int
    failed: int

    @property
    def accepted(self) -> int:
        """Rows with a result that nobody rejected."""
        return self.rows - self.rejected - self.failed


def survival_of(job: Job) -> Mapping[str, Survival]:
    """Operation → its rows, of the step's file and its side output of rejected rows; the most frequent first.

    It is empty for an export of pairs or tries alone, which reads no rows of the step.
    """
    plan = job.plans.get("rows")
    outcomes = Counter(plan.operations) if plan is not None else Counter[tuple[str, str]]()
    side = job.source.path.with_name(f"{job.source.name}.{verdict.REJECTED}.jsonl")
    if plan is not None and side.is_file():
        outcomes.update((operation_of(row), REJECTED) for _, row in read_rows(side))
    found: dict[str, Counter[str]] = {}
    for (operation, outcome), count in outcomes.items():
        found.setdefault(operation, Counter())[outcome] += count
    survivals = {name: Survival(counts.total(), counts[REJECTED], counts[FAILED]) for name, counts in found.items()}
    return dict(sorted(survivals.items(), key=lambda item: (-item[1].rows, item[0])))
