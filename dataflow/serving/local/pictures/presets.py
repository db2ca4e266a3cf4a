"""Which speedups each preset applies on this machine.

The preset `exact` applies none that changes pictures, `fast` computes in fp8, and `turbo` adds a step cache to fp8.

Speedups are of two kinds. Lossy ones (fp8, the step cache) change pictures, so they are part of every request's id.
`choose_lossy` decides them in the driver process, before any weights are loaded, from the least capable device (of this
machine or of a cluster) and the installed libraries. If a lossy speedup were dropped later, while the model loads, the
ids would promise other pictures than those on disk; so its failure stops the run. Lossless ones (attention kernels,
compiling) change rounding alone; `add_lossless` chooses them, and each may fail at any time and is then left out
(`dataflow.serving.local.pictures.denoiser`).
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
from dataflow.serving.local.pictures.fitting import pictures_to_fill

log = logging.getLogger(__name__)

Preset = Literal["exact", "fast", "turbo"]
PRESETS: tuple[Preset, ...] = ("exact", "fast", "turbo")

# 0.15 is the oldest torchao that diffusers accepts; 1.5 is the cache-dit that the tests ran with (November 2026).
_OLDEST = {"torchao": Version("0.15"), "cache-dit": Version("1.5")}
_FP8_CAPABILITY = (8, 9)  # Source: torchao's check in Float8DynamicActivationFloat8WeightConfig
_CUDNN_CAPABILITY = (8, 0)  # Source: PyTorch's check for cuDNN attention (sdp_utils.cpp)
_TRITON_CAPABILITY = (7, 0)  # Source: torch._inductor, which refuses older GPUs
_PER_CALL = 4  # pictures in one call on a device whose memory is not measured (a CPU, an Apple GPU)
_USER_DECIDES_WEIGHTS = ("quantization_config", "device_map")  # arguments of `from_pretrained`


@dataclass(frozen=True, slots=True)
class StepCache:
    """When a denoising step reuses what the step before computed; the fields are those of cache-dit's DBCacheConfig.

    Source: F8B0_W4MC3_R0.12 of cache-dit's README: FLUX.1-dev, 50 steps, 2.05 times faster at a PSNR of 32.5 dB.
    """

    Fn_compute_blocks: int = 8
    Bn_compute_blocks: int = 0
    max_warmup_steps: int = 4
    max_continuous_cached_steps: int = 3
    residual_diff_threshold: float = 0.12


@dataclass(frozen=True, slots=True)
class Speedups:
    """The speedups that one model is loaded with.

    Args:
        preset: the preset that the user asked for.
        fp8: whether the transformer's large layers compute in 8 bits.
        cache: when steps are skipped; None computes every step.
        attention: the attention kernel, by diffusers' name; empty leaves the choice to torch.
        compiled: whether the transformer's repeated blocks are compiled.
    """

    preset: Preset = "exact"
    fp8: bool = False
    cache: StepCache | None = None
    attention: str = ""
    compiled: bool = False

    def identity(self) -> dict[str, JSON]:
        """The lossy speedups as they stand in a fingerprint.

        The identity of `exact` is empty, so that caches written before presets existed stay valid.
        """
        if self.preset == "exact":
            return {}
        lossy: dict[str, JSON] = {"fp8": "rowwise"} if self.fp8 else {}
        if self.cache is not None:
            lossy["step_cache"] = dict(asdict(self.cache))
        return {"preset": self.preset, "levers": lossy}

    def marks(self) -> Mapping[str, float]:
        """The entries of each answer's usage that name the lossy speedups of its picture, each with the value 1."""
        lossy = {"fp8": self.fp8, "step_cache": self.cache is not None}
        return {name: 1.0 for name, is_applied in lossy.items() if is_applied}

    def pictures_per_call(self, batch_size: int | None, machine: Machine, size: Size | None) -> int:
        """The most pictures that one call of the pipeline draws.

        A step cache decides for a whole call whether to skip a step, so its calls draw one picture each. So do calls
        of `exact` on an accelerator, unless the user gave a batch size: bfloat16 rounds so coarsely that a picture
        would depend on the pictures beside it in its batch.

        Args:
            batch_size: the user's batch size; None where the user gave none.
            machine: where the model will run.
            size: the size of a picture whose request asks for none; None for the model's default size.
        """
        if self.cache is not None or (batch_size is None and self.preset == "exact" and machine.kind != "cpu"):
            return 1
        if batch_size is not None:
            return batch_size
        return pictures_to_fill(size) if machine.kind in ("cuda", "rocm") else _PER_CALL


