"""What a replica takes of a cluster, how many there are to be, and how many find room: by `DF_RAY_*` and the worker."""

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace

from dataflow.core.worker import Resources, Worker
from dataflow.errors import ConfigError


def needs_of(worker: Worker, gpus: float) -> Resources:
    """What one replica takes.

    Args:
        worker: may leave the driver.
        gpus: that the cluster has now; an autoscaler may have started none yet.

    Raises:
        ConfigError: a setting in the environment is no number.
    """
    asked = _number("DF_RAY_GPUS", 0.0)
    needs = worker.resources(math.ceil(max(gpus, asked)))
    assert needs is not None
    each = (asked or needs.gpus) if needs.gpus else 0.0
    if each > 1 and each % 1:
        raise ConfigError(f"DF_RAY_GPUS={each:g}: give a share of one GPU, or whole ones")
    return replace(needs, gpus=each, cpus=_number("DF_RAY_CPUS", needs.cpus))


def wanted(needs: Resources, nodes: Iterable[Mapping[str, float]]) -> int:
    """How many replicas a worker is to have.

    Args:
        needs: of each.
        nodes: what each of the cluster's nodes has, by Ray's names.

    Raises:
        ConfigError: the setting in the environment is no whole number.
    """
    given = _number("DF_RAY_REPLICAS", 0.0)
    if given % 1:
        raise ConfigError(f"DF_RAY_REPLICAS={given:g}: give a whole number")
    return int(given) or max(1, sum(_room(node, needs) for node in nodes))


def _room(node: Mapping[str, float], needs: Resources) -> int:
    """Replicas that a node has room for; one, where they take no GPU."""
    cores, gpus = node.get("CPU", 0), node.get("GPU", 0)
    if not needs.gpus:
        return int(cores >= needs.cpus)
    by_gpus = gpus * int(1 / needs.gpus + 1e-9) if needs.gpus < 1 else gpus / needs.gpus
    return int(min(by_gpus, cores / needs.cpus if needs.cpus else by_gpus) + 1e-9)


def _number(name: str, usual: float) -> float:
    given = os.environ.get(name)
    if not given:
        return usual
    try:
        number = float(given)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ConfigError(f"{name}={given}: give a number above 0")
    return number
