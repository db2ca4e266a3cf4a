"""The phrasings of the drawn world: equally many in both languages, and none holds out a word."""

import re

import pytest

from dataflow.demo.phrases import LANGUAGES, OPERATIONS, PHRASINGS, WORDS
from dataflow.demo.world import BACKGROUNDS, COLOURS, KINDS, PLACES, SIZES


def slots(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize("operation", PHRASINGS)
def test_an_operation_has_as_many_different_phrasings_in_each_language_with_the_same_slots(operation: str) -> None:
    texts = [text for language in LANGUAGES for text in PHRASINGS[operation][language]]
    assert len(set(texts)) == len(LANGUAGES) * len(PHRASINGS[operation]["en"])
    assert len({frozenset(slots(text)) for text in texts}) == 1


def test_there_are_phrasings_for_every_operation() -> None:
    assert PHRASINGS.keys() == {*OPERATIONS, "two", "compose", "draw"}


def test_every_word_of_a_held_out_phrasing_occurs_in_others() -> None:
    for language, pieces in (("en", r"[a-z]+"), ("zh", r"[^\W\d_a-z]")):
        phrasings = [texts[language] for texts in PHRASINGS.values()]
        trained = {piece for texts in phrasings for text in texts[:-1] for piece in re.findall(pieces, text)}
        held_out = {piece for texts in phrasings for piece in re.findall(pieces, texts[-1])}
        assert held_out <= trained


def test_every_name_of_the_world_has_a_chinese_name_of_its_own() -> None:
    names = {*KINDS, *COLOURS, *BACKGROUNDS, *SIZES, *PLACES}
    assert WORDS["zh"].keys() == names
    assert len({*WORDS["zh"].values()}) == len(names)
