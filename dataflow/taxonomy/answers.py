"""Reads the answer of a writer, and finds its faults by rules that cost nothing.

English and Chinese are distinguished by their letters alone, so another language in Latin letters passes for English.
"""

import json
import re
from collections.abc import Mapping

import orjson

from dataflow.errors import UnfitAnswer
from dataflow.taxonomy.brief import LANGUAGE_NAMES, Brief
from dataflow.taxonomy.thoughts import without_thoughts

LONGEST = 1200
"""Greatest number of characters in a field."""

_FENCE = re.compile(r"```(?:\w+)?\s*\n?(.*?)```", re.DOTALL)
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|「[^」]*」|《[^》]*》|‘[^’]*’")
_REFUSAL = re.compile(
    r"^\W*(?:(?:i['’]?m|i am) (?:really |very |so )?(?:sorry|unable)|sorry\b|i (?:can['’]?t|cannot|can not|won['’]?t)\b"
    r"|as an ai\b|抱歉|很抱歉|对不起|我(?:无法|不能|没法)|作为(?:一个|一名)?(?:ai|人工智能))",
    re.IGNORECASE,
)
_POSITIONS = {
    "en": (r"\b(?:first|1st)\b", r"\b(?:second|2nd)\b", r"\b(?:third|3rd)\b", r"\b(?:fourth|4th)\b"),
    "zh": (r"第[一1]", r"第[二2]", r"第[三3]", r"第[四4]"),
}
_LABELS = {"en": r"\b(?:image|picture|photo) ?{}\b", "zh": r"图[片像]? ?{}"}


def read_fields(text: str, names: tuple[str, ...]) -> dict[str, str]:
    """Read fields of the JSON object in an answer: bare, in a code fence, between other words, or after a thought.

    Args:
        text: text of the answer.
        names: names of the fields; other fields of the object are ignored.

    Raises:
        UnfitAnswer: refusal, not_json, missing_field or too_long.
    """
    found = _json_object(without_thoughts(text))
    fields = {}
    for name in names:
        value = found.get(name)
        if not isinstance(value, str) or not value.strip():
            raise UnfitAnswer("missing_field", f"`{name}` is missing or is not text")
        if not name.startswith("target") and _REFUSAL.match(value):  # a sign may say SORRY, WE ARE CLOSED
            raise _quoting("refusal", f"`{name}` declines instead of answering", value)
        if len(value) > LONGEST:
            raise UnfitAnswer("too_long", f"`{name}` has {len(value)} characters; {LONGEST} are allowed")
        fields[name] = " ".join(_whole(value).split())
    return fields


def read_answer(text: str, brief: Brief) -> dict[str, str]:
    """Read the fields that a brief asks for, and check them.

    Args:
        text: the answer of a language model to `write_prompt(brief, ...)`.
        brief: what the model was asked for.

    Returns:
        Name of a field → its text, in the order of `brief.fields`.

    Raises:
        UnfitAnswer: the answer has a fault, which `fault` names: refusal, not_json, missing_field, too_long,
            wrong_language, not_shorter (the short instruction is not), unnamed_target (a text lacks the target) or
            unclear_reference (the instruction does not refer to each picture as the brief wants).
    """
    fields = read_fields(text, brief.fields)
    _check_languages(fields, brief)
    _check_lengths(fields)
    _check_names(fields, brief)
    return fields


def language_of(text: str) -> str:
    """Return the language of a text by the letters outside quotation marks: "en", "zh", or "" for neither."""
    plain = _QUOTED.sub("", text)
    if plain.isascii():  # ten times as fast as counting letters
        return "en" if any(map(str.isalpha, plain)) else ""
    letters = [letter for letter in plain if letter.isalpha()]
    chinese = sum("一" <= letter <= "鿿" for letter in letters)
    latin = sum(letter < "ɐ" for letter in letters)
    if chinese and chinese + latin == len(letters) and chinese >= latin / 2:
        return "zh"
    return "en" if latin and latin == len(letters) else ""


def _quoting(fault: str, what: str, words: str) -> UnfitAnswer:
    return UnfitAnswer(fault, f"{what}: {words:.80}", short=what)


def _json_object(text: str) -> Mapping[str, object]:
    fence = _FENCE.search(text)
    inner = fence[1] if fence else text
    start, end = inner.find("{"), inner.rfind("}")
    if start < 0 and _REFUSAL.match(text):
        raise _quoting("refusal", "it declines instead of answering", text)
    try:
        found = _loads(inner[start : end + 1])
    except ValueError as error:
        raise UnfitAnswer("not_json", f"it is not one whole JSON object ({error})") from None
    if not isinstance(found, dict):
        raise UnfitAnswer("not_json", f"it is a JSON {type(found).__name__}, not an object")
    return found


def _loads(text: str) -> object:
    """Read a JSON text, also one with line breaks in its strings or with halves of characters (lone surrogates)."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as strict:  # its message is part of the next request, so no other one may replace it
        try:
            return json.loads(text, strict=False)
        except (ValueError, RecursionError):
            raise strict from None


def _whole(text: str) -> str:
    """Return the text with U+FFFD in the place of each lone half of a character (surrogate)."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _check_languages(fields: Mapping[str, str], brief: Brief) -> None:
    for name, value in fields.items():
        kind, _, rest = name.partition("_")
        wanted = brief.language if kind == "description" else rest
        if kind != "target" and language_of(value) != wanted:
            raise _quoting("wrong_language", f"`{name}` is not in {LANGUAGE_NAMES[wanted]}", value)


def _check_lengths(fields: Mapping[str, str]) -> None:
    for name, value in fields.items():
        kind, _, language = name.partition("_")
        longer = fields.get(f"long_{language}", "")
        if kind == "short" and (len(value) > len(longer) or value == longer):
            raise UnfitAnswer("not_shorter", f"`{name}` is not shorter than `long_{language}`")


def _check_names(fields: Mapping[str, str], brief: Brief) -> None:
    instructions = {name: value.lower() for name, value in fields.items() if name.startswith(("short_", "long_"))}
    quoting = [value for name, value in instructions.items() if name.endswith(f"_{brief.language}")]
    targets = brief.suffixed("target") if brief.names_target else ()
    for target, description in zip(targets, brief.suffixed("description"), strict=False):
        words = fields[target].lower()
        if words not in fields[description].lower():
            raise UnfitAnswer("unnamed_target", f"`{description}` does not contain `{target}`, {fields[target]!r}")
        if (brief.pictures == 1 or brief.refer == "words") and not all(words in value for value in quoting):
            language = LANGUAGE_NAMES[brief.language]
            raise UnfitAnswer(
                "unnamed_target", f"the {language} instructions do not all name `{target}`, {fields[target]!r}"
            )
    if brief.pictures > 1 and brief.refer in ("position", "label"):
        for name, value in instructions.items():
            _check_references(name, value, brief)


def _check_references(name: str, value: str, brief: Brief) -> None:
    language = name.partition("_")[2]
    for number in range(1, brief.pictures + 1):
        by_label = _LABELS[language].format(number)
        pattern = by_label if brief.refer == "label" else _POSITIONS[language][number - 1]
        if not re.search(pattern, value):
            raise UnfitAnswer("unclear_reference", f"`{name}` does not refer to picture {number} by its {brief.refer}")
