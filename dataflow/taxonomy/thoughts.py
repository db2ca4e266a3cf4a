"""Removes the thoughts that a model wrote before its answer.

Local models, and servers without a reasoning parser, leave thoughts in the text of an answer, between marks such as
<think> and </think>. A mark counts only at the begin or the end of a line, where models write it, so that an answer may
mention marks.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Mark:
    """The marks around one kind of thought.

    Args:
        opening: pattern of the mark before a thought.
        closing: pattern of the mark after a thought.
        opens_in_prompt: the opening mark may be in the prompt, so that the text before a closing mark without an
            opening one is a thought, too.
    """

    opening: re.Pattern[str]
    closing: re.Pattern[str]
    opens_in_prompt: bool = True


def _tag(name: str, *, opens_in_prompt: bool = True) -> _Mark:
    """Return the mark of a tag, in capitals or not, and with attributes, as gateways write it."""
    opening = re.compile(rf"<{name}(?:\s[^<>\n]{{0,200}})?>", re.IGNORECASE)
    return _Mark(opening, re.compile(rf"</{name}\s?>", re.IGNORECASE), opens_in_prompt)


def _exact(opening: str, closing: str) -> _Mark:
    return _Mark(re.compile(re.escape(opening)), re.compile(re.escape(closing)))


# Sources: the chat templates of DeepSeek-R1, Qwen3, Seed-OSS, Kimi-VL-Thinking, Magistral and Sky-T1. Open WebUI writes
# <details>, gateways write the remaining tags.
_MARKS = (
    *map(_tag, ("think", "thinking", "thought", "reasoning", "seed:think")),
    _exact("◁think▷", "◁/think▷"),
    _exact("[THINK]", "[/THINK]"),
    _exact("<|begin_of_thought|>", "<|end_of_thought|>"),
    _Mark(
        re.compile(r"<details\s[^<>\n]{0,200}\btype\s?=\s?[\"']?reasoning\b[^<>\n]{0,200}>", re.IGNORECASE),
        re.compile(r"</details\s?>", re.IGNORECASE),
        opens_in_prompt=False,
    ),
)
_ANALYSIS = _tag("analysis", opens_in_prompt=False)
# A quick search, since most answers have no mark at all: it finds the begin of each mark above but </details>, which
# does not count without <details>.
_ANY_MARK = re.compile(r"[<◁\[](?:/?(?:think|thought|reasoning|seed:think)|details\s|\|(?:begin|end)_of_th)", re.I)
# gpt-oss writes its answer behind this mark. Source: https://cookbook.openai.com/articles/openai-harmony
_FINAL = "<|channel|>final<|message|>"
_INDENT = 8  # greatest number of spaces between a mark and the begin or the end of its line
_LAST_MARK = re.compile(r"<\|(?:return|end)\|>\s*\Z")


def without_thoughts(text: str) -> str:
    """Return the answer in a text that a model wrote.

    The result is "" if the text has nothing but thoughts. If it has a thought, the answer is stripped; else the text is
    returned unchanged.
    """
    answer = _LAST_MARK.sub("", text.rpartition(_FINAL)[2]) if _FINAL in text else text
    if _ANY_MARK.search(answer):
        for mark in _MARKS:
            answer = _outside(answer, mark)
    return answer if len(answer) == len(text) else answer.strip()


def without_analysis(text: str) -> str:
    """Return the text of a new reply without `<analysis>`; stripped if it has one.

    `without_thoughts` does not do this: it also reads answers in journals of earlier versions, which must be read as
    they were before.
    """
    return _outside(text, _ANALYSIS).strip() if _ANALYSIS.opening.search(text) else text


def _outside(text: str, mark: _Mark) -> str:
    """Return the text outside the marks.

    A thought reaches from an opening mark to the next closing mark, or to the end of the text if there is none. Many
    chat templates write the opening mark into the prompt, so a thought also reaches from the begin of the text to a
    closing mark without an opening one; the last such mark counts. Each pattern passes over the text once, so the time
    grows with its length alone.
    """
    kept, end_of_last = [], 0
    for found in mark.opening.finditer(text):
        start = found.start()
        if start >= end_of_last and _begins_line(text, start):
            end = mark.closing.search(text, start)
            kept.append(text[end_of_last:start])
            end_of_last = end.end() if end is not None else len(text)
    outside = "".join([*kept, text[end_of_last:]])
    if not mark.opens_in_prompt:
        return outside
    ends = [end.end() for end in mark.closing.finditer(outside) if _closes(outside, end.start(), end.end())]
    return outside[ends[-1] :] if ends else outside


def _begins_line(text: str, start: int) -> bool:
    """Whether only spaces, fewer than _INDENT, stand between the begin of a line and `start`."""
    before = text[max(0, start - _INDENT) : start].rstrip(" \t")
    return before.endswith("\n") or (not before and start < _INDENT)


def _closes(text: str, start: int, end: int) -> bool:
    """Whether a closing mark begins or ends a line, or stands before a character with which answers begin."""
    after = text[end : end + _INDENT].lstrip(" \t")
    return _begins_line(text, start) or after[:1] in tuple("\r\n{`!") or (not after and end + _INDENT >= len(text))
