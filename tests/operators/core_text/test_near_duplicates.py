"""Similarity of texts by 64 hashes, against the true one."""

import pytest

from dataflow.operators.core_text.near_duplicates import NearDuplicates, Signature, signature, tokens

WORDS = [f"word{number}" for number in range(400)]


def similarity(one: Signature, other: Signature) -> float:
    return float((one == other).mean())


def true_similarity(one: str, other: str) -> float:
    runs = []
    for text in (one, other):
        words = tokens(text)
        runs.append({tuple(words[at : at + 3]) for at in range(len(words) - 2)})
    return len(runs[0] & runs[1]) / len(runs[0] | runs[1])


def test_chinese_characters_count_as_words() -> None:
    assert tokens("Remove the 红色 lamp_2.") == ["remove", "the", "红", "色", "lamp_2"]


@pytest.mark.parametrize("changed", [0, 1, 4, 12, 40])
def test_similarity_is_told_to_within_a_fifth(changed: int) -> None:
    one = WORDS[:80]
    other = [f"other{at}" if at % 80 < changed else word for at, word in enumerate(one)]
    told = similarity(signature(" ".join(one)), signature(" ".join(other)))
    assert told == pytest.approx(true_similarity(" ".join(one), " ".join(other)), abs=0.2)


def test_a_near_duplicate_is_found_among_many_and_others_are_not() -> None:
    kept = NearDuplicates()
    texts = [" ".join(WORDS[at : at + 40]) for at in range(0, 360, 2)]
    for text in texts[::20]:
        kept.keep(signature(text))
    assert all(kept.most_similar(signature(text)) == 1.0 for text in texts[::20])
    assert all(kept.most_similar(signature(text.replace("word", "w", 1))) > 0.7 for text in texts[::20])
    assert kept.most_similar(signature("quite another thing that nobody said before")) == 0


def test_nothing_kept_is_lost_when_the_tables_grow() -> None:
    kept = NearDuplicates()
    signed = [signature(f"{at} lone words, {at * 7} of {at * 13} {at * 17}") for at in range(1500)]
    for text in signed:
        kept.keep(text)
    assert all(kept.most_similar(text) == 1.0 for text in signed)
    assert max(kept.most_similar(signature(f"{at} further {at} words {at * 3}")) for at in range(2000, 2100)) < 0.7


def test_texts_shorter_than_three_words_can_be_compared() -> None:
    assert similarity(signature("天"), signature("天")) == 1
    assert similarity(signature("天"), signature("地")) == 0
    assert signature("").shape == (64,)
