"""Shares with Wilson's interval."""

import pytest

from dataflow.core.intervals import share_of


@pytest.mark.parametrize(
    ("some", "total", "low", "high"),
    [(0, 10, 0, 0.2775), (82, 100, 0.7333, 0.8830), (10, 10, 0.7225, 1), (1, 1, 0.2065, 1)],
)
def test_the_interval_is_wilsons(some: int, total: int, low: float, high: float) -> None:
    assert share_of(some, total) == pytest.approx((some / total, low, high), abs=1e-4)
