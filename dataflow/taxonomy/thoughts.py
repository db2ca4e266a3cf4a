"""What a model wrote while it thought, told from its answer.

Servers without a reasoning parser, and models on this machine, leave thoughts in the text. Marks count only where
models write them, at a line's begin or end, so that an answer may speak of them.
"""

import re
from collections.abc import Iterator

# Sources: chat templates of DeepSeek-R1, Qwen3, Seed-OSS, Kimi-VL-Thinking and Magistral; gateways write the others.
_MARKS = (
    *((f"<{tag}>", f"</{tag}>") for tag in ("think", "thinking", "thought", "reasoning", "seed:think")),
    ("◁think▷", "◁/think▷"),
    ("[THINK]", "[/THINK]"),
)
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
    for opening, closing in _MARKS:
        if closing in answer or opening in answer:
            answer = _outside(answer, opening, closing)
    return answer if len(answer) == len(text) else answer.strip()


def _outside(text: str, opening: str, closing: str) -> str:
    """The text without what stands between the marks, before a closing one alone, or after an opening one alone."""
    kept, at = [], 0
    for start in _places(text, opening):
        if start >= at and _begins_line(text, start):
            end = text.find(closing, start)
            kept.append(text[at:start])
            at = end + len(closing) if end >= 0 else len(text)
    rest = "".join([*kept, text[at:]])
    # Many chat templates open the thought in the prompt, so that only its end is written.
    ends = [start + len(closing) for start in _places(rest, closing) if _closes(rest, start, start + len(closing))]
    return rest[ends[-1] :] if ends else rest


def _places(text: str, mark: str) -> Iterator[int]:
    at = text.find(mark)
    while at >= 0:
        yield at
        at = text.find(mark, at + len(mark))


def _begins_line(text: str, start: int) -> bool:
    before = text[max(0, start - _INDENT) : start].rstrip(" \t")
    return before.endswith("\n") or (not before and start < _INDENT)


def _closes(text: str, start: int, end: int) -> bool:
    """Whether a closing mark begins or ends a line, or stands before what an answer begins with."""
    after = text[end : end + _INDENT].lstrip(" \t")
    return _begins_line(text, start) or after[:1] in tuple("\r\n{`!") or (not after and end + _INDENT >= len(text))
