"""Which rows the user wants: their number, operations and languages, and how unlike each other they must be."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from dataflow.errors import ConfigError
from dataflow.taxonomy.taxonomy import LENGTHS, Taxonomy, check_languages

if TYPE_CHECKING:
    from dataflow.operators.core_text.diversity import Diversity

MAX_SIMILARITY = 0.9
"""Cosine at which two rows mean the same. Source: the default threshold of semhash, which finds duplicates by the same
kind of vectors, https://github.com/MinishLab/semhash."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The rows that the user wants.

    Args:
        taxonomy: the operations.
        shares: operation → its share of the rows; the shares add up to 1.
        languages: the languages of the instructions; descriptions alternate between them.
        n: number of rows, from 1.
        seed: another seed makes other rows.
        tries: greatest number of tries of a row, from 1; each try asks once more if its answer has a fault.
        embedding_model: folder or name of a model2vec model, as `EditPromptGenerator` takes it; None: there is none.
        max_similarity: cosine, between 0 and 1, at which two rows mean the same.

    Raises:
        ConfigError: a setting is wrong; the message names it.
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
        """Return the same with at most `limit` rows; None: no limit."""
        return self if limit is None else replace(self, n=min(self.n, limit))

    def diversity(self) -> "Diversity":
        """Make the comparison by which the rows of one run are kept unlike.

        Raises:
            ConfigError: the embedding model cannot be loaded, or does not know a language.
        """
        from dataflow.operators.core_text.diversity import Diversity  # loads numpy, which `import dataflow` must not

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
    """Return operation → its share of the rows; the shares add up to 1.

    Args:
        taxonomy: the operations.
        mix: operation or group → its part, in any unit; None: all operations, by the shares of the taxonomy.
        several: True: only operations of several pictures are allowed.

    Raises:
        ConfigError: the mix names an unknown operation or has a part that is no number above 0; or `several` is True,
            and the taxonomy has no operation of several pictures or the mix names one of a single picture.
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
