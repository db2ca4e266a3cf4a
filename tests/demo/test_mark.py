"""The mark shows the picture, says what it is, and follows the instruction."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from dataflow.demo.mark import CARD_SIDE, MAX_SIDE, colour_of, mark


def picture(size: tuple[int, int] = (240, 160)) -> Image.Image:
    return Image.effect_noise(size, 80).convert("RGB")


def test_one_picture_keeps_its_size_and_its_upper_part() -> None:
    before = picture()
    after = mark([before], "Make it snow.")
    assert after.size == before.size
    upper = (10, 10, 230, 100)
    assert ImageChops.difference(before.crop(upper), after.crop(upper)).getbbox() is None
    assert after.getpixel((0, 0)) == colour_of("Make it snow.")
    lower = (10, 130, 230, 150)
    assert ImageChops.difference(before.crop(lower), after.crop(lower)).getbbox() is not None


def test_the_picture_that_was_sent_is_left_alone() -> None:
    before = picture()
    copy = before.copy()
    mark([before], "Make it snow.")
    assert before.tobytes() == copy.tobytes()


def test_another_instruction_gives_another_picture_and_the_same_the_same() -> None:
    before = picture()
    assert mark([before], "下雪").tobytes() == mark([before], "下雪").tobytes() != mark([before], "下雨").tobytes()


def test_several_pictures_stand_side_by_side() -> None:
    red, blue = Image.new("RGB", (100, 200), "red"), Image.new("RGB", (50, 50), "blue")
    after = mark([red, blue], "Together.")
    assert after.height == 200
    assert 300 < after.width < 310
    assert (after.getpixel((50, 60)), after.getpixel((250, 60))) == ((255, 0, 0), (0, 0, 255))


def test_a_description_alone_gives_a_card() -> None:
    assert mark([], "一碗面").size == (CARD_SIDE, CARD_SIDE)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 300), st.integers(1, 300)), max_size=4), st.text(max_size=400))
def test_any_sizes_and_any_words_can_be_marked(sizes: list[tuple[int, int]], words: str) -> None:
    after = mark([Image.new("RGB", size) for size in sizes], words)
    assert max(after.size) <= MAX_SIDE + 4 * 32


@pytest.mark.parametrize("size", [(4000, 100), (100, 4000), (3000, 3000)])
def test_a_large_picture_is_made_smaller(size: tuple[int, int]) -> None:
    assert max(mark([Image.new("RGB", size)], "x").size) == MAX_SIDE
