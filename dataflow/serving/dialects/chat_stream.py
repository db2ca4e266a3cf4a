"""Folds the chunks of a streamed chat completion into the choices of a whole one.

A stream may cut text anywhere, also within base64, so nothing is interpreted before all chunks are joined.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dataflow.core.records import JSON
from dataflow.serving.dialects.narrow import as_dict, as_dicts, as_list

_NOT_OF_THE_CHOICE = ("delta", "message", "index")


@dataclass(slots=True)
class _Choice:
    """One choice, as far as its chunks have spelled it out.

    Args:
        fields: of the choice itself, such as its finish reason.
        message: the fields of its message, but for text and lists.
        parts: the lists in its message, such as pictures, each joined.
        pieces: the text of its message.
    """

    fields: dict[str, JSON] = field(default_factory=dict)
    message: dict[str, JSON] = field(default_factory=dict)
    parts: dict[str, list[JSON]] = field(default_factory=dict)
    pieces: list[str] = field(default_factory=list)

    def add(self, chunk: Mapping[str, JSON]) -> None:
        self.fields |= {k: v for k, v in chunk.items() if k not in _NOT_OF_THE_CHOICE and v is not None}
        for name, value in as_dict(chunk.get("delta") or chunk.get("message")).items():
            if name == "content":
                value = in_parts(value)
            if isinstance(value, list):
                self.parts.setdefault(name, []).extend(value)
            elif name in ("content", "refusal") and isinstance(value, str):
                self.pieces.append(value)
            elif value is not None:
                self.message[name] = value

    def whole(self) -> dict[str, JSON]:
        text = "".join(self.pieces)
        content: JSON = text
        if "content" in self.parts:
            content = [*self.parts["content"], {"type": "text", "text": text}]
        return {**self.fields, "message": {**self.message, **self.parts, "content": content}}


def in_parts(content: JSON) -> JSON:
    """The content of a message, where an object in place of a text or a list becomes a list.

    The object is Google's, whose parts are taken, or the only part.
    """
    return (as_list(content.get("parts")) or [content]) if isinstance(content, dict) else content


def fold(events: Iterable[Mapping[str, JSON]]) -> list[dict[str, JSON]]:
    """The choices that the events of a stream spell out together, in the form of a whole reply, by their index."""
    choices: dict[int, _Choice] = {}
    for event in events:
        for chunk in as_dicts(event.get("choices")):
            number = chunk.get("index")
            choices.setdefault(number if isinstance(number, int) else 0, _Choice()).add(chunk)
    return [choice.whole() for _, choice in sorted(choices.items())]
