"""Finds rows that say the same as another row, and measures how varied the remaining rows are."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from math import log2

from dataflow.core.records import JSON
from dataflow.errors import UnfitAnswer
from dataflow.operators.core_text.distinct import Distinct
from dataflow.operators.core_text.embeddings import Embedder
from dataflow.operators.core_text.near_duplicates import NearDuplicates, signature, tokens
from dataflow.operators.core_text.near_meanings import NearMeanings

NEAR = 0.7
"""Two rows are near duplicates if they have at least this share of their runs of three words in common."""


class Diversity:
    """Adds rows one by one, and refuses duplicates.

    distinct-n is the number of different runs of n tokens over the number of all runs. The figure falls with the
    number of rows, so compare sets of equal size. Source: Li et al. 2016, https://arxiv.org/abs/1510.03055.

    Args:
        embedder: makes vectors of rows; None: the rows are compared by their words alone.
        max_similarity: cosine, 0 to 1, at which two rows of one category and language mean the same.
    """

    def __init__(self, embedder: Embedder | None = None, *, max_similarity: float = 1.0) -> None:
        self._embedder, self._max_similarity = embedder, max_similarity
        self._meanings = NearMeanings()
        self._near = NearDuplicates()
        self._added: set[bytes] = set()
        self._words, self._pairs = Distinct(), Distinct()
        self._categories: Counter[str] = Counter()

    def add(self, description: str, instruction: str, category: str, *, language: str) -> None:
        """Add a row, unless it says the same as an earlier row.

        Args:
            description: what the row's pictures show.
            instruction: the row's instruction.
            category: the row's operation.
            language: the language of description and instruction.

        Raises:
            UnfitAnswer: duplicate, near_duplicate or same_meaning: the row is not added.
        """
        digest = hashlib.blake2b(" ".join(tokens(description)).encode(), digest_size=12).digest()
        text = f"{description} {instruction}"
        signed = signature(text)
        near = 1.0 if digest in self._added else self._near.most_similar(signed)
        if near == 1:
            raise UnfitAnswer("duplicate", "another row says the same")
        if near >= NEAR:
            raise UnfitAnswer("near_duplicate", f"another row says nearly the same ({near:.2f})")
        self._compare_meanings(text, (category, language))
        self._added.add(digest)
        self._near.keep(signed)
        self._count(text, category)

    def _compare_meanings(self, text: str, group: tuple[str, str]) -> None:
        if self._embedder is None:
            return
        near = self._meanings.add(self._embedder.vector(text), group, below=self._max_similarity)
        if near >= self._max_similarity:
            raise UnfitAnswer("same_meaning", f"another row says it in other words ({near:.3f})")

    def _count(self, text: str, category: str) -> None:
        self._categories[category] += 1
        words = tokens(text)
        self._words.add(words)
        self._pairs.add(map(" ".join, pairwise(words)))

    def report(self) -> dict[str, JSON]:
        """Return the figures of all added rows.

        These are distinct-1 and distinct-2, the entropy of the categories in bits, the greatest entropy of as many
        categories, and of the similarities of nearest neighbours the mean, the 95th percentile and the highest.
        """
        figures: dict[str, JSON] = {
            "distinct_1": _rounded(self._words.share()),
            "distinct_2": _rounded(self._pairs.share()),
            "entropy_bits": _rounded(_entropy(self._categories)),
            "highest_entropy_bits": _rounded(log2(max(1, len(self._categories)))),
            **_spread("nearest_neighbour", self._near.neighbours()),
        }
        if self._embedder is not None:
            figures |= _spread("nearest_meaning", self._meanings.neighbours())
            figures["embedding_model"] = dict(self._embedder.identity)
        return figures


def _spread(name: str, rising: Sequence[float]) -> dict[str, JSON]:
    return {
        f"{name}_mean": _rounded(sum(rising) / len(rising)) if rising else None,
        f"{name}_p95": _rounded(rising[int(0.95 * (len(rising) - 1))]) if rising else None,
        f"{name}_highest": _rounded(rising[-1]) if rising else None,
    }


def _entropy(counts: Counter[str]) -> float:
    total = counts.total()
    return -sum(count / total * log2(count / total) for count in counts.values())


def _rounded(value: float) -> float:
    return round(value, 4)
