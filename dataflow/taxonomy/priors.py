"""Priors: how often an operation's first edit is accepted, by published measurements in the file `priors.yaml`."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("priors.yaml")


def prior_passes(operations: Iterable[str]) -> dict[str, float]:
    """Return operation → the assumed share of its first edits that is accepted, before any row ended."""
    default, passes = _read()
    return {name: passes.get(name, default) for name in operations}


@cache
def _read() -> tuple[float, dict[str, float]]:
    import yaml  # takes a twentieth of a second, and most runs have no quota

    read = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return read["default"], read["passes"]
