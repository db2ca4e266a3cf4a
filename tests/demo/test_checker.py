"""Whether the checker tells right pictures from wrong ones, and names the fault."""

from dataclasses import replace

import pytest

from dataflow.demo.checker import TOLERANCE, fault, judge
from dataflow.demo.edits import SHARES, Example, make_example
from dataflow.demo.reading import Unreadable
from dataflow.demo.world import Scene, Shape, draw

SEED = 77


@pytest.mark.parametrize("operation", SHARES)
def test_the_exact_target_of_every_operation_is_right(operation):
    example = make_example(SEED, 0, operation=operation)
    verdict = judge(draw(example.target), example)
    assert (verdict.right, verdict.readable) == (True, True)
    assert verdict.unchanged == verdict.untouched == len(example.untouched)


@pytest.mark.parametrize("operation", [name for name in SHARES if name != "draw"])
def test_the_untouched_source_of_every_operation_is_wrong(operation):
    example = make_example(SEED, 1, operation=operation)
    verdict = judge(draw(example.sources[-1]), example)
    assert not verdict.right
    assert verdict.unchanged == verdict.untouched


def example_of(*shapes):
    return Example("draw", "en", 0, "", (), Scene(shapes, "white"))


@pytest.mark.parametrize(("off", "right"), [(TOLERANCE, True), (TOLERANCE + 1, False)])
def test_a_position_counts_up_to_the_tolerance(off, right):
    star = Shape("star", "red", "large", 30, 30)
    moved = replace(star, x=star.x + off, y=star.y - off)
    assert judge(draw(Scene((moved,), "white")), example_of(star)).right is right


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"kind": "circle"}, "kind"),
        ({"colour": "blue"}, "colour"),
        ({"size": "small"}, "size"),
        ({"x": 50}, "position"),
    ],
)
def test_a_fault_is_named(change, word):
    star = Shape("star", "red", "large", 30, 30)
    assert fault(Scene((replace(star, **change),), "white"), Scene((star,), "white")) == word


def test_background_and_number_of_shapes_are_faults_too():
    star = Shape("star", "red", "large", 30, 30)
    target = Scene((star,), "white")
    assert fault(Scene((star,), "black"), target) == "background"
    assert fault(Scene((), "white"), target) == "shape missing"
    assert fault(Scene((star, replace(star, x=50)), "white"), target) == "shape too many"
    assert fault(Unreadable("nothing"), target) == "unreadable"


def test_what_was_damaged_is_not_counted_as_unchanged():
    example = next(e for i in range(99) if (e := make_example(SEED, i, operation="recolour")).untouched)
    kept = example.untouched[0]
    others = tuple(shape for shape in example.target.shapes if shape != kept)
    verdict = judge(draw(replace(example.target, shapes=others)), example)
    assert verdict.unchanged == verdict.untouched - 1
