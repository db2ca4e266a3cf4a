"""Prompts of a loaded pipeline: each distinct one is encoded once, and some ahead of their turn.

A pipeline goes on calling its `encode_prompt`, with the arguments it always gives; what answers is ours. So all that
changes an encoding (`max_sequence_length`, a second or negative prompt, the scale of a LoRA) keeps its meaning and is
part of what an encoding is found by. Handing the pipeline `prompt_embeds=` instead would be refused beside a prompt,
and lose the empty negative prompts that some pipelines make up themselves. What belongs to no single prompt (embeddings
the user gave, pictures that are encoded too) is left to the pipeline.

On a GPU each is encoded by itself, for some milliseconds: bfloat16 rounds coarsely, and what is kept is to depend on
nothing but its prompt. On a CPU the new prompts of a call are encoded together, as the pipeline would.
"""

import inspect
import logging
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, TypeVar

from dataflow.errors import Failure
from dataflow.serving.backends import Join, Sample
from dataflow.serving.local.patches import Undo, answer_prompts
from dataflow.serving.local.pictures.encodings import (
    Arguments,
    Encoding,
    as_the_pipeline_takes,
    in_one_call,
    join,
    keep,
    key_of,
    one_by_one,
    split,
)
from dataflow.serving.local.runtime import give_back_memory
from dataflow.utils.recent import Recent

log = logging.getLogger(__name__)

Made = TypeVar("Made")

MOST_BYTES = 1 << 30  # of encodings kept: 250 prompts of FLUX.1
# What a tokenizer raises over a prompt: half a surrogate pair, a word that the vocabulary lacks.
_OF_THE_PROMPT = (ValueError, LookupError)
_SPLITTABLE = {"rows", "lists", "shared"}  # what is padded together cannot be taken apart without its lengths


class PromptFailed(Exception):
    """An encoder cannot take one prompt, whatever the others.

    Args:
        prompt: the one.
        reason: the encoder's words.
    """

    def __init__(self, prompt: str, reason: str) -> None:
        super().__init__(f"the prompt {prompt[:80]!r} cannot be encoded: {reason}")
        self.prompt = prompt


