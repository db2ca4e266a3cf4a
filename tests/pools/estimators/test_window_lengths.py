"""Which lengths windows have, and when a window of one of them opens."""

import pytest

from dataflow.pools.estimators.window_lengths import LONGEST, is_round, length_between, openings


@pytest.mark.parametrize(
    ("shortest", "longest", "length"),
    [
        (9.5, 10.3, 10.0),
        (58.0, 61.0, 60.0),
        (0.4, 1.2, 1.0),
        (25.0, 65.0, 60.0),
        (36.5, 37.2, 37.2),
        (4000, 4100, 4100),
    ],
)
def test_the_longest_round_length_between_the_bounds_is_chosen_or_the_upper_bound(
    shortest: float, longest: float, length: float
) -> None:
    assert length_between(shortest, longest) == length
    assert is_round(length) is (length not in (37.2, 4100))


def test_a_window_is_asked_just_before_and_just_after_it_would_open() -> None:
    times = openings(100.0)
    assert [now for now in times if 150 < now < 170] == [159.5, 160.125]
    assert max(times) == 100.125 + LONGEST
