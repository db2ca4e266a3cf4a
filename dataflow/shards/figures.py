"""What the shards of a step came to together: counts and money are sums, shares are those of the sums."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from dataflow.core.records import Row
from dataflow.flow.summary import Summary

_FIRST = ("operator", "output", "accepts", "currency", "of_rows")
_OWN = ("versions", "shard", "summary", "cost")


def merged_meta(metas: Sequence[Row], *, step: int, target: str) -> Row:
    """What is to stand beside a merged step's file.

    Args:
        metas: what stands beside the shards' files.
        step: its number.
        target: the merged file.
    """
    meta: Row = {name: value for name, value in metas[0].items() if name not in _OWN}
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
    """Sums by name; a name of which the sum is nothing stays."""
    names = dict.fromkeys(name for counts in each for name in counts)
    return {name: sum(counts.get(name, 0) for counts in each) for name in names}


def _sum_up_makers(made_by: Row, each: Sequence[Row]) -> None:
    """Of one worker: the answers by each model, and the names of all models."""
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
    """Of a worker, those in the ids of its answers, as a step's meta has them."""
    return [each for each in (worker.get("fingerprint"), *worker.get("other_fingerprints", [])) if each is not None]


def _join(workers: Row, others: Row) -> None:
    """Keep every fingerprint that answers have."""
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
        values[field.name] = _together(field.name, each)
    return Summary(**{**values, "step": step, "target": target})


def _together(name: str, each: Sequence[Any]) -> Any:
    if name == "began":
        return min(each)
    if name in ("seconds", "held_seconds"):  # shards run side by side
        return max(each)
    if name in ("reasons", "sides"):
        return _sum(each)
    if name == "answered_by":
        workers = dict.fromkeys(worker for one in each for worker in one)
        return {worker: _sum([one.get(worker, {}) for one in each]) for worker in workers}
    if name in _FIRST or not isinstance(each[0], int | float):
        return next((one for one in each if one), each[0])
    total = sum(each)
    return total if isinstance(total, int) else round(total, 9)
