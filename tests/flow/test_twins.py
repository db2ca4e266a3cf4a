"""Counting rows that ask the same."""

import hashlib
from collections import Counter

from dataflow.flow.twins import Twins


def wave(n: int) -> bytes:
    return hashlib.blake2b(str(n).encode(), digest_size=16).digest()


def test_each_wave_is_told_how_often_it_came_before_within_and_across_calls() -> None:
    twins = Twins()
    a, b = wave(1), wave(2)
    assert twins.earlier([a, b, a, a]) == [0, 0, 1, 2]
    assert twins.earlier([b, a]) == [1, 3]
    assert twins.earlier([]) == []


def test_counts_stay_right_while_the_table_grows() -> None:
    twins, seen = Twins(), Counter[int]()
    numbers = [n * n % 7919 for n in range(30_000)]
    for start in range(0, len(numbers), 777):
        part = numbers[start : start + 777]
        counted = twins.earlier([wave(n) for n in part])
        for number, earlier in zip(part, counted, strict=True):
            assert earlier == seen[number]
            seen[number] += 1


def test_a_digest_of_zeros_is_counted_too() -> None:
    assert Twins().earlier([bytes(16)] * 3) == [0, 1, 2]
