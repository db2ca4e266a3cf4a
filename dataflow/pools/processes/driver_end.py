"""The driver's end of one process with a worker: a socket for calls and answers, and a pipe with what it prints.

Several calls may be in the process at once. Each call has a number, and its answer comes back with that number.
"""

import asyncio
import codecs
import os
import pickle
import signal
import socket
import sys
from contextlib import suppress
from itertools import count
from typing import Self

from dataflow.pools.processes.worker_end import HEADER, STOPPING, WARMING

_END_SECONDS = 5.0  # seconds in which a process may close its worker before it is killed
_KEPT_OUTPUT = 4_000  # bytes of the last output, for the error after three deaths
_START = "import sys; sys.path[:] = {path}; from dataflow.pools.processes.worker_end import main; main({descriptor})"


class ProcessEnded(Exception):
    """The process ended."""


class ChildProcess:
    """One process, from its start to its end.

    Args:
        process: as asyncio started it.
        read_end: file descriptor of the pipe with the process's output.
        reader: of the socket.
        writer: of the socket.

    Attributes:
        ended_by_us: whether the driver ended the process.
        cut_off: whether the driver ended it in the middle of a call that was cancelled.
        warming: what the first answers of the worker wait for; empty if they wait for nothing.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        read_end: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.ended_by_us = False
        self.cut_off = False
        self.warming = ""
        self._process = process
        self._writer = writer
        self._printed = b""
        self._numbers = count()
        self._calls: dict[int, asyncio.Future[object]] = {}
        self._has_ended = False
        self._output = asyncio.create_task(self._copy_output(read_end))
        self._receiving = asyncio.create_task(self._receive(reader))

    @classmethod
    async def launch(cls) -> Self:
        """Start a process, which waits for the pickle of its worker."""
        ours, theirs = socket.socketpair()
        read_end, write_end = os.pipe()
        path = [entry for entry in sys.path if isinstance(entry, str)]
        try:
            # A session of its own: Ctrl-C at the terminal reaches the driver alone, also while this one starts.
            process = await asyncio.create_subprocess_exec(
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
        return cls(process, read_end, *await asyncio.open_unix_connection(sock=ours))

    @property
    def runs(self) -> bool:
        """Whether the process can be asked."""
        return not self._has_ended and self._process.returncode is None

    @property
    def printed(self) -> str:
        """The last output of the process, at most 4,000 bytes of it."""
        return self._printed.decode("utf-8", "replace").strip()

    @property
    def ending(self) -> str:
        """How the process ended, in words; known once `release` has returned."""
        code = self._process.returncode or 0
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    async def ask(self, payload: bytes) -> object:
        """Send a pickle and wait for the reply to it.

        Args:
            payload: the pickle of the worker the first time, and of a batch from then on.

        Raises:
            ProcessEnded: the process ended before it replied.
            Exception: what the worker raised.
        """
        if self._has_ended:
            raise ProcessEnded
        number = next(self._numbers)
        reply = self._calls[number] = asyncio.get_running_loop().create_future()
        try:
            self._writer.write(HEADER.pack(len(payload), number) + payload)
            await self._writer.drain()
            answer = await reply
        except ConnectionError as error:
            raise ProcessEnded from error
        finally:
            del self._calls[number]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def let_go(self) -> None:
        """Tell the worker that a run stops."""
        if self.runs:
            self._writer.write(HEADER.pack(len(STOPPING), 0) + STOPPING)

    async def end(self) -> None:
        """Have the process close its worker and end; kill the process if that takes long."""
        self.ended_by_us = True
        with suppress(ConnectionError):
            self._writer.write(HEADER.pack(0, 0))
            await self._writer.drain()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _END_SECONDS)
        await self.kill()

    async def kill(self) -> None:
        """End the process at once."""
        self.ended_by_us = True
        with suppress(ProcessLookupError):
            self._process.kill()
        await self.release()

    async def release(self) -> None:
        """Wait until the process has ended, and free its socket, its pipe and its calls; harmless when called again."""
        self._has_ended = True
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()
        await self._process.wait()
        await asyncio.wait({self._output}, timeout=1)  # a process that the worker started may keep the pipe open
        self._output.cancel()
        self._receiving.cancel()
        self._lose_calls(ProcessEnded())

    async def _receive(self, reader: asyncio.StreamReader) -> None:
        failure: Exception = ProcessEnded()
        try:
            while True:
                length, number = HEADER.unpack(await reader.readexactly(HEADER.size))
                answer = pickle.loads(await reader.readexactly(length))  # noqa: S301 - from the process we started
                if number == WARMING:
                    self.warming = str(answer)
                reply = self._calls.get(number)
                if reply is not None and not reply.done():
                    reply.set_result(answer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except Exception as error:  # noqa: BLE001 - an answer cannot be unpickled: the calls that wait must learn of it
            failure = error
        self._has_ended = True
        self._lose_calls(failure)

    def _lose_calls(self, failure: Exception) -> None:
        for reply in self._calls.values():
            if not reply.done():
                reply.set_result(failure)

    async def _copy_output(self, read_end: int) -> None:
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        with open(read_end, "rb", buffering=0) as pipe:
            transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            line = ""  # the line that is not whole yet: lines of processes that print at the same time do not mix
            try:
                while chunk := await reader.read(1 << 16):
                    self._printed = (self._printed + chunk)[-_KEPT_OUTPUT:]
                    line += decoder.decode(chunk)
                    # A line that never ends is passed on in pieces; "\r" ends the lines of a progress bar.
                    whole = max(line.rfind("\n"), line.rfind("\r")) + 1 or len(line) // _KEPT_OUTPUT * _KEPT_OUTPUT
                    sys.stderr.write(line[:whole])
                    sys.stderr.flush()
                    line = line[whole:]
            finally:
                sys.stderr.write(line)
                transport.close()
