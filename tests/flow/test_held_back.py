"""What is said where a source holds rows back, and a server has free places."""

import pytest

from dataflow.flow.counts import Counts
from dataflow.flow.held_back import describe_wait


def counts(seconds: float, use: float, rows: int = 64) -> Counts:
    return Counts(held_seconds=seconds, held_use=seconds * use, held_rows=rows)


def test_nothing_is_said_where_it_hardly_happened() -> None:
    assert describe_wait(Counts(), 100.0) == []
    assert describe_wait(counts(9.0, 0.1), 100.0) == []


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (
            counts(40.0, 0.8),
            "40% of the time servers had free places and no row could be begun beside the 64 open ones",
        ),
        (counts(40.0, 0.8), "try ahead=128"),
        (counts(100.0, 0.1), "try ahead=640"),
        (counts(100.0, 0.0, 200), "try ahead=20032"),
    ],
)
def test_the_number_to_try_is_what_would_fill_the_places(held: Counts, expected: str) -> None:
    (said,) = describe_wait(held, 100.0)
    assert expected in said
