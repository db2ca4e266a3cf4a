"""Which device a local model runs on."""

from collections.abc import Sequence

from dataflow.errors import ConfigError


def devices_of(device: str | Sequence[str] | None) -> tuple[str, ...]:
    """Torch's names as a user gives them: one, several, or none for the best there is."""
    return (device,) if isinstance(device, str) else tuple(device or ())


def check_devices(asked: tuple[str, ...]) -> tuple[str, ...]:
    """The devices asked for, or the best there are: every CUDA GPU, else Apple's, else the CPU.

    Raises:
        ConfigError: one of them is not there.
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
            raise ConfigError(f"device={name!r}: torch sees {count} CUDA devices; check CUDA_VISIBLE_DEVICES")
        if device.type == "mps" and not apple:
            raise ConfigError("device='mps': this machine has no Apple GPU that torch can use")
    return asked
