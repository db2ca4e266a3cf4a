"""Every instruction of the drawn world is understood as it was meant, and nothing else is."""

import pytest

from dataflow.demo.edits import make_example
from dataflow.demo.parsing import NotUnderstoodError, described_scene, has_what_is_named, named_after, outcome
from dataflow.demo.phrases import LANGUAGES, OPERATIONS, PHRASINGS
from dataflow.demo.wording import caption
from dataflow.demo.world import Scene, Shape

SCENE = Scene((Shape("star", "red", "small", 12, 12), Shape("circle", "blue", "large", 40, 40)), "white")


@pytest.mark.parametrize("operation", [*OPERATIONS, "two", "compose"])
@pytest.mark.parametrize("split", ["seen", "new_phrasing"])
def test_what_an_instruction_asks_for_is_its_truth(operation: str, split: str) -> None:
    for index in range(60):
        example = make_example(77, index, split=split, operation=operation)  # type: ignore[arg-type]
        found = outcome(example.instruction, example.sources)
        assert found.background == example.target.background
        assert set(found.shapes) == set(example.target.shapes), example.instruction


@pytest.mark.parametrize("said", ["Paint the red star blue.", " paint  the red star BLUE "])
def test_capitals_spaces_and_a_full_stop_change_nothing(said: str) -> None:
    assert Shape("star", "blue", "small", 12, 12) in outcome(said, (SCENE,)).shapes


@pytest.mark.parametrize(
    "said",
    [
        "",
        "make it nicer",
        "paint the green star blue",
        "paint the red star beige",
        "paint the red star blue or pink",
        "put the red star of the first image beside the blue circle of the second",
    ],
)
def test_what_cannot_be_meant_of_this_scene_is_not_understood(said: str) -> None:
    with pytest.raises(NotUnderstoodError):
        outcome(said, (SCENE,))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("phrasing", range(len(PHRASINGS["draw"]["en"])))
def test_what_a_caption_describes_is_its_truth(language: str, phrasing: int) -> None:
    for index in range(60):
        target = make_example(78, index, operation="draw").target
        found = described_scene(caption(target, language, phrasing))
        assert (found.background, set(found.shapes)) == (target.background, set(target.shapes))


@pytest.mark.parametrize(
    "said",
    [
        "",
        "a cat on a white background",
        "a small red star at the top and a cat on a white background",
        "a small red star on a white background",
        "remove the red star",
    ],
)
def test_what_is_no_caption_is_not_understood(said: str) -> None:
    with pytest.raises(NotUnderstoodError):
        described_scene(said)


@pytest.mark.parametrize(
    ("said", "number", "of", "has"),
    [
        ("paint the red star blue", 1, 1, True),
        ("paint the green star blue", 1, 1, False),
        ("make it nicer", 1, 1, False),
        ("put the red star of the first image beside the pink cross of the second", 1, 2, True),
        ("put the red star of the first image beside the pink cross of the second", 2, 2, False),
        ("put the pink cross of the first image beside the blue circle of the second", 2, 2, True),
        ("put the red star of the first image beside the pink cross of the second", 1, 1, False),
        ("paint the red star blue", 1, 2, False),
    ],
)
def test_what_an_instruction_needs_of_each_picture_is_looked_for(said: str, number: int, of: int, has: bool) -> None:
    assert has_what_is_named(SCENE, said, number, of) is has


@pytest.mark.parametrize(
    ("instruction", "pair"),
    [
        ("make the red star green", ("green", "star")),
        ("把红色星形换成粉色圆形", ("pink", "circle")),
        ("add a small red cross at the top", ("red", "cross")),
        ("remove the red star", None),
        ("make the background navy", None),
    ],
)
def test_it_is_the_shape_that_an_edit_was_about(instruction: str, pair: tuple[str, str] | None) -> None:
    assert named_after(instruction) == pair
