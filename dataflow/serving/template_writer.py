"""A worker that writes descriptions and instructions from templates, at once, without a model and without cost.

The worker answers the same prompts as a language model and in the same form, so an operator that takes a language model
also takes this worker. Its sentences are varied and fit together, but nobody would take them for a person's: use a
language model where a model is to learn how people write.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson

from dataflow.core.records import JSON, Answer, Job
from dataflow.core.worker import Batching, Worker
from dataflow.errors import Failure
from dataflow.taxonomy.brief import Brief, read_brief
from dataflow.taxonomy.draw import Draw
from dataflow.taxonomy.templates import (
    OF_PICTURES,
    PLACEHOLDER,
    Saying,
    Templates,
    Word,
    read_templates,
    shipped_templates,
)

_ORDINALS = {"en": ("first", "second", "third", "fourth"), "zh": "一二三四"}
_VOWEL_SOUND = re.compile(r"[aeiou]|hour", re.IGNORECASE)


class TemplateWriter(Worker):
    """Answers the prompts of `EditPromptGenerator` and `MultiImagePromptGenerator` from templates.

    Args:
        templates: path of a YAML file in the form of dataflow/taxonomy/templates.yaml; None: that file.
    """

    batching = Batching(max_batch=256)

    def __init__(self, templates: str | Path | None = None) -> None:
        self._path = templates

    @property
    def _templates(self) -> Templates:
        return shipped_templates() if self._path is None else read_templates(self._path)

    def fingerprint(self) -> Mapping[str, JSON]:
        """A digest of the templates' words; the path of their file is no part of it."""
        words = hashlib.blake2b(repr(self._templates).encode(), digest_size=8).hexdigest()
        return {"model": "templates", "revision": 1, "words": words}

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """One answer for each job; a prompt that no template fits stops the run."""
        templates = self._templates
        return [self._answer(job, templates) for job in batch]

    def _answer(self, job: Job, templates: Templates) -> Answer:
        brief = read_brief(job.request.prompt)
        saying = templates.says.get(brief.operation) if brief is not None else None
        if brief is None or saying is None:
            what = "prompts without a brief" if brief is None else f"the operation {brief.operation!r}"
            reason = f"the template writer has no sentences for {what}: use a language model"
            return Answer(error=Failure("fatal", reason))
        fields = _Composer(templates, brief, saying, Draw(job.seed, job.request.repeat)).compose()
        return Answer(text=orjson.dumps(fields).decode())


