"""Reads the columns of the guide: messages, picture paths and masks, in every form that users write them in."""

import math
import re

from dataflow.core.records import Row
from dataflow.errors import RowError

# Roles of messages that are not the user's: those of OpenAI, Gemini, ShareGPT and LangChain.
# Source: https://platform.openai.com/docs/api-reference/chat, https://ai.google.dev/api/caching#Content,
# https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md
_MODELS = {"assistant", "model", "gpt", "chatgpt", "bing", "bard", "ai", "bot"}
_MACHINERY = {"system", "developer", "tool", "function", "function_call", "observation"}
# A list of messages, or of texts, that str() turned into a text. A prompt that is any other JSON stays a prompt.
_PRINTED = re.compile(
    r"""\s*(\[\s*\{\s*['"](content|value|role|from)|\{\s*['"](role|from))['"]\s*:.*"""
    r"""|\s*\[\s*(?P<quote>['"])[^\]]*(?P=quote)\s*\]\s*""",
    re.DOTALL,
)


def prompts(value: object, column: str) -> list[str]:
    """The texts of the user's messages, in order, without those of the system, the assistant or a tool.

    Args:
        value: of the column: a string, or a list of strings or of `{"content": ..., "role": ...}`, where the role may
            be left out and the keys may be `"value"` and `"from"`.
        column: name of the column, for the error.

    Raises:
        RowError: the user says no text, or the value has another form.
    """
    messages = value if isinstance(value, list) else [value]
    texts = []
    for message in messages:
        content = message
        if isinstance(message, dict):
            if not is_said_by_user(message):
                continue
            content = message.get("content", message.get("value"))
        if not isinstance(content, str):
            raise RowError(
                f'`{column}` holds {message!r:.80}: a message is a string or {{"role": "user", "content": "..."}}'
            )
        if content.strip():
            texts.append(content)
    if not texts:
        raise RowError(f"`{column}` has no message with text that the user says")
    if isinstance(value, str):
        _check_no_list(value, column)
    return texts


def is_said_by_user(message: Row) -> bool:
    """Whether the role of a message is the user's, or is missing."""
    return str(message.get("role", message.get("from"))).lower() not in _MODELS | _MACHINERY


def picture_paths(value: object, column: str) -> tuple[str, ...]:
    """The picture paths in a field, as written there.

    Args:
        value: of the field: one path or a list of paths.
        column: name of the column, for the error.

    Raises:
        RowError: the value has another form.
    """
    paths = value if isinstance(value, list) else [value]
    if not all(isinstance(path, str) and path for path in paths):
        raise RowError(f"`{column}` holds {value!r:.80}: give one path or a list of paths")
    if isinstance(value, str):
        _check_no_list(value, column)
    return tuple(paths)


def mask_path(value: object, column: str) -> str | None:
    """The mask path in a field; None for a row without a mask, whose whole picture may change.

    Args:
        value: of the field: a path, or a list of one path; None, an empty text or NaN where the row has no mask.
        column: name of the column, for the error.

    Raises:
        RowError: the value has another form, such as the empty list that a step writes when it failed to make the mask.
    """
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    if value == []:
        raise RowError(f"no `{column}`: the step that makes it failed. A row without a mask has null there")
    paths = picture_paths(value, column)
    if len(paths) > 1:
        raise RowError(f"`{column}` holds {len(paths)} paths: give one mask, of the first picture")
    return paths[0]


def _check_no_list(text: str, column: str) -> None:
    """Refuse a text that is a list which was written by str().

    Raises:
        RowError: it is.
    """
    if _PRINTED.fullmatch(text):
        raise RowError(
            f"`{column}` holds a list that was written as text, {text!r:.60}: give the list itself, in a .csv as JSON"
            f" (json.dumps)"
        )
