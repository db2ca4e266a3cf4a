"""Which prompts a pipeline reads only the beginning of: it cuts them off at its most tokens, mostly without a word.

What a pair (instruction, picture) is worth depends on it, so each answer is marked. A prompt counts as cut off where
every tokenizer that reads it cuts it: FLUX.1's CLIP takes 77 tokens of each, and T5 beside it 512. The pipeline's own
tokenizers are listened to, so whatever length the pipeline asks them for counts, and no line of a log.
"""

import inspect
import logging
from collections.abc import Sequence
from functools import partial, wraps
from typing import Any

from dataflow.core.words import count_of
from dataflow.serving.local.patches import Undo, hear

log = logging.getLogger(__name__)

_HEAD = 40  # letters by which a prompt is known within a chat template


class Cuts:
    """Listens to a pipeline's `encode_prompt`. Runs on the launch thread.

    Args:
        pipeline: of diffusers; its `encode_prompt` is still its own.
        behind: it cuts encodings rather than tokens, behind its template.
    """

    def __init__(self, pipeline: Any, *, behind: bool = False) -> None:
        self._pipeline = pipeline
        self._template = getattr(pipeline, "prompt_template_encode_start_idx", None) if behind else None
        self._most: int | None = None  # tokens, where encodings are cut
        self._heard: list[tuple[str, int, str, bool]] = []  # tokenizer, number of the prompt, text, whether it was cut
        self._asked: list[str] = []  # prompts of the call that goes on
        self._found: set[int] = set()  # hashes of prompts
        self._undone: list[Undo] = []

    def listen(self) -> None:
        """From here on."""
        own = getattr(self._pipeline, "encode_prompt", None)
        if own is None or "prompt" not in (signature := inspect.signature(own)).parameters:
            return
        for name, part in self._pipeline.components.items():
            tokenizer = getattr(part, "tokenizer", part)  # a processor has one
            if hasattr(tokenizer, "apply_chat_template") and hasattr(tokenizer, "encode"):
                self._undone.append(hear(tokenizer, partial(self._hear, name)))

        @wraps(own)
        def encode_prompt(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind(*args, **kwargs).arguments
            length = given.get("max_sequence_length")
            self._most = self._template + length if self._template is not None and length else None
            prompts = given.get("prompt")
            self._asked = [prompts] if isinstance(prompts, str) else list(prompts or ())  # Z-Image writes into its list
            self._heard = []
            outputs = own(*args, **kwargs)
            self._note()
            return outputs

        self._pipeline.encode_prompt = encode_prompt
        self._undone.append(partial(self._pipeline.__dict__.pop, "encode_prompt", None))

    def includes(self, prompt: str) -> bool:
        """Whether this prompt was cut off."""
        return hash(prompt) in self._found

    def free(self) -> None:
        """Let go of the pipeline."""
        for undo in self._undone:
            undo()
        self._undone.clear()
        self._pipeline = None

    def _hear(self, name: str, texts: Sequence[str], encodings: Sequence[Any]) -> None:
        for at, (text, encoding) in enumerate(zip(texts, encodings, strict=False)):
            too_long = self._most is not None and sum(encoding.attention_mask) > self._most
            is_cut = too_long or bool(encoding.overflowing)
            for number in [at] if len(texts) == len(self._asked) else self._within(text):
                self._heard.append((name, number, _plain(text), is_cut))

    def _within(self, text: str) -> list[int]:
        """The longest prompts that are part of this text: where each is read by itself, one may begin as another."""
        prompts = [_plain(prompt) for prompt in self._asked]
        longest = max((len(prompt) for prompt in prompts if prompt in _plain(text)), default=-1)
        return [at for at, prompt in enumerate(prompts) if len(prompt) == longest and prompt in _plain(text)]

    def _note(self) -> None:
        for number, prompt in enumerate(self._asked):
            head = _plain(prompt)[:_HEAD]
            cut_by: dict[str, bool] = {}
            for name, at, text, is_cut in self._heard:
                if at == number and head in text:
                    cut_by[name] = cut_by.get(name, False) or is_cut
            if cut_by and all(cut_by.values()) and not self.includes(prompt):
                self._found.add(hash(prompt))
                self._warn(prompt)

    def _warn(self, prompt: str) -> None:
        """At the first, the tenth, the hundredth, ..."""
        if (count := len(self._found)) == 10 ** (len(str(count)) - 1):
            log.warning(
                "%s so far %s longer than %s reads: the end is cut off, and the answer's usage says"
                " `truncated`. Shorten them, or raise max_sequence_length in call_kwargs. The last one begins %r",
                *(count_of(count, "prompt"), "are" if count > 1 else "is", type(self._pipeline).__name__, prompt[:60]),
            )


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
