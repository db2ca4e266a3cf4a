"""Makes vectors of texts by a static embedding model: the mean of one vector for each word. model2vec reads the model.

A neural encoder would find more similarities. A static model needs no GPU, takes a quarter of a millisecond for a
text, and gives the same vector on every machine, without which a resumed run could decide otherwise.
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
"""Length of a vector. Its numbers are whole, and at this length every sum of their products stays below 2**24, up to
which float32 is exact: the order of the sum, which differs from machine to machine, then does not matter."""

MOST_UNKNOWN = 0.25
"""A model does not know a language if a greater share of its words than this is not in the model's vocabulary."""


class Embedder:
    """Makes vectors of texts.

    Args:
        model: the model, as model2vec loads it.
        identity: name and revision of the model, for reports.
    """

    def __init__(self, model: "StaticModel", identity: Mapping[str, JSON]) -> None:
        self.identity = identity
        self._model = model

    def vector(self, text: str) -> Vector:
        """Return a vector of whole numbers with the length LENGTH; all zeros if the model knows no word of the text.

        The dot product of two vectors over LENGTH squared is the cosine to within 0.001.
        """
        mean = np.asarray(self._model.encode([text], use_multiprocessing=False)[0], np.float64)
        length = math.sqrt(math.fsum(mean * mean))  # numpy's sum would depend on the machine
        whole: Vector = np.rint(mean * (LENGTH / length if length else 0)).astype(np.int16)
        return whole

    def unknown(self, texts: Sequence[str]) -> float:
        """Return the share of the texts' words, or parts of words, that are not in the model's vocabulary."""
        words = [word for text in texts for word in self._model.tokenizer.encode(text, add_special_tokens=False).ids]
        return words.count(self._model.unk_token_id) / max(1, len(words))


def load_embedder(named: str, samples: Mapping[str, Sequence[str]]) -> Embedder:
    """Load a model, and check that it knows the languages.

    Args:
        named: a folder, or `owner/model` or `owner/model@revision` on the hub; files that are not on this machine are
            downloaded.
        samples: language → texts of the kind that will be compared.

    Raises:
        ConfigError: model2vec is not installed; the model does not exist or is damaged; or the model does not know a
            language.
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
    except ValueError as error:  # the tokenizer has another number of words than there are vectors
        raise ConfigError(f"embedding_model={named!r}: {folder} is damaged: {error}") from error
    for language, texts in samples.items():
        if (unknown := embedder.unknown(texts)) > MOST_UNKNOWN:
            raise ConfigError(
                f"embedding_model={named!r} does not know {unknown:.0%} of the words of instructions in"
                f" {language!r}, so unlike rows would look alike: give one for all languages, such as"
                f" minishlab/potion-multilingual-128M, or leave {language!r} out of languages"
            )
    return embedder
