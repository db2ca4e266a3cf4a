"""Examples of the drawn world: they follow from seed and index, and keep to their split."""

from collections import Counter

import pytest

from dataflow.demo.edits import HELD_OUT_PAIRS, PAIRS, SHARES, make_example
from dataflow.demo.phrases import OPERATIONS, PHRASINGS
from dataflow.demo.world import Shape, is_valid

EVERY = tuple(SHARES)


def scenes(example):
    return (*example.sources, example.target)


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


@pytest.mark.parametrize("operation", EVERY)
def test_another_phrasing_asks_for_the_same_of_the_same_scenes(operation):
    held_out, other = (
        make_example(3, 5, split="new_phrasing", operation=operation, phrasing=phrasing) for phrasing in (None, 1)
    )
    assert (held_out.sources, held_out.target) == (other.sources, other.target)
    assert held_out.instruction != other.instruction


def test_shapes_are_plain_values():
    assert Shape("star", "red", "large", 1, 2) == Shape("star", "red", "large", 1, 2)
