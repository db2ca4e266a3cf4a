"""Pulling the levers of a preset on a loaded pipeline; the order is quantise, cache, compile.

fp8 and the step cache are in the requests' ids, so what fails here stops the run (`ConfigError`). Attention
kernels and compiling change rounding alone: one that fails is let go with a warning, and the call is made again from
the same seeds.
"""

import logging
import time
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from dataflow.errors import ConfigError
from dataflow.serving.local.patches import (
    Undo,
    attend_with,
    compile_blocks,
    give_own_class,
    quiet_cache_dit,
    room_for_versions,
)
from dataflow.serving.local.pictures.presets import Levers, StepCache

if TYPE_CHECKING:
    from torch.nn import Module

log = logging.getLogger(__name__)

Made = TypeVar("Made")

_BY_SHAPE = 32  # shapes that are compiled each by itself; pictures of arbitrary sizes make hundreds
_EDGES = 16  # Source: torch._scaled_mm takes matrices whose sides are multiples of 16
# What torchao, cache-dit, diffusers and torch raise where they cannot do a thing with this model or on this machine.
# torch's compilers wrap whatever fails in them into RuntimeErrors. A TypeError, AttributeError or KeyError is a
# mistake in code, ours included, and goes through with its traceback.
_CANNOT = (RuntimeError, AssertionError, ValueError, ImportError)

_FP8 = "fp8 (torchao)"


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
        self._compiled = False
        self._held: list[tuple[str, Callable[[], Undo], Undo]] = []  # levers that may be let go, and how to pull them
        self._lasting: list[Undo] = []  # of what stays until the end
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
            if not chosen:
                raise _refused(
                    _FP8, f"{type(self._model).__name__} has no plain linear layers, or is quantised already"
                )
            config = Float8DynamicActivationFloat8WeightConfig(granularity=PerRow())
            quantize_(self._model, config, filter_fn=lambda module, _: module in chosen, device=device)
        except torch.OutOfMemoryError:
            raise
        except _CANNOT as error:
            raise _refused(_FP8, str(error)) from error

    def cache_steps(self, cache: StepCache) -> None:
        """Let steps reuse what the step before computed.

        Of a model with few blocks, at most half are computed to see how much has changed.

        Raises:
            ConfigError: cache-dit cannot.
        """
        computed = min(cache.Fn_compute_blocks, max(1, len(repeated_blocks(self._model)) // 2))
        settings = asdict(replace(cache, Fn_compute_blocks=computed))
        try:
            with quiet_cache_dit():
                import cache_dit

            self._lasting.append(give_own_class(self._pipeline))
            cache_dit.enable_cache(self._pipeline, cache_config=cache_dit.DBCacheConfig(**settings))
        except _CANNOT as error:
            raise _refused("a step cache (cache-dit)", str(error)) from error
        self._lasting.append(partial(cache_dit.disable_cache, self._pipeline))

    def pull(self, levers: Levers) -> None:
        """Compiling and attention kernels; one that fails is let go with a warning.

        Which one fails does not show where both are pulled, so the last one, which gains less, is let go first.
        """
        pulled: list[tuple[str, Callable[[], Undo]]] = []
        if levers.compiled:
            pulled.append(("compiling", self._compile))
        if levers.attention:
            pulled.append((f"{levers.attention} attention", partial(attend_with, self._model, levers.attention)))
        for name, pull in pulled:
            try:
                self._held.append((name, pull, pull()))
            except _CANNOT as error:
                _let_go(name, _words(error))

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
            with self._limits():
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
        """What `call` returns, without the levers that fail in it; where it fails without any, they stay."""
        import torch

        taken: list[tuple[str, Callable[[], Undo], str]] = []  # no exceptions: those hold tensors
        while True:
            try:
                with self._limits():
                    made = call()
                break
            except torch.OutOfMemoryError:
                raise
            except (*_CANNOT, torch._dynamo.exc.FailOnRecompileLimitHit) as error:
                if not self._held:
                    self._held = [(name, pull, pull()) for name, pull, _ in reversed(taken)]
                    raise
                name, pull, undo = self._held.pop()
                undo()
                taken.append((name, pull, _words(error)))
        for name, _, words in taken:
            _let_go(name, words)
        return made

    @property
    def compiled(self) -> bool:
        """Whether few shapes are better than many."""
        return self._compiled and self._by_shape

    def free(self) -> None:
        """Let go of the pipeline, and of what cache-dit keeps of it."""
        for undo in reversed(self._lasting):
            undo()
        self._pipeline = self._model = None
        self._held.clear()
        self._lasting.clear()

    def _limits(self) -> AbstractContextManager[None]:
        """While the model runs: what compiling needs of torch."""
        return room_for_versions() if self._compiled else nullcontext()

    def _compile(self) -> Undo:
        """Each shape by itself, or for all of them at once, in a few versions."""
        undo = compile_blocks(self._model, dynamic=not self._by_shape)
        self._compiled = True

        def run_plain() -> None:
            undo()
            self._compiled = False

        return run_plain

    def _compile_for_all(self) -> None:
        log.warning("%d shapes are compiled each by itself; from now on what is compiled serves all", len(self._proven))
        self._by_shape = False
        self._proven.clear()
        self._compile()


def repeated_blocks(model: Any) -> "list[Module]":
    """The blocks that make up most of a model of diffusers'; none where it names none."""
    names = getattr(model, "_repeated_blocks", None) or ()
    return [module for module in model.modules() if type(module).__name__ in names]


def block_layers(model: Any) -> "set[Module]":
    """The linear layers of the repeated blocks that a matrix product in 8 bits takes."""
    import torch

    layers = {part for block in repeated_blocks(model) for part in block.modules() if type(part) is torch.nn.Linear}
    return {layer for layer in layers if not (layer.in_features % _EDGES or layer.out_features % _EDGES)}


def merge_adapters(pipeline: Any) -> None:
    """Add the LoRAs to the weights, at the scales set, and drop them."""
    pipeline.fuse_lora(adapter_names=pipeline.get_active_adapters())
    pipeline.unload_lora_weights()


def _refused(what: str, reason: str) -> ConfigError:
    return ConfigError(
        f"this model cannot have {what}: {reason}. Its requests' ids say that it has, so nothing else is drawn under"
        f" them: choose preset='exact', or install another version"
    )


def _let_go(name: str, words: str) -> None:
    log.warning("%s does not work here and is let go; the model runs slower. %s", name, words)


def _words(error: Exception) -> str:
    said = str(error).strip().partition("\n")[0][:300]
    return f"{type(error).__name__}: {said}"
