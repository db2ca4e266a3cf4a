"""EditReward reads the better edit first, with scores of each edit by its own scale."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from dataflow.core.records import Row
from dataflow.errors import ConfigError
from dataflow.export import export
from tests.kit.exports import cache_of, row
from tests.kit.formats import are_same, pair_of


def test_the_better_edit_comes_first_with_its_scores(pairs: tuple[Path, Sequence[Row]]) -> None:
    """The trainer's reader takes the last score of each model, and skips what it does not find."""
    out, rows = pairs
    items = json.loads((out / "editreward" / "train.json").read_text())
    expected = [each for each in rows if len(each["images"]) == 1]
    assert [item["prompt"] for item in items] == [each["conversations"][0]["content"] for each in expected]
    for item, each in zip(items, expected, strict=True):
        paths = (item["path_src"], item["path1"], item["path2"])
        given = (*each["images"], *each["edited_images"])
        assert [are_same(*both) for both in zip(paths, given, strict=True)] == [True] * 3
        assert (item["model1_dim1_score"], item["model1_dim2_score"], item["model1_overall_score"]) == (3, 3, 6)
        assert (item["model2_dim1_score"], item["model2_dim2_score"], item["model2_overall_score"]) == (1, 3, 4)


def test_a_pair_without_both_scores_is_refused(tmp_path: Path) -> None:
    """The trainer's collator cannot join a score that is missing with others."""
    verdicts = [{"accepted": value, "axes": {"following": 9.0}} for value in (True, False)]
    bare = pair_of(tmp_path, 1, 1, verdict={"axis": "following", "margin": 8.0, "verdicts": verdicts})
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 9)], pairs=[bare, pair_of(tmp_path, 2, 1)])
    with pytest.raises(ConfigError, match="editreward needs an axis of how an edit looks"):
        export(cache, "editreward", tmp_path / "out")
    export(cache, "editreward", tmp_path / "out", skip=True)
    assert len(json.loads((tmp_path / "out/editreward/train.json").read_text())) == 1


def test_a_step_without_pairs_says_what_makes_some(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="pairs come of an accept loop"):
        export(cache_of(tmp_path / "cache", [row(tmp_path, 1)]), "editreward", tmp_path / "out")
