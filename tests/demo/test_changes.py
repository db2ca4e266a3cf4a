"""Each operation changes what it names, and nothing else."""

from dataflow.demo.edits import make_example
from dataflow.demo.world import PLACES


def changed(example):
    """The one shape that left and the one that came."""
    before, after = set(example.sources[-1].shapes), set(example.target.shapes)
    return before - after, after - before


def test_recolour_changes_the_colour_alone():
    for index in range(50):
        (old,), (new,) = changed(make_example(1, index, operation="recolour"))
        assert old.colour != new.colour
        assert (old.kind, old.size, old.x, old.y) == (new.kind, new.size, new.x, new.y)


def test_replace_changes_the_kind_and_keeps_size_and_position():
    for index in range(50):
        (old,), (new,) = changed(make_example(1, index, operation="replace"))
        assert old.kind != new.kind
        assert (old.size, old.x, old.y) == (new.size, new.x, new.y)


def test_resize_changes_the_size_alone():
    for index in range(50):
        (old,), (new,) = changed(make_example(1, index, operation="resize"))
        assert old.size != new.size
        assert (old.pair, old.x, old.y) == (new.pair, new.x, new.y)


def test_move_goes_to_the_middle_of_a_named_place():
    for index in range(50):
        (old,), (new,) = changed(make_example(1, index, operation="move"))
        assert (new.x, new.y) in PLACES.values()
        assert (old.pair, old.size) == (new.pair, new.size)


def test_remove_and_add_differ_by_one_shape():
    for index in range(50):
        assert [len(part) for part in changed(make_example(1, index, operation="remove"))] == [1, 0]
        assert [len(part) for part in changed(make_example(1, index, operation="add"))] == [0, 1]


def test_background_leaves_every_shape_untouched():
    example = make_example(1, 0, operation="background")
    assert example.untouched == example.target.shapes
    assert example.sources[0].background != example.target.background


def test_compose_puts_a_shape_of_the_first_picture_right_of_one_of_the_second():
    for index in range(50):
        example = make_example(1, index, operation="compose")
        first, second = example.sources
        _, (new,) = changed(example)
        assert any((shape.pair, shape.size) == (new.pair, new.size) for shape in first.shapes)
        assert any(shape.y == new.y and shape.x < new.x for shape in second.shapes)
        assert example.target.background == second.background


def test_two_operations_leave_the_third_shape_untouched():
    example = next(e for i in range(99) if len((e := make_example(1, i, operation="two")).sources[0].shapes) == 3)
    assert 1 <= len(example.untouched) <= 2
