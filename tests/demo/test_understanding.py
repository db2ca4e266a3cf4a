"""Every instruction of the drawn world is understood as it was meant, and nothing else is."""

import pytest

from dataflow.demo.edits import make_example
from dataflow.demo.phrases import OPERATIONS
from dataflow.demo.understanding import NotUnderstoodError, outcome
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
