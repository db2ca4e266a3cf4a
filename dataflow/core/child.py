"""The driver's side of one child process with one worker in it.

Answers come over a socket pair; what the child prints goes to the driver's standard error as it comes. A
child that dies gives its jobs back for a retry and is started again when it is needed.
"""

import asyncio
import codecs
import logging
import os
import pickle
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress

from dataflow.core.records import Answer, Job
from dataflow.core.worker import Worker
from dataflow.core.worker_process import LENGTH
from dataflow.errors import ConfigError, DataflowError, LostAnswer, WorkerDied

log = logging.getLogger(__name__)

_DEATHS = 3  # in a row, without an answer between
_END_SECONDS = 5.0  # for a child to free its memory before it is killed
_KEPT_OUTPUT = 4_000  # bytes
_START = "import sys; sys.path[:] = {path}; from dataflow.core.worker_process import main; main({descriptor})"


class Child:
    """One process, started again after it died.

    Args:
        worker: pickles, and knows its device.
    """

    def __init__(self, worker: Worker) -> None:
        self.alive = False
        self._worker = worker
        self._deaths = 0
        self._printed = b""

    async def start(self) -> None:
        """Make it ready if it is not."""
        while not self.alive:
            message = _pickled(self._worker)
            await self._launch()
            try:
                await self._ask(message)
            except _Gone:
                await self._bury()
            except BaseException:
                await self._kill()
                raise

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """The answers of its worker, or why they are lost.

        Raises:
            WorkerDied: it keeps dying.
        """
        if self.alive and self._process.returncode is not None:
            await self._bury()
        await self.start()
        try:
            answers = await self._ask(pickle.dumps(batch))
        except _Gone:
            reason = await self._bury()
            return [Answer(error=LostAnswer(reason, retries=1)) for _ in batch]
        except asyncio.CancelledError:  # its answer would be taken for that of the next call
            await self._kill()
            raise
        self._deaths = 0
        assert isinstance(answers, list)
        return answers

    async def end(self) -> None:
        """Let it close its worker; kill it if that takes long."""
        if not self.alive:
            return
        self.alive = False
        with suppress(ConnectionError):
            self._writer.write(LENGTH.pack(0))
            await self._writer.drain()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _END_SECONDS)
        await self._kill()

    async def _kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._release()

    async def _launch(self) -> None:
        ours, theirs = socket.socketpair()
        read_end, write_end = os.pipe()
        path = [entry for entry in sys.path if isinstance(entry, str)]
        try:
            # A session of its own: Ctrl-C at the terminal reaches the driver alone, also while this one starts.
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                _START.format(path=path, descriptor=theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            os.close(read_end)
            raise
        finally:
            theirs.close()
            os.close(write_end)
        self._output = asyncio.create_task(self._pass_on(read_end))
        self._reader, self._writer = await asyncio.open_unix_connection(sock=ours)
        self.alive = True

    async def _ask(self, message: bytes) -> object:
        """Send a message and wait for the reply.

        Raises:
            _Gone: the process ended.
        """
        try:
            self._writer.write(LENGTH.pack(len(message)) + message)
            await self._writer.drain()
            (length,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
            reply = await self._reader.readexactly(length)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            raise _Gone from error
        answer = pickle.loads(reply)  # noqa: S301 - from the process we started
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _bury(self) -> str:
        """What to say of a process that died by itself.

        Raises:
            WorkerDied: it died before, without an answer between.
            DataflowError: we ended it.
        """
        if not self.alive:
            raise DataflowError(f"{self._worker} was closed while it worked")
        await self._release()
        self._deaths += 1
        code = self._process.returncode or 0
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        where = f" on {self._worker.devices[0]}" if self._worker.devices else ""
        reason = f"the process of {self._worker}{where} died ({how})"
        if self._deaths >= _DEATHS:
            said = self._printed.decode("utf-8", "replace").strip()
            raise WorkerDied(f"{reason}, {_DEATHS} times in a row. It last printed:\n{said or '(nothing)'}")
        log.warning("%s; it is started again", reason)
        return reason

    async def _release(self) -> None:
        """Give everything back that belongs to a process which ends."""
        self.alive = False
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()
        await self._process.wait()
        await asyncio.wait({self._output}, timeout=1)  # a grandchild may keep it open
        self._output.cancel()

    async def _pass_on(self, read_end: int) -> None:
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        with open(read_end, "rb", buffering=0) as pipe:
            transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            held = ""  # the begun line: children that print at the same time do not mix within one
            try:
                while chunk := await reader.read(1 << 16):
                    self._printed = (self._printed + chunk)[-_KEPT_OUTPUT:]
                    held += decoder.decode(chunk)
                    whole = max(held.rfind("\n"), held.rfind("\r")) + 1 or len(held) // _KEPT_OUTPUT * _KEPT_OUTPUT
                    sys.stderr.write(held[:whole])
                    sys.stderr.flush()
                    held = held[whole:]
            finally:
                sys.stderr.write(held)
                transport.close()


class _Gone(Exception):
    """The process ended."""


def _pickled(worker: Worker) -> bytes:
    try:
        return pickle.dumps(worker)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise ConfigError(f"{worker} cannot be sent to a process of its own: {error}") from error
