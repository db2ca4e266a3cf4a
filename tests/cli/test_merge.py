"""`dataflowmm merge`: what it writes, and what it says is missing."""

from pathlib import Path

import pytest

from dataflow.cli.main import main
from tests.kit import sharded


def test_merge_says_what_it_wrote_and_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, cache = sharded.first_entry(tmp_path, 30), tmp_path / "cache"
    sharded.run(first, cache, shard="1/2")
    assert main(["merge", str(cache)]) == 1
    assert "0/2: it was never run" in capsys.readouterr().err
    sharded.run(first, cache, shard="0/2")
    assert main(["merge", str(cache)]) == 0
    said = capsys.readouterr().out
    assert f"{cache}/dataflow_cache_step_step1.jsonl: 30 rows, " in said
    assert "Merged 2 shards. A run without a shard asks nothing" in said
    assert main(["merge", str(cache)]) == 0
    assert "its steps are those of its 2 shards already" in capsys.readouterr().out
