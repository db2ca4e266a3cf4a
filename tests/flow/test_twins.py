"""Counting rows that ask the same."""

import hashlib
from collections import Counter
from pathlib import Path

from dataflow.flow.twins import Twins
from tests.kit.flow import Ask, column, prompts_storage
from tests.kit.workers import Echo


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


class Measure(Ask):
    """Asks as `Ask` does, and equal rows once."""

    twins = False


def test_rows_that_ask_the_same_share_an_answer_where_the_operator_measures(tmp_path: Path) -> None:
    for operator, asked in (Ask, 4), (Measure, 2):
        worker, folder = Echo(), tmp_path / operator.__name__
        folder.mkdir()
        estimate = operator(worker).run(prompts_storage(folder, "ABAA", dry_run=True).step()).estimate
        storage = prompts_storage(folder, "ABAA")
        summary = operator(worker).run(storage.step())
        assert (len(worker.asked), summary.requests, summary.rows) == (asked, asked, 4)
        assert estimate is not None
        assert estimate.remaining == asked
        assert len(set(column(storage, "answer"))) == asked
