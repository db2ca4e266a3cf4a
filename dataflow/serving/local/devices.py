"""Choose the devices that a local model runs on."""

from collections.abc import Sequence

from dataflow.core.words import count_of
from dataflow.errors import ConfigError
from dataflow.pools.gpus import count_gpus


def devices_of(device: str | Sequence[str] | None) -> tuple[str, ...]:
    """A user's `device` setting as a tuple of torch's names; empty stands for the best devices of the machine."""
    return (device,) if isinstance(device, str) else tuple(device or ())


def check_devices(asked: tuple[str, ...]) -> tuple[str, ...]:
    """Check the devices that the user chose, or choose: every CUDA GPU, else Apple's GPU, else the CPU.

    Args:
        asked: torch's names; empty to choose.

    Raises:
        ConfigError: torch does not know one of the names, or this machine lacks that device.
    """
    if set(asked) == {"cpu"}:
        return asked
    import torch

    count = torch.cuda.device_count()
    apple = torch.backends.mps.is_available()
    if not asked:
        return tuple(f"cuda:{n}" for n in range(count)) or ("mps" if apple else "cpu",)
    for name in asked:
        try:
            device = torch.device(name)
        except RuntimeError:
            raise ConfigError(f"device={name!r} is none of torch's: use 'cuda', 'cuda:0', 'mps' or 'cpu'") from None
        if device.type == "cuda" and (device.index or 0) >= count:
            raise ConfigError(f"device={name!r}: torch sees {count} CUDA devices; {_how_to_see_more()}")
        if device.type == "mps" and not apple:
            raise ConfigError("device='mps': this machine has no Apple GPU that torch can use")
    return asked


def describe_unused_gpus(devices: tuple[str, ...]) -> str:
    """Return a warning where this machine has NVIDIA GPUs and torch, which sees none, takes the CPU; "" otherwise.

    Args:
        devices: torch's names of the devices that were chosen.
    """
    gpus = 0 if set(devices) != {"cpu"} else count_gpus()
    if not gpus:
        return ""
    found = f"this machine has {count_of(gpus, 'GPU')}, but torch sees none"
    return f"{found}: the model runs on the CPU; {_how_to_see_more()}"


def _how_to_see_more() -> str:
    """What the user can do about GPUs that torch does not see."""
    import torch

    if torch.version.cuda is None and torch.version.hip is None:
        return f"torch {torch.__version__} is a build without CUDA: install the build of pytorch.org for your GPU"
    return "check CUDA_VISIBLE_DEVICES, and the driver with nvidia-smi"
