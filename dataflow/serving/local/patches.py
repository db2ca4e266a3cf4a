"""Every patch that we make to an object or a setting of a library at run time.

Each function makes one patch, says why it is needed and where the library decides the matter, and returns the function
that undoes the patch, or is a context manager that undoes it. All patches were checked with diffusers 0.42.1,
transformers 5.24, accelerate 1.15, cache-dit 1.5.3 and torch 2.13 (November 2026); check them again when one of these
versions rises.
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

_VERSIONS = 256  # compiled versions of one block's code in this process, over all models that share the code


def answer_prompts(pipeline: Any, encode_prompt: Callable[..., Any]) -> Undo:
    """Replace a pipeline's `encode_prompt`, which the pipeline calls itself, by another function.

    diffusers caches no encodings (https://github.com/huggingface/diffusers/issues/10078). Passing encodings as
    `prompt_embeds=` is no way out: pipelines refuse that argument beside a prompt, and some need the prompt as well.
    """
    pipeline.encode_prompt = encode_prompt
    return partial(delattr, pipeline, "encode_prompt")


class Counted(NamedTuple):
    """The two fields of tokenizers' `Encoding` that observers read, for a tokenizer that makes no `Encoding`."""

    attention_mask: Sequence[int]
    overflowing: bool


def _counted(ids: Any, whole: Sequence[Sequence[int]]) -> Sequence[Counted]:
    """Compare token ids as the pipeline asked for them, truncated and padded, with all token ids of each text."""
    rows = ids if len(ids) and hasattr(ids[0], "__len__") else [ids]  # a single text gives a flat list
    return [Counted([1] * len(full), len(full) > len(row)) for row, full in zip(rows, whole, strict=True)]


def observe_tokenizer(tokenizer: Any, observer: Callable[[Sequence[str], Sequence[Any]], None]) -> Undo:
    """Call an observer after each call of one tokenizer of transformers.

    Args:
        tokenizer: the object to observe; other tokenizers of its class stay unobserved.
        observer: gets the texts of the call and an encoding of each, whose `overflowing` holds what was truncated.
            Source: `Encoding` of the library tokenizers. A tokenizer written in Python makes no `Encoding`, so its
            texts are tokenized a second time, without truncation, and compared.
    """
    shared: Any = type(tokenizer)

    class Observed(shared):  # type: ignore[misc]
        def __call__(self, text: Any = None, *args: Any, **kwargs: Any) -> Any:
            read = super().__call__(text, *args, **kwargs)
            texts = [text] if isinstance(text, str) else text or []
            encodings = read.encodings
            if encodings is None and texts:
                special = kwargs.get("add_special_tokens", True)
                whole = super().__call__(texts, add_special_tokens=special, verbose=False)
                encodings = _counted(read["input_ids"], whole["input_ids"])
            observer(texts, encodings or [])
            return read

    Observed.__name__ = shared.__name__
    tokenizer.__class__ = Observed
    return partial(setattr, tokenizer, "__class__", shared)


def isolate_class(pipeline: Any) -> Undo:
    """Give one pipeline a class of its own, so that a change to its class affects no other pipeline.

    cache-dit wraps `__call__` and sets `_is_cached` on the pipeline's class; without this patch every other pipeline
    of the family in this process would be cached too. Source: `CachedAdapter.create_context` in
    cache_dit/caching/cache_adapters; https://github.com/vipshop/cache-dit/pull/1102 reports the same for `_is_cached`.
    """
    shared = type(pipeline)
    pipeline.__class__ = type(shared.__name__, (shared,), {})
    return partial(setattr, pipeline, "__class__", shared)


@contextmanager
def quiet_cache_dit() -> Iterator[None]:
    """Keep cache-dit, if it is imported inside the `with`, from writing its settings to standard output.

    cache-dit reads CACHE_DIT_LOG_LEVEL once, when it is imported; a value that the user set stays. Source:
    cache_dit/envs.py and logger.py.
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
def quiet_torchao() -> Iterator[None]:
    """Hide the warnings of torchao's import where nothing of torchao is used.

    diffusers imports torchao whenever it is installed. On a machine without a GPU of the newest generation, torchao
    cannot load all of its kernels, nor torch and diffusers all of torchao, and each warns about it. Source:
    `_update_torch_safe_globals` in diffusers/quantizers/torchao.
    """
    warning = ("torchao", "torch.utils._pytree", "diffusers.quantizers.torchao.torchao_quantizer")
    loggers = [logging.getLogger(name) for name in warning]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def attend_with(model: Any, kernel: str) -> Undo:
    """Let one model compute attention with a kernel, by diffusers' name; the undo lets torch choose the kernel.

    `set_attention_backend` also sets the backend of the whole process, for every model that has none of its own
    (https://github.com/huggingface/diffusers/issues/14249); the `attention_backend` around the call restores the
    process's. The call warns each time that it is experimental, so diffusers' log is silenced for its duration.
    """
    from diffusers.models.attention_dispatch import attention_backend
    from diffusers.utils import logging as diffusers_logging

    verbosity = diffusers_logging.get_verbosity()
    diffusers_logging.set_verbosity_error()
    try:
        with attention_backend("native"):
            model.set_attention_backend(kernel)
    finally:
        diffusers_logging.set_verbosity(verbosity)
    return partial(_attend_natively, model)


def _attend_natively(model: Any) -> None:
    attend_with(model, "native")


def compile_blocks(model: Any, *, dynamic: bool) -> Undo:
    """Compile each of a model's repeated blocks when the block is called next; the undo runs their plain code again.

    torch offers no undo of `Module.compile`. Source: `Module.__call__` in torch/nn/modules/module.py runs the code in
    `_compiled_call_impl`, and the plain code where that attribute is None.

    Args:
        model: of diffusers.
        dynamic: whether one compilation serves every shape; else each shape compiles separately.
    """
    model.compile_repeated_blocks(fullgraph=True, dynamic=dynamic)
    return partial(_run_plain, model)


def _run_plain(model: "Module") -> None:
    for module in model.modules():
        module._compiled_call_impl = None


def raised_recompile_limit() -> AbstractContextManager[None]:
    """Let torch keep up to `_VERSIONS` compiled versions of a block's code, for each size and each model one.

    torch's own limit is 8; beyond the limit torch raises, or runs plain code. Source: `recompile_limit` in
    torch/_dynamo/config.py.
    """
    import torch

    limits = torch._dynamo.config
    patch: AbstractContextManager[None] = limits.patch(recompile_limit=max(limits.recompile_limit, _VERSIONS))
    return patch


def before_forward(part: "Module", place: "device", work: Callable[[], None]) -> Undo:
    """Call `work` before each call of a part, and bring the arguments of the part's call to `place`.

    The hook is accelerate's rather than torch's, because diffusers learns from accelerate's hook on which device a part
    computes while its weights are elsewhere. Source: `DiffusionPipeline._execution_device` reads
    `_hf_hook.execution_device`.
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
    """A subclass of a processor class of transformers that has no video part; the class itself stays as it is.

    transformers 5 needs torchvision for the video part. Source: `ProcessorMixin.get_attributes` in
    transformers/processing_utils.py names the parts that `from_pretrained` loads.
    """

    class PictureProcessor(processor):  # type: ignore[misc]
        """Pictures and text only."""

        @classmethod
        def get_attributes(cls) -> list[str]:
            return [name for name in processor.get_attributes() if name != "video_processor"]

    return PictureProcessor
