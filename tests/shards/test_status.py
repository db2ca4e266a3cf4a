"""`dataflowmm status` of a cache path with shards adds them up, and says how far which are."""

import shutil
from pathlib import Path

import pytest

from dataflow.cli.main import main
from dataflow.shards import merge
from dataflow.shards.status import ShardsReader, reader_of
from dataflow.view.status import Status, StatusReader
from tests.kit import sharded
from tests.kit.flow import flat


def sums(status: Status) -> list[tuple[object, ...]]:
    return [
        (step.number, step.operator, step.state, step.rows, step.done, step.written, step.failed, step.requests)
        for step in status.steps
    ]


def test_shards_add_up_to_what_one_run_shows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, whole, cache = sharded.first_entry(tmp_path, 60), tmp_path / "whole", tmp_path / "cache"
    sharded.run(first, whole)
    for index in range(3):
        sharded.run(first, cache, shard=f"{index}/3")
    reader = reader_of(cache)
    assert isinstance(reader, ShardsReader)
    one, both = StatusReader(whole).look(), reader.look()
    assert sums(one) == sums(both)
    assert [each.verdicts for each in one.steps] == [each.verdicts for each in both.steps]
    reasons = [[{(each.reason, each.rows) for each in step.failures} for step in look.steps] for look in (one, both)]
    assert reasons[0] == reasons[1]
    assert main(["status", str(cache)]) == 0
    assert f"of 3 shards 3 complete; merge them: dataflowmm merge {cache}" in flat(capsys.readouterr().out)
    shutil.rmtree(cache / "shard-001-of-003")
    said = reader.look()
    assert said.shards == "of 3 shards 2 complete, 1 not begun (1/3)"
    assert {step.state for step in said.steps} == {"stopped"}
    assert main(["status", str(cache)]) == 0
    assert "complete in 2 of 3 shards" in capsys.readouterr().out


def test_after_the_merge_the_cache_itself_is_shown(tmp_path: Path) -> None:
    first, cache = sharded.first_entry(tmp_path, 30), tmp_path / "cache"
    for index in range(2):
        sharded.run(first, cache, shard=f"{index}/2")
    together = reader_of(cache).look()
    merge(cache)
    reader = reader_of(cache)
    assert isinstance(reader, StatusReader)
    assert sums(reader.look()) == sums(together)
