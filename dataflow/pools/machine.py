"""What the devices can do that a worker will run on: a part of what some answers are, so of their ids."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Machine:
    """What the devices can do, all of them.

    Args:
        kind: "cuda", "rocm", "mps" or "cpu".
        capability: the lowest compute capability of NVIDIA's; (0, 0) elsewhere, and where it is not known.
    """

    kind: str
    capability: tuple[int, int] = (0, 0)

    def __str__(self) -> str:
        return f"compute capability {self.capability[0]}.{self.capability[1]}" if self.kind == "cuda" else self.kind
