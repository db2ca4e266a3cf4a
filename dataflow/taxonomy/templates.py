"""The words and sentences of `TemplateWriter`, the writer without a model, read from YAML."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dataflow.taxonomy.marked import Marked, read_marked

SHIPPED = Path(__file__).with_name("templates.yaml")
PLACEHOLDER = re.compile(r"\{(?:(a|one) )?(\w+)(:other)?\}")

OF_PICTURES = ("1", "2", "rest", "at")
"""Slots for the references to pictures: the first picture, the second, all others but the setting, and the setting."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word, phrase or sentence in both languages.

    Args:
        en: the English words.
        zh: the Chinese words.
        one: the Chinese measure word; "" for words that are not counted.
    """

    en: str
    zh: str
    one: str = ""

    def within(self, language: str) -> str:
        """Return the words in a language, "en" or "zh"."""
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True, slots=True)
class Saying:
    """The instructions of one operation.

    Args:
        shows: kinds of the source picture, of which one is drawn; for several pictures the kind of each.
        targets: the slots that the instruction names, one for each picture; empty if it names none.
        forms: alternative instructions, each a mapping of "short" and "long" to a sentence with slots.
        setting: the slot of `targets` for the place where the others are put; "": there is none.
    """

    shows: tuple[str, ...]
    targets: tuple[str, ...]
    forms: tuple[Mapping[str, Word], ...]
    setting: str = ""


@dataclass(frozen=True, slots=True)
class Templates:
    """The words and sentences of a template file.

    Args:
        words: slot → its words.
        quoted: slots whose words are quoted text in a picture, and so stay in the language of the description.
        shows: kind of picture → alternative descriptions.
        says: operation → its instructions.
    """

    words: Mapping[str, tuple[Word, ...]]
    quoted: tuple[str, ...]
    shows: Mapping[str, tuple[Word, ...]]
    says: Mapping[str, Saying]


@cache
def shipped_templates() -> Templates:
    """Read the templates of this package."""
    return read_templates(SHIPPED)


def read_templates(path: str | Path) -> Templates:
    """Read templates from a YAML file in the form of the shipped file.

    Raises:
        ConfigError: the file cannot be read.
        InputError: the file has a fault; the message has path and line.
    """
    fields = read_marked(Path(path)).fields()
    for name in ("words", "quoted", "shows", "says"):
        if name not in fields:
            raise read_marked(Path(path)).fault(f"has no `{name}`")
    lists = fields["words"].fields()
    words = {name: tuple(map(_word, _words_of(each, lists))) for name, each in lists.items()}
    quoted = tuple(each.text() for each in fields["quoted"].items())
    shown = fields["shows"].fields()
    shows = {name: tuple(_sentence(one, words) for one in each.items()) for name, each in shown.items()}
    says = {name: _saying(each, words, shows) for name, each in fields["says"].fields().items()}
    return Templates(words, quoted, shows, says)


def _words_of(marked: Marked, lists: Mapping[str, Marked]) -> Iterator[Marked]:
    if marked.is_list:
        return marked.items()
    if marked.text() not in lists:
        raise marked.fault(f"{marked.text()!r} is no list of words here")
    return lists[marked.text()].items()


def _word(marked: Marked) -> Word:
    parts = [part.strip() for part in marked.text().split("|")]
    if len(parts) not in (2, 3) or not all(parts):
        raise marked.fault(f'expected "English | Chinese" or "English | Chinese | measure word", not {marked.text()!r}')
    return Word(*parts)


def _sentence(marked: Marked, words: Mapping[str, tuple[Word, ...]]) -> Word:
    sentence = _word(marked)
    for found in PLACEHOLDER.finditer(sentence.en + sentence.zh):
        if found[2] not in words and found[2] not in OF_PICTURES:
            raise marked.fault(f"there are no words for {{{found[2]}}}")
    return sentence


def _saying(marked: Marked, words: Mapping[str, tuple[Word, ...]], shows: Mapping[str, tuple[Word, ...]]) -> Saying:
    fields = marked.fields()
    for name in ("shows", "forms"):
        if name not in fields:
            raise marked.fault(f"has no `{name}`")
    kinds = tuple(each.text() for each in fields["shows"].items())
    for kind in kinds:
        if kind not in shows:
            raise fields["shows"].fault(f"there is no description of {kind!r}")
    target = fields.get("target")
    slots = [] if target is None else [*target.items()] if target.is_list else [target]
    for slot in slots:
        if slot.text() not in words:
            raise slot.fault(f"there are no words for {slot.text()!r}")
    targets = tuple(slot.text() for slot in slots)
    setting = fields.get("setting")
    if setting is not None and setting.text() not in targets[1:]:
        raise setting.fault(f"is none of the further targets: {', '.join(targets[1:])}")
    forms = tuple(_form(each, words) for each in fields["forms"].items())
    return Saying(kinds, targets, forms, setting.text() if setting is not None else "")


def _form(marked: Marked, words: Mapping[str, tuple[Word, ...]]) -> Mapping[str, Word]:
    fields = marked.fields()
    if set(fields) != {"short", "long"}:
        raise marked.fault("expected `short` and `long`")
    return {length: _sentence(each, words) for length, each in fields.items()}
