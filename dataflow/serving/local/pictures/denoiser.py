"""Apply a preset's speedups to a loaded pipeline, in the order quantise, cache, compile.

A lossy speedup (fp8, the step cache) that fails stops the run with a `ConfigError`, because the requests' ids promise
it. A lossless speedup (an attention kernel, compiling) that fails is removed with a warning, and the call is made again
from the same seeds.
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
    isolate_class,
    quiet_cache_dit,
    raised_recompile_limit,
)
from dataflow.serving.local.pictures.presets import Speedups, StepCache

if TYPE_CHECKING:
    from torch.nn import Module

log = logging.getLogger(__name__)

Made = TypeVar("Made")

# Shapes that are compiled separately, which is fastest; from then on one dynamic compilation serves all shapes.
# Pictures of arbitrary sizes make hundreds of shapes, and each would compile for minutes.
_COMPILED_SHAPES = 32
_EDGES = 16  # Source: torch._scaled_mm takes matrices whose sides are multiples of 16
# What torchao, cache-dit, diffusers and torch raise where a speedup does not work for this model or on this machine.
# torch's compilers wrap every failure in a RuntimeError. A TypeError, AttributeError or KeyError is a mistake in code,
# ours included, so it goes through with its traceback.
_UNSUPPORTED = (RuntimeError, AssertionError, ValueError, ImportError)

_FP8 = "fp8 (torchao)"


class Denoiser:
    """The part of a pipeline that runs once per denoising step, with its speedups.

    Args:
        pipeline: of diffusers, its weights loaded.
        pads_text: whether prompts of every length reach the denoiser at one length.

    Attributes:
        warming: what the denoiser compiles for at this moment, in words; empty while nothing compiles.
    """

    def __init__(self, pipeline: Any, *, pads_text: bool) -> None:
        self._pipeline = pipeline
        self._model: Any = getattr(pipeline, "transformer", None) or getattr(pipeline, "unet", None)
        # Where prompts keep their own lengths, each length would be a shape of its own and compile separately.
        self._per_shape = pads_text
        self.warming = ""
        self._compiled = False
        self._lossless: list[tuple[str, Callable[[], Undo], Undo]] = []  # name, how to apply it, how to remove it
        self._at_end: list[Undo] = []  # what `free` undoes
        self._working: set[Hashable] = set()  # shapes that have been drawn without a failure

    def quantise(self, device: str, *, adapters: bool) -> None:
        """Bring the large layers of the repeated blocks to fp8, one by one, dropping their bfloat16 weights.

        Embedders, the last norm and the last projection are not part of the repeated blocks and keep their dtype.

        Args:
            device: torch's name of the device on which each layer is converted.
            adapters: whether LoRAs are loaded; they are merged first, since an fp8 layer accepts no LoRA.

        Raises:
            ConfigError: torchao cannot quantise this model.
            torch.OutOfMemoryError: the layers do not fit on the device.
        """
        import torch

        try:
            from torchao.quantization import Float8DynamicActivationFloat8WeightConfig, PerRow, quantize_

            if adapters:
                merge_adapters(self._pipeline)
            chosen = block_layers(self._model)
            if not chosen:
                raise _unavailable(
                    _FP8, f"{type(self._model).__name__} has no plain linear layers, or is quantised already"
                )
            config = Float8DynamicActivationFloat8WeightConfig(granularity=PerRow())
            quantize_(self._model, config, filter_fn=lambda module, _: module in chosen, device=device)
        except torch.OutOfMemoryError:
            raise
        except _UNSUPPORTED as error:
            raise _unavailable(_FP8, str(error)) from error

    def cache_steps(self, cache: StepCache) -> None:
        """Let a step reuse what the step before computed, as cache-dit decides from the first blocks of the model.

        At most half of the blocks are computed for that decision, so that a model of few blocks gains something too.

        Raises:
            ConfigError: cache-dit cannot cache the steps of this model.
        """
        computed = min(cache.Fn_compute_blocks, max(1, len(repeated_blocks(self._model)) // 2))
        settings = asdict(replace(cache, Fn_compute_blocks=computed))
        try:
            with quiet_cache_dit():
                import cache_dit

            self._at_end.append(isolate_class(self._pipeline))
            cache_dit.enable_cache(self._pipeline, cache_config=cache_dit.DBCacheConfig(**settings))
        except _UNSUPPORTED as error:
            raise _unavailable("a step cache (cache-dit)", str(error)) from error
        self._at_end.append(partial(cache_dit.disable_cache, self._pipeline))

    def apply_lossless(self, speedups: Speedups) -> None:
        """Compile the model and choose its attention kernel; log a warning for the one that fails.

        Compiling comes first because `run` removes the last speedup first: where a call fails with both, the failure
        does not show which of them causes it, and the attention kernel gains less.
        """
        wanted: list[tuple[str, Callable[[], Undo]]] = []
        if speedups.compiled:
            wanted.append(("compiling", self._compile))
        if speedups.attention:
            wanted.append((f"{speedups.attention} attention", partial(attend_with, self._model, speedups.attention)))
        for name, apply in wanted:
            try:
                self._lossless.append((name, apply, apply()))
            except _UNSUPPORTED as error:
                _warn_removed(name, _first_line(error))

    def run(self, shape: Hashable, shown: str, call: Callable[[], Made]) -> Made:
        """Return what `call` returns; in the first call of a shape, remove the lossless speedups that fail.

        Kernels are compiled and run for the first time in the first call of a shape, so a failure shows there.

        Args:
            shape: equal for calls that run the same kernels.
            shown: the shape in words, for the log.
            call: draws; it is called again after a speedup was removed, so it must start from its seeds each time.

        Raises:
            RuntimeError, ValueError, ...: what `call` raises without any lossless speedup too.
        """
        if shape in self._working:
            with self._limits():
                return call()
        if self.compiled and len(self._working) == _COMPILED_SHAPES:
            self._compile_for_all()
        began = time.monotonic()
        if compiles := self._compiled and (self._per_shape or not self._working):
            log.warning("compiling for %s: the first takes up to minutes, the next ones do not", shown)
            self.warming = f"compiling for {shown}"
        try:
            made = self._run_removing(call)
        finally:
            self.warming = ""
        if compiles:
            log.info("the first of %s took %.0f s", shown, time.monotonic() - began)
        self._working.add(shape)
        return made

    def _run_removing(self, call: Callable[[], Made]) -> Made:
        """Return what `call` returns, removing speedups until it works; if it never works, all are applied again."""
        import torch

        removed: list[tuple[str, Callable[[], Undo], str]] = []  # words instead of exceptions: those hold tensors
        while True:
            try:
                with self._limits():
                    made = call()
                break
            except torch.OutOfMemoryError:
                raise
            except (*_UNSUPPORTED, torch._dynamo.exc.FailOnRecompileLimitHit) as error:
                if not self._lossless:
                    self._lossless = [(name, apply, apply()) for name, apply, _ in reversed(removed)]
                    raise
                name, apply, undo = self._lossless.pop()
                undo()
                removed.append((name, apply, _first_line(error)))
        for name, _, reason in removed:
            _warn_removed(name, reason)
        return made

    @property
    def compiled(self) -> bool:
        """Whether each shape is compiled separately, so that calls of few shapes draw faster than calls of many."""
        return self._compiled and self._per_shape

    def free(self) -> None:
        """Release the pipeline, and what cache-dit keeps of it."""
        for undo in reversed(self._at_end):
            undo()
        self._pipeline = self._model = None
        self._lossless.clear()
        self._at_end.clear()

    def _limits(self) -> AbstractContextManager[None]:
        """The recompile limit of torch that a call of the compiled model needs."""
        return raised_recompile_limit() if self._compiled else nullcontext()

    def _compile(self) -> Undo:
        """Compile for each shape separately, or once for all shapes (in a few versions)."""
        undo = compile_blocks(self._model, dynamic=not self._per_shape)
        self._compiled = True

        def run_plain() -> None:
            undo()
            self._compiled = False

        return run_plain

    def _compile_for_all(self) -> None:
        """Compile anew, so that one compilation serves the shapes drawn so far and all later ones."""
        log.warning(
            "%d shapes are compiled each by itself; from now on what is compiled serves all", len(self._working)
        )
        self._per_shape = False
        self._working.clear()
        self._compile()


def repeated_blocks(model: Any) -> "list[Module]":
    """The blocks that make up most of a diffusers model; empty where its class names no repeated blocks."""
    names = getattr(model, "_repeated_blocks", None) or ()
    return [module for module in model.modules() if type(module).__name__ in names]


def block_layers(model: Any) -> "set[Module]":
    """The linear layers of the repeated blocks whose sides an fp8 matrix product accepts."""
    import torch

    layers = {part for block in repeated_blocks(model) for part in block.modules() if type(part) is torch.nn.Linear}
    return {layer for layer in layers if not (layer.in_features % _EDGES or layer.out_features % _EDGES)}


def merge_adapters(pipeline: Any) -> None:
    """Add the pipeline's LoRAs to its weights, at the scales that were set, and remove the LoRAs."""
    pipeline.fuse_lora(adapter_names=pipeline.get_active_adapters())
    pipeline.unload_lora_weights()


def _unavailable(speedup: str, reason: str) -> ConfigError:
    return ConfigError(
        f"this model cannot have {speedup}: {reason}. Its requests' ids say that it has, so nothing else is drawn under"
        f" them: choose preset='exact', or install another version"
    )


def _warn_removed(name: str, reason: str) -> None:
    log.warning("%s does not work here and is left out; the model runs slower. %s", name, reason)


def _first_line(error: Exception) -> str:
    line = str(error).strip().partition("\n")[0][:300]
    return f"{type(error).__name__}: {line}"
