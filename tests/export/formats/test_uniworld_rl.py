"""UniWorld-V2's Edit-R1 gets sources, prompts, and what makes an edit of each operation good."""

import json
from pathlib import Path

from dataflow.export import export
from tests.kit.awkward import awkward_cache
from tests.kit.exports import cache_of, row
from tests.kit.formats import differ, with_at_most
from tests.kit.tree_loaders import bare


def test_it_gets_source_and_prompt_and_asks_for_a_test_set(tmp_path: Path) -> None:
    cache, rows = awkward_cache(tmp_path)
    done = export(cache, "uniworld-rl", tmp_path / "out", skip=True)
    folder = tmp_path / "out" / "uniworld-rl"
    items = [json.loads(line) for line in (folder / "train_metadata.jsonl").read_text("utf-8").splitlines()]
    expected = with_at_most(rows, 1)
    assert [item["prompt"] for item in items] == [each.words for each in expected]
    for item, each in zip(items, expected, strict=True):
        assert differ(bare(folder / item["image"]), each.inputs[0]) <= 1
    assert "--split test=" in done.commands["uniworld-rl"]


def test_the_requirement_is_what_makes_the_operation_good(tmp_path: Path) -> None:
    rows = [row(tmp_path, number, sub_type=("recolour", "no such")[number % 2]) for number in range(12)]
    export(cache_of(tmp_path / "cache", rows), "uniworld-rl", tmp_path / "out", split="test=30%")
    folder = tmp_path / "out" / "uniworld-rl"
    items = [
        json.loads(line)
        for split in ("train", "test")
        for line in (folder / f"{split}_metadata.jsonl").read_text("utf-8").splitlines()
    ]
    assert len(items) == 12
    assert {bool(item["requirement"]) for item in items} == {True, False}
