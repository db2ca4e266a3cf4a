"""The side of a replica on its node: an actor of Ray that holds a worker.

The actor refuses a node on which answers would silently differ or fail later: other versions than the driver's, another
folder under the same path, a class that cannot be imported.
"""

import asyncio
import os
import pickle
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import ray

import dataflow
from dataflow.core.worker import Batching, Limits, Worker
from dataflow.errors import ConfigError
from dataflow.pools.processes.worker_end import load_worker, portable, reply

_INSTALL = "Install on all nodes what the driver has, and name folders of modules in the PYTHONPATH of `ray start`"
_WATCH_SECONDS = 0.5  # between two looks at the worker's `warming`


@dataclass(frozen=True, slots=True)
class Settled:
    """The worker's attributes that are known only once the worker is loaded on a node.

    Args:
        batching: which requests share a call on the node's devices.
        limits: how many requests the node's devices take at once.
        licence: of a model that the node has downloaded; "": not known.
    """

    batching: Batching
    limits: Limits
    licence: str


def versions(worker: Worker) -> Mapping[str, str]:
    """Name → version of the software that must be equal on every node; otherwise answers differ from what ids say."""
    libraries = worker.provenance().get("libraries")
    names = libraries if isinstance(libraries, Mapping) else {}
    found = {name: str(each) for name, each in names.items()}
    return {"Python": platform.python_version(), "dataflow-mm": dataflow.__version__, **found}


class Actor:
    """Holds one copy of a worker.

    Args:
        driver: name → version of the driver's software.
    """

    def __init__(self, driver: Mapping[str, str]) -> None:
        here = {name: _version(name) for name in driver}
        self._differ = [
            f"{name} {here[name]} instead of {version}"
            for name, version in driver.items()
            if _release(here[name]) != _release(version)
        ]

    async def where(self) -> tuple[str, str]:
        """Ray's id of the node, and the node's name."""
        node = ray.get_runtime_context().get_node_id()
        return node, platform.node() or node

    async def open(self, worker: bytes, folder: str, mark: str) -> bytes:
        """Check the node and load the worker.

        Args:
            worker: pickle of the worker.
            folder: the driver's working directory, in which relative paths begin.
            mark: path of a file that the driver has just made in the folder of pictures; "": the worker saves none.

        Returns:
            The pickle of a `Settled`, or of the exception that says why the worker cannot be called.
        """
        _, host = await self.where()
        try:
            self._check(folder, mark)
            self._worker = load_worker(worker, _INSTALL)
            await asyncio.to_thread(self._worker.settle)
            await self._worker.setup()
        except ConfigError as error:
            return pickle.dumps(ConfigError(f"node {host}: {error}"))
        except Exception as error:  # noqa: BLE001 - the driver raises it
            error.add_note(f"on node {host}")
            return pickle.dumps(portable(error))
        ours = self._worker
        return pickle.dumps(Settled(ours.batching, ours.limits, ours.licence))

    async def call(self, batch: bytes) -> bytes:
        """The pickle of a batch's answers, or of the exception that says why there are none."""
        return await reply(self._worker, pickle.loads(batch))  # noqa: S301 - from our own driver

    async def watch(self, known: str) -> str:
        """Wait until the worker's `warming` differs from the text that the driver knows; returns the new text."""
        while self._worker.warming == known:
            await asyncio.sleep(_WATCH_SECONDS)
        return self._worker.warming

    async def ping(self) -> None:
        """Return at once, which shows that the actor lives."""

    async def let_go(self) -> None:
        """Tell the worker that a run stops."""
        self._worker.let_go()

    async def close(self) -> None:
        """Close the worker."""
        await self._worker.close()

    def _check(self, folder: str, mark: str) -> None:
        """Enter the driver's working directory, if the node is like the driver.

        Raises:
            ConfigError: versions differ, or the node does not share the driver's folders.
        """
        if self._differ:
            raise ConfigError(f"it has {', '.join(self._differ)}: install on all nodes what the driver has")
        if not Path(folder).is_dir():
            raise ConfigError(
                f"it has no folder {folder}, where the driver works: start the script in a folder of a file"
                " system that all nodes share"
            )
        os.chdir(folder)
        if mark and not Path(mark).exists():
            raise ConfigError(
                f"it sees another {Path(mark).parent} than the driver, where pictures are saved: give a"
                " save_path on a file system that all nodes share"
            )


def _release(found: str) -> str:
    """A version without its build, since the driver may have torch for the CPU and a node torch for CUDA."""
    return found.partition("+")[0]


def _version(name: str) -> str:
    if name == "Python":
        return platform.python_version()
    if name == "dataflow-mm":
        return dataflow.__version__
    try:
        return version(name)
    except PackageNotFoundError:
        return "(not installed)"
