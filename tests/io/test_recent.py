"""The cache of encoded pictures stays within its bytes."""

from dataflow.io.recent import Recent


def test_what_was_used_longest_ago_goes_first() -> None:
    recent = Recent(limit=25)
    for name in "abc":
        recent.put((name, 1, 1), ("image/png", bytes(10)))
        recent.get(("a", 1, 1))
    assert [recent.get((name, 1, 1)) is not None for name in "abc"] == [True, False, True]


def test_one_picture_over_the_limit_is_not_held() -> None:
    recent = Recent(limit=25)
    recent.put(("a", 1, 1), ("image/png", bytes(26)))
    assert recent.get(("a", 1, 1)) is None
    recent.put(("b", 1, 1), ("image/png", bytes(25)))
    assert recent.get(("b", 1, 1)) is not None
