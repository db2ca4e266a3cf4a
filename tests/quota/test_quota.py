"""What a quota may be."""

import numpy as np
import orjson
import pytest

from dataflow.errors import ConfigError
from dataflow.quota.quota import Quota


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"accepted": 0}, "accepted is 0"),
        ({"accepted": 5, "hopeless": 1.0}, r"hopeless is 1\.0"),
        ({"accepted": 5, "ahead": 0}, "ahead is 0"),
        ({"accepted": 5, "hopeless": 0}, "would be tried without end"),
        ({"accepted": 5, "max_cost": -1.0}, r"max_cost is -1\.0"),
        ({"accepted": 5, "max_cost": float("nan")}, "max_cost is nan"),
        ({"accepted": 2.5}, r"accepted=2\.5 is a number: give a whole number"),
        ({"accepted": float("nan")}, "accepted=nan"),
        ({"accepted": 5, "ahead": 2.5}, r"ahead=2\.5"),
        ({"accepted": 5, "mix": ["move"]}, r"mix=\['move'\] is a list: give a dict"),
        ({"accepted": 5, "mix": {"move": "2"}}, r"mix\['move'\]='2' is a text: give a number"),
    ],
)
def test_a_value_that_cannot_be_is_named(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Quota(**settings)  # type: ignore[arg-type]


def test_numbers_of_other_libraries_are_python_s_own() -> None:
    quota = Quota(np.int64(5), max_cost=np.float32(0.5), ahead=np.int32(7))  # type: ignore[arg-type]
    assert orjson.dumps([quota.accepted, quota.max_cost, quota.ahead]) == b"[5,0.5,7]"


def test_nothing_is_given_up_where_money_ends_the_set() -> None:
    assert Quota(5, hopeless=0, max_cost=1.0).hopeless == 0


def test_what_may_be_open_grows_with_what_is_wanted() -> None:
    assert [Quota(n).open_at_most for n in (10, 1_000, 10_000, 100_000)] == [64, 64, 200, 2_000]
    assert Quota(10, ahead=7).open_at_most == 7


def test_a_limit_makes_it_smaller_and_never_larger() -> None:
    assert [Quota(100).limited(limit).accepted for limit in (None, 10, 1_000)] == [100, 10, 100]
