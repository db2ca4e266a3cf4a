"""Connects this process to a Ray cluster, and says what the cluster has."""

import logging
import os
import socket
import threading
from concurrent.futures import Future

import ray
from ray.exceptions import RayError

from dataflow.core.words import sentence
from dataflow.errors import ConfigError

_REACH_SECONDS = 10.0  # in which the head of the cluster takes a connection
_connecting = threading.Lock()


def connect() -> None:
    """Connect to the cluster that `RAY_ADDRESS` names, else to a cluster on this machine, which is started if needed.

    In the main thread `ray.init` would take SIGTERM for itself, and the processes that it starts end with the thread
    that called it. So a daemon thread calls it and then waits for ever.

    Raises:
        ConfigError: no cluster can be reached, or the cluster runs other versions.
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
                ray.init(logging_level=logging.ERROR)  # otherwise Ray warns that this is not the main thread
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
                f"{what} See `ray status` there. If the cluster has a token, this machine needs the same one in"
                " ~/.ray/auth_token and RAY_AUTH_MODE=token"
            ) from error


def _reach(address: str) -> None:
    """Check that the head of the cluster takes connections, since Ray alone would try for minutes.

    Raises:
        OSError: nothing listens at the address.
    """
    host, _, port = address.rpartition(":")
    if host and "/" not in host and port.isdigit():
        here = host in (
            "localhost",
            "127.0.0.1",
        )  # Ray listens at the machine's address in its network, not on loopback
        socket.create_connection((ray.util.get_node_ip_address() if here else host, int(port)), _REACH_SECONDS).close()


def nodes() -> list[dict[str, float]]:
    """The resources of each living node: Ray's name → amount."""
    return [each["Resources"] for each in ray.nodes() if each["Alive"]]


def gpus() -> int:
    """GPUs that the cluster has now."""
    return int(sum(each.get("GPU", 0) for each in nodes()))
