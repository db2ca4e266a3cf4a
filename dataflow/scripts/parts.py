"""Which model does what in a pipeline of several parts, for the first lines of its run."""

from collections.abc import Mapping

from dataflow.cli.streams import say
from dataflow.core.worker import Worker


def tell_parts(parts: Mapping[str, Worker]) -> None:
    """Print a line for each part, before anything is loaded or asked.

    Args:
        parts: what it does → who does it.
    """
    for name, worker in parts.items():
        has_name = type(worker).__repr__ is not object.__repr__
        say(f"{name}: {worker if has_name else type(worker).__name__}")
