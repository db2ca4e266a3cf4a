"""How varied the rows of a step are, in a few figures."""

import hashlib
from collections import Counter
from math import log2

from dataflow.core.records import JSON
from dataflow.operators.core_text.near_duplicates import NearDuplicates, signature, tokens


class Diversity:
    """Takes in rows one by one and keeps near duplicates out.

    distinct-n is the number of different runs of n tokens over the number of all (Li et al. 2016); it falls
    as rows are added, so compare it at equal numbers of rows.
    """

    def __init__(self) -> None:
        self._near = NearDuplicates()
        self._added: set[bytes] = set()
        self._runs: dict[int, Counter[str]] = {1: Counter(), 2: Counter()}
        self._categories: Counter[str] = Counter()

    def add(self, description: str, instruction: str, category: str, *, below: float) -> float:
        """Count a row in, unless an earlier one is as similar as `below`; returns the highest similarity.

        Args:
            description: what its pictures show; where an earlier row shows the same, the similarity is 1.
            instruction: what is asked.
            category: its kind.
            below: from 0, nothing in common, to 1; similarities below 0.5 may be told as 0.
        """
        digest = hashlib.blake2b(" ".join(tokens(description)).encode(), digest_size=12).digest()
        if digest in self._added:
            return 1.0
        text = f"{description} {instruction}"
        signed = signature(text)
        near = self._near.most_similar(signed)
        if near < below:
            self._added.add(digest)
            self._near.keep(signed)
            self._count(text, category)
        return near

    def _count(self, text: str, category: str) -> None:
        self._categories[category] += 1
        words = tokens(text)
        for length, runs in self._runs.items():
            runs.update(" ".join(words[at : at + length]) for at in range(len(words) - length + 1))

    def report(self) -> dict[str, JSON]:
        """distinct-1 and -2, the entropy over kinds in bits beside the highest possible, and nearest neighbours."""
        nearest = self._near.neighbours()
        return {
            **{f"distinct_{length}": _rounded(_distinct(runs)) for length, runs in self._runs.items()},
            "entropy_bits": _rounded(_entropy(self._categories)),
            "highest_entropy_bits": _rounded(log2(max(1, len(self._categories)))),
            "nearest_neighbour_mean": _rounded(sum(nearest) / len(nearest)) if nearest else None,
            "nearest_neighbour_p95": _rounded(nearest[int(0.95 * (len(nearest) - 1))]) if nearest else None,
            "nearest_neighbour_highest": _rounded(nearest[-1]) if nearest else None,
        }


def _distinct(runs: Counter[str]) -> float:
    return len(runs) / max(1, runs.total())


def _entropy(counts: Counter[str]) -> float:
    total = counts.total()
    return -sum(count / total * log2(count / total) for count in counts.values())


def _rounded(value: float) -> float:
    return round(value, 4)
