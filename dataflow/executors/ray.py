"""Runs workers on a Ray cluster: `DF_EXECUTOR=ray` asks for it, `RAY_ADDRESS` names it, and scripts stay as they are.

A worker that may leave the driver (`Worker.resources`) runs as replicas. Each replica is an actor on a node that has
the resources for it. APIs, order, journal and money stay in the driver. A replica joins once it has loaded, and may be
lost at any time: the pool in front of the replicas sends as many requests as the living ones take.

`DF_RAY_REPLICAS`, `DF_RAY_GPUS` and `DF_RAY_CPUS` set the number of replicas and the resources of each.
"""

import logging
import math
import os

from dataflow.core.worker import Worker
from dataflow.errors import ConfigError
from dataflow.pools.executor import LocalExecutor
from dataflow.pools.gpus import Gpus
from dataflow.pools.machine import Machine

# Otherwise Ray handles SIGTERM in C before Python does, and prints registers. Ray reads this when it is imported.
os.environ.setdefault("RAY_DISABLE_FAILURE_SIGNAL_HANDLER", "1")
try:
    import ray
except ImportError as error:
    raise ConfigError("DF_EXECUTOR=ray needs the library ray: pip install 'dataflow-mm[ray]'") from error

from dataflow.executors.cards import machine_of
from dataflow.executors.cluster import connect, gpus, nodes
from dataflow.executors.needs import needs_of, wanted
from dataflow.executors.replica import PickledWorker
from dataflow.executors.replicas import Replicas

log = logging.getLogger(__name__)

_IDLE_SECONDS = 300.0  # without a call, after which replicas end, so that an autoscaler may take their nodes back


class RayExecutor(LocalExecutor):
    """Owns the driver's pools, some of which stand in front of replicas on a cluster.

    Args:
        idle: seconds without a call after which a worker's replicas end; the next call starts them again.
    """

    def __init__(self, *, idle: float = _IDLE_SECONDS) -> None:
        super().__init__()
        self._idle = idle
        self._cluster: Gpus | None = None

    def place(self, worker: Worker) -> Worker:
        """The worker itself, or its replicas if it may leave the driver.

        Raises:
            ConfigError: no cluster can be reached; a variable is no fit number; the worker does not pickle.
        """
        if worker.resources(0) is None:
            return super().place(worker)
        connect()
        total = gpus()
        needs = needs_of(worker, total)
        replicas = wanted(needs, nodes())
        self._gpus = self._cluster = self._cluster or Gpus(total)
        self._cluster.grow(total)
        held = min(total, math.ceil(needs.gpus * replicas - 1e-9))  # the other GPUs wait for the autoscaler
        log.info("%s: %d replicas on Ray, each of %g GPUs and %g CPUs", worker, replicas, needs.gpus, needs.cpus)
        return Replicas(PickledWorker.of(worker, needs), replicas, held, idle=self._idle, neighbours=self._replicas)

    def machine(self, worker: Worker) -> Machine | None:
        """The abilities of the cluster's GPUs; None: the worker stays in the driver.

        Raises:
            ConfigError: no cluster can be reached, or the cluster has no GPU yet.
        """
        if worker.resources(0) is None:
            return None
        connect()
        total = gpus()
        if not needs_of(worker, total).gpus:
            return Machine("cpu")
        if not total:  # the answers would depend on the GPU that the autoscaler starts first
            raise ConfigError(
                f"the cluster has no GPU yet that decides what a preset does: {worker}. Start one node first"
            )
        return machine_of(ray.cluster_resources())

    def _replicas(self) -> list[Replicas]:
        """The replicas of all workers that this executor has placed."""
        return [pool.worker for pool in list(self._pools.values()) if isinstance(pool.worker, Replicas)]
