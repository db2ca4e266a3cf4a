"""The Ray cluster that this process is connected to."""

import logging
import os
import socket
import threading
from concurrent.futures import Future

import ray
from ray.exceptions import RayError

from dataflow.core.words import sentence
from dataflow.errors import ConfigError

_REACH_SECONDS = 10.0
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
        address = os.environ.get("RAY_ADDRESS") or "this machine"
        if address.startswith("ray://"):
            raise ConfigError(
                f"RAY_ADDRESS={address}: a driver has to run on a machine that shares the disk of the nodes. Give the"
                " address of the head, such as 10.0.0.1:6379, or use `ray job submit`"
            )

        def stay() -> None:
            try:
                _reach(address)
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
            what = sentence(f"cannot connect to Ray at {address}: {error}")
            raise ConfigError(
                f"{what} See `ray status` there; a token it has must be in ~/.ray/auth_token here"
            ) from error


def _reach(address: str) -> None:
    """Find out at once that a head is gone, which Ray tries for minutes.

    Raises:
        OSError: nobody listens there.
    """
    host, _, port = address.rpartition(":")
    if host and "/" not in host and port.isdigit():
        here = host in ("localhost", "127.0.0.1")  # where Ray takes the name of the machine in the network
        socket.create_connection((ray.util.get_node_ip_address() if here else host, int(port)), _REACH_SECONDS).close()


def nodes() -> list[dict[str, float]]:
    """What each node has now, by Ray's names."""
    return [each["Resources"] for each in ray.nodes() if each["Alive"]]


def gpus() -> int:
    """GPUs that the cluster has now."""
    return int(sum(each.get("GPU", 0) for each in nodes()))
