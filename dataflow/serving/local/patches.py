"""Every change to an object or a setting of a library while it runs: what it is for, where upstream, and its undo.

Each function makes one change and returns what takes it back, or is a context manager that does. All were checked with
diffusers 0.42.1, transformers 5.24, accelerate 1.15, cache-dit 1.5.3 and torch 2.13 (November 2026). Whoever raises one
of these versions reads this file again.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import device
    from torch.nn import Module

Undo = Callable[[], None]

_VERSIONS = 256  # of a block's compiled code in this process, of all models that share it


def answer_prompts(pipeline: Any, encode_prompt: Callable[..., Any]) -> Undo:
    """Answer a pipeline's own calls of `encode_prompt` with another function.

    diffusers keeps no encodings (https://github.com/huggingface/diffusers/issues/10078). Its other way in,
    `prompt_embeds=`, is refused beside a prompt, which some pipelines want all the same.
    """
    pipeline.encode_prompt = encode_prompt
    return partial(delattr, pipeline, "encode_prompt")


class Counted(NamedTuple):
    """What stands for the `Encoding` of a text."""

    attention_mask: Sequence[int]
    overflowing: bool


def _counts(read: Any, whole: Sequence[Sequence[int]]) -> Sequence[Counted]:
    """Of texts by their numbers as they were read, cut and padded, and by all of them."""
    rows = read if len(read) and hasattr(read[0], "__len__") else [read]  # a single text is no list of lists
    return [Counted([1] * len(all_), len(all_) > len(some)) for some, all_ in zip(rows, whole, strict=True)]


def hear(tokenizer: Any, heard: Callable[[Sequence[str], Sequence[Any]], None]) -> Undo:
    """Hear what a tokenizer of transformers makes of texts.

    Args:
        tokenizer: one object; others of its class stay as they are.
        heard: gets the texts of a call and their encodings, whose `overflowing` is what was cut off. Source:
            `Encoding` of the library tokenizers. One written in Python has none: its texts are read once more, whole.
    """
    shared: Any = type(tokenizer)

    class Heard(shared):  # type: ignore[misc]
        def __call__(self, text: Any = None, *args: Any, **kwargs: Any) -> Any:
            read = super().__call__(text, *args, **kwargs)
            texts = [text] if isinstance(text, str) else text or []
            encodings = read.encodings
            if encodings is None and texts:
                special = kwargs.get("add_special_tokens", True)
                whole = super().__call__(texts, add_special_tokens=special, verbose=False)
                encodings = _counts(read["input_ids"], whole["input_ids"])
            heard(texts, encodings or [])
            return read

    Heard.__name__ = shared.__name__
    tokenizer.__class__ = Heard
    return partial(setattr, tokenizer, "__class__", shared)


def give_own_class(pipeline: Any) -> Undo:
    """Make a pipeline the only one of its class.

    cache-dit wraps `__call__` and sets `_is_cached` on the pipeline's class, so every other pipeline of the family in
    this process would be cached too. Source: `CachedAdapter.create_context` in cache_dit/caching/cache_adapters;
    https://github.com/vipshop/cache-dit/pull/1102 is the same trouble with `_is_cached`.
    """
    shared = type(pipeline)
    pipeline.__class__ = type(shared.__name__, (shared,), {})
    return partial(setattr, pipeline, "__class__", shared)


@contextmanager
def quiet_cache_dit() -> Iterator[None]:
    """Import cache-dit so that it does not write its settings to standard output.

    It reads the variable once, when it is imported. Source: cache_dit/envs.py and logger.py.
    """
    name = "CACHE_DIT_LOG_LEVEL"
    is_ours = name not in os.environ
    if is_ours:
        os.environ[name] = "error"
    try:
        yield
    finally:
        if is_ours:
            os.environ.pop(name, None)


@contextmanager
def torchao_unasked() -> Iterator[None]:
    """Keep to itself what is said where diffusers imports torchao because it is there, and nobody wants anything of it.

    On a machine without a card of the newest kind torchao cannot load all its kernels, nor torch and diffusers all of
    torchao; each says so by a warning. Source: `_update_torch_safe_globals` in diffusers/quantizers/torchao.
    """
    talkative = ("torchao", "torch.utils._pytree", "diffusers.quantizers.torchao.torchao_quantizer")
    loggers = [logging.getLogger(name) for name in talkative]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def attend_with(model: Any, kernel: str) -> Undo:
    """Let one model compute attention with a kernel of diffusers' name; undone, with the one that torch chooses.

    `set_attention_backend` sets the backend of the whole process too, for every model that has none of its own
    (https://github.com/huggingface/diffusers/issues/14249); the context manager around it puts that back. It also warns
    that it is experimental, each time.
    """
    from diffusers.models.attention_dispatch import attention_backend
    from diffusers.utils import logging as of_diffusers

    verbosity = of_diffusers.get_verbosity()
    of_diffusers.set_verbosity_error()
    try:
        with attention_backend("native"):
            model.set_attention_backend(kernel)
    finally:
        of_diffusers.set_verbosity(verbosity)
    return partial(_attend_as_usual, model)


def _attend_as_usual(model: Any) -> None:
    attend_with(model, "native")


def compile_blocks(model: Any, *, dynamic: bool) -> Undo:
    """Compile each of a model's repeated blocks when it is called next.

    torch has no way back from `Module.compile`. Source: `Module.__call__` in torch/nn/modules/module.py runs what
    `_compiled_call_impl` holds, and the plain code where that is None.
    """
    model.compile_repeated_blocks(fullgraph=True, dynamic=dynamic)
    return partial(_run_plain, model)


def _run_plain(model: "Module") -> None:
    for module in model.modules():
        module._compiled_call_impl = None


def room_for_versions() -> AbstractContextManager[None]:
    """Let torch hold more than its 8 versions of a block's code: one for each size, and for each model.

    Beyond its limit torch raises or runs plain code. Source: `recompile_limit` in torch/_dynamo/config.py.
    """
    import torch

    limits = torch._dynamo.config
    patch: AbstractContextManager[None] = limits.patch(recompile_limit=max(limits.recompile_limit, _VERSIONS))
    return patch


def before_forward(part: "Module", place: "device", work: Callable[[], None]) -> Undo:
    """Do some work before each call of a part, and bring the call's arguments to where it computes.

    A hook of accelerate rather than of torch: by it diffusers knows where a part computes, wherever its weights lie
    meanwhile. Source: `DiffusionPipeline._execution_device` reads `_hf_hook.execution_device`.
    """
    from accelerate.hooks import ModelHook, add_hook_to_module, remove_hook_from_module

    hook = ModelHook()
    hook.execution_device = place
    hook.pre_forward = partial(_work_and_bring, place, work)
    add_hook_to_module(part, hook)
    return partial(remove_hook_from_module, part)


def _work_and_bring(
    place: "device", work: Callable[[], None], _module: "Module", /, *args: object, **kwargs: object
) -> tuple[Any, Any]:
    from accelerate.utils import send_to_device

    work()
    return send_to_device(args, place), send_to_device(kwargs, place)


def image_only(processor: Any) -> Any:
    """A class like transformers' processor class, without its video part; the original stays as it is.

    transformers 5 builds the video part only with torchvision. Source: `ProcessorMixin.get_attributes` in
    transformers/processing_utils.py says which parts `from_pretrained` loads.
    """

    class PictureProcessor(processor):  # type: ignore[misc]
        """Pictures and text only."""

        @classmethod
        def get_attributes(cls) -> list[str]:
            return [name for name in processor.get_attributes() if name != "video_processor"]

    return PictureProcessor
