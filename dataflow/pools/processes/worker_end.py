"""The worker's end of a process of its own: it reads batches from a socket, works on all of them, and writes answers.

The process never runs the user's script, so that a script needs no `__main__` guard. The process ends with the driver
in every case: a thread ends the process at once when the socket closes, even in the middle of a call, and on Linux the
kernel does so where a call does not let that thread run. The process ignores the signals that stop a run, since the
driver decides what they mean.

A message is 8 bytes of length, 8 bytes with the number of its call, and a pickle. An empty message asks the process to
end. The message `STOPPING`, which is no pickle and gets no reply, says that a run stops. A message to the driver under
the number `WARMING` is no reply: it says what the first answers of the worker wait for.
"""

import asyncio
import ctypes
import faulthandler
import os
import pickle
import signal
import socket
import struct
import sys
import threading
import traceback
from collections.abc import Sequence
from dataclasses import replace

from dataflow.core.process_exit import STOPS
from dataflow.core.records import Answer, Job
from dataflow.core.words import sentence
from dataflow.core.worker import Worker
from dataflow.errors import ConfigError, DataflowError

HEADER = struct.Struct("!QQ")
READY = "ready"  # the reply to the pickle of a worker
STOPPING = b"stopping"
WARMING = (1 << 64) - 1  # no call has this number
_WARMING_EVERY = 0.5  # seconds from one look at `Worker.warming` to the next
_PR_SET_PDEATHSIG = 1  # Source: linux/prctl.h


def main(descriptor: int) -> None:
    """Serve one worker until the driver ends, or asks this process to end.

    Args:
        descriptor: file descriptor of this end of the socket.
    """
    for number in STOPS:  # a service manager, or Slurm's scancel, sends them to all processes of a run
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    faulthandler.enable()
    with socket.socket(fileno=descriptor) as connection:
        connection.set_inheritable(False)
        asyncio.run(_serve(connection))


async def _serve(connection: socket.socket) -> None:
    inbox: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
    # A thread reads the socket, since a call may hold the event loop for minutes while the driver ends.
    reading = (connection, inbox, asyncio.get_running_loop())
    threading.Thread(target=_read, args=reading, daemon=True).start()
    number, message = await inbox.get()
    try:
        worker = load_worker(message, MOVE)
        await worker.setup()
    except Exception as error:  # noqa: BLE001 - the driver raises it
        _send(connection, number, pickle.dumps(portable(error)))
        await inbox.get()  # the driver reads the error first, and then asks this process to end
        return
    _send(connection, number, pickle.dumps(READY))
    reporting = asyncio.create_task(_report_warming(connection, worker))
    calls: set[asyncio.Task[None]] = set()
    while True:
        number, message = await inbox.get()
        if not message:
            break
        if message == STOPPING:
            worker.let_go()
            continue
        call = asyncio.create_task(_call(connection, worker, number, message))
        calls.add(call)
        call.add_done_callback(calls.discard)
        await asyncio.sleep(0)  # the call begins before the next message is read, such as one that a run stops
    await asyncio.gather(*calls)
    reporting.cancel()
    await worker.close()


async def _call(connection: socket.socket, worker: Worker, number: int, message: bytes) -> None:
    _send(connection, number, await reply(worker, pickle.loads(message)))  # noqa: S301 - from our own driver


async def _report_warming(connection: socket.socket, worker: Worker) -> None:
    reported = ""
    while True:
        if (warming := worker.warming) != reported:
            reported = warming
            _send(connection, WARMING, pickle.dumps(reported))
        await asyncio.sleep(_WARMING_EVERY)


def _read(
    connection: socket.socket, inbox: "asyncio.Queue[tuple[int, bytes]]", loop: asyncio.AbstractEventLoop
) -> None:
    message = b"."
    while message:
        length, number = HEADER.unpack(_receive(connection, HEADER.size))
        message = _receive(connection, length)
        loop.call_soon_threadsafe(inbox.put_nowait, (number, message))


def _receive(connection: socket.socket, length: int) -> bytes:
    message = b""
    while len(message) < length:
        try:
            more = connection.recv(length - len(message))
        except ConnectionError:
            more = b""
        if not more:
            os._exit(0)  # the driver is gone
        message += more
    return message


def load_worker(message: bytes, mend: str) -> Worker:
    """Load a worker from its pickle.

    Args:
        message: the pickle.
        mend: what the user should do if the worker's class cannot be imported; ends the error's message.

    Raises:
        ConfigError: the worker's class cannot be imported in this process.
    """
    try:
        worker = pickle.loads(message)  # noqa: S301 - from our own driver
    except (ImportError, AttributeError) as error:
        what = sentence(f"a worker cannot be loaded in a process of its own: {error}")
        raise ConfigError(f"{what} {mend}") from error
    assert isinstance(worker, Worker)
    return worker


MOVE = "Define its class in a module that can be imported, not in the script or notebook itself"


async def reply(worker: Worker, batch: Sequence[Job]) -> bytes:
    """Give the pickle of a worker's answers to a batch, or of what the worker raised: every call gets a reply."""
    try:
        return pickle.dumps([_plain(answer) for answer in await worker.call(batch)])
    except Exception as error:  # noqa: BLE001 - the driver raises it
        return pickle.dumps(portable(error))


def _plain(answer: Answer) -> Answer:
    """Copy an answer so that it pickles: read-only views of a dict do not."""
    failure = answer.error and replace(answer.error, usage=dict(answer.error.usage))
    return replace(answer, usage=dict(answer.usage), error=failure)


def portable(error: Exception) -> Exception:
    """Add the traceback to an error as a note; replace an error that cannot be unpickled by one that can."""
    error.add_note("".join(["in a worker's process:\n", *traceback.format_exception(error)]))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    except Exception:  # noqa: BLE001 - whatever its class does in pickling
        return DataflowError("".join(traceback.format_exception(error)))
    return error


def _send(connection: socket.socket, number: int, message: bytes) -> None:
    connection.sendall(HEADER.pack(len(message), number) + message)