class _Composer:
    """Writes the sentences of one answer; the word that is drawn for a slot stands in all of them.

    Args:
        templates: the words for slots, the descriptions of pictures, and the forms of instructions.
        brief: what the prompt asks for.
        saying: how the templates say the brief's operation.
        draw: chooses among the templates, by the request's seed.
    """

    def __init__(self, templates: Templates, brief: Brief, saying: Saying, draw: Draw) -> None:
        self._templates = templates
        self._brief = brief
        self._saying = saying
        self._draw = draw
        self._words: dict[str, Word] = {}
        if brief.style:
            self._words["look"] = next(look for look in templates.words["look"] if brief.style in (look.en, look.zh))

    def compose(self) -> dict[str, str]:
        """The fields that the brief asks for, by name: descriptions, targets and instructions."""
        brief, saying = self._brief, self._saying
        targets = saying.targets
        if brief.pictures == 1:
            # Not every description of a kind holds the slots of the things that the instruction names.
            fitting = [
                sentence
                for kind in saying.shows
                for sentence in self._templates.shows[kind]
                if _names(sentence, targets)
            ]
            shown = [self._draw.pick(fitting)]
        else:
            drawn = self._draw_contents()
            shown = [self._draw.pick(self._templates.shows[kind]) for kind, _ in drawn]
            targets = tuple(target for _, target in drawn)
        fields = {
            name: _capital(self._fill(sentence, brief.language))
            for name, sentence in zip(brief.suffixed("description"), shown, strict=True)
        }
        for name, target in zip(brief.suffixed("target"), targets, strict=brief.names_target):
            fields[name] = self._word(target, brief.language)
        form = self._draw.pick(saying.forms)
        self._targets = targets
        for name in brief.fields[len(fields) :]:
            length, _, language = name.partition("_")
            fields[name] = _capital(self._fill(form[length], language))
        return fields

    def _draw_contents(self) -> list[tuple[str, str]]:
        """The kind of description and the target's slot of each of several pictures.

        The first picture holds the subject. With only two pictures, the second one is no mere setting.
        """
        saying, wanted = self._saying, self._brief.pictures
        first, *further = zip(saying.shows, saying.targets, strict=True)
        allowed = [pair for pair in further if wanted > 2 or pair[1] != saying.setting]
        return [first, *self._draw.sample(allowed, wanted - 1)]

    def _fill(self, sentence: Word, language: str) -> str:
        """A template's sentence with a word for each placeholder."""

        def put(found: re.Match[str]) -> str:
            article, slot, translated = found.groups()
            if slot in OF_PICTURES:
                return self._pictures(slot, language)
            if translated:
                return self._drawn(slot).within("en" if self._brief.language == "zh" else "zh")
            if not article:
                return self._word(slot, language)
            word = self._drawn(slot)
            if language == "zh":
                return f"一{word.one}{word.zh}" if article == "a" else word.one
            return f"{'an' if _VOWEL_SOUND.match(word.en) else 'a'} {word.en}"

        return PLACEHOLDER.sub(put, sentence.within(language))

    def _word(self, slot: str, language: str) -> str:
        """The slot's word in a language; a text that is quoted keeps the brief's language in every translation."""
        return self._drawn(slot).within(self._brief.language if slot in self._templates.quoted else language)

    def _drawn(self, slot: str) -> Word:
        """The word of a slot, drawn at the first use; no two slots have the same word."""
        if slot not in self._words:
            taken = self._words.values()
            self._words[slot] = self._draw.pick([word for word in self._templates.words[slot] if word not in taken])
        return self._words[slot]

    def _pictures(self, which: str, language: str) -> str:
        """The words for one or more pictures, as the brief refers to pictures.

        Args:
            which: the number of a picture from "1"; "rest": all but the first one and the setting; "at": the place
                where the edit happens, which is the setting's picture or a backdrop in words.
            language: "en" or "zh".
        """
        if which == "at" and self._saying.setting not in self._targets:
            backdrop = self._word("backdrop", language)
            return f"在{backdrop}前" if language == "zh" else f"in front of {backdrop}"
        named = {target: self._referred(number, target, language) for number, target in enumerate(self._targets)}
        if which == "at":
            setting = named[self._saying.setting]
            return f"在{setting}里" if language == "zh" else f"in {setting}"
        if which != "rest":
            return named[self._targets[int(which) - 1]]
        return _listed([named[target] for target in self._targets[1:] if target != self._saying.setting], language)

    def _referred(self, number: int, target: str, language: str) -> str:
        word, ordinal = self._word(target, language), _ORDINALS[language][number]
        if self._brief.refer == "words":
            return word if language == "zh" else f"the {word}"
        if self._brief.refer == "label":
            return f"图{number + 1}的{word}" if language == "zh" else f"the {word} from Image {number + 1}"
        return f"第{ordinal}张图的{word}" if language == "zh" else f"the {word} from the {ordinal} image"


def _names(description: Word, targets: Sequence[str]) -> bool:
    slots = {found[2] for found in PLACEHOLDER.finditer(description.en)}
    return slots.issuperset(targets)


def _listed(names: Sequence[str], language: str) -> str:
    """One or more names as an enumeration in a sentence."""
    joint, last = ("、", "和") if language == "zh" else (", ", " and ")
    return last.join((joint.join(names[:-1]), names[-1])) if len(names) > 1 else names[0]


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
