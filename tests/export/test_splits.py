"""Splits by the digest of the source picture: families stay together, and the same rows are split alike."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow.errors import ConfigError
from dataflow.export.records import Caption, Image, Record
from dataflow.export.splits import Splits, read_split


def image(number: int) -> Image:
    return Image(f"/{number}.png", f"{number * 2654435761 % 2**64:016x}{number:048x}", 1, 64, 64, "png")


def record(number: int, source: int, edited: int) -> Record:
    return Record(f"r{number}", (image(source),), ("source",), (Caption("do it", "en"),), image(edited))


@pytest.mark.parametrize(
    ("text", "shares"), [("test=2%", {"test": 0.02}), ("test=0.1,val=5%", {"test": 0.1, "val": 0.05})]
)
def test_splits_are_read_as_shares(text: str, shares: dict[str, float]) -> None:
    assert read_split(text) == pytest.approx(shares)


@pytest.mark.parametrize(
    "text",
    ["", "test", "test=", "test=x", "test=0", "test=100%", "train=2%", "a/b=2%", "a=60%,b=40%", "test=1%,test=2%",
     "Test=2%", "test=nan", "test=-1%"],
)  # fmt: skip
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--split"):
        read_split(text)


def split(records: list[Record], share: float = 0.3) -> list[str]:
    splits = Splits({"test": share})
    for each in records:
        splits.note(each)
    return [splits.of(each) for each in records]


def test_all_edits_of_a_picture_and_what_grew_of_them_lie_in_one_split() -> None:
    families = [
        [record(4 * k, 10 * k, 10 * k + 1), record(4 * k + 1, 10 * k, 10 * k + 2),
         record(4 * k + 2, 10 * k + 2, 10 * k), record(4 * k + 3, 10 * k + 2, 10 * k + 3)]
        for k in range(200)
    ]  # fmt: skip
    found = split([each for family in families for each in family])
    by_family = [set(found[4 * k : 4 * k + 4]) for k in range(200)]
    assert all(len(each) == 1 for each in by_family)
    assert 0.2 < by_family.count({"test"}) / 200 < 0.4


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=25), st.randoms())
def test_the_order_of_rows_changes_nothing(pairs: list[tuple[int, int]], random: Random) -> None:
    records = [record(number, *pair) for number, pair in enumerate(pairs)]
    shuffled = [*records]
    random.shuffle(shuffled)
    assert dict(zip([each.id for each in shuffled], split(shuffled), strict=True)) == dict(
        zip([each.id for each in records], split(records), strict=True)
    )


def test_further_rows_of_other_pictures_move_none() -> None:
    few = [record(number, number, 1000 + number) for number in range(50)]
    more = [record(100 + number, 100 + number, 2000 + number) for number in range(500)]
    assert split([*more, *few])[-50:] == split(few)


def test_a_reference_ties_no_families_together() -> None:
    style = image(9999)
    rows = [
        replace(record(number, number, 1000 + number), images=(image(number), style), roles=("source", "reference"))
        for number in range(100)
    ]
    assert set(split(rows)) == {"train", "test"}
