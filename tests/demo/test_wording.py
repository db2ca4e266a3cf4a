"""The words for scenes and edits, in English and Chinese."""

import pytest

from dataflow.demo.edits import SHARES, make_example
from dataflow.demo.phrases import LANGUAGES
from dataflow.demo.wording import caption
from dataflow.demo.world import Scene, Shape

EVERY = tuple(SHARES)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("operation", EVERY)
def test_instructions_are_filled_in_and_name_what_they_are_about(operation, language):
    example = next(e for i in range(99) if (e := make_example(1, i, operation=operation)).language == language)
    assert "{" not in example.instruction
    assert example.instruction.isascii() == (language == "en")


def test_english_says_an_before_a_vowel():
    said = [make_example(2, i, operation="replace").instruction for i in range(200)]
    assert any(" an orange " in text for text in said)
    assert not any(" a orange " in text for text in said)


def test_a_caption_names_every_shape_with_its_nearest_place_and_the_background():
    shapes = (Shape("star", "red", "large", 12, 14), Shape("cross", "orange", "small", 50, 32))
    scene = Scene((*shapes, Shape("circle", "blue", "medium", 31, 52)), "navy")
    assert caption(scene, "en") == (
        "a large red star at the top left, a small orange cross at the right and a medium blue circle at the bottom"
        " on a navy background"
    )
    assert caption(Scene(shapes, "white"), "zh") == "白色背景上有左上角一个大号红色星形和右侧一个小号橙色十字形"
