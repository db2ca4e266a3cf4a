"""The driver's side of one device: a process with a worker in it, started again after it died.

The jobs that were in a process when it died are given back for a retry.
"""

import asyncio
import logging
import pickle
from collections.abc import Sequence

from dataflow.core.records import Answer, Job
from dataflow.core.worker import Worker
from dataflow.errors import ConfigError, DataflowError, Failure, WorkerDied
from dataflow.pools.processes.driver_end import ChildProcess, Gone

log = logging.getLogger(__name__)

_DEATHS = 3  # in a row, without an answer between


class Child:
    """One process at a time.

    Args:
        worker: pickles, and knows its device.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._process: ChildProcess | None = None
        self._starting = asyncio.Lock()
        self._deaths = 0

    @property
    def alive(self) -> bool:
        """Whether its process has loaded and runs."""
        return self._process is not None and self._process.runs

    @property
    def warming(self) -> str:
        """What the first answers of its worker wait for."""
        return self._process.warming if self._process is not None else ""

    async def start(self) -> ChildProcess:
        """Its process, made ready if there is none.

        Raises:
            WorkerDied: it keeps dying.
        """
        async with self._starting:
            while self._process is None or not self._process.runs:
                if self._process is not None:
                    await self._explain_end(self._process)
                message = _pickled(self._worker)
                self._process = started = await ChildProcess.launch()
                try:
                    await started.ask(message)
                except Gone:
                    await self._explain_end(started)
                except BaseException:
                    await started.kill()
                    self._process = None
                    raise
            return self._process

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """The answers of its worker, or why they are lost.

        Raises:
            WorkerDied: it keeps dying.
            DataflowError: it was closed meanwhile.
        """
        process = await self.start()
        try:
            answers = await process.ask(pickle.dumps(batch))
        except Gone:
            reason = await self._explain_end(process)
            return [Answer(error=Failure("retry", reason, retries=1, suspect=True))] * len(batch)
        except asyncio.CancelledError:  # nobody waits for it any more: the next call must not wait for it either
            process.cut_off = True
            await process.kill()
            raise
        self._deaths = 0
        assert isinstance(answers, list)
        return answers

    def let_go(self) -> None:
        """Tell its worker that a run stops."""
        if self._process is not None:
            self._process.let_go()

    async def end(self) -> None:
        """Let it close its worker; kill it if that takes long."""
        if self._process is not None:
            await self._process.end()

    async def _explain_end(self, process: ChildProcess) -> str:
        """Why a process has ended, in words.

        Raises:
            WorkerDied: it died before, without an answer between.
            DataflowError: it was closed.
        """
        await process.release()
        is_first = process is self._process  # of several calls that were in it, each of which asks
        if is_first:
            self._process = None
        devices = self._worker.placement.devices
        where = f" on {devices[0]}" if devices else ""
        name = f"the process of {self._worker}{where}"
        if process.cut_off:
            return f"{name} was ended in the middle of another call, which was cut off"
        if process.ended_by_us:
            raise DataflowError(f"{self._worker} was closed while it worked")
        reason = f"{name} died ({process.how})"
        self._deaths += is_first
        if self._deaths >= _DEATHS:
            printed = process.printed or "(nothing)"
            raise WorkerDied(f"{reason}, {_DEATHS} times in a row. It last printed:\n{printed}")
        if is_first:
            log.warning("%s; it is started again", reason)
        return reason


def _pickled(worker: Worker) -> bytes:
    try:
        return pickle.dumps(worker)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise ConfigError(f"{worker} cannot be sent to a process of its own: {error}") from error
