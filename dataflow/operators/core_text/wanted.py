"""Which rows are wanted of a taxonomy, as the user says it: how many of what, in which languages, how unlike."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from dataflow.errors import ConfigError
from dataflow.taxonomy.taxonomy import LENGTHS, Taxonomy, check_languages

if TYPE_CHECKING:
    from dataflow.operators.core_text.diversity import Diversity

MAX_SIMILARITY = 0.9
"""Cosine from which rows mean the same. Source: the default of semhash, which finds duplicates by such vectors."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Rows that are wanted.

    Args:
        taxonomy: of the operations.
        shares: operation → share of the rows; they add up to 1.
        languages: of the instructions; descriptions take turns.
        n: rows.
        seed: other rows for another one.
        tries: answers asked for per row at most, not counting the second chance of each.
        embedding_model: as EditPromptGenerator takes it.
        max_similarity: cosine from which rows mean the same.

    Raises:
        ConfigError: a setting is wrong; says which.
    """

    taxonomy: Taxonomy
    shares: Mapping[str, float]
    languages: tuple[str, ...]
    n: int
    seed: int
    tries: int
    embedding_model: str | None
    max_similarity: float

    def __post_init__(self) -> None:
        check_languages(self.languages)
        if self.n < 1 or self.tries < 1:
            raise ConfigError(f"n is {self.n} and tries is {self.tries}: both count from 1")
        if not 0 < self.max_similarity < 1:
            raise ConfigError(f"max_similarity is {self.max_similarity}: give a cosine between 0 and 1, such as 0.9")

    def limited(self, limit: int | None) -> Self:
        """The same, of at most so many rows."""
        return self if limit is None else replace(self, n=min(self.n, limit))

    def diversity(self) -> "Diversity":
        """What keeps apart the rows of one run.

        Raises:
            ConfigError: the embedding model cannot be had, or does not know a language.
        """
        from dataflow.operators.core_text.diversity import Diversity  # brings numpy, which help need not load

        if self.embedding_model is None:
            return Diversity()
        from dataflow.operators.core_text.embeddings import load_embedder

        examples = [self.taxonomy.operations[name].example for name in self.shares]
        samples = {
            language: [example[f"{length}_{language}"] for example in examples for length in LENGTHS]
            for language in self.languages
        }
        return Diversity(load_embedder(self.embedding_model, samples), max_similarity=self.max_similarity)


def shares_of(taxonomy: Taxonomy, mix: Mapping[str, float] | None, *, several: bool) -> Mapping[str, float]:
    """Operation → share of the rows.

    Args:
        taxonomy: of the operations.
        mix: operation or group → its part; None: all, by their own shares.
        several: only operations of several pictures may occur.

    Raises:
        ConfigError: the mix cannot be met; there is no operation of several pictures, or the mix names others.
    """
    if not several:
        return taxonomy.shares(mix)
    fit = {each.name: each.share for each in taxonomy.operations.values() if each.most_pictures > 1}
    if not fit:
        raise ConfigError("this taxonomy has no operation with `pictures` above 1")
    shares = taxonomy.shares(fit if mix is None else mix)
    if single := set(shares) - set(fit):
        raise ConfigError(f"mix has {', '.join(sorted(single))}, of one picture; of several: {', '.join(fit)}")
    return shares
