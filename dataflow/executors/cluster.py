"""The Ray cluster that this process is connected to."""

import logging
import os
import threading
from concurrent.futures import Future

import ray
from ray.exceptions import RayError

from dataflow.errors import ConfigError

_connecting = threading.Lock()


def connect() -> None:
    """Connect to the cluster that `RAY_ADDRESS` names, to the one that runs here, or start one on this machine.

    `ray.init` takes SIGTERM for itself in the main thread, and what it starts ends with the thread that called it: so a
    thread calls it that stays.

    Raises:
        ConfigError: no cluster can be reached, or it runs other versions.
    """
    with _connecting:
        if ray.is_initialized():
            return
        connected: Future[None] = Future()

        def stay() -> None:
            try:
                ray.init(logging_level=logging.ERROR)  # else it warns that this is not the main thread
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                connected.set_exception(error)
                return
            connected.set_result(None)
            threading.Event().wait()

        threading.Thread(target=stay, name="dataflow-ray", daemon=True).start()
        try:
            connected.result()
        except (OSError, RuntimeError, ValueError, RayError) as error:
            where = os.environ.get("RAY_ADDRESS") or "this machine"
            raise ConfigError(f"cannot connect to Ray at {where}: {error}. See `ray status` there") from error


def gpus() -> int:
    """GPUs that the cluster has now."""
    return int(ray.cluster_resources().get("GPU", 0))


def nodes(cpus: float) -> int:
    """How many could hold a replica of so many cores."""
    return sum(each["Alive"] and each["Resources"].get("CPU", 0) >= cpus for each in ray.nodes())
