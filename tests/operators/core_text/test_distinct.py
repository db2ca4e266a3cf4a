"""How many keys are different, counted in little memory."""

import random

from dataflow.operators.core_text.distinct import Distinct


def test_the_share_is_that_of_a_set() -> None:
    chance, distinct, seen = random.Random(1), Distinct(), list[tuple[str, int]]()
    for _ in range(40):
        keys = [(f"word {chance.randrange(30_000)}", chance.randrange(3)) for _ in range(5_000)]
        distinct.add(keys)
        seen += keys
    assert distinct.share() == len(set(seen)) / len(seen)
    assert distinct.share() == len(set(seen)) / len(seen)


def test_no_keys_have_no_share() -> None:
    assert Distinct().share() == 0
