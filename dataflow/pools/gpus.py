"""Which pools hold the GPUs of the machine.

A pool gets all the GPUs it needs, or waits. Pools that wait are served in the order in which they asked. A pool with
nothing to do is closed when another pool needs its GPUs, and opens again later. So two models that do not fit together
take turns: each answers all requests that wait for it (those of `lookahead` rows at most), and neither waits for ever.
A worker that needs more GPUs than the machine has is refused.

GPUs are counted without torch, as CUDA counts them: by `CUDA_VISIBLE_DEVICES`, or else by the list of the NVIDIA
driver.
"""

import asyncio
import logging
import os
import shutil
import subprocess
from pathlib import Path
from typing import Protocol

from dataflow.core.words import count_of
from dataflow.core.worker import Worker
from dataflow.errors import ConfigError

log = logging.getLogger(__name__)

_DRIVER = Path("/proc/driver/nvidia/gpus")


class Holder(Protocol):
    """A pool that may hold GPUs."""

    worker: Worker

    @property
    def idle(self) -> bool:
        """Whether the pool is open and has nothing to do."""

    async def close(self) -> None:
        """Free the weights of the pool's worker and give its GPUs back."""


class Gpus:
    """The GPUs of one executor. All methods but `check`, `has` and `grow` run on the event loop.

    Args:
        total: GPUs that all pools may hold together; None: as many as this process may see.
    """

    def __init__(self, total: int | None = None) -> None:
        self._total = total
        self._held: dict[Holder, int] = {}
        self._waiting: list[Holder] = []
        self._change = asyncio.Event()

    def check(self, worker: Worker) -> None:
        """Refuse a worker that can never run.

        Raises:
            ConfigError: the worker needs more GPUs than there are.
        """
        need = worker.placement.gpus
        if need and need > self._known_total():
            shown = os.environ.get("CUDA_VISIBLE_DEVICES")
            seen = "" if shown is None else f" (CUDA_VISIBLE_DEVICES={shown})"
            has = f"there are {self._known_total()}{seen}"
            raise ConfigError(f"{worker} needs {_gpus(need)}, {has}: give it fewer devices")

    def has(self, count: int) -> bool:
        """Say whether there are so many GPUs."""
        return count <= self._known_total()

    def grow(self, total: int) -> None:
        """Raise the number of GPUs, when machines have joined a cluster.

        Args:
            total: GPUs there are now; a smaller number changes nothing, since machines that left may return.
        """
        self._total = max(self._known_total(), total)

    async def take(self, pool: Holder) -> None:
        """Wait until the pool holds the GPUs that it needs; pools with nothing to do are closed to make room."""
        need = pool.worker.placement.gpus
        if not need:
            return
        self._waiting.append(pool)
        try:
            change = self._change  # taken before the GPUs are counted, so that no change after that is missed
            while self._waiting[0] is not pool or not await self._make_room(need):
                holders = ", ".join(str(holder.worker) for holder in self._held)
                log.info("%s waits for %s, held by %s", pool.worker, _gpus(need), holders)
                await change.wait()
                change = self._change
            self._held[pool] = need
        finally:
            self._waiting.remove(pool)
            self._changed()

    def give_back(self, pool: Holder) -> None:
        """Free the GPUs of a pool that is closed."""
        if self._held.pop(pool, 0):
            self._changed()

    def note_idle(self) -> None:
        """Note that some pool has nothing to do, so that a pool that waits looks for its GPUs."""
        if self._waiting:
            self._changed()

    def _changed(self) -> None:
        self._change.set()
        self._change = asyncio.Event()

    async def _make_room(self, need: int) -> bool:
        for holder in list(self._held):
            if self._free() < need and holder.idle:
                await holder.close()
        return self._free() >= need

    def _free(self) -> int:
        return self._known_total() - sum(self._held.values())

    def _known_total(self) -> int:
        if self._total is None:
            self._total = count_gpus()
        return self._total


def _gpus(count: int) -> str:
    return count_of(count, "GPU")


def count_gpus() -> int:
    """Count the NVIDIA GPUs that this process may see."""
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    if shown is not None:
        names = [name.strip() for name in shown.split(",")]
        # CUDA shows the devices named before the first name that it cannot use.
        unusable = (
            index for index, name in enumerate(names) if not name[:1].isdigit() and name[:4] not in ("GPU-", "MIG-")
        )
        return next(unusable, len(names))
    if _DRIVER.is_dir():
        return sum(1 for _ in _DRIVER.iterdir())
    command = shutil.which("nvidia-smi")
    if command is None:
        return 0
    listed = subprocess.run([command, "-L"], capture_output=True, text=True, check=False)  # noqa: S603 - no shell, no input
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())
