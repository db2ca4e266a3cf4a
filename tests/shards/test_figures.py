"""The meta file of a merged step has the sums of its shards."""

import json
from pathlib import Path

import pytest

from dataflow.shards import merge
from dataflow.utils.storage import FileStorage
from tests.kit import sharded
from tests.kit.flow import Ask


def test_meta_files_have_the_sums(tmp_path: Path) -> None:
    first = sharded.first_entry(tmp_path, 60)
    sharded.run(first, tmp_path / "whole")
    for index in range(3):
        sharded.run(first, tmp_path / "cache", shard=f"{index}/3")
    merge(tmp_path / "cache")
    for step in (1, 2, 3):
        one, sums = (
            json.loads((tmp_path / cache / f"{sharded.PREFIX}_step{step}.meta.json").read_bytes())
            for cache in ("whole", "cache")
        )
        assert one.keys() == sums.keys()
        for name in ("rows", "failed", "operator", "workers", "cwd"):
            assert one[name] == sums[name]
        assert one.get("sides") == sums.get("sides")
        for name in ("rows_in", "rows_done", "requests", "reasons", "sides", "accepted", "cost_per_accepted"):
            assert one["summary"][name] == sums["summary"][name], name


def test_sums_of_money_are_those_of_the_shards(tmp_path: Path) -> None:
    first, cache = sharded.first_entry(tmp_path, 40), tmp_path / "cache"
    spent = 0.0
    for index in range(3):
        worker = sharded.Paid()
        storage = FileStorage(first, cache, shard=f"{index}/3", prices=sharded.PRICES)
        spent += Ask(worker).run(storage.step()).spent
    merge(cache)
    summary = Ask(sharded.Paid()).run(FileStorage(first, cache, prices=sharded.PRICES).step())
    assert (summary.requests, summary.cost) == (0, 0)
    assert summary.spent == pytest.approx(spent)
    assert spent > 0
