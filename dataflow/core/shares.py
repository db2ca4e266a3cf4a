"""Shares with what a few counts can say of them."""

from typing import NamedTuple


class Interval(NamedTuple):
    """A share, and between which ones the true one lies: 19 times in 20 unless another confidence was asked for."""

    share: float
    low: float
    high: float


def share_of(some: int, total: int, *, confidence: float = 0.95) -> Interval:
    """The share of some among at least one, with Wilson's interval.

    Source: E. B. Wilson, 1927, https://doi.org/10.1080/01621459.1927.10502953.
    """
    from statistics import NormalDist  # late: it brings fractions and decimals along, which no run needs

    deviate = NormalDist().inv_cdf((1 + confidence) / 2)
    share, spread = some / total, deviate**2 / total
    middle = (share + spread / 2) / (1 + spread)
    half = (share * (1 - share) * spread + spread**2 / 4) ** 0.5 / (1 + spread)
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))
