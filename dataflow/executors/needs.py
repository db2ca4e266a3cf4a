"""The resources that a replica takes, and the number of replicas, by the worker and the variables `DF_RAY_*`."""

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace

from dataflow.core.worker import Resources, Worker
from dataflow.errors import ConfigError


def needs_of(worker: Worker, gpus: float) -> Resources:
    """The resources that one replica takes.

    Args:
        worker: a worker that may leave the driver.
        gpus: GPUs of the cluster now; 0 also before an autoscaler has started the first.

    Raises:
        ConfigError: a variable of the environment is no fit number.
    """
    gpus_wanted = _number("DF_RAY_GPUS", 0.0)
    needs = worker.resources(math.ceil(max(gpus, gpus_wanted)))
    assert needs is not None
    gpus_of_replica = (gpus_wanted or needs.gpus) if needs.gpus else 0.0
    if gpus_of_replica > 1 and gpus_of_replica % 1:
        raise ConfigError(f"DF_RAY_GPUS={gpus_of_replica:g}: give a share of one GPU, or whole ones")
    return replace(needs, gpus=gpus_of_replica, cpus=_number("DF_RAY_CPUS", needs.cpus))


def wanted(needs: Resources, nodes: Iterable[Mapping[str, float]]) -> int:
    """The number of replicas of a worker: `DF_RAY_REPLICAS`, else as many as the nodes have room for, and at least 1.

    Args:
        needs: resources of one replica.
        nodes: for each node, Ray's name of a resource → amount.

    Raises:
        ConfigError: `DF_RAY_REPLICAS` is no whole number.
    """
    given = _number("DF_RAY_REPLICAS", 0.0)
    if given % 1:
        raise ConfigError(f"DF_RAY_REPLICAS={given:g}: give a whole number")
    return int(given) or max(1, sum(_room(node, needs) for node in nodes))


def _room(node: Mapping[str, float], needs: Resources) -> int:
    """The number of replicas that a node has room for; at most 1 if a replica takes no GPU."""
    cores, gpus = node.get("CPU", 0), node.get("GPU", 0)
    if not needs.gpus:
        return int(cores >= needs.cpus)
    by_gpus = gpus * int(1 / needs.gpus + 1e-9) if needs.gpus < 1 else gpus / needs.gpus
    return int(min(by_gpus, cores / needs.cpus if needs.cpus else by_gpus) + 1e-9)


def _number(name: str, usual: float) -> float:
    """The number in a variable of the environment; `usual` where the variable is unset or empty.

    Raises:
        ConfigError: the variable holds no number above 0.
    """
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
