"""Shares, such as the share of accepted rows, with their confidence intervals."""

from typing import NamedTuple


class Interval(NamedTuple):
    """A share with its confidence interval.

    Args:
        share: the observed share, from 0 to 1.
        low, high: bounds between which the true share lies with the confidence that was asked for.
    """

    share: float
    low: float
    high: float


def share_of(some: int, total: int, *, confidence: float = 0.95) -> Interval:
    """The share of `some` in `total`, with Wilson's score interval.

    Args:
        some: how many have the property.
        total: how many there are, at least 1.
        confidence: probability with which the interval covers the true share.

    Source: E. B. Wilson, 1927, https://doi.org/10.1080/01621459.1927.10502953.
    """
    from statistics import NormalDist  # late: it imports fractions and decimal, which no run needs

    deviate = NormalDist().inv_cdf((1 + confidence) / 2)
    share, spread = some / total, deviate**2 / total
    middle = (share + spread / 2) / (1 + spread)
    half = (share * (1 - share) * spread + spread**2 / 4) ** 0.5 / (1 + spread)
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))
