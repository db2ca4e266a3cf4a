"""How often an operation's first edit is accepted, as others measured it: the file `priors.yaml`."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("priors.yaml")


def prior_passes(operations: Iterable[str]) -> dict[str, float]:
    """Operation → the share of its first edits that is accepted, before anything was seen of them."""
    default, passes = _read()
    return {name: passes.get(name, default) for name in operations}


@cache
def _read() -> tuple[float, dict[str, float]]:
    import yaml  # a twentieth of a second

    read = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return read["default"], read["passes"]
