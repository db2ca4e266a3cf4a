"""A tiny static embedding model in its real layout: it knows the words of the shipped files, and synonyms."""

import hashlib
from pathlib import Path

import numpy as np
from model2vec import StaticModel
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

SHIPPED = Path(__file__).parent.parent.parent / "dataflow/taxonomy"
SYNONYMS = [
    ("remove", "erase", "delete", "drop"),
    ("turn", "make", "change", "render"),
    ("red", "crimson", "scarlet", "ruby"),
    ("circle", "disc", "ring", "roundel"),
    ("green", "emerald", "viridian", "jade"),
    ("rests", "lies", "sits", "reposes"),
    ("upon", "on", "over", "atop"),
    ("old", "ancient", "aged", "weathered"),
    ("timber", "wooden", "oaken", "planked"),
    ("table", "desk", "bench", "counter"),
    ("near", "beside", "by", "alongside"),
    ("bright", "sunlit", "shining", "radiant"),
    ("window", "casement", "pane", "skylight"),
]
NUMBERS = 64


def static_model(folder: Path, *, chinese: bool = True) -> Path:
    """Saves the model in a folder; a word's vector follows from the word, synonyms' are near each other."""
    normalizer, splitter = BertNormalizer(lowercase=True), BertPreTokenizer()
    text = " ".join(path.read_text(encoding="utf-8") for path in sorted(SHIPPED.glob("*.yaml")))
    text += " the square blue " + " ".join(word for group in SYNONYMS for word in group)
    words = {word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))}
    known = ["[UNK]", *sorted(word for word in words if chinese or word.isascii())]
    tokenizer = Tokenizer(WordLevel({word: place for place, word in enumerate(known)}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    first = {word: group[0] for group in SYNONYMS for word in group}
    vectors = np.stack([_drawn(first.get(word, word)) + 0.15 * _drawn(f"{word} itself") for word in known])
    StaticModel(vectors.astype(np.float32), tokenizer, normalize=True).save_pretrained(folder)
    return folder


def _drawn(word: str) -> np.ndarray:
    """So small where the word is one letter or mark that it says little."""
    seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest())
    return np.random.default_rng(seed).standard_normal(NUMBERS) * (1 if len(word) > 1 or word > "㐀" else 0.05)
