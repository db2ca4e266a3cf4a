"""What a model wrote while it thought, told from its answer.

Servers without a reasoning parser, and models on this machine, leave thoughts in the text. Marks count only where
models write them, at a line's begin or end, so that an answer may speak of them.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Mark:
    """What begins and ends a thought.

    Args:
        opening, closing: of it.
        ends_alone: what stands before a closing one without an opening one is a thought, too.
    """

    opening: re.Pattern[str]
    closing: re.Pattern[str]
    ends_alone: bool = True


def _tag(name: str, *, ends_alone: bool = True) -> _Mark:
    """The mark of a tag, in letters of any size and with attributes, as gateways write it."""
    opening = re.compile(rf"<{name}(?:\s[^<>\n]{{0,200}})?>", re.IGNORECASE)
    return _Mark(opening, re.compile(rf"</{name}\s?>", re.IGNORECASE), ends_alone)


def _exact(opening: str, closing: str) -> _Mark:
    return _Mark(re.compile(re.escape(opening)), re.compile(re.escape(closing)))


# Sources: chat templates of DeepSeek-R1, Qwen3, Seed-OSS, Kimi-VL-Thinking, Magistral and Sky-T1; gateways write the
# others, and Open WebUI the details.
_MARKS = (
    *map(_tag, ("think", "thinking", "thought", "reasoning", "seed:think")),
    _exact("◁think▷", "◁/think▷"),
    _exact("[THINK]", "[/THINK]"),
    _exact("<|begin_of_thought|>", "<|end_of_thought|>"),
    _Mark(
        re.compile(r"<details\s[^<>\n]{0,200}\btype\s?=\s?[\"']?reasoning\b[^<>\n]{0,200}>", re.IGNORECASE),
        re.compile(r"</details\s?>", re.IGNORECASE),
        ends_alone=False,
    ),
)
_ANALYSIS = _tag("analysis", ends_alone=False)
_ANY_MARK = re.compile(r"[<◁\[](?:/?(?:think|thought|reasoning|seed:think)|details\s|\|(?:begin|end)_of_th)", re.I)
# gpt-oss: https://cookbook.openai.com/articles/openai-harmony
_FINAL = "<|channel|>final<|message|>"
_INDENT = 8  # characters between a mark and its line's end that are looked at
_LAST_MARK = re.compile(r"<\|(?:return|end)\|>\s*\Z")


def without_thoughts(text: str) -> str:
    """The answer in a text; empty where a model only thought, and stripped where it thought at all.

    Args:
        text: as the model wrote it.
    """
    answer = _LAST_MARK.sub("", text.rpartition(_FINAL)[2]) if _FINAL in text else text
    if _ANY_MARK.search(answer):
        for mark in _MARKS:
            answer = _outside(answer, mark)
    return answer if len(answer) == len(text) else answer.strip()


def without_analysis(text: str) -> str:
    """What a reply that has just come says outside of `<analysis>`; stripped where it has one.

    Answers that were kept before are read by `without_thoughts` alone, as they were when they came.
    """
    return _outside(text, _ANALYSIS).strip() if _ANALYSIS.opening.search(text) else text


def _outside(text: str, mark: _Mark) -> str:
    """The text without what stands between the marks, before a closing one alone, or after an opening one alone."""
    kept, at = [], 0
    for found in mark.opening.finditer(text):
        start = found.start()
        if start >= at and _begins_line(text, start):
            end = mark.closing.search(text, start)
            kept.append(text[at:start])
            at = end.end() if end is not None else len(text)
    rest = "".join([*kept, text[at:]])
    if not mark.ends_alone:
        return rest
    # Many chat templates open the thought in the prompt, so that only its end is written.
    ends = [end.end() for end in mark.closing.finditer(rest) if _closes(rest, end.start(), end.end())]
    return rest[ends[-1] :] if ends else rest


def _begins_line(text: str, start: int) -> bool:
    before = text[max(0, start - _INDENT) : start].rstrip(" \t")
    return before.endswith("\n") or (not before and start < _INDENT)


def _closes(text: str, start: int, end: int) -> bool:
    """Whether a closing mark begins or ends a line, or stands before what an answer begins with."""
    after = text[end : end + _INDENT].lstrip(" \t")
    return _begins_line(text, start) or after[:1] in tuple("\r\n{`!") or (not after and end + _INDENT >= len(text))
