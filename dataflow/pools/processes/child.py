"""The worker of one device, as the driver sees it: a process is started for it, and another one after a death.

The jobs that were in a process when it died come back as failures that may be retried.
"""

import asyncio
import logging
import pickle
from collections.abc import Sequence

from dataflow.core.records import Answer, Job
from dataflow.core.worker import Worker
from dataflow.errors import ConfigError, DataflowError, Failure, WorkerDied
from dataflow.pools.processes.driver_end import ChildProcess, ProcessEnded

log = logging.getLogger(__name__)

_DEATHS = 3  # in a row, without an answer in between, after which no other process is started


class Child:
    """Keeps one process running for a worker.

    Args:
        worker: one that can be pickled, and whose placement names its device.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._process: ChildProcess | None = None
        self._starting = asyncio.Lock()
        self._deaths = 0

    @property
    def alive(self) -> bool:
        """Whether there is a process, and it runs."""
        return self._process is not None and self._process.runs

    @property
    def warming(self) -> str:
        """What the first answers of the worker wait for; empty if they wait for nothing."""
        return self._process.warming if self._process is not None else ""

    async def start(self) -> ChildProcess:
        """Give the process; start one and have it load the worker if none runs.

        Raises:
            ConfigError: the worker cannot be pickled.
            WorkerDied: three processes in a row died.
            Exception: what the worker raised in `setup`.
        """
        async with self._starting:
            while self._process is None or not self._process.runs:
                if self._process is not None:
                    await self._explain_end(self._process)
                message = _pickled(self._worker)
                self._process = started = await ChildProcess.launch()
                try:
                    await started.ask(message)
                except ProcessEnded:
                    await self._explain_end(started)
                except BaseException:
                    await started.kill()
                    self._process = None
                    raise
            return self._process

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """Give the worker's answers to a batch; if the process dies, failures that make the jobs suspects.

        Raises:
            WorkerDied: three processes in a row died.
            DataflowError: the pool was closed during the call.
            Exception: what the worker raised.
        """
        process = await self.start()
        try:
            answers = await process.ask(pickle.dumps(batch))
        except ProcessEnded:
            reason = await self._explain_end(process)
            return [Answer(error=Failure("retry", reason, retries=1, suspect=True))] * len(batch)
        except asyncio.CancelledError:  # the call may go on for long, and the next call must not wait for its end
            process.cut_off = True
            await process.kill()
            raise
        self._deaths = 0
        assert isinstance(answers, list)
        return answers

    def let_go(self) -> None:
        """Tell the worker that a run stops."""
        if self._process is not None:
            self._process.let_go()

    async def end(self) -> None:
        """Have the process close its worker and end; kill the process if that takes long."""
        if self._process is not None:
            await self._process.end()

    async def _explain_end(self, process: ChildProcess) -> str:
        """Say why a process has ended, and count its death.

        Raises:
            WorkerDied: it is the third process in a row that died.
            DataflowError: the process was ended since the pool was closed.
        """
        await process.release()
        is_first = process is self._process  # each call that was in the process asks; its death counts once
        if is_first:
            self._process = None
        devices = self._worker.placement.devices
        where = f" on {devices[0]}" if devices else ""
        name = f"the process of {self._worker}{where}"
        if process.cut_off:
            return f"{name} was ended in the middle of another call, which was cut off"
        if process.ended_by_us:
            raise DataflowError(f"{self._worker} was closed while it worked")
        reason = f"{name} died ({process.ending})"
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
