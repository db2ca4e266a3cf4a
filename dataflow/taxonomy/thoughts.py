"""What a model wrote while it thought, told from its answer.

Servers without a reasoning parser, and models on this machine, leave thoughts in the text. Marks count only where
models write them, at a line's begin or end, so that an answer may speak of them.
"""

import re

# Sources: chat templates of DeepSeek-R1, Qwen3, Seed-OSS, Kimi-VL-Thinking and Magistral; gateways write the others.
_MARKS = (
    *((f"<{tag}>", f"</{tag}>") for tag in ("think", "thinking", "thought", "reasoning", "seed:think")),
    ("◁think▷", "◁/think▷"),
    ("[THINK]", "[/THINK]"),
)
# gpt-oss: https://cookbook.openai.com/articles/openai-harmony
_FINAL = "<|channel|>final<|message|>"
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
    for found in re.finditer(rf"^[ \t]*{re.escape(opening)}", text, re.MULTILINE):
        if found.start() < at:
            continue
        end = text.find(closing, found.end())
        kept.append(text[at : found.start()])
        at = end + len(closing) if end >= 0 else len(text)
    rest = "".join([*kept, text[at:]])
    # Many chat templates open the thought in the prompt, so that only its end is written.
    mark = re.escape(closing)
    ends = [found.end() for found in re.finditer(rf"^[ \t]*{mark}|{mark}(?=[ \t]*(?:[\n{{`!]|\Z))", rest, re.MULTILINE)]
    return rest[ends[-1] :] if ends else rest
