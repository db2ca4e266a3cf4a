"""What is to be labelled is drawn with the probabilities that it says, and the same again from the same seed."""

import math
import shutil
from collections import Counter
from pathlib import Path

import orjson
import pytest

from dataflow.calibration.edits import judged_file
from dataflow.calibration.sampling import Drawn, draw_sample
from dataflow.errors import ConfigError
from tests.calibration.judged import JUDGE, RUBRIC, tries_of, verdict
from tests.kit.flow import write_rows

HALF = [9.0 if number % 2 else 3.0 for number in range(400)]


def first(drawn: Drawn) -> list[str]:
    return sorted(each.edit.path for each in drawn.showings if each.shown == 1)


def test_four_in_five_are_drawn_at_or_above_the_threshold_and_ten_are_shown_twice(tmp_path: Path) -> None:
    drawn = draw_sample(tries_of(tmp_path, HALF), seed=5)
    once = [each for each in drawn.showings if each.shown == 1]
    assert Counter(each.sample.stratum for each in once) == {"upper": 80, "lower": 20}
    assert {each.sample.probability for each in once if each.sample.stratum == "upper"} == {0.4}
    assert {each.sample.probability for each in once if each.sample.stratum == "lower"} == {0.1}
    assert all((each.edit.lowest >= 7) == (each.sample.stratum == "upper") for each in once)
    assert {(each.sample.judge, each.sample.rubric, each.sample.seed) for each in once} == {(JUDGE, RUBRIC, 5)}
    places = {each.picture: at for at, each in enumerate(drawn.showings) if each.shown == 2}
    earlier = {each.picture: at for at, each in enumerate(drawn.showings) if each.shown == 1}
    assert len(places) == 10
    assert all(earlier[picture] < 25 and at >= 50 for picture, at in places.items())
    strata = [each.sample.stratum for each in once]
    assert strata != sorted(strata), "the order tells what the judge thinks"


def test_the_same_seed_draws_the_same_and_a_larger_sample_holds_the_smaller(tmp_path: Path) -> None:
    path = tries_of(tmp_path, HALF)
    assert draw_sample(path, seed=1).showings == draw_sample(path, seed=1).showings
    assert first(draw_sample(path, seed=1)) != first(draw_sample(path, seed=2))
    assert set(first(draw_sample(path, count=50))) < set(first(draw_sample(path, count=100)))


def test_every_edit_is_drawn_as_often_as_its_probability_says(tmp_path: Path) -> None:
    path = tries_of(tmp_path, [8.0] * 30 + [2.0] * 20)
    times = Counter(each for seed in range(400) for each in first(draw_sample(path, count=15, seed=seed, twice=0)))
    upper, lower = (sorted(times[f"{tmp_path}/images/{n}.png"] for n in part) for part in (range(30), range(30, 50)))
    for found, share in ((upper, 12 / 30), (lower, 3 / 20)):
        spread = math.sqrt(400 * share * (1 - share))
        assert abs(found[0] - 400 * share) < 4 * spread
        assert abs(found[-1] - 400 * share) < 4 * spread


def test_a_uniform_sample_knows_no_threshold(tmp_path: Path) -> None:
    drawn = draw_sample(tries_of(tmp_path, [9.0] * 300 + [3.0] * 100), uniform=True, twice=0)
    assert {(each.sample.stratum, each.sample.probability) for each in drawn.showings} == {("all", 0.25)}
    assert 10 <= sum(each.edit.lowest < 7 for each in drawn.showings) <= 40


@pytest.mark.parametrize(("above", "below", "drawn"), [(200, 5, (45, 5)), (10, 200, (10, 40)), (10, 5, (10, 5))])
def test_where_one_part_has_too_few_the_other_gives_more(
    above: int, below: int, drawn: tuple[int, int], tmp_path: Path
) -> None:
    found = draw_sample(tries_of(tmp_path, [8.0] * above + [3.0] * below), count=50, twice=0)
    strata = Counter(each.sample.stratum for each in found.showings)
    assert (strata["upper"], strata["lower"]) == drawn
    assert found.edits == {"upper": above, "lower": below}


def test_one_content_is_labelled_once_and_what_is_gone_never(tmp_path: Path) -> None:
    path = tries_of(tmp_path, [9.0] * 20)
    (tmp_path / "images/3.png").unlink()
    (tmp_path / "images/5.png").write_bytes(b"4")
    drawn = draw_sample(path, twice=0)
    assert len(drawn.showings) == len({each.picture for each in drawn.showings}) == 18
    assert Counter(each.sample.copies for each in drawn.showings) == {1: 17, 2: 1}
    assert {each.sample.probability for each in drawn.showings} == {19 / 20}
    shutil.rmtree(tmp_path / "images")
    with pytest.raises(ConfigError, match="there is nothing to label"):
        draw_sample(path)


def test_a_cache_that_was_moved_gives_the_same_pictures(tmp_path: Path) -> None:
    tries_of(tmp_path / "old", HALF)
    meta = {"cwd": str(tmp_path), "cache_path": str(tmp_path / "old")}
    (tmp_path / "old/set_step2.meta.json").write_bytes(orjson.dumps(meta))
    before = [(each.picture, each.shown) for each in draw_sample(judged_file(tmp_path / "old")).showings]
    (tmp_path / "old").rename(tmp_path / "new")
    after = draw_sample(judged_file(tmp_path / "new")).showings
    assert [(each.picture, each.shown) for each in after] == before
    assert all(each.file.startswith(f"{tmp_path}/new/") for each in after)


def test_edits_of_the_judge_with_most_of_them_are_drawn_and_the_others_told(tmp_path: Path) -> None:
    others = {number: {"verdict": verdict(9, 9, judge="another")} for number in range(3)}
    drawn = draw_sample(tries_of(tmp_path, [9.0] * 20, more=others), twice=0)
    assert len(drawn.showings) == 17
    assert drawn.left_out == "3 edits of another judge or rubric left out"


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tries_of(tmp_path, [9.0])
    for settings in ({"count": 0}, {"threshold": 11}, {"twice": -1}):
        with pytest.raises(ConfigError, match="give at least 1, 0 to 10, at least 0"):
            draw_sample(path, **settings)  # type: ignore[arg-type]
    write_rows(tmp_path / "empty.jsonl", [{"verdict": None}])
    with pytest.raises(ConfigError, match="has no edit with a judge's numbers"):
        draw_sample(tmp_path / "empty.jsonl")
