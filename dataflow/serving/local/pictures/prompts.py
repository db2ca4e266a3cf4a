"""A cache of prompt encodings for a loaded pipeline: each distinct prompt is encoded once, some before they are drawn.

The pipeline still calls its `encode_prompt` with its usual arguments, but the cache answers. So every argument that
changes an encoding (`max_sequence_length`, a second or negative prompt, the scale of a LoRA) keeps its meaning and is
part of the encoding's key. Passing `prompt_embeds=` to the pipeline is no way out: the pipeline refuses it beside a
prompt, and it loses the empty negative prompts that some pipelines add. A call that belongs to no single prompt
(embeddings that the user gave, pictures that are encoded with the prompt) goes to the pipeline's own `encode_prompt`.

On a GPU each prompt is encoded separately, in some milliseconds: bfloat16 rounds coarsely, and a kept encoding must not
depend on the prompts beside it. On a CPU the new prompts of a call are encoded together, as the pipeline would do.
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
from dataflow.utils.lru_cache import Recent

log = logging.getLogger(__name__)

Made = TypeVar("Made")

MOST_BYTES = 1 << 30  # of kept encodings: 250 prompts of FLUX.1
# What a tokenizer raises for a bad prompt: half of a surrogate pair, a word that the vocabulary lacks.
_PROMPT_ERRORS = (ValueError, LookupError)
_SPLITTABLE = {"rows", "lists", "shared"}  # encodings that were padded together cannot be split without their lengths


class PromptFailed(Exception):
    """An encoder cannot encode one prompt.

    Args:
        prompt: the prompt.
        reason: what the encoder raised, in words.
    """

    def __init__(self, prompt: str, reason: str) -> None:
        super().__init__(f"the prompt {prompt[:80]!r} cannot be encoded: {reason}")
        self.prompt = prompt


class Prompts:
    """Answers a pipeline's calls of `encode_prompt`. Every method but `expect` runs on the launch thread.

    Args:
        pipeline: of diffusers, on its device.
        joins: how the family joins encodings (`Backend.encoded`); empty leaves every prompt to the pipeline.
        ahead: whether a call that encodes an expected prompt encodes the other expected prompts too.
        together: whether the new prompts of a call are encoded in one call, if the family's encodings can be split.
        most_bytes: bytes of encodings to keep.
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
        self._expected: dict[str, None] = {}  # an ordered set; single operations of a dict are thread-safe
        self._own: Callable[..., Any] | None = None  # the pipeline's `encode_prompt`
        self._give_back: Undo | None = None
        self._signature = inspect.Signature()

    def take_over(self) -> None:
        """Answer the pipeline's calls from now on, if its family says how encodings are joined."""
        own = getattr(self._pipeline, "encode_prompt", None)
        if self._joins and own is not None:
            self._own, self._signature = own, inspect.signature(own)
            self._give_back = answer_prompts(self._pipeline, self._encode)

    def expect(self, prompts: Iterable[str]) -> None:
        """Note the prompts that will be drawn soon, to encode them ahead; may be called from any thread."""
        if self._ahead and self._own is not None:
            self._expected.update(dict.fromkeys(prompts))

    def free(self) -> None:
        """Release the pipeline and all encodings."""
        if self._give_back is not None:
            self._give_back()
        self._pipeline = self._own = self._give_back = None
        self._kept = Recent(0)

    def _encode(self, *args: Any, **kwargs: Any) -> Any:
        """Stand in for the pipeline's `encode_prompt`: join kept encodings, and encode the missing ones."""
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
                encoding = self._encode_single(call)
                if encoding is None:
                    return self._own(*args, **kwargs)
                found[key_of(call)] = encoding
        # This call has paid for copying the encoders to the GPU, so the expected prompts are encoded in the same visit.
        if any(call["prompt"][0] in self._expected for call in missing):
            self._encode_expected(calls)
        for call in calls:
            self._expected.pop(call["prompt"][0], None)
        return join(self._joins, [found[key_of(call)] for call in calls])

    def _encode_together(self, calls: Sequence[Arguments]) -> dict[Hashable, Encoding]:
        """Encode the prompts in one call and keep the encodings; return none where that must be done one by one."""
        if not self._together or len(calls) < 2 or not set(self._joins) <= _SPLITTABLE:
            return {}
        assert self._own is not None
        arguments = in_one_call(calls)
        try:
            "".join(arguments["prompt"]).encode("utf-8")
            outputs = self._own(**arguments)
        except _PROMPT_ERRORS:  # encoding the prompts one by one shows which of them is bad
            return {}
        parts = split(self._joins, outputs, len(calls))
        if parts is None:
            return {}
        return {key_of(call): self._remember(call, part) for call, part in zip(calls, parts, strict=True)}

    def _encode_single(self, call: Arguments) -> Encoding | None:
        """Encode one prompt and keep its encoding; return None where the pipeline returns a form that is unknown here.

        Raises:
            PromptFailed: the encoder cannot encode the prompt.
        """
        assert self._own is not None
        (prompt,) = call["prompt"]
        arguments = as_the_pipeline_takes(call)
        try:
            # Tokenizers raise a TypeError for text that is not UTF-8, and a mistake of ours raises one too; so this
            # check comes first, and a TypeError goes through as a mistake.
            prompt.encode("utf-8")
            outputs = self._own(**arguments)
        except _PROMPT_ERRORS as error:
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
        """Encode the expected prompts, as many as stay kept until they are drawn.

        The arguments beside the prompt are those of `calls`; if the calls differ in them, nothing is encoded ahead.
        """
        import torch

        shared = [{name: value for name, value in call.items() if name != "prompt"} for call in calls]
        if any(arguments != shared[0] for arguments in shared):
            return
        # Half of the kept bytes: the other half is for the prompts of current calls, whose encodings would otherwise
        # push these out before they are drawn.
        room = self._kept.limit // 2
        for prompt in list(self._expected):
            if room <= 0:
                return
            self._expected.pop(prompt, None)
            call = {**shared[0], "prompt": (prompt,)}
            if self._kept.get(key_of(call)) is not None:
                continue
            try:
                encoding = self._encode_single(call)
            except PromptFailed:
                continue  # the prompt fails again, and is reported, when its own row is drawn
            except torch.OutOfMemoryError:
                give_back_memory()
                return
            room -= 0 if encoding is None else encoding.size


def draw_all_but_unencodable(
    samples: Sequence[Sample], draw: Callable[[Sequence[Sample]], Sequence[Made]]
) -> "list[Made | Failure]":
    """Draw the samples, without those whose prompts cannot be encoded.

    Returns:
        For each sample, in order, what `draw` made of it, or the failure of its prompt.

    Raises:
        PromptFailed: a prompt that belongs to no sample cannot be encoded, such as the user's negative prompt.
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
