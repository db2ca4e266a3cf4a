"""A loaded language model that answers batches of conversations, smaller batches where memory runs short.

Everything here runs on the serving's launch thread.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dataflow.core.records import Request
from dataflow.errors import ConfigError, Failure
from dataflow.serving.local.damage import damage_explained
from dataflow.serving.local.faults import Faults
from dataflow.serving.local.runtime import ShrinkingBatch, dtype_of, give_back_memory, no_bars
from dataflow.serving.local.texts.adapter import add_adapter
from dataflow.serving.local.texts.chat import Message, Reader, load_reader
from dataflow.serving.local.texts.sampling import RowSampler, Sampling
from dataflow.serving.local.texts.settings import LocalTextSettings


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation that the model continues.

    Args:
        messages: the turns so far, as the reader made them.
        seed: the seed of the answer's random numbers.
    """

    messages: list[Message]
    seed: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model wrote.

    Args:
        text: the answer, without special tokens and surrounding white space.
        prompt_tokens: how many tokens the model read.
        completion_tokens: how many tokens the model wrote, the end token included.
        cut: whether the answer reached `max_new_tokens` before its end.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    cut: bool


class LocalTextModel:
    """A model of transformers on its device.

    Args:
        model: the model as `from_pretrained` returned it, on its device.
        reader: turns conversations into the model's inputs; its `messages` may be called from any thread.
        settings: the serving's.
    """

    def __init__(self, model: Any, reader: Reader, settings: LocalTextSettings) -> None:
        self._model = model
        self.reader = reader
        self._most = settings.max_new_tokens
        self._batch = ShrinkingBatch(settings.batch_size)
        self._faults = Faults("the model", self._plain_question)
        # The context window in tokens, prompt and answer together; None where the configuration names none.
        self._window = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        own = model.generation_config
        self._sampling = _sampling_of(own, settings)
        self._ends = _ends_of(own, reader.tokenizer)
        # `RowSampler` chooses the tokens; do_sample would sample all rows from one stream of random numbers.
        self._generation = copy.deepcopy(own)
        self._generation.update(
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            min_p=None,
            repetition_penalty=None,
            num_beams=1,
            num_return_sequences=1,
            max_length=None,
            max_new_tokens=self._most,
            eos_token_id=self._ends,
            pad_token_id=reader.tokenizer.pad_token_id,
        )

    def answer(self, conversations: Sequence[Conversation]) -> list[Reply | Failure]:
        """Write the next turn of each conversation; return one reply or failure per conversation, in order.

        A batch that does not fit into memory is halved, and no later batch is larger; a single conversation that does
        not fit fails. A conversation for which the model raises fails too, unless the model raises for a plain
        question as well.
        """

        def answer_batch(batch: Sequence[Conversation]) -> list[Reply | Failure]:
            return self._faults.run(batch, self._answer)

        return self._batch.run(conversations, answer_batch, what="answers", too_large=_too_large)

    def _answer(self, conversations: Sequence[Conversation]) -> list[Reply | Failure]:
        inputs = self._read(conversations)
        if inputs is not None:
            return self._write(inputs, conversations)
        problems = [self._problem(conversation) for conversation in conversations]
        pairs = zip(conversations, problems, strict=True)
        valid = [conversation for conversation, problem in pairs if problem is None]
        messages = [conversation.messages for conversation in valid]
        replies = iter(self._write(self.reader.read(messages), valid) if valid else ())
        return [next(replies) if problem is None else problem for problem in problems]

    def _plain_question(self) -> Conversation:
        return Conversation(self.reader.messages(Request("Say a word.", makes="text"), {}), seed=0)

    def _write(self, inputs: Any, conversations: Sequence[Conversation]) -> list[Reply | Failure]:
        import torch
        from transformers import LogitsProcessorList

        inputs = inputs.to(self._model.device)
        mask = inputs["attention_mask"]
        sampler = RowSampler(self._sampling, [conversation.seed for conversation in conversations], mask, self._most)
        with torch.inference_mode():
            written = self._model.generate(
                **inputs, generation_config=self._generation, logits_processor=LogitsProcessorList([sampler])
            )
        new_tokens, prompt_lengths = written[:, mask.shape[1] :].tolist(), mask.sum(-1).tolist()
        rows = zip(new_tokens, prompt_lengths, sampler.broken.tolist(), strict=True)
        return [_not_numbers() if broken else self._reply(tokens, length) for tokens, length, broken in rows]

    def _reply(self, tokens: list[int], prompt_tokens: int) -> Reply:
        end = next((position for position, token in enumerate(tokens) if token in self._ends), None)
        text = self.reader.tokenizer.decode(tokens[:end], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return Reply(text.strip(), prompt_tokens, len(tokens) if end is None else end + 1, cut=end is None)

    def _read(self, conversations: Sequence[Conversation]) -> Any:
        """The inputs of all conversations, padded; None if one of them cannot be read or is too long."""
        try:
            inputs = self.reader.read([each.messages for each in conversations])
        except _unreadable():
            return None
        return None if self._too_long(inputs["input_ids"].shape[1]) else inputs

    def _problem(self, conversation: Conversation) -> Failure | None:
        """Why the model cannot continue this conversation; None if it can."""
        try:
            length = self.reader.read([conversation.messages])["input_ids"].shape[1]
        except _unreadable() as error:
            return Failure("retry", f"the model's chat template does not take this conversation: {error}", retries=0)
        if not self._too_long(length):
            return None
        return Failure(
            "refused",
            f"a prompt of {length} tokens and max_new_tokens={self._most} do not fit into the model's {self._window}:"
            f" shorten the one or lower the other",
        )

    def _too_long(self, length: int) -> bool:
        return self._window is not None and length + self._most > self._window

    def free(self) -> None:
        """Release the weights and the memory they took."""
        self._model = None
        give_back_memory()


def load(folder: Path, settings: LocalTextSettings, device: str) -> LocalTextModel:
    """Load a language model, its tokenizer and its LoRA onto a device.

    Args:
        folder: the checkpoint's.
        settings: the serving's.
        device: torch's name.

    Raises:
        ConfigError: the weights do not fit, or the checkpoint cannot be loaded.
    """
    import torch
    from transformers.utils import logging as transformers_logging

    try:
        with no_bars(transformers_logging):
            reader = load_reader(
                folder,
                pictures=settings.pictures,
                template=settings.chat_template,
                arguments=settings.template_arguments,
            )
            model = _read(folder, settings, device)
            if settings.adapter is not None:
                add_adapter(model, settings.adapter)
            if "device_map" not in settings.model_kwargs:
                model.to(device)
    except torch.OutOfMemoryError as error:
        raise ConfigError(
            f"{folder} does not fit on {device}: load it smaller with model_kwargs (a quantization_config, or"
            f" device_map='auto' over several GPUs), or choose a smaller model"
        ) from error
    return LocalTextModel(model, reader, settings)


def _read(folder: Path, settings: LocalTextSettings, device: str) -> Any:
    """The model of transformers; a ConfigError if one of its weights is in no file."""
    import transformers

    kind = transformers.AutoModelForImageTextToText if settings.pictures else transformers.AutoModelForCausalLM
    arguments = {"dtype": dtype_of(settings.dtype, device), **settings.model_kwargs}
    what = "a model of pictures and text" if settings.pictures else "a language model"
    with damage_explained(f"{folder} cannot be loaded as {what}", "If model_kwargs fit this model, download it again"):
        model, report = kind.from_pretrained(folder, trust_remote_code=False, output_loading_info=True, **arguments)
    # transformers fills weights that are in no file with random numbers, and only logs them. A quantised checkpoint is
    # not checked, because its weights have other names in its files.
    lacking = [] if getattr(model, "hf_quantizer", None) else sorted(report["missing_keys"])
    if lacking:
        raise ConfigError(
            f"{folder} cannot be loaded as {what}: its files lack {len(lacking)} of the weights that its config.json"
            f" asks for, such as {lacking[0]}. Download it again, or choose a model of this kind"
        )
    return model.eval()


def _sampling_of(own: Any, settings: LocalTextSettings) -> Sampling:
    """The user's sampling settings, and the checkpoint's generation_config.json where the user gave none."""
    from_checkpoint = {
        "temperature": own.temperature if own.temperature is not None else 1.0,
        "top_p": own.top_p if own.top_p is not None else 1.0,
        "top_k": own.top_k or 0,
        "min_p": own.min_p or 0.0,
    }
    sampling = Sampling(repetition_penalty=own.repetition_penalty or 1.0)
    if own.do_sample or settings.temperature:
        sampling = replace(sampling, **(from_checkpoint if own.do_sample else {"temperature": 1.0}))
    if settings.temperature is not None:
        sampling = replace(sampling, temperature=float(settings.temperature))
    return sampling if settings.top_p is None else replace(sampling, top_p=float(settings.top_p))


def _ends_of(own: Any, tokenizer: Any) -> list[int]:
    """The ids of the tokens that end an answer, from the checkpoint's generation settings and its tokenizer."""
    named = own.eos_token_id if isinstance(own.eos_token_id, list) else [own.eos_token_id]
    return sorted({int(token) for token in (*named, tokenizer.eos_token_id) if token is not None})


def _too_large(conversation: Conversation, reason: str) -> Reply | Failure:
    del conversation
    fix = "lower max_new_tokens, shorten the prompt, or load it smaller with model_kwargs={'quantization_config': ...}"
    return Failure("retry", f"out of memory for one answer: {fix}", said=reason, retries=0)


def _not_numbers() -> Failure:
    return Failure("refused", "the model computed no numbers (NaN): load it with dtype='bfloat16' or 'float32'")


def _unreadable() -> tuple[type[Exception], ...]:
    """What a chat template or a processor raises for a conversation that it does not support.

    A template is code of the checkpoint's, and some templates join texts and pictures as if both were strings, which
    raises a TypeError.
    """
    from jinja2 import TemplateError

    return (TemplateError, ValueError, TypeError, LookupError)
