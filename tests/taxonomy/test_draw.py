"""Draws that follow from a key: the same on every machine and in every version."""

from collections import Counter

from dataflow.taxonomy.draw import Draw


def test_equal_keys_draw_equally_and_others_differ() -> None:
    draws = [[draw.pick(range(100)) for _ in range(20)] for draw in (Draw(7, "a"), Draw(7, "a"), Draw(8, "a"))]
    assert draws[0] == draws[1] != draws[2]


def test_the_draws_of_the_first_release_are_those_of_today() -> None:
    draw = Draw(0, "photo.png")
    assert [draw.pick(range(1000)) for _ in range(4)] == [614, 474, 891, 447]
    assert Draw(0, "photo.png").sample("abcdefgh", 3) == ["f", "g", "h"]


def test_every_option_is_drawn_about_as_often() -> None:
    draw = Draw("even")
    assert all(220 < count < 280 for count in Counter(draw.pick("wxyz") for _ in range(1000)).values())


def test_a_sample_keeps_the_order_and_has_nothing_twice() -> None:
    for seed in range(50):
        sample = Draw(seed).sample(range(10), 4)
        assert sample == sorted(set(sample))
        assert len(sample) == 4
    assert Draw(1).sample("abc", 9) == ["a", "b", "c"]
    assert Draw(1).sample("", 2) == []
