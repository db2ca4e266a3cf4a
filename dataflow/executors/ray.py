"""Workers on a Ray cluster: `DF_EXECUTOR=ray`, and Ray's own `RAY_ADDRESS`; scripts stay as they are.

What may leave the driver (`Worker.resources`) runs as replicas, each an actor on a node that has what it takes. APIs,
order, journal and money stay in the driver. Replicas join when they have loaded and may be lost at any time: the pool
in front of them asks as much as those that are there can take.

`DF_RAY_REPLICAS`, `DF_RAY_GPUS` and `DF_RAY_CPUS` say how many replicas a worker has and what each of them takes.
"""

import logging
import math
import os

from dataflow.core.worker import Worker
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
from dataflow.executors.needs import needs_of, wanted
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
        needs = needs_of(worker, total)
        replicas = wanted(needs, nodes())
        self._gpus = self._cluster = self._cluster or Gpus(total)
        self._cluster.grow(total)
        held = min(total, math.ceil(needs.gpus * replicas - 1e-9))  # the others wait for the autoscaler
        log.info("%s: %d replicas on Ray, each of %g GPUs and %g CPUs", worker, replicas, needs.gpus, needs.cpus)
        return Replicas(Parcel.of(worker, needs), replicas, held, idle=self._idle, neighbours=self._replicas)

    def machine(self, worker: Worker) -> Machine | None:
        """What the GPUs of the cluster can do, if the worker will run there.

        Raises:
            ConfigError: no cluster can be reached, or it has no GPU yet.
        """
        if worker.resources(0) is None:
            return None
        connect()
        total = gpus()
        if not needs_of(worker, total).gpus:
            return Machine("cpu")
        if not total:  # what answers are would depend on what the autoscaler has started
            raise ConfigError(
                f"the cluster has no GPU yet that decides what a preset does: {worker}. Start one node first"
            )
        return machine_of(ray.cluster_resources())

    def _replicas(self) -> list[Replicas]:
        """Those of all its workers."""
        return [pool.worker for pool in list(self._pools.values()) if isinstance(pool.worker, Replicas)]
