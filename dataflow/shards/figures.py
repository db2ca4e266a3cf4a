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


def _sum(each: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Sums by name, names with the sum 0 included."""
    names = dict.fromkeys(name for counts in each for name in counts)
    return {name: sum(counts.get(name, 0) for counts in each) for name in names}


def _sum_up_makers(made_by: Row, each: Sequence[Row]) -> None:
    """Give one worker's `made_by` the sum of answers by model, and the names of all models.

    Args:
        made_by: of the first shard; changed in place.
        each: `made_by` of the worker in all shards.
    """
    if "answered_by" in made_by:
        made_by["answered_by"] = _sum([one.get("answered_by", {}) for one in each])
    if models := dict.fromkeys(one["model"] for one in each if one.get("model")):
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
        other = others.get(name, {})
        known = fingerprints_of(worker)
        if more := [each for each in fingerprints_of(other) if each not in known]:
            worker["other_fingerprints"] = [*worker.get("other_fingerprints", []), *more]


def _summary(figures: Sequence[Row], step: int, target: str) -> Summary:
    values: dict[str, Any] = {}
    for field in fields(Summary):
        each = [one[field.name] for one in figures if field.name in one]
        if not each or field.name == "estimate":
            continue
        values[field.name] = _merged_figure(field.name, each)
    return Summary(**{**values, "step": step, "target": target})


def _merged_figure(name: str, each: Sequence[Any]) -> Any:
    """One figure of a merged summary, from the same figure of each shard."""
    if name == "began":
        return min(each)
    if name in ("seconds", "held_seconds"):  # shards run side by side
        return max(each)
    if name in ("reasons", "sides"):
        return _sum(each)
    if name == "answered_by":
        workers = dict.fromkeys(worker for one in each for worker in one)
        return {worker: _sum([one.get(worker, {}) for one in each]) for worker in workers}
    if name in _EQUAL or not isinstance(each[0], int | float):
        return next((one for one in each if one), each[0])
    total = sum(each)
    return total if isinstance(total, int) else round(total, 9)