class Prompts:
    """Answers a pipeline's calls of `encode_prompt`. All but `expect` runs on the launch thread.

    Args:
        pipeline: of diffusers, on its device.
        joins: of its family; none leave all prompts to the pipeline.
        ahead: when a prompt is encoded, encode all those that are expected too.
        together: encode the new prompts of a call in one, where the family's encodings can be taken apart again.
        most_bytes: of encodings kept.
    """

    def __init__(
        self,
        pipeline: Any,
        joins: Sequence[Join],
        *,
        ahead: bool = False,
        together: bool = False,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._pipeline = pipeline
        self._joins = joins
        self._ahead = ahead
        self._together = together
        self._kept = Recent[Hashable, Encoding](most_bytes)
        self._expected: dict[str, None] = {}  # in order; a dict's single operations are safe between threads
        self._own: Callable[..., Any] | None = None  # the pipeline's `encode_prompt`
        self._give_back: Undo | None = None
        self._signature = inspect.Signature()

    def take_over(self) -> None:
        """Answer the pipeline's calls from here on, if its family says how encodings are joined."""
        own = getattr(self._pipeline, "encode_prompt", None)
        if self._joins and own is not None:
            self._own, self._signature = own, inspect.signature(own)
            self._give_back = answer_prompts(self._pipeline, self._encode)

    def expect(self, prompts: Iterable[str]) -> None:
        """These will be drawn soon; may be called from any thread."""
        if self._ahead and self._own is not None:
            self._expected.update(dict.fromkeys(prompts))

    def free(self) -> None:
        """Let go of the pipeline and of all encodings."""
        if self._give_back is not None:
            self._give_back()
        self._pipeline = self._own = self._give_back = None
        self._kept = Recent(0)

    def _encode(self, *args: Any, **kwargs: Any) -> Any:
        """Instead of the pipeline's `encode_prompt`: what is kept, and what it makes of the rest."""
        assert self._own is not None
        calls = one_by_one(self._signature.bind(*args, **kwargs).arguments)
        if calls is None or not self._joins:
            return self._own(*args, **kwargs)
        distinct = {key_of(call): call for call in calls}
        found = {key: kept for key in distinct if (kept := self._kept.get(key)) is not None}
        missing = [call for key, call in distinct.items() if key not in found]
        found |= self._encode_together(missing)
        for call in missing:
            if key_of(call) not in found:
                encoding = self._encode_alone(call)
                if encoding is None:
                    return self._own(*args, **kwargs)
                found[key_of(call)] = encoding
        # A visit of the encoders is paid for already, so what is expected is encoded too.
        if any(call["prompt"][0] in self._expected for call in missing):
            self._encode_expected(calls)
        for call in calls:
            self._expected.pop(call["prompt"][0], None)
        return join(self._joins, [found[key_of(call)] for call in calls])

    def _encode_together(self, calls: Sequence[Arguments]) -> dict[Hashable, Encoding]:
        """The encodings, kept from now on; none where they are better made one by one."""
        if not self._together or len(calls) < 2 or not set(self._joins) <= _SPLITTABLE:
            return {}
        assert self._own is not None
        arguments = in_one_call(calls)
        try:
            "".join(arguments["prompt"]).encode("utf-8")
            outputs = self._own(**arguments)
        except _OF_THE_PROMPT:  # whose fault it is shows when they are encoded one by one
            return {}
        parts = split(self._joins, outputs, len(calls))
        if parts is None:
            return {}
        return {key_of(call): self._remember(call, each) for call, each in zip(calls, parts, strict=True)}

    def _encode_alone(self, call: Arguments) -> Encoding | None:
        """The encoding, kept from now on; None where the pipeline returns something else than its family's do.

        Raises:
            PromptFailed: the encoder cannot take the prompt.
        """
        assert self._own is not None
        (prompt,) = call["prompt"]
        arguments = as_the_pipeline_takes(call)
        try:
            prompt.encode("utf-8")  # over what cannot be, tokenizers raise a TypeError, as over a mistake of ours
            outputs = self._own(**arguments)
        except _OF_THE_PROMPT as error:
            raise PromptFailed(prompt, f"{type(error).__name__}: {error}"[:300]) from error
        if not isinstance(outputs, tuple) or len(outputs) != len(self._joins):
            kind = type(self._pipeline).__name__
            log.warning("%s encodes prompts in another way than is known here: they are not remembered", kind)
            self._joins = ()
            return None
        return self._remember(call, outputs)

    def _remember(self, call: Arguments, outputs: tuple[Any, ...]) -> Encoding:
        encoding = keep(outputs)
        self._kept.put(key_of(call), encoding, encoding.size)
        return encoding

    def _encode_expected(self, calls: Sequence[Arguments]) -> None:
        """Encode what will be asked soon, if it will be asked like these, as much as stays until it is used."""
        import torch

        shared = [{name: value for name, value in call.items() if name != "prompt"} for call in calls]
        if any(other != shared[0] for other in shared):
            return
        room = self._kept.limit // 2  # the other half is for prompts of now: they must not drop these before their turn
        for prompt in list(self._expected):
            if room <= 0:
                return
            self._expected.pop(prompt, None)
            call = {**shared[0], "prompt": (prompt,)}
            if self._kept.get(key_of(call)) is not None:
                continue
            try:
                encoding = self._encode_alone(call)
            except PromptFailed:
                continue  # its own row will say so
            except torch.OutOfMemoryError:
                give_back_memory()
                return
            room -= 0 if encoding is None else encoding.size


def draw_the_encodable(
    samples: Sequence[Sample], draw: Callable[[Sequence[Sample]], Sequence[Made]]
) -> "list[Made | Failure]":
    """What `draw` makes of the samples, in order; one whose prompt cannot be encoded is a failure by itself.

    Raises:
        PromptFailed: a prompt cannot be encoded that is no sample's, as a negative one of the user's.
    """
    failed: dict[str, Failure] = {}
    while True:
        encodable = [sample for sample in samples if sample.prompt not in failed]
        try:
            drawn = iter(draw(encodable) if encodable else ())
            break
        except PromptFailed as error:
            if all(sample.prompt != error.prompt for sample in encodable):
                raise
            failed[error.prompt] = Failure("retry", str(error), retries=0)
    return [failed[sample.prompt] if sample.prompt in failed else next(drawn) for sample in samples]
