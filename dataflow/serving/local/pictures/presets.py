"""What a preset pulls on this machine: `exact`, `fast` (fp8) or `turbo` (fp8 and a step cache).

Levers come in two kinds. fp8 and the step cache change pictures, so they are in every request's id and are decided
here, in the driver, from facts that can be asked without weights: the least able of the devices, be they this
machine's or a cluster's, and the libraries installed. Were one of them dropped later, where the model loads, ids would
promise what the pictures are not; so a failure there stops the run. Attention kernels and compiling change rounding
alone and may fail at any time (`dataflow.serving.local.pictures.denoiser`).
"""

import importlib.util
import logging
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from packaging.version import Version

from dataflow.core.records import JSON
from dataflow.pools.machine import Machine
from dataflow.serving.backends import Size
from dataflow.serving.local.devices import check_devices
from dataflow.serving.local.pictures.fitting import that_fill

log = logging.getLogger(__name__)

Preset = Literal["exact", "fast", "turbo"]
PRESETS: tuple[Preset, ...] = ("exact", "fast", "turbo")

# torchao's is the oldest that diffusers takes; cache-dit's is the one this was run with (November 2026).
_OLDEST = {"torchao": Version("0.15"), "cache-dit": Version("1.5")}
_FP8_CAPABILITY = (8, 9)  # Source: torchao's check in Float8DynamicActivationFloat8WeightConfig
_CUDNN_CAPABILITY = (8, 0)  # Source: PyTorch's check for cuDNN attention (sdp_utils.cpp)
_TRITON_CAPABILITY = (7, 0)  # Source: torch._inductor, which refuses older GPUs
_TOGETHER = 4  # pictures a call where memory is not asked
_OF_THE_USER = ("quantization_config", "device_map")  # arguments of `from_pretrained`


@dataclass(frozen=True, slots=True)
class StepCache:
    """When a step reuses what the step before computed, in the words of cache-dit's DBCacheConfig.

    Source: F8B0_W4MC3_R0.12 of cache-dit's README: FLUX.1-dev, 50 steps, 2.05 times faster at a PSNR of 32.5 dB.
    """

    Fn_compute_blocks: int = 8
    Bn_compute_blocks: int = 0
    max_warmup_steps: int = 4
    max_continuous_cached_steps: int = 3
    residual_diff_threshold: float = 0.12


@dataclass(frozen=True, slots=True)
class Levers:
    """What is pulled.

    Args:
        preset: what the user asked for.
        fp8: the transformer's large layers compute in 8 bits.
        cache: steps may be skipped.
        attention: a kernel by diffusers' name; empty for torch's choice.
        compiled: the transformer's repeated blocks are compiled.
    """

    preset: Preset = "exact"
    fp8: bool = False
    cache: StepCache | None = None
    attention: str = ""
    compiled: bool = False

    def identity(self) -> dict[str, JSON]:
        """What of it stands in a fingerprint; nothing for `exact`, whose ids are those of runs without a preset."""
        if self.preset == "exact":
            return {}
        pulled: dict[str, JSON] = {"fp8": "rowwise"} if self.fp8 else {}
        if self.cache is not None:
            pulled["step_cache"] = dict(asdict(self.cache))
        return {"preset": self.preset, "levers": pulled}

    def marks(self) -> Mapping[str, float]:
        """What each answer's usage says of the levers that changed its picture."""
        pulled = {"fp8": self.fp8, "step_cache": self.cache is not None}
        return {name: 1.0 for name, is_pulled in pulled.items() if is_pulled}

    def most_at_once(self, asked: int | None, machine: Machine, size: Size | None) -> int:
        """Most pictures in one call.

        A cache decides for the whole call, so it gets one picture. `exact` on an accelerator does too unless asked
        for more: bfloat16 rounds coarsely, and its pictures are to depend on nothing but their requests.

        Args:
            asked: what the user gave.
            machine: where the model will run.
            size: that pictures have where a request asks for no other; None for the model's own.
        """
        if self.cache is not None or (asked is None and self.preset == "exact" and machine.kind != "cpu"):
            return 1
        if asked is not None:
            return asked
        return that_fill(size) if machine.kind in ("cuda", "rocm") else _TOGETHER


def machine_of(devices: Sequence[str]) -> Machine:
    """What these devices can do; none stands for the best there is.

    Raises:
        ConfigError: one of them is not there.
    """
    names = check_devices(tuple(devices))
    kinds = {name.partition(":")[0] for name in names}
    if kinds != {"cuda"}:
        return Machine("cpu" if "cpu" in kinds else "mps")
    import torch

    if torch.version.hip is not None:
        return Machine("rocm")
    return Machine("cuda", min(torch.cuda.get_device_capability(name) for name in names))


def pull_lasting(preset: Preset, machine: Machine, dtype: str | None, given: Collection[str]) -> Levers:
    """The levers of a preset that change pictures, as far as they can be had; one warning for each that cannot.

    Args:
        preset: what the user asked for.
        machine: where the model will run.
        dtype: of the weights, as the user gave it.
        given: names of the user's arguments for `from_pretrained`.
    """
    levers = Levers(preset)
    if preset == "exact":
        return levers
    if lacking := _fp8_lacks(machine, dtype, given):
        log.warning("preset=%r: no fp8 (%s); the weights stay as they are", preset, lacking)
    else:
        levers = replace(levers, fp8=True)
    if preset == "turbo":
        if lacking := _library_lacks("cache-dit"):
            log.warning("preset='turbo': no step cache (%s); every step is computed", lacking)
        else:
            levers = replace(levers, cache=StepCache())
    return levers


def pull_rounding(levers: Levers, machine: Machine, dtype: str | None, given: Collection[str]) -> Levers:
    """The same with the levers that change rounding alone; one warning for each that a GPU should have and lacks."""
    if machine.kind not in ("cuda", "rocm") or "device_map" in given:
        return levers
    attention, compiled = "", True
    if os.environ.get("DIFFUSERS_ATTN_BACKEND"):
        pass  # the user chose
    elif machine.kind == "rocm" or machine.capability < _CUDNN_CAPABILITY:
        log.warning("no cuDNN attention (%s); torch chooses the kernel", machine)
    elif dtype != "float32":
        attention = "_native_cudnn"
    if importlib.util.find_spec("triton") is None:
        log.warning("the model is not compiled (triton is not installed) and runs slower")
        compiled = False
    elif machine.kind == "cuda" and machine.capability < _TRITON_CAPABILITY:
        log.warning("the model is not compiled (%s, 7.0 is needed) and runs slower", machine)
        compiled = False
    return replace(levers, attention=attention, compiled=compiled)


def _fp8_lacks(machine: Machine, dtype: str | None, given: Collection[str]) -> str:
    if machine.kind != "cuda" or machine.capability < _FP8_CAPABILITY:
        return f"{machine}; it needs an NVIDIA GPU of compute capability 8.9 or higher"
    if dtype not in (None, "bfloat16"):
        return f"it needs dtype='bfloat16', not {dtype!r}"
    if taken := [name for name in _OF_THE_USER if name in given]:
        return f"pipe_kwargs has {taken[0]}, which decides how the weights are held"
    return _library_lacks("torchao")


def _library_lacks(name: str) -> str:
    try:
        found = Version(version(name))
    except PackageNotFoundError:
        return f"{name} is not installed: pip install 'dataflow-mm[speed]'"
    oldest = _OLDEST[name]
    return "" if found >= oldest else f"{name} {found} is older than {oldest}: pip install -U 'dataflow-mm[speed]'"
