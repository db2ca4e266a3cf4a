"""Texts as vectors, by a static embedding model: the mean of one vector per word, which model2vec reads.

It tells less than a neural encoder would, and for that needs no GPU, takes a quarter of a millisecond a text and
gives the same vector on every machine, on which a resumed run depends.
"""

import importlib.util
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dataflow.core.records import JSON
from dataflow.errors import ConfigError
from dataflow.models.source import Source
from dataflow.models.static_checkpoint import StaticLayout

if TYPE_CHECKING:
    from model2vec import StaticModel

Vector = NDArray[np.int16]

LENGTH = 4000
"""Of a vector: so short that sums of products of whole numbers stay below 2**24, where float32 is exact."""

MOST_UNKNOWN = 0.25
"""Share of unknown words above which a model does not know a language."""


class Embedder:
    """Makes vectors of texts.

    Args:
        model: as model2vec loads it.
        identity: what it is, for reports.
    """

    def __init__(self, model: "StaticModel", identity: Mapping[str, JSON]) -> None:
        self.identity = identity
        self._model = model

    def vector(self, text: str) -> Vector:
        """A vector of whole numbers, as long as LENGTH; of zeros where no word is known.

        The product of two, over LENGTH squared, is their cosine to within 0.001.
        """
        mean = np.asarray(self._model.encode([text], use_multiprocessing=False)[0], np.float64)
        length = math.sqrt(math.fsum(mean * mean))  # exact, where the order of a sum is the machine's
        whole: Vector = np.rint(mean * (LENGTH / length if length else 0)).astype(np.int16)
        return whole

    def unknown(self, texts: Sequence[str]) -> float:
        """The share of their words, or parts of words, that are not in the vocabulary."""
        words = [word for text in texts for word in self._model.tokenizer.encode(text, add_special_tokens=False).ids]
        strangers = [word for word in words if word == self._model.unk_token_id]
        return len(strangers) / max(1, len(words))


def load_embedder(named: str, samples: Mapping[str, Sequence[str]]) -> Embedder:
    """The model as the user names it, once it is known to know the languages.

    Args:
        named: a folder, or `owner/model` or `owner/model@revision` on the hub; what is not here is downloaded.
        samples: language → texts of the kind that will be compared.

    Raises:
        ConfigError: the library is missing; there is no such model, or it is damaged; it does not know a language.
    """
    if importlib.util.find_spec("model2vec") is None:
        raise ConfigError("embedding_model=... needs the library model2vec: pip install 'dataflow-mm[embeddings]'")
    from model2vec import StaticModel

    is_folder = Path(named).expanduser().is_dir()
    name, _, revision = (named, "", "") if is_folder else named.partition("@")
    source = Source(name, StaticLayout(), revision or None, parameter="embedding_model")
    identity = source.identify()
    folder = source.fetch(identity)
    try:
        embedder = Embedder(StaticModel.from_pretrained(folder), identity)
    except ValueError as error:  # words and vectors do not go together
        raise ConfigError(f"embedding_model={named!r}: {folder} is damaged: {error}") from error
    for language, texts in samples.items():
        if (unknown := embedder.unknown(texts)) > MOST_UNKNOWN:
            raise ConfigError(
                f"embedding_model={named!r} does not know {unknown:.0%} of the words of instructions in"
                f" {language!r}, so unlike rows would look alike: give one for all languages, such as"
                f" minishlab/potion-multilingual-128M, or leave {language!r} out of languages"
            )
    return embedder
