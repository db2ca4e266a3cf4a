"""What is held stays within its bytes."""

from dataflow.utils.lru_cache import Recent


def test_what_was_used_longest_ago_goes_first() -> None:
    recent = Recent[str, str](limit=25)
    for name in "abc":
        recent.put(name, f"made of {name}", 10)
        recent.get("a")
    assert [recent.get(name) for name in "abc"] == ["made of a", None, "made of c"]


def test_one_over_the_limit_is_not_held_and_drops_no_other() -> None:
    recent = Recent[str, str](limit=25)
    recent.put("b", "small", 10)
    recent.put("a", "large", 26)
    assert [recent.get("a"), recent.get("b")] == [None, "small"]
    recent.put("c", "as large as can be", 25)
    assert [recent.get("c"), recent.get("b")] == ["as large as can be", None]


def test_what_is_put_twice_counts_once() -> None:
    recent = Recent[str, str](limit=25)
    for _ in range(2):
        recent.put("a", "a", 15)
    recent.put("b", "b", 10)
    assert [recent.get("a"), recent.get("b")] == ["a", "b"]
