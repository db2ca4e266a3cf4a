"""The truth of a row: how it is stored, and how pictures are checked against it."""

from dataclasses import replace

import pytest

from dataflow.demo.truth import TRUTH, as_truth, faults, truth_of
from dataflow.demo.world import Scene, Shape, draw
from dataflow.errors import InputError

STAR = Shape("star", "red", "large", 20, 20)
SCENE = Scene((STAR, Shape("circle", "blue", "small", 50, 50)), "navy")
OTHER = Scene((replace(STAR, colour="green"),), "white")


def saved(folder, *scenes):
    for number, scene in enumerate(scenes):
        draw(scene).save(folder / f"{number}.png")
    return [f"{number}.png" for number in range(len(scenes))]


def test_what_is_written_into_a_row_is_read_from_it():
    truth = {"input_image": [SCENE, OTHER], "output_image": [Scene((), "beige")]}
    assert truth_of({TRUTH: as_truth(truth)}) == truth


def test_a_row_without_truth_has_none():
    assert truth_of({"images": "a.png"}) == {}


@pytest.mark.parametrize(
    "stored",
    [
        "red",
        ["red"],
        {"images": 3},
        {"images": ["red"]},
        {"images": [{"background": "white"}]},
        {"images": [{"background": "white", "shapes": [{"kind": "star", "side": 3}]}]},
    ],
)
def test_what_is_no_truth_is_named_with_its_form(stored):
    with pytest.raises(InputError, match=r"must be like \{column"):
        truth_of({TRUTH: stored})


def test_each_picture_is_held_against_its_own_scene(tmp_path):
    names = saved(tmp_path, SCENE, SCENE)
    assert faults(names, [SCENE, OTHER], tmp_path.joinpath) == ["", "background"]
    assert faults(names, [OTHER, SCENE], tmp_path.joinpath) == ["background", ""]


def test_of_several_pictures_per_scene_the_first_belong_to_the_first(tmp_path):
    names = saved(tmp_path, SCENE, replace(SCENE, background="grey"), OTHER, OTHER)
    assert faults(names, [SCENE, OTHER], tmp_path.joinpath) == ["", "background", "", ""]


def test_no_pictures_have_no_faults(tmp_path):
    assert faults([], [SCENE], tmp_path.joinpath) == []
