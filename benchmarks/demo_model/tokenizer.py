"""Builds the demo model's tokenizer: the English words and Chinese characters of the drawn world's phrases."""

from typing import TYPE_CHECKING

from dataflow.demo.phrases import JOINT, LAST_JOINT, PHRASINGS, PLACED, WORDS
from dataflow.demo.world import BACKGROUNDS, COLOURS, KINDS, PLACES, SIZES

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

LENGTH = 64
"""The most tokens of an instruction; the longest instruction of the drawn world has 45."""

PAD, UNKNOWN, BEGIN, END = "<pad>", "<unk>", "<s>", "</s>"
PAD_ID, UNKNOWN_ID, BEGIN_ID, END_ID = range(4)


def build_tokenizer() -> "PreTrainedTokenizerFast":
    """The tokenizer, which ends every text with END and pads on the right."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=_backend(),
        model_max_length=LENGTH,
        pad_token=PAD,
        unk_token=UNKNOWN,
        eos_token=END,
        bos_token=BEGIN,
        padding_side="right",
        truncation_side="right",
        clean_up_tokenization_spaces=False,
    )


def _backend() -> "Tokenizer":
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    splitter = Tokenizer(models.WordLevel({UNKNOWN: 0}, unk_token=UNKNOWN))
    splitter.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False)
    splitter.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words = sorted(
        {
            word
            for text in _texts()
            for word, _ in splitter.pre_tokenizer.pre_tokenize_str(splitter.normalizer.normalize_str(text))
        }
    )
    vocabulary = {word: number for number, word in enumerate((PAD, UNKNOWN, BEGIN, END, *words))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = splitter.normalizer
    tokenizer.pre_tokenizer = splitter.pre_tokenizer
    tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[(END, END_ID)])
    return tokenizer


def _texts() -> list[str]:
    """Every text that has a word of the vocabulary; the slots of the phrasings are left empty."""
    names = [*KINDS, *COLOURS, *SIZES, *BACKGROUNDS, *PLACES, *(w for words in WORDS.values() for w in words.values())]
    phrasings = [text for languages in PHRASINGS.values() for texts in languages.values() for text in texts]
    fields = {"subject", "anchor", "colour", "replacement", "shape", "shapes", "place", "size", "background", "first"}
    empty = dict.fromkeys(fields | {"second"}, " ")
    patterns = [*phrasings, *PLACED.values()]
    return [*names, *JOINT.values(), *LAST_JOINT.values(), "an", *(text.format(**empty) for text in patterns)]
