"""A replica's end on its node: a worker in an actor of Ray.

It refuses in words what would go wrong later without any: other versions than the driver's, another folder under the
same path, a class that cannot be imported.
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
_LOOK = 0.5  # seconds between two looks at what the worker warms up for


@dataclass(frozen=True, slots=True)
class Settled:
    """What the worker found out on its node.

    Args:
        batching: as it fits the node's devices.
        limits: the same.
        licence: of a model that was downloaded there.
    """

    batching: Batching
    limits: Limits
    licence: str


def versions(worker: Worker) -> Mapping[str, str]:
    """What must be the same on every node, for answers to be what their ids and the step's meta say."""
    libraries = worker.provenance().get("libraries")
    names = libraries if isinstance(libraries, Mapping) else {}
    found = {name: str(each) for name, each in names.items()}
    return {"Python": platform.python_version(), "dataflow-mm": dataflow.__version__, **found}


class Actor:
    """One copy of a worker.

    Args:
        driver: the versions that the driver has, by name.
    """

    def __init__(self, driver: Mapping[str, str]) -> None:
        here = {name: _version(name) for name in driver}
        self._differ = [
            f"{name} {here[name]} instead of {version}"
            for name, version in driver.items()
            if _release(here[name]) != _release(version)
        ]

    async def where(self) -> tuple[str, str]:
        """Ray's id of the node, and its name."""
        node = ray.get_runtime_context().get_node_id()
        return node, platform.node() or node

    async def open(self, worker: bytes, folder: str, mark: str) -> bytes:
        """The pickle of what settled, once the worker can be called; or of why it cannot.

        Args:
            worker: its pickle.
            folder: the driver's working directory, which relative paths count from.
            mark: a file that the driver has just made where pictures are saved; empty: the worker saves none.
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
        """The pickle of the answers, or of why there are none."""
        return await reply(self._worker, pickle.loads(batch))  # noqa: S301 - from our own driver

    async def watch(self, known: str) -> str:
        """What the first answers wait for, once that is something else than the driver knows."""
        while self._worker.warming == known:
            await asyncio.sleep(_LOOK)
        return self._worker.warming

    async def ping(self) -> None:
        """Return."""

    async def let_go(self) -> None:
        """A run stops."""
        self._worker.let_go()

    async def close(self) -> None:
        """Close the worker."""
        await self._worker.close()

    def _check(self, folder: str, mark: str) -> None:
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
    """Without the build: the driver may have torch for the CPU."""
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
