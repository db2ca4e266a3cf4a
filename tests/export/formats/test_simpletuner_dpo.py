"""SimpleTuner's Flow-DPO takes the worse edit for the first `reference_strict` of its target."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from dataflow.core.records import Row
from dataflow.errors import ConfigError
from dataflow.export import export
from tests.kit.exports import STEP, cache_of, photo, row
from tests.kit.formats import are_same, pair_of


def test_the_worse_edit_is_the_strict_reference_and_sources_are_loose(pairs: tuple[Path, Sequence[Row]]) -> None:
    out, rows = pairs
    backends = {each["id"]: each for each in json.loads((out / "simpletuner-dpo" / "train.json").read_text())}
    found = {}
    for data in (each for each in backends.values() if each["dataset_type"] == "image"):
        others = [backends[name] for name in data["conditioning_data"]]
        strict = [each for each in others if each["conditioning_type"] == "reference_strict"]
        loose = [each for each in others if each["conditioning_type"] == "reference_loose"]
        assert len(strict) == 1
        assert all(each["source_dataset_id"] == data["id"] for each in others)
        for path in Path(data["instance_data_dir"]).glob("*.png"):
            loser, *sources = (Path(each["instance_data_dir"]) / path.name for each in [*strict, *loose])
            found[path.with_suffix(".txt").read_text(encoding="utf-8")] = (path, loser, sources)
    for each in rows:
        path, loser, sources = found.pop(each["conversations"][0]["content"])
        assert are_same(path, each["edited_images"][0])
        assert are_same(loser, each["edited_images"][1])
        assert [are_same(*both) for both in zip(sources, each["images"], strict=True)] == [True] * len(sources)
    assert not found


def test_two_edits_of_different_sizes_are_refused_by_name(tmp_path: Path) -> None:
    odd = pair_of(tmp_path, 2, 1)
    photo(Path(odd["edited_images"][1]), 7, size=(256, 256))
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 9)], pairs=[odd])
    with pytest.raises(ConfigError, match="two edits of one size, and these differ") as refused:
        export(cache, "simpletuner-dpo", tmp_path / "out")
    assert f"{STEP}.pairs.jsonl:1" in str(refused.value)
    assert not (tmp_path / "out").exists()
