"""Counts for the page's funnel what became of rows, in all and by operation, and what an accepted row cost."""

from collections import Counter
from dataclasses import asdict

import numpy as np

from dataflow.core.intervals import share_of
from dataflow.core.records import JSON, Row
from dataflow.errors import ConfigError
from dataflow.view.catalogue import Catalogue, Part
from dataflow.view.facts import ACCEPTED, DROPPED, FAILED, REJECTED, SURPLUS, UNJUDGED
from dataflow.view.row_index import Columns
from dataflow.view.status import Status, StatusReader, StepStatus

_JUDGED = (ACCEPTED, SURPLUS, REJECTED, DROPPED)
_FAULTS = 3  # of an operation that are named


def overview_of(catalogue: Catalogue, status: Status | None) -> Row:
    """The values that stand above the rows: the step's progress, its rows by outcome, and their cost.

    Args:
        catalogue: of the step.
        status: of the cache directory; None: not known.
    """
    step = _step_of(catalogue, status)
    parts = catalogue.parts()
    return {
        "step": catalogue.step,
        "cache": str(catalogue.cache_path.absolute()),
        "state": step.state if step is not None else "",
        "operator": step.operator if step is not None else "",
        "rows": step.rows if step is not None else None,
        "done": step.done if step is not None else None,
        "seconds_left": step.seconds_left if step is not None else None,
        "why": step.why if step is not None else "",
        "currency": status.currency if status is not None else "",
        "spent": status.spent if status is not None else 0.0,
        "verdicts": asdict(step.verdicts) if step is not None and step.verdicts is not None else None,
        "sides": {name: len(index) for name, index in catalogue.indexes.items() if name != "errors"},
        "counts": {name: dict(counter.most_common()) for name, counter in catalogue.counts().items()},
        "scores": _histogram([part.columns for part in parts]),
        "operations": _operations(parts),
    }


def status_of(reader: StatusReader) -> Status | None:
    """The status of a cache directory; None if its files cannot be read, so that the page works without."""
    try:
        return reader.look()
    except (ConfigError, OSError):
        return None


def _step_of(catalogue: Catalogue, status: Status | None) -> StepStatus | None:
    steps = status.steps if status is not None else ()
    return next((step for step in steps if f"{step.prefix}_step{step.number}" == catalogue.step), None)


def _histogram(columns: list[Columns]) -> list[int]:
    """How many rows have a score from 0 to 1, from 1 to 2, and so on to 10."""
    scores = np.concatenate([part.numbers["score"] for part in columns]) if columns else np.zeros(0)
    counts, _ = np.histogram(scores[~np.isnan(scores)], bins=10, range=(0.0, 10.0))
    return [int(count) for count in counts]


def _operations(parts: list[Part]) -> list[JSON]:
    """The counts of each operation, the most frequent first."""
    outcomes: dict[str, Counter[str]] = {}
    faults: dict[str, Counter[str]] = {}
    costs: dict[str, float] = {}
    for part in parts:
        for code, name in enumerate(part.columns.names["operation"]):
            rows = part.columns.codes["operation"] == code
            outcomes.setdefault(name, Counter()).update(part.named("outcome", rows))
            faults.setdefault(name, Counter()).update(part.named("fault", rows))
            costs[name] = costs.get(name, 0.0) + float(np.nansum(part.columns.numbers["cost"][rows]))
    return [
        _operation(name, outcomes[name], faults[name], costs[name])
        for name in sorted(outcomes, key=lambda outcome: (-outcomes[outcome].total(), outcome))
        if outcomes[name]
    ]


def _operation(name: str, outcomes: Counter[str], faults: Counter[str], cost: float) -> JSON:
    accepted = outcomes[ACCEPTED] + outcomes[SURPLUS]
    judged = sum(outcomes[outcome] for outcome in _JUDGED)
    interval = share_of(accepted, judged) if judged else None
    return {
        "name": name,
        "rows": outcomes.total(),
        "accepted": accepted,
        "rejected": outcomes[REJECTED] + outcomes[DROPPED],
        "unjudged": outcomes[UNJUDGED],
        "failed": outcomes[FAILED],
        "share": None if interval is None else list(interval),
        "cost": cost,
        "cost_each": cost / accepted if accepted else None,
        "faults": [list(fault) for fault in faults.most_common(_FAULTS)],
    }
