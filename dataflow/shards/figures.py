"""Adds up the figures of a step over its shards: counts and money are sums, and shares follow from the sums."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from dataflow.core.records import Row
from dataflow.flow.summary import Summary

_EQUAL = ("operator", "output", "accepts", "currency", "of_rows")
_NOT_COPIED = ("versions", "shard", "summary", "cost")


def merged_meta(metas: Sequence[Row], *, step: int, target: str) -> Row:
    """The contents of the meta file of a merged step.

    Args:
        metas: contents of the shards' meta files of the step.
        step: number of the step.
        target: path of the merged file.
    """
    meta: Row = {name: value for name, value in metas[0].items() if name not in _NOT_COPIED}
    for name in ("rows", "failed"):
        if name in meta:
            meta[name] = sum(each.get(name, 0) for each in metas)
    if "sides" in meta:
        meta["sides"] = _sum([each.get("sides", {}) for each in metas])
    for each in metas[1:]:
        _join(meta.get("workers", {}), each.get("workers", {}))
    for name, made_by in meta.get("made_by", {}).items():
        _sum_up_makers(made_by, [each["made_by"].get(name, {}) for each in metas])
    if "cost" in metas[0]:
        meta["cost"] = _sum_of_costs([each["cost"] for each in metas])
    if "summary" in metas[0]:
        meta["summary"] = _summary([each["summary"] for each in metas], step, target).figures()
    return meta


def _sum(all_counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Sums by name, names with the sum 0 included."""
    names = dict.fromkeys(name for counts in all_counts for name in counts)
    return {name: sum(counts.get(name, 0) for counts in all_counts) for name in names}


def _sum_up_makers(made_by: Row, makers: Sequence[Row]) -> None:
    """Give one worker's `made_by` the sum of answers by model, and the names of all models.

    Args:
        made_by: of the first shard; changed in place.
        makers: `made_by` of the worker in all shards.
    """
    if "answered_by" in made_by:
        made_by["answered_by"] = _sum([maker.get("answered_by", {}) for maker in makers])
    if models := dict.fromkeys(maker["model"] for maker in makers if maker.get("model")):
        made_by["model"] = ", ".join(models)


def _sum_of_costs(costs: Sequence[Row]) -> Row:
    total: Row = dict(costs[0])
    for name, value in total.items():
        if isinstance(value, int | float):
            total[name] = type(value)(round(sum(each.get(name, 0) for each in costs), 9))
    total["currency"] = next((each["currency"] for each in costs if each.get("currency")), "")
    return total


def fingerprints_of(worker: Row) -> list[Row]:
    """The fingerprints under which a worker's answers count.

    Args:
        worker: the worker's entry in the meta file of a step.
    """
    return [each for each in (worker.get("fingerprint"), *worker.get("other_fingerprints", [])) if each is not None]


def _join(workers: Row, others: Row) -> None:
    """Add another shard's fingerprints to `workers`, which is changed in place."""
    for name, worker in workers.items():
        their_worker = others.get(name, {})
        known = fingerprints_of(worker)
        if more := [each for each in fingerprints_of(their_worker) if each not in known]:
            worker["other_fingerprints"] = [*worker.get("other_fingerprints", []), *more]


def _summary(figures: Sequence[Row], step: int, target: str) -> Summary:
    values: dict[str, Any] = {}
    for field in fields(Summary):
        values_of_field = [summary[field.name] for summary in figures if field.name in summary]
        if not values_of_field or field.name == "estimate":
            continue
        values[field.name] = _merged_figure(field.name, values_of_field)
    return Summary(**{**values, "step": step, "target": target})


def _merged_figure(name: str, values: Sequence[Any]) -> Any:
    """One figure of a merged summary, from the same figure of each shard."""
    if name == "began":
        return min(values)
    if name in ("seconds", "held_seconds"):  # shards run side by side
        return max(values)
    if name in ("reasons", "sides"):
        return _sum(values)
    if name == "answered_by":
        workers = dict.fromkeys(worker for value in values for worker in value)
        return {worker: _sum([value.get(worker, {}) for value in values]) for worker in workers}
    if name in _EQUAL or not isinstance(values[0], int | float):
        return next((value for value in values if value), values[0])
    total = sum(values)
    return total if isinstance(total, int) else round(total, 9)
