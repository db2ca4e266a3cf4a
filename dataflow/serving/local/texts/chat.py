"""Turn requests into a language model's inputs: messages, the checkpoint's chat template, token ids.

There are two readers: `WordReader` reads text with a tokenizer, `PictureReader` reads text and pictures with a
processor. Text of a row that looks like a control token of the model stays text, if the installed transformers supports
that (`sanitize_control_tokens`).
"""

import inspect
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dataflow.core.records import JSON, Request
from dataflow.models.text_checkpoint import no_template
from dataflow.serving.local.damage import damage_explained
from dataflow.serving.local.processor import load_processor

if TYPE_CHECKING:
    from PIL.Image import Image

Message = dict[str, Any]


class Reader(Protocol):
    """Turns conversations into a model's inputs.

    Attributes:
        tokenizer: the tokenizer of transformers, which pads on the left.
    """

    tokenizer: Any

    def messages(self, request: Request, pictures: "Mapping[str, Image]") -> list[Message]:
        """The request's earlier turns and its prompt, as chat templates take them.

        Args:
            request: for a text.
            pictures: path → RGB picture, for every picture of the request.
        """

    def read(self, conversations: Sequence[list[Message]]) -> Any:
        """The input tensors by name, such as `input_ids` and `attention_mask`: n rows, padded on the left."""


class WordReader:
    """Reads text with a tokenizer.

    Args:
        tokenizer: as transformers loaded it.
        arguments: further values for the chat template.
    """

    def __init__(self, tokenizer: Any, arguments: Mapping[str, JSON]) -> None:
        self.tokenizer = _padding_left(tokenizer)
        self._arguments = {**_sanitized(tokenizer), **arguments}

    def messages(self, request: Request, pictures: "Mapping[str, Image]") -> list[Message]:
        """As `Reader.messages`; each content is a string."""
        del pictures
        turns = [{"role": turn.role, "content": turn.text} for turn in request.turns]
        return [*turns, {"role": "user", "content": request.prompt}]

    def read(self, conversations: Sequence[list[Message]]) -> Any:
        """As `Reader`."""
        return self.tokenizer.apply_chat_template(
            list(conversations),
            add_generation_prompt=True,
            tokenize=True,
            padding=True,
            return_dict=True,
            return_tensors="pt",
            **self._arguments,
        )


class PictureReader:
    """Reads text and pictures with a processor.

    Args:
        processor: as transformers loaded it.
        arguments: further values for the chat template.
    """

    def __init__(self, processor: Any, arguments: Mapping[str, JSON]) -> None:
        self._processor = processor
        self.tokenizer = _padding_left(processor.tokenizer)
        self._arguments = {**_sanitized(processor), **arguments}

    def messages(self, request: Request, pictures: "Mapping[str, Image]") -> list[Message]:
        """As `Reader.messages`; the pictures of a turn come before its text, as model cards show it."""
        turns: list[tuple[str, str, Sequence[str], Sequence[str]]]
        turns = [(turn.role, turn.text, turn.images, ()) for turn in request.turns]
        messages = []
        for role, text, paths, labels in [*turns, ("user", request.prompt, request.images, request.labels)]:
            parts: list[Message] = []
            for path, label in zip_longest(paths, labels):
                parts += [{"type": "text", "text": label}] if label else []
                parts.append({"type": "image", "image": pictures[path]})
            messages.append({"role": role, "content": [*parts, {"type": "text", "text": text}]})
        return messages

    def read(self, conversations: Sequence[list[Message]]) -> Any:
        """As `Reader`."""
        return self._processor.apply_chat_template(
            list(conversations),
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
            **self._arguments,
        )


def load_reader(folder: Path, *, pictures: bool, template: str | None, arguments: Mapping[str, JSON]) -> Reader:
    """Load the reader of a checkpoint.

    Args:
        folder: the checkpoint's.
        pictures: whether the reader reads pictures too.
        template: a chat template instead of the checkpoint's; None for the checkpoint's.
        arguments: further values for the template.

    Raises:
        ConfigError: the checkpoint has no chat template and none was given, or its files are damaged.
    """
    from transformers import AutoTokenizer

    if pictures:
        processor = load_processor(folder)
        processor.chat_template = template or processor.chat_template or processor.tokenizer.chat_template
        return _with_template(folder, processor.chat_template, PictureReader(processor, arguments))
    with damage_explained(f"the tokenizer in {folder} cannot be loaded", "Download it again"):
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    tokenizer.chat_template = template or tokenizer.chat_template
    return _with_template(folder, tokenizer.chat_template, WordReader(tokenizer, arguments))


def _with_template(folder: Path, template: object, reader: Reader) -> Reader:
    if not template:
        raise no_template(folder)
    return reader


def _padding_left(tokenizer: Any) -> Any:
    """The tokenizer, set to pad on the left: a model continues each row right after its last prompt token."""
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _sanitized(owner: Any) -> dict[str, object]:
    """The argument that keeps control tokens in texts harmless, if the tokenizer or processor takes it."""
    known = inspect.signature(owner.apply_chat_template).parameters
    return {"sanitize_control_tokens": True} if "sanitize_control_tokens" in known else {}
