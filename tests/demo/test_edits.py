from collections import Counter

import pytest

from dataflow.demo.edits import HELD_OUT_PAIRS, PAIRS, SHARES, make_example
from dataflow.demo.phrases import LANGUAGES, OPERATIONS, PHRASINGS
from dataflow.demo.world import PLACES, Shape, is_valid

EVERY = tuple(SHARES)


def scenes(example):
    return (*example.sources, example.target)


def changed(example):
    """The one shape that left and the one that came."""
    before, after = set(example.sources[-1].shapes), set(example.target.shapes)
    return before - after, after - before


def test_an_example_follows_from_seed_and_index():
    assert [make_example(3, i) for i in range(50)] == [make_example(3, i) for i in range(50)]
    assert make_example(3, 0) != make_example(4, 0)


def test_training_is_three_quarters_edits_of_all_operations_in_both_languages():
    found = [make_example(0, i) for i in range(2000)]
    shares = Counter(example.operation for example in found)
    assert set(shares) == {*OPERATIONS, "two", "compose", "draw"}
    assert 0.21 < shares["draw"] / 2000 < 0.29
    assert 900 < Counter(example.language for example in found)["zh"] < 1100


@pytest.mark.parametrize("operation", EVERY)
def test_every_scene_of_every_operation_is_valid(operation):
    for index in range(100):
        example = make_example(1, index, operation=operation)
        assert example.operation == operation
        assert all(is_valid(scene) for scene in scenes(example))
        assert 1 <= len(example.target.shapes) <= 3


def test_training_never_shows_a_held_out_pair_nor_says_a_held_out_phrasing():
    for index in range(1000):
        example = make_example(0, index)
        assert not example.shows_new_pair
        assert example.phrasing < len(PHRASINGS[example.operation][example.language]) - 1


@pytest.mark.parametrize("operation", EVERY)
def test_the_held_out_splits_show_what_training_never_does(operation):
    for index in range(20):
        assert make_example(1, index, split="new_pair", operation=operation).shows_new_pair
        said = make_example(1, index, split="new_phrasing", operation=operation)
        assert said.phrasing == len(PHRASINGS[operation][said.language]) - 1
        assert not said.shows_new_pair


def test_a_tenth_of_the_pairs_is_held_out():
    assert len(HELD_OUT_PAIRS) * 10 == len(PAIRS) == 40


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


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("operation", EVERY)
def test_instructions_are_filled_in_and_name_what_they_are_about(operation, language):
    example = next(e for i in range(99) if (e := make_example(1, i, operation=operation)).language == language)
    assert "{" not in example.instruction
    assert example.instruction.isascii() == (language == "en")


@pytest.mark.parametrize("operation", EVERY)
def test_another_phrasing_asks_for_the_same_of_the_same_scenes(operation):
    held_out, other = (
        make_example(3, 5, split="new_phrasing", operation=operation, phrasing=phrasing) for phrasing in (None, 1)
    )
    assert (held_out.sources, held_out.target) == (other.sources, other.target)
    assert held_out.instruction != other.instruction


def test_english_says_an_before_a_vowel():
    said = [make_example(2, i, operation="replace").instruction for i in range(200)]
    assert any(" an orange " in text for text in said)
    assert not any(" a orange " in text for text in said)


def test_shapes_are_plain_values():
    assert Shape("star", "red", "large", 1, 2) == Shape("star", "red", "large", 1, 2)
