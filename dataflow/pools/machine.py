"""The kind of devices on which a worker will run. Some answers depend on that kind, so their ids contain it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Machine:
    """What all devices of a machine, or of a cluster, can do.

    Args:
        kind: "cuda", "rocm", "mps" or "cpu".
        capability: the lowest compute capability (major, minor) of the NVIDIA GPUs; (0, 0) for devices of another kind,
            and where the capability is not known.
    """

    kind: str
    capability: tuple[int, int] = (0, 0)

    def __str__(self) -> str:
        return f"compute capability {self.capability[0]}.{self.capability[1]}" if self.kind == "cuda" else self.kind
