"""What the guide's columns may hold: messages and picture paths."""

import math
import re

from dataflow.core.records import Row
from dataflow.errors import RowError

# Who speaks in messages that nobody asks of a model: OpenAI's roles, Gemini's, ShareGPT's and LangChain's.
# Source: https://platform.openai.com/docs/api-reference/chat, https://ai.google.dev/api/caching#Content,
# https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md
_MODELS = {"assistant", "model", "gpt", "chatgpt", "bing", "bard", "ai", "bot"}
_MACHINERY = {"system", "developer", "tool", "function", "function_call", "observation"}
# What str() makes of a list of messages, and of a list of texts; a prompt that is JSON itself is a prompt.
_PRINTED = re.compile(
    r"""\s*(\[\s*\{\s*['"](content|value|role|from)|\{\s*['"](role|from))['"]\s*:.*"""
    r"""|\s*\[\s*(?P<quote>['"])[^\]]*(?P=quote)\s*\]\s*""",
    re.DOTALL,
)


def prompts(value: object, column: str) -> list[str]:
    """The texts of all messages that the user says, in order: none of the system's, the assistant's or a tool's.

    Args:
        value: a list of `{"content": ..., "role": ...}` (role optional; or `"from"` and `"value"`) or of strings, or
            one string.
        column: its name, for the error.

    Raises:
        RowError: no such text, or another form.
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
    """Whether a message is none of the system's, the assistant's or a tool's."""
    return str(message.get("role", message.get("from"))).lower() not in _MODELS | _MACHINERY


def picture_paths(value: object, column: str) -> tuple[str, ...]:
    """The paths of a field that holds one path or a list of paths.

    Raises:
        RowError: another form.
    """
    paths = value if isinstance(value, list) else [value]
    if not all(isinstance(path, str) and path for path in paths):
        raise RowError(f"`{column}` holds {value!r:.80}: give one path or a list of paths")
    if isinstance(value, str):
        _check_no_list(value, column)
    return tuple(paths)


def mask_path(value: object, column: str) -> str | None:
    """The path of a field that holds one mask; None for a row without one, where the whole picture may change.

    Args:
        value: a path, alone or in a list; None, an empty text or pandas' NaN: there is none.
        column: its name, for the error.

    Raises:
        RowError: another form, such as the empty list of a step that failed to make the mask.
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
    if _PRINTED.fullmatch(text):
        raise RowError(
            f"`{column}` holds a list that was written as text, {text!r:.60}: give the list itself, in a .csv as JSON"
            f" (json.dumps)"
        )
