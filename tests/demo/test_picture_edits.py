"""What the demo's writer says of pictures leads to what they show."""

from dataclasses import replace

import pytest

from dataflow.demo.changes import CHANGES
from dataflow.demo.checker import agree
from dataflow.demo.edits import make_example
from dataflow.demo.parsing import outcome
from dataflow.demo.picture_edits import NoWordsError, edit_between, next_edit
from dataflow.demo.world import Scene, Shape
from dataflow.taxonomy.picture_brief import BACK, IT, PictureBrief

BOTH = ("en", "zh")
FORMS = ("short_en", "long_en", "short_zh", "long_zh")
STAR, CIRCLE = Shape("star", "red", "large", 16, 16), Shape("circle", "blue", "small", 46, 30)
SCENE = Scene((STAR, CIRCLE), "white")


@pytest.mark.parametrize("operation", [*CHANGES, "two"])
def test_every_form_leads_from_one_scene_to_the_other(operation: str) -> None:
    for number in range(20):
        example = make_example(78, number, operation=operation)
        said = edit_between(PictureBrief("joint", "en", BOTH), example.sources[0], example.target)
        for form in FORMS:
            assert agree(outcome(said[form], example.sources), example.target), said[form]


def test_three_edits_are_said_in_one_instruction() -> None:
    after = Scene((replace(STAR, colour="green"), replace(CIRCLE, size="large")), "grey")
    said = edit_between(PictureBrief("joint", "en", BOTH), SCENE, after)
    assert all(agree(outcome(said[form], [SCENE]), after) for form in FORMS)


def test_nothing_is_said_of_equal_scenes_or_of_a_place_without_a_name() -> None:
    brief = PictureBrief("inverse", "en", BOTH)
    for after in (SCENE, replace(SCENE, shapes=(replace(STAR, x=22, y=25), CIRCLE))):
        with pytest.raises(NoWordsError):
            edit_between(brief, SCENE, after)


def test_nothing_is_said_of_a_picture_without_shapes() -> None:
    bare = replace(SCENE, shapes=())
    with pytest.raises(NoWordsError):
        edit_between(PictureBrief("inverse", "en", BOTH), bare, SCENE)
    with pytest.raises(NoWordsError):
        next_edit(PictureBrief("next", "en", BOTH), ["add"], bare)


@pytest.mark.parametrize("refers", ["", IT, BACK])
def test_the_next_edit_is_one_that_the_scene_can_take(refers: str) -> None:
    for number in range(20):
        brief = PictureBrief(
            "next", "en", BOTH, (f"move the red star to the {number}", "make the blue star red"), refers, 2
        )
        said = next_edit(brief, ["recolour", "move", "add"], SCENE)
        outcomes = [outcome(said[form], [SCENE]) for form in FORMS]
        assert all(agree(each, outcomes[0]) for each in outcomes)
        assert not agree(SCENE, outcomes[0])
        assert said["said_en"].startswith("go back to version 2 and ") == (refers == BACK)
        if refers == IT and said["operation"] != "add":
            assert (" it" in said["said_en"], "它" in said["said_zh"]) == (True, True)
