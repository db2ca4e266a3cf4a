"""From requests to what a language model reads: messages, the checkpoint's chat template, token numbers.

Two readers: of words alone (a tokenizer) and of words and pictures (a processor). Text of a row that looks
like a control token of the model stays text, where the installed transformers can do that.
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
        tokenizer: transformers' own, padding on the left.
    """

    tokenizer: Any

    def messages(self, request: Request, pictures: "Mapping[str, Image]") -> list[Message]:
        """The earlier turns and the prompt, as chat templates take them.

        Args:
            request: what is asked.
            pictures: path → RGB picture, for every picture of the request.
        """

    def read(self, conversations: Sequence[list[Message]]) -> Any:
        """Input tensors by name, n rows padded on the left; `input_ids` and `attention_mask` among them."""


class WordReader:
    """Reads words with a tokenizer.

    Args:
        tokenizer: as transformers loaded it.
        arguments: further values for the chat template.
    """

    def __init__(self, tokenizer: Any, arguments: Mapping[str, JSON]) -> None:
        self.tokenizer = _padding_left(tokenizer)
        self._arguments = {**_sanitized(tokenizer), **arguments}

    def messages(self, request: Request, pictures: "Mapping[str, Image]") -> list[Message]:
        """As `Reader`; contents are strings."""
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
    """Reads words and pictures with a processor.

    Args:
        processor: as transformers loaded it.
        arguments: further values for the chat template.
    """

    def __init__(self, processor: Any, arguments: Mapping[str, JSON]) -> None:
        self._processor = processor
        self.tokenizer = _padding_left(processor.tokenizer)
        self._arguments = {**_sanitized(processor), **arguments}

    def messages(self, request: Request, pictures: "Mapping[str, Image]") -> list[Message]:
        """As `Reader`; the pictures of a turn come before its words, as model cards show it."""
        said: list[tuple[str, str, Sequence[str], Sequence[str]]]
        said = [(turn.role, turn.text, turn.images, ()) for turn in request.turns]
        messages = []
        for role, text, paths, labels in [*said, ("user", request.prompt, request.images, request.labels)]:
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
    """The reader of the checkpoint in a folder.

    Args:
        folder: with the checkpoint.
        pictures: whether it reads pictures too.
        template: a chat template instead of the checkpoint's.
        arguments: further values for the template.

    Raises:
        ConfigError: there is no chat template, or the files are damaged.
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
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _sanitized(owner: Any) -> dict[str, object]:
    known = inspect.signature(owner.apply_chat_template).parameters
    return {"sanitize_control_tokens": True} if "sanitize_control_tokens" in known else {}
