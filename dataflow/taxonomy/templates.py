"""The words and sentences of the writer that needs no model, read from YAML and checked line by line."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dataflow.taxonomy.marked import Marked, read_marked

SHIPPED = Path(__file__).with_name("templates.yaml")
PLACEHOLDER = re.compile(r"\{(?:(a|one) )?(\w+)(:other)?\}")

OF_PICTURES = ("1", "2", "rest", "at")
"""Slots that stand for pictures: by number, all but the first and the setting, and the setting."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word or phrase in both languages; `one` is its Chinese measure word, "" where it is not counted."""

    en: str
    zh: str
    one: str = ""

    def within(self, language: str) -> str:
        """It in one language."""
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True, slots=True)
class Saying:
    """How an operation is asked for.

    Args:
        shows: kinds of picture it starts from; with several pictures one for each.
        targets: the slots it names, one for each picture; none where it names nothing.
        setting: the one of them that shows where it happens; "" where none does.
        forms: alternatives, each by "short" and "long".
    """

    shows: tuple[str, ...]
    targets: tuple[str, ...]
    forms: tuple[Mapping[str, Word], ...]
    setting: str = ""


@dataclass(frozen=True, slots=True)
class Templates:
    """All of it.

    Args:
        words: by slot.
        quoted: slots whose words are literal, in the language of the description.
        shows: kind of picture → descriptions.
        says: operation → how it is asked for.
    """

    words: Mapping[str, tuple[Word, ...]]
    quoted: tuple[str, ...]
    shows: Mapping[str, tuple[Word, ...]]
    says: Mapping[str, Saying]


@cache
def shipped_templates() -> Templates:
    """Those that come with the library."""
    return read_templates(SHIPPED)


def read_templates(path: str | Path) -> Templates:
    """Templates from a YAML file of the form of the shipped one.

    Raises:
        ConfigError: the file cannot be read.
        InputError: what is wrong in it, with path and line.
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
