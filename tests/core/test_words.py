"""Amounts, numbers and reasons in words."""

import pytest

from dataflow.core.words import (
    columns_of,
    count_of,
    cut,
    duration,
    fill,
    grouped,
    percent,
    sentence,
    show_amount,
    three_digits,
)


def test_a_cut_line_keeps_whole_characters_within_its_columns() -> None:
    assert cut("short  and\nplain", 20) == "short and plain"
    assert cut("a" * 21, 20) == "a" * 19 + "…"
    assert cut("红" * 11, 20) == "红" * 9 + "…"
    assert cut("红", 1) == "红…"


@pytest.mark.parametrize(
    ("billionths", "up", "shown"),
    [
        (0, False, "0.00 USD"),
        (40_000_000, False, "0.0400 USD"),
        (1, False, "0.0000 USD"),
        (1, True, "0.0001 USD"),
        (70_000_000, True, "0.0700 USD"),
        (1_100_000_000, True, "1.10 USD"),
        (1_100_000_001, True, "1.11 USD"),
        (1_234_567_890_000, False, "1,234.57 USD"),
    ],
)
def test_an_amount_has_four_decimals_below_one_unit_and_two_from_there(billionths: int, up: bool, shown: str) -> None:
    assert show_amount(billionths, "USD", up=up) == shown


def test_a_number_goes_with_its_noun() -> None:
    assert (count_of(1, "row"), count_of(0, "row"), count_of(2048, "row")) == ("1 row", "0 rows", "2,048 rows")
    assert count_of(2, "reply", "replies") == "2 replies"


def test_numbers_and_times_are_said_as_people_say_them() -> None:
    assert [three_digits(value) for value in (0.01234, 4.5, 120.4, 7520.3)] == ["0.0123", "4.5", "120", "7,520"]
    assert [percent(share) for share in (0.9, 0.995)] == ["90%", "99.5%"]
    assert [duration(seconds) for seconds in (42.4, 600, 12_600)] == ["42 s", "10 min", "3.5 h"]
    assert [sentence(text) for text in ("it failed", "it failed.", "失败。")] == ["it failed.", "it failed.", "失败。"]


def test_a_part_that_is_longer_than_a_line_goes_on_indented() -> None:
    lines = fill(["short", "word " * 20, "last"])
    assert lines[0] == "  short,"
    assert [line[:4] for line in lines[1:]] == ["  wo", "    "]
    assert lines[-1].endswith("word, last")
    assert max(map(columns_of, lines)) <= 80


def test_reasons_that_differ_only_in_names_are_one_line_and_the_rest_is_summed_up() -> None:
    reasons = {"no picture 'a.png'": 1, "no picture 'b.png'": 2, "busy": 2, "refused": 1}
    assert grouped(reasons, 1) == ["3 x such as: no picture 'a.png'", "3 rows for 2 other reasons"]
    assert grouped({"busy": 2}, 3) == ["2 x busy"]
