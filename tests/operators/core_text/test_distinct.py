"""How many words are different, counted in little memory."""

import random

from dataflow.operators.core_text.distinct import Distinct


def test_the_share_is_that_of_a_set() -> None:
    chance, distinct, seen = random.Random(1), Distinct(), list[str]()
    for _ in range(40):
        words = [f"word {chance.randrange(60_000)}" for _ in range(5_000)]
        distinct.add(words)
        seen += words
    assert distinct.share() == len(set(seen)) / len(seen)
    assert distinct.share() == len(set(seen)) / len(seen)


def test_words_that_lie_alike_in_memory_are_two() -> None:
    words, distinct = ["of", "\u666f"], Distinct()
    assert hash(words[0]) == hash(words[1]), "as Python keeps them"
    distinct.add(words)
    assert distinct.share() == 1


def test_no_words_have_no_share() -> None:
    assert Distinct().share() == 0