def machine_of(devices: Sequence[str]) -> Machine:
    """The kind and the lowest compute capability of some devices of this machine.

    Args:
        devices: torch's names; none stands for the best devices of this machine.

    Raises:
        ConfigError: this machine lacks one of the devices.
    """
    names = check_devices(tuple(devices))
    kinds = {name.partition(":")[0] for name in names}
    if kinds != {"cuda"}:
        return Machine("cpu" if "cpu" in kinds else "mps")
    import torch

    if torch.version.hip is not None:
        return Machine("rocm")
    return Machine("cuda", min(torch.cuda.get_device_capability(name) for name in names))


def choose_lossy(preset: Preset, machine: Machine, dtype: str | None, pipe_kwargs: Collection[str]) -> Speedups:
    """Choose the lossy speedups of a preset; log a warning for each that this machine cannot apply.

    Args:
        preset: the preset that the user asked for.
        machine: where the model will run.
        dtype: the dtype of the weights as the user gave it; None for the default.
        pipe_kwargs: the names of the user's arguments for `from_pretrained`.
    """
    speedups = Speedups(preset)
    if preset == "exact":
        return speedups
    if obstacle := _obstacle_to_fp8(machine, dtype, pipe_kwargs):
        log.warning("preset=%r: no fp8 (%s); the weights stay as they are", preset, obstacle)
    else:
        speedups = replace(speedups, fp8=True)
    if preset == "turbo":
        if obstacle := _obstacle_of_library("cache-dit"):
            log.warning("preset='turbo': no step cache (%s); every step is computed", obstacle)
        else:
            speedups = replace(speedups, cache=StepCache())
    return speedups


def add_lossless(speedups: Speedups, machine: Machine, dtype: str | None, pipe_kwargs: Collection[str]) -> Speedups:
    """Add the lossless speedups that this machine can apply; log a warning for each that its GPU lacks.

    Args:
        speedups: the lossy ones that `choose_lossy` chose.
        machine: where the model will run; nothing is added on a CPU or an Apple GPU.
        dtype: the dtype of the weights as the user gave it; cuDNN attention computes no float32.
        pipe_kwargs: the names of the user's arguments for `from_pretrained`; nothing is added to a `device_map`.
    """
    if machine.kind not in ("cuda", "rocm") or "device_map" in pipe_kwargs:
        return speedups
    attention, compiled = "", True
    if os.environ.get("DIFFUSERS_ATTN_BACKEND"):
        pass  # the user chose the kernel by diffusers' own variable
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
    return replace(speedups, attention=attention, compiled=compiled)


def _obstacle_to_fp8(machine: Machine, dtype: str | None, pipe_kwargs: Collection[str]) -> str:
    """Why the weights cannot be brought to fp8, in words; empty where they can."""
    if machine.kind != "cuda" or machine.capability < _FP8_CAPABILITY:
        return f"{machine}; it needs an NVIDIA GPU of compute capability 8.9 or higher"
    if dtype not in (None, "bfloat16"):
        return f"it needs dtype='bfloat16', not {dtype!r}"
    if taken := [name for name in _USER_DECIDES_WEIGHTS if name in pipe_kwargs]:
        return f"pipe_kwargs has {taken[0]}, which decides how the weights are held"
    return _obstacle_of_library("torchao")


def _obstacle_of_library(name: str) -> str:
    """Why a library cannot be used, in words; empty where it can."""
    try:
        found = Version(version(name))
    except PackageNotFoundError:
        return f"{name} is not installed: pip install 'dataflow-mm[speed]'"
    oldest = _OLDEST[name]
    return "" if found >= oldest else f"{name} {found} is older than {oldest}: pip install -U 'dataflow-mm[speed]'"
