"""Which pools hold the machine's GPUs.

A pool gets all it needs or waits; those that wait are served in the order in which they asked. A pool with nothing to
do is closed when another needs its GPUs and opens again later. So two models that do not fit together take turns, each
working off all that is asked of it (`lookahead` rows at most), and none waits for ever. Only a worker that needs more
than the machine has is refused.

GPUs are counted without torch, as CUDA would: `CUDA_VISIBLE_DEVICES`, else what the NVIDIA driver lists.
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
    """A pool, as seen from here."""

    worker: Worker

    @property
    def idle(self) -> bool:
        """Whether it is open and has nothing to do."""

    async def close(self) -> None:
        """Free its weights and give its GPUs back."""


class Gpus:
    """The GPUs of one executor. All but `check`, `has` and `grow` runs on the event loop.

    Args:
        total: how many pools may hold together; None: as many as this process may see.
    """

    def __init__(self, total: int | None = None) -> None:
        self._total = total
        self._held: dict[Holder, int] = {}
        self._waiting: list[Holder] = []
        self._change = asyncio.Event()

    def check(self, worker: Worker) -> None:
        """Refuse what can never run.

        Raises:
            ConfigError: the worker needs more GPUs than there are.
        """
        need = worker.placement.gpus
        if need and need > self._all():
            shown = os.environ.get("CUDA_VISIBLE_DEVICES")
            seen = "" if shown is None else f" (CUDA_VISIBLE_DEVICES={shown})"
            raise ConfigError(f"{worker} needs {_gpus(need)}, there are {self._all()}{seen}: give it fewer devices")

    def has(self, count: int) -> bool:
        """Whether there are so many."""
        return count <= self._all()

    def grow(self, total: int) -> None:
        """There are so many by now; those that were there once may come back, and are not taken off."""
        self._total = max(self._all(), total)

    async def take(self, pool: Holder) -> None:
        """Wait until the GPUs that the pool needs are its own; pools with nothing to do make room."""
        need = pool.worker.placement.gpus
        if not need:
            return
        self._waiting.append(pool)
        try:
            change = self._change  # before looking: what changes from here on must wake us
            while self._waiting[0] is not pool or not await self._make_room(need):
                log.info("%s waits for %s, held by %s", pool.worker, _gpus(need), [h.worker for h in self._held])
                await change.wait()
                change = self._change
            self._held[pool] = need
        finally:
            self._waiting.remove(pool)
            self._changed()

    def give_back(self, pool: Holder) -> None:
        """The pool is closed."""
        if self._held.pop(pool, 0):
            self._changed()

    def noticed_idle(self) -> None:
        """A pool has nothing to do: whoever waits may ask for its GPUs."""
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
        return self._all() - sum(self._held.values())

    def _all(self) -> int:
        if self._total is None:
            self._total = count_gpus()
        return self._total


def _gpus(count: int) -> str:
    return count_of(count, "GPU")


def count_gpus() -> int:
    """The NVIDIA GPUs that this process may see."""
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    if shown is not None:
        names = [name.strip() for name in shown.split(",")]
        # CUDA shows what comes before the first name it cannot use.
        unusable = (at for at, name in enumerate(names) if not name[:1].isdigit() and name[:4] not in ("GPU-", "MIG-"))
        return next(unusable, len(names))
    if _DRIVER.is_dir():
        return sum(1 for _ in _DRIVER.iterdir())
    command = shutil.which("nvidia-smi")
    if command is None:
        return 0
    listed = subprocess.run([command, "-L"], capture_output=True, text=True, check=False)  # noqa: S603 - no shell, no input
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())
