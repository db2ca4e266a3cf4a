"""Find the prompts that a pipeline truncates: it reads only their first tokens, mostly without a warning.

A picture that was drawn from half of its instruction is worth less as training data, so its answer is marked. A prompt
counts as truncated where every tokenizer that reads it truncates it: FLUX.1 gives each prompt to CLIP, which reads 77
tokens, and to T5, which reads 512. The pipeline's own tokenizers are observed, so the lengths are those that the
pipeline asks for; nothing is read out of log lines.
"""

import inspect
import logging
from collections.abc import Sequence
from functools import partial, wraps
from typing import Any

from dataflow.core.words import count_of
from dataflow.serving.local.patches import Undo, observe_tokenizer

log = logging.getLogger(__name__)

_HEAD = 40  # characters of a prompt by which it is recognised inside a chat template


class Truncation:
    """Observes a pipeline's `encode_prompt` and its tokenizers. Every method runs on the launch thread.

    Args:
        pipeline: of diffusers; its `encode_prompt` is not replaced yet.
        cuts_encodings: whether the pipeline tokenizes the whole prompt and truncates the encoding, after its template.
    """

    def __init__(self, pipeline: Any, *, cuts_encodings: bool = False) -> None:
        self._pipeline = pipeline
        self._template = getattr(pipeline, "prompt_template_encode_start_idx", None) if cuts_encodings else None
        self._most: int | None = None  # tokens that the current call reads, where the pipeline truncates encodings
        # Of the current call: name of the tokenizer, number of the prompt, text, whether the text was truncated.
        self._readings: list[tuple[str, int, str, bool]] = []
        self._prompts: list[str] = []  # of the current call
        self._truncated: set[int] = set()  # hashes of prompts
        self._undos: list[Undo] = []

    def observe(self) -> None:
        """Observe every call from now on; do nothing if the pipeline has no `encode_prompt` that takes a prompt."""
        own = getattr(self._pipeline, "encode_prompt", None)
        if own is None or "prompt" not in (signature := inspect.signature(own)).parameters:
            return
        for name, part in self._pipeline.components.items():
            tokenizer = getattr(part, "tokenizer", part)  # a processor holds its tokenizer
            if hasattr(tokenizer, "apply_chat_template") and hasattr(tokenizer, "encode"):
                self._undos.append(observe_tokenizer(tokenizer, partial(self._read, name)))

        @wraps(own)
        def encode_prompt(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind(*args, **kwargs).arguments
            length = given.get("max_sequence_length")
            self._most = self._template + length if self._template is not None and length else None
            prompts = given.get("prompt")
            # A copy, because Z-Image's pipeline writes into the list.
            self._prompts = [prompts] if isinstance(prompts, str) else list(prompts or ())
            self._readings = []
            outputs = own(*args, **kwargs)
            self._find_truncated()
            return outputs

        self._pipeline.encode_prompt = encode_prompt
        self._undos.append(partial(self._pipeline.__dict__.pop, "encode_prompt", None))

    def includes(self, prompt: str) -> bool:
        """Whether this prompt was truncated."""
        return hash(prompt) in self._truncated

    def free(self) -> None:
        """Release the pipeline."""
        for undo in self._undos:
            undo()
        self._undos.clear()
        self._pipeline = None

    def _read(self, tokenizer: str, texts: Sequence[str], encodings: Sequence[Any]) -> None:
        """Note what a tokenizer read in one of its calls.

        A call that has as many texts as there are prompts has the prompts in order. In any other call (a pipeline may
        tokenize prompts one by one, or negative prompts) a text belongs to the prompts that it contains.
        """
        for position, (text, encoding) in enumerate(zip(texts, encodings, strict=False)):
            too_long = self._most is not None and sum(encoding.attention_mask) > self._most
            is_cut = too_long or bool(encoding.overflowing)
            for number in [position] if len(texts) == len(self._prompts) else self._contained(text):
                self._readings.append((tokenizer, number, _plain(text), is_cut))

    def _contained(self, text: str) -> list[int]:
        """The numbers of the longest prompts that this text contains; a shorter one may only begin like the text."""
        prompts = [_plain(prompt) for prompt in self._prompts]
        longest = max((len(prompt) for prompt in prompts if prompt in _plain(text)), default=-1)
        return [number for number, prompt in enumerate(prompts) if len(prompt) == longest and prompt in _plain(text)]

    def _find_truncated(self) -> None:
        for number, prompt in enumerate(self._prompts):
            head = _plain(prompt)[:_HEAD]
            cut_by: dict[str, bool] = {}  # name of a tokenizer → whether it truncated the prompt
            for tokenizer, read_number, text, is_cut in self._readings:
                if read_number == number and head in text:
                    cut_by[tokenizer] = cut_by.get(tokenizer, False) or is_cut
            if cut_by and all(cut_by.values()) and not self.includes(prompt):
                self._truncated.add(hash(prompt))
                self._warn(prompt)

    def _warn(self, prompt: str) -> None:
        """Log a warning at the first truncated prompt, the tenth, the hundredth, ..."""
        if (count := len(self._truncated)) == 10 ** (len(str(count)) - 1):
            log.warning(
                "%s so far %s longer than %s reads: the end is cut off, and the answer's usage says"
                " `truncated`. Shorten them, or raise max_sequence_length in call_kwargs. The last one begins %r",
                *(count_of(count, "prompt"), "are" if count > 1 else "is", type(self._pipeline).__name__, prompt[:60]),
            )


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
