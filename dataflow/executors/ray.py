"""Workers on a Ray cluster: `DF_EXECUTOR=ray`, and Ray's own `RAY_ADDRESS`; scripts stay as they are.

What may leave the driver (`Worker.resources`) runs as replicas, each an actor on a node that has what it takes. APIs,
order, journal and money stay in the driver. Replicas join when they have loaded and may be lost at any time: the pool
in front of them asks as much as those that are there can take.

`DF_RAY_REPLICAS`, `DF_RAY_GPUS` and `DF_RAY_CPUS` say how many replicas a worker has and what each of them takes.
"""

import logging
import math
import os
from dataclasses import replace

from dataflow.core.worker import Resources, Worker
from dataflow.errors import ConfigError
from dataflow.pools.executor import LocalExecutor
from dataflow.pools.gpus import Gpus
from dataflow.pools.machine import Machine

# Else Ray puts a handler of C in front of Python's, which prints registers at SIGTERM. It looks when it is imported.
os.environ.setdefault("RAY_DISABLE_FAILURE_SIGNAL_HANDLER", "1")
try:
    import ray
except ImportError as error:
    raise ConfigError("DF_EXECUTOR=ray needs the library ray: pip install 'dataflow-mm[ray]'") from error

from dataflow.executors.cards import machine_of
from dataflow.executors.cluster import connect, gpus, nodes
from dataflow.executors.replica import Parcel
from dataflow.executors.replicas import Replicas

log = logging.getLogger(__name__)

_IDLE_SECONDS = 300.0  # after which replicas go, so that an autoscaler may take their nodes back


class RayExecutor(LocalExecutor):
    """Pools of the driver, some of them in front of replicas on a cluster.

    Args:
        idle: seconds without a call after which a worker's replicas end; the next call has them made again.
    """

    def __init__(self, *, idle: float = _IDLE_SECONDS) -> None:
        super().__init__()
        self._idle = idle
        self._cluster: Gpus | None = None

    def place(self, worker: Worker) -> Worker:
        """The worker itself, or its replicas.

        Raises:
            ConfigError: no cluster can be reached; a setting in the environment is no number; it does not pickle.
        """
        if worker.resources(0) is None:
            return super().place(worker)
        connect()
        total = gpus()
        self._gpus = self._cluster = self._cluster or Gpus(total)
        needs = _needs(worker, total)
        fitting = int(total / needs.gpus + 1e-9) if needs.gpus else nodes(needs.cpus)
        replicas = int(_number("DF_RAY_REPLICAS", max(1, fitting)))
        held = min(total, math.ceil(needs.gpus * replicas - 1e-9))  # the others wait for the autoscaler
        log.info("%s: %d replicas on Ray, each of %g GPUs and %g CPUs", worker, replicas, needs.gpus, needs.cpus)
        return Replicas(Parcel.of(worker, needs), replicas, held, idle=self._idle)

    def machine(self, worker: Worker) -> Machine | None:
        """What the GPUs of the cluster can do, if the worker will run there.

        Raises:
            ConfigError: no cluster can be reached.
        """
        if worker.resources(0) is None:
            return None
        connect()
        return machine_of(ray.cluster_resources()) if _needs(worker, gpus()).gpus else Machine("cpu")


def _needs(worker: Worker, total: int) -> Resources:
    """What one replica takes.

    Raises:
        ConfigError: a setting in the environment is no number.
    """
    asked = _number("DF_RAY_GPUS", 0.0)
    needs = worker.resources(max(total, math.ceil(asked)))  # the autoscaler may have no node with a GPU yet
    assert needs is not None
    each = (asked or needs.gpus) if needs.gpus else 0.0
    if each > 1 and each % 1:
        raise ConfigError(f"DF_RAY_GPUS={each:g}: give a share of one GPU, or whole ones")
    return replace(needs, gpus=each, cpus=_number("DF_RAY_CPUS", needs.cpus))


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
