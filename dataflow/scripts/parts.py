"""The first lines of a pipeline with several models: the model of each part."""

from collections.abc import Mapping

from dataflow.cli.streams import say
from dataflow.core.worker import Worker


def tell_parts(parts: Mapping[str, Worker]) -> None:
    """Print a line for each part, before any model is loaded or asked.

    Args:
        parts: name of the part, such as "judge" → the worker that answers its requests.
    """
    for name, worker in parts.items():
        say(f"{name}: {worker}")
