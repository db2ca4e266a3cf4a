"""What the guide's columns may hold: messages and picture paths."""

from dataflow.errors import RowError


def prompts(value: object, column: str) -> list[str]:
    """The texts of all messages that are not the assistant's, in order.

    Args:
        value: a list of `{"content": ..., "role": ...}` (role optional) or of strings, or one string.
        column: its name, for the error.

    Raises:
        RowError: no such text, or another form.
    """
    messages = value if isinstance(value, list) else [value]
    texts = []
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else message
        if isinstance(message, dict) and message.get("role") == "assistant":
            continue
        if not isinstance(content, str):
            raise RowError(
                f'`{column}` holds {message!r:.80}: a message is a string or {{"role": "user", "content": "..."}}'
            )
        if content.strip():
            texts.append(content)
    if not texts:
        raise RowError(f"`{column}` has no message with text")
    return texts


def picture_paths(value: object, column: str) -> tuple[str, ...]:
    """The paths of a field that holds one path or a list of paths.

    Raises:
        RowError: another form.
    """
    paths = value if isinstance(value, list) else [value]
    if not all(isinstance(path, str) and path for path in paths):
        raise RowError(f"`{column}` holds {value!r:.80}: give one path or a list of paths")
    return tuple(paths)
