"""Rows and failed rows of shards come out in the order of one run."""

from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.shards import merge
from dataflow.shards.parts import whole_parts
from dataflow.shards.rows import failures_in_order, in_order
from dataflow.utils.storage import FileStorage
from tests.kit import sharded
from tests.kit.flow import Ask, read_rows, write_rows
from tests.kit.workers import Echo


@pytest.mark.parametrize("cache_type", ["csv", "json"])
def test_other_kinds_of_files_are_merged_as_they_were_written(tmp_path: Path, cache_type: str) -> None:
    rows = [{"prompt": f"p{n}", "said": "[1,  2]", "list": [n]} for n in range(20)]
    first = write_rows(tmp_path / "in.jsonl", rows)
    for index in range(3):
        Ask(Echo()).run(FileStorage(first, tmp_path / "cache", cache_type=cache_type, shard=f"{index}/3").step())
    merge(tmp_path / "cache")
    Ask(Echo()).run(FileStorage(first, tmp_path / "whole", cache_type=cache_type).step())
    assert sharded.step_files(tmp_path / "cache") == sharded.step_files(tmp_path / "whole")


def test_rows_and_failures_come_as_one_run_writes_them(tmp_path: Path) -> None:
    first = sharded.first_entry(tmp_path, 60)
    sharded.run(first, tmp_path / "whole")
    for index in range(3):
        sharded.run(first, tmp_path / "cache", shard=f"{index}/3")
    parts = whole_parts(tmp_path / "cache")
    for number, step in enumerate(parts[0].files.values(), 1):
        raw = [each for each in in_order(parts, step.path.name) if isinstance(each, bytes)]
        assert b"".join(raw) == (tmp_path / "whole" / step.path.name).read_bytes()
        source = tmp_path / "whole" / f"{step.prefix}_step{number - 1}.jsonl"
        failures = [row["row"] for row in failures_in_order(parts, step, source)]
        errors = tmp_path / "whole" / f"{step.name}.errors.jsonl"
        assert failures == [row["row"] for row in (read_rows(errors) if errors.exists() else [])]


def test_a_file_with_more_rows_than_its_shard_wrote_is_refused(tmp_path: Path) -> None:
    first = sharded.first_entry(tmp_path, 20)
    for index in range(2):
        sharded.run(first, tmp_path / "cache", shard=f"{index}/2")
    parts = whole_parts(tmp_path / "cache")
    name = parts[0].files[f"{sharded.PREFIX}_step1"].path.name
    with (parts[0].path / name).open("a") as file:
        file.write("{}\n")
    with pytest.raises(ConfigError, match="is not the file that its shard wrote"):
        list(in_order(parts, name))
