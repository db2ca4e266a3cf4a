"""Pulling the levers of a preset on a loaded pipeline; the order is quantise, cache, compile.

fp8 and the step cache are in the requests' ids, so what fails here stops the run (`ConfigError`). Attention
kernels and compiling change rounding alone: one that fails is let go with a warning, and the call is made again from
the same seeds.
"""

import logging
import os
import time
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, TypeVar

from dataflow.errors import ConfigError
from dataflow.serving.local.pictures.presets import Levers, StepCache

log = logging.getLogger(__name__)

Made = TypeVar("Made")

_BY_SHAPE = 32  # shapes that are compiled each by itself; pictures of arbitrary sizes make hundreds
_VERSIONS = 256  # of a block's code in this process, of all models that share it
_EDGES = 16  # Source: torch._scaled_mm takes matrices whose sides are multiples of 16
_BROKEN = (RuntimeError, AssertionError, ValueError, TypeError, AttributeError, LookupError, OSError, ImportError)


class Denoiser:
    """The part of a pipeline that runs once a step, with the levers on it.

    Args:
        pipeline: of diffusers, its weights loaded.
        pads_text: prompts of every length reach it at one length.

    Attributes:
        warming: what it compiles for, in words; empty while it compiles nothing.
    """

    def __init__(self, pipeline: Any, *, pads_text: bool) -> None:
        self._pipeline = pipeline
        self._model: Any = getattr(pipeline, "transformer", None) or getattr(pipeline, "unet", None)
        self._by_shape = pads_text  # else every length of a prompt would compile anew
        self.warming = ""
        self._cached = False
        self._compiled = False
        self._held: list[tuple[str, Callable[[], None]]] = []
        self._proven: set[Hashable] = set()

    def quantise(self, device: str, *, adapters: bool) -> None:
        """The large layers of the repeated blocks to fp8, one by one on the device; the bfloat16 ones are not kept.

        Embedders, the last norm and the last projection are no part of the blocks and stay as they are.

        Args:
            device: where the layers compute.
            adapters: LoRAs are loaded; they are merged first, since a layer that is fp8 cannot take them.

        Raises:
            ConfigError: torchao cannot.
            torch.OutOfMemoryError: they do not fit.
        """
        import torch

        try:
            from torchao.quantization import Float8DynamicActivationFloat8WeightConfig, PerRow, quantize_

            if adapters:
                merge_adapters(self._pipeline)
            chosen = block_layers(self._model)
            config = Float8DynamicActivationFloat8WeightConfig(granularity=PerRow())
            quantize_(self._model, config, filter_fn=lambda module, _: module in chosen, device=device)
        except torch.OutOfMemoryError:
            raise
        except _BROKEN as error:
            raise _cannot("fp8 (torchao)", error) from error

    def cache_steps(self, cache: StepCache) -> None:
        """Let steps reuse what the step before computed.

        cache-dit wraps `__call__` of the pipeline's class; a class of its own keeps that from every other pipeline
        of the family in this process.

        Raises:
            ConfigError: cache-dit cannot.
        """
        os.environ.setdefault("CACHE_DIT_LOG_LEVEL", "error")  # else it writes its settings to standard output
        try:
            import cache_dit

            kind = type(self._pipeline)
            self._pipeline.__class__ = type(kind.__name__, (kind,), {})
            settings = {name: getattr(cache, name) for name in StepCache.__dataclass_fields__}
            settings["Fn_compute_blocks"] = min(cache.Fn_compute_blocks, max(1, len(repeated_blocks(self._model)) // 2))
            cache_dit.enable_cache(self._pipeline, cache_config=cache_dit.DBCacheConfig(**settings))
        except _BROKEN as error:
            raise _cannot("a step cache (cache-dit)", error) from error
        self._cached = True

    def pull(self, levers: Levers) -> None:
        """Compiling and attention kernels; one that fails is let go with a warning.

        Which one fails does not show where both are pulled, so the last one, which gains less, is let go first.
        """
        pulled: list[tuple[str, Callable[[], None], Callable[[], None]]] = []
        if levers.compiled:
            pulled.append(("compiling", self._compile, self._run_plain))
        if levers.attention:
            attend = partial(self._attend, levers.attention)
            pulled.append((f"{levers.attention} attention", attend, partial(self._attend, "native")))
        for name, work, undo in pulled:
            try:
                work()
            except _BROKEN as error:
                undo()
                _let_go(name, error)
            else:
                self._held.append((name, undo))

    def run(self, shape: Hashable, shown: str, call: Callable[[], Made]) -> Made:
        """What `call` returns; the first time of a shape is where levers show that they do not work.

        Args:
            shape: equal for calls that run the same kernels.
            shown: the shape in words, for the log.
            call: made again where a lever failed, so it must begin anew each time.

        Raises:
            RuntimeError, ValueError, ...: as `call`, where that is no lever's fault.
        """
        if shape in self._proven:
            return call()
        if self.compiled and len(self._proven) == _BY_SHAPE:
            self._compile_for_all()
        began = time.monotonic()
        if compiles := self._compiled and (self._by_shape or not self._proven):
            log.warning("compiling for %s: the first takes up to minutes, the next ones do not", shown)
            self.warming = f"compiling for {shown}"
        try:
            made = self._with_what_works(call)
        finally:
            self.warming = ""
        if compiles:
            log.info("the first of %s took %.0f s", shown, time.monotonic() - began)
        self._proven.add(shape)
        return made

    def _with_what_works(self, call: Callable[[], Made]) -> Made:
        """What `call` returns, without the levers that fail in it."""
        import torch

        while True:
            try:
                return call()
            except torch.OutOfMemoryError:
                raise
            except (*_BROKEN, torch._dynamo.exc.FailOnRecompileLimitHit) as error:
                if not self._held:
                    raise
                name, undo = self._held.pop()
                undo()
                _let_go(name, error)

    @property
    def compiled(self) -> bool:
        """Whether few shapes are better than many."""
        return self._compiled and self._by_shape

    def free(self) -> None:
        """Let go of the pipeline, and of what cache-dit keeps of it."""
        if self._cached:
            import cache_dit

            cache_dit.disable_cache(self._pipeline)
        self._pipeline = self._model = None
        self._held.clear()

    def _attend(self, kernel: str) -> None:
        from diffusers.models.attention_dispatch import attention_backend
        from diffusers.utils import logging as of_diffusers

        loud = of_diffusers.get_verbosity()
        of_diffusers.set_verbosity_error()  # "an experimental feature", each time
        try:
            with attention_backend("native"):  # the setter changes that of all other models too; this restores it
                self._model.set_attention_backend(kernel)
        finally:
            of_diffusers.set_verbosity(loud)

    def _compile(self) -> None:
        """Each shape by itself, or for all of them at once, in a few versions."""
        import torch

        limits = torch._dynamo.config
        limits.recompile_limit = max(limits.recompile_limit, _VERSIONS)
        self._model.compile_repeated_blocks(fullgraph=True, dynamic=not self._by_shape)
        self._compiled = True

    def _compile_for_all(self) -> None:
        log.warning("%d shapes are compiled each by itself; from now on what is compiled serves all", len(self._proven))
        self._by_shape = False
        self._proven.clear()
        self._compile()

    def _run_plain(self) -> None:
        for module in self._model.modules():
            module._compiled_call_impl = None
        self._compiled = False


def repeated_blocks(model: Any) -> list[Any]:
    """The blocks that make up most of a model.

    Raises:
        ValueError: it has none.
    """
    names = getattr(model, "_repeated_blocks", None) or ()
    blocks = [module for module in model.modules() if type(module).__name__ in names] if names else []
    if not blocks:
        raise ValueError(f"{type(model).__name__} has no repeated blocks")
    return blocks


def block_layers(model: Any) -> set[Any]:
    """The linear layers of the repeated blocks that a matrix product in 8 bits takes.

    Raises:
        ValueError: there are none.
    """
    import torch

    layers = {part for block in repeated_blocks(model) for part in block.modules() if type(part) is torch.nn.Linear}
    fitting = {layer for layer in layers if not (layer.in_features % _EDGES or layer.out_features % _EDGES)}
    if not fitting:
        raise ValueError(f"the blocks of {type(model).__name__} have no plain linear layers, or are quantised already")
    return fitting


def merge_adapters(pipeline: Any) -> None:
    """Add the LoRAs to the weights, at the scales set, and drop them."""
    pipeline.fuse_lora(adapter_names=pipeline.get_active_adapters())
    pipeline.unload_lora_weights()


def _cannot(what: str, error: Exception) -> ConfigError:
    return ConfigError(
        f"this model cannot have {what}: {error}. Its requests' ids say that it has, so nothing else is drawn under"
        f" them: choose preset='exact', or install another version"
    )


def _let_go(name: str, error: BaseException) -> None:
    said = str(error).strip().partition("\n")[0][:300]
    log.warning("%s does not work here and is let go; the model runs slower. %s: %s", name, type(error).__name__, said)
