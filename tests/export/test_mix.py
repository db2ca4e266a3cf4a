"""A mix of what was accepted: the parts are met, nothing is repeated, and the same rows are taken each time."""

from collections import Counter
from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.export import export
from dataflow.export.mix import Mix, read_parts
from dataflow.export.records import Caption, Image, Record
from tests.kit.exports import cache_of, row

PICTURE = Image("/a.png", "ab" * 32, 1, 64, 64, "png")


def record(number: int, sub_type: str, edit_type: str = "object") -> Record:
    captions = (Caption("do it", "en"),)
    return Record(f"r{number}", (PICTURE,), ("source",), captions, PICTURE, edit_type=edit_type, sub_type=sub_type)


def taken(records: list[Record], parts: dict[str, float]) -> list[Record]:
    mix = Mix(parts)
    for each in records:
        mix.note(each)
    mix.settle()
    return [each for each in records if mix.takes(each)]


MADE = [record(number, "add" if number % 5 else "zoom", "object" if number % 5 else "view") for number in range(100)]


@pytest.mark.parametrize(
    ("parts", "counts"),
    [
        ({"add": 3, "zoom": 1}, {"add": 60, "zoom": 20}),
        ({"add": 1, "zoom": 1}, {"add": 20, "zoom": 20}),
        ({"object": 5, "view": 1}, {"add": 80, "zoom": 16}),
        ({"zoom": 7}, {"zoom": 20}),
    ],
)
def test_the_rarest_kind_for_its_part_decides(parts: dict[str, float], counts: dict[str, int]) -> None:
    assert Counter(each.sub_type for each in taken(MADE, parts)) == counts


def test_the_same_rows_are_taken_in_any_order_and_of_more_rows_mostly_the_same() -> None:
    parts = {"add": 1.0, "zoom": 1.0}
    ids = {each.id for each in taken(MADE, parts)}
    assert {each.id for each in taken(MADE[::-1], parts)} == ids


def test_an_operation_goes_before_its_group() -> None:
    rows = [record(number, ("add", "remove", "replace")[number % 3]) for number in range(90)]
    counts = Counter(each.sub_type for each in taken(rows, {"add": 1, "object": 2}))
    assert counts["add"] == 30
    assert counts.total() == 90


def test_a_kind_of_which_there_is_none_is_told(tmp_path: Path) -> None:
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 1)])
    with pytest.raises(ConfigError, match="no row that goes out has the operation or group 'style'"):
        export(cache, "musubi", tmp_path / "out", mix="remove=1,style=1")


def test_rows_beyond_the_mix_are_counted(tmp_path: Path) -> None:
    cache = cache_of(tmp_path / "cache", [row(tmp_path, number) for number in (1, 2, 3, 5, 7)])
    done = export(cache, "musubi", tmp_path / "out", mix="recolour=1,remove=2")
    assert done.formats == {"musubi": 3}
    assert done.left_out == {"beyond the mix": 2}


@pytest.mark.parametrize("text", ["add", "add=0", "add=-1,zoom=2", "=3", "add=inf", "add=nan"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="mix"):
        read_parts(text)


@pytest.mark.parametrize("text", ["add=1e308,remove=1e308", "add=1,add=2"])
def test_parts_without_a_sum_and_a_part_said_twice_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--mix 'add=1.*(no part above|stands there twice)"):
        read_parts(text)
