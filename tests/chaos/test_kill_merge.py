"""`kill -9` of a merge at random points: what lies there is whole or not there, and the next merge completes it."""

import random
import signal
from collections import Counter
from multiprocessing import get_context
from pathlib import Path

import pytest

from dataflow.journal.lines import is_whole
from dataflow.shards import merge
from tests.kit import sharded
from tests.kit.workers import Echo

KILLS = 20


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_a_merge_that_is_killed_again_and_again_leaves_nothing_half(tmp_path: Path) -> None:
    first, whole, cache = sharded.first_entry(tmp_path, 4000), tmp_path / "whole", tmp_path / "cache"
    sharded.run(first, whole)
    for index in range(4):
        sharded.run(first, cache, shard=f"{index}/4")
    wanted = sharded.step_files(whole)
    journal = cache / ".dataflow" / "journal.jsonl"
    chance, codes = random.Random(22), Counter[int]()
    while codes[-signal.SIGKILL] < KILLS:
        process = get_context("fork").Process(target=merge, args=(cache,))
        process.start()
        process.join(chance.uniform(0.01, 1.0))
        process.kill()
        process.join()
        assert process.exitcode is not None
        codes[process.exitcode] += 1
        found = {name: data for name, data in sharded.step_files(cache).items() if not name.endswith(".part")}
        assert found.items() <= wanted.items()
        if journal.exists():
            assert all(map(is_whole, journal.read_bytes().splitlines(keepends=True)))
        if process.exitcode == 0:  # what it made is removed, so that the next has something to do
            assert found == wanted
            (cache / ".dataflow" / "merged.json").unlink()
            chance.choice([journal.unlink, lambda: None])()
    merge(cache)
    assert sharded.step_files(cache) == wanted
    assert sharded.ids(cache) == sharded.ids(whole)
    again = Echo()
    sharded.run(first, cache, again)
    assert again.asked == []
