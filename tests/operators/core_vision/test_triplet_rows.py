"""Accepted sets of photographs of one's own: what they are offered, and that a larger set loses nothing."""

from collections import Counter
from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.flow.summary import Summary
from dataflow.operators.core_text import EditInstructionGenerator
from dataflow.operators.core_vision import TripletSynthesizer
from dataflow.quota.quota import Quota
from dataflow.testing.pictures import plain_png
from dataflow.utils.storage import FileStorage
from tests.kit.flow import write_rows
from tests.kit.triplets import MIX, PRICES, Looker, World, accept_loop, files, likely_world, rows


def world(**settings: float) -> World:
    return likely_world(1, **settings)


def photographs(folder: Path, count: int) -> Path:
    for n in range(count):
        (folder / f"{n}.png").write_bytes(plain_png(bytes([n]), (64, 64)))
    return write_rows(folder / "photographs.jsonl", [{"images": [f"{n}.png"], "mine": n} for n in range(count)])


def look(
    folder: Path,
    quota: Quota | None,
    looker: Looker,
    *,
    count: int = 12,
    turns: int = 3,
    of: World | None = None,
) -> Summary:
    """Edits of photographs of one's own."""
    folder.mkdir(exist_ok=True)
    writer = EditInstructionGenerator(looker, languages=["en"], per_image=turns)
    made = TripletSynthesizer(writer, None, accept_loop(folder, of or world()), quota=quota)
    return made.run(FileStorage(photographs(folder, count), folder / "cache", prices=dict(PRICES)).step())


def test_photographs_of_ones_own_meet_a_quota(tmp_path: Path) -> None:
    looker = Looker()
    summary = look(tmp_path, Quota(16, mix=MIX), looker)
    assert Counter(row["sub_type"] for row in rows(tmp_path)) == {"move": 8, "zoom": 4, "art_style": 4}
    assert {name for names in looker.offered for name in names} == MIX.keys()
    assert all(Path(row["images"][0]).is_absolute() for row in rows(tmp_path))
    assert {row["mine"] for row in rows(tmp_path)} <= {*range(12)}
    assert summary.sides["written"] > 16
    before = files(tmp_path)
    again = Looker()
    assert look(tmp_path, Quota(16, mix=MIX), again).requests == 0
    assert files(tmp_path) == before


def test_what_was_chosen_for_a_photograph_counts_and_not_what_was_to_be(tmp_path: Path) -> None:
    look(tmp_path, Quota(16, mix=MIX), Looker(takes=-1))
    found = Counter(row["sub_type"] for row in rows(tmp_path))
    assert all(found[name] <= wanted for name, wanted in {"move": 8, "zoom": 4, "art_style": 4}.items())
    assert found.total() >= 12


@pytest.mark.parametrize(
    ("small", "large"),
    [
        (Quota(16, mix=MIX, ahead=8), Quota(17, mix=MIX, ahead=8)),
        (Quota(16, mix=MIX, ahead=8), Quota(32, mix=MIX, ahead=8)),
        (Quota(16, mix=MIX, ahead=3), Quota(16, mix=MIX, ahead=50)),
        (Quota(12, mix=MIX, ahead=3), Quota(24, mix=MIX)),
    ],
    ids=["one more", "twice as many", "more open", "both"],
)
def test_a_larger_set_of_photographs_asks_all_that_a_smaller_one_asked(
    small: Quota, large: Quota, tmp_path: Path
) -> None:
    before = look(tmp_path, small, Looker(takes=-1), count=60).requests
    more = look(tmp_path, large, Looker(takes=-1), count=60).requests
    whole = look(tmp_path / "whole", large, Looker(takes=-1), count=60).requests
    assert before > 0
    assert before + more == whole
    assert files(tmp_path) == files(tmp_path / "whole")


def test_money_that_ends_a_set_of_photographs_buys_nothing_twice(tmp_path: Path) -> None:
    small, large = (Quota(40, mix=MIX, max_cost=limit) for limit in (3.0, 60.0))
    paid = world(cost=0.07)
    before = look(tmp_path, small, Looker(), count=60, of=paid)
    assert 0 < before.rows < 40
    more = look(tmp_path, large, Looker(), count=60, of=paid)
    whole = look(tmp_path / "whole", large, Looker(), count=60, of=paid)
    assert before.requests + more.requests == whole.requests
    assert more.spent == pytest.approx(whole.spent)


def test_what_is_filled_is_looked_at_and_not_edited(tmp_path: Path) -> None:
    summary = look(tmp_path, Quota(30, mix={"move": 1.0, "zoom": 1.0}), Looker(likes=("zoom",)), count=60)
    found = Counter(row["sub_type"] for row in rows(tmp_path))
    assert found == {"move": 15, "zoom": 15}
    edited = summary.rows + sum(summary.sides[name] for name in ("rejected", "surplus"))
    unwanted = summary.sides["written"] - edited
    assert unwanted > 0
    assert f"lost as not wanted ({unwanted})" in str(summary)
    assert summary.sides["surplus"] < 15


def test_photographs_that_run_out_leave_the_set_short_and_say_so(tmp_path: Path) -> None:
    summary = look(tmp_path, Quota(50, mix=MIX), Looker(), count=5, turns=2)
    assert summary.sides["written"] == 10
    assert "short of" in str(summary)
    assert "raise per_image" in " ".join(str(summary).split())


def test_photographs_without_a_quota_are_each_edited(tmp_path: Path) -> None:
    summary = look(tmp_path, None, Looker(), count=5, turns=2)
    assert summary.sides["written"] == 10
    assert summary.rows + summary.sides["rejected"] == 10


def test_a_photograph_that_cannot_be_read_fails_alone(tmp_path: Path) -> None:
    photographs(tmp_path, 8)
    source = tmp_path / "photographs.jsonl"
    source.write_text(source.read_text().replace('"1.png"', '"gone.png"'))
    writer = EditInstructionGenerator(Looker(), languages=["en"], per_image=3)
    made = TripletSynthesizer(writer, None, accept_loop(tmp_path, world()), quota=Quota(6, mix=MIX))
    summary = made.run(FileStorage(source, tmp_path / "cache").step())
    assert 0 < summary.failed <= 3
    assert summary.rows + summary.failed >= 6, "a row that failed holds its place"
    assert "gone.png" in summary.why


def test_operations_of_several_pictures_do_not_fit_a_photograph(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mix has subjects, of several pictures"):
        look(tmp_path, Quota(6, mix={"subjects": 1.0}), Looker())
