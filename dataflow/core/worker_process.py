"""A process of its own for a worker: reads batches from a socket, writes answers.

It never sees the user's script, so that needs no `__main__` guard. It ends with the driver in every case: a
thread ends it at once when the socket closes, even in the middle of a call, and on Linux the kernel
does so where a call does not let the thread run. Signals at the terminal are for the driver to judge.

A message is 8 bytes of length and a pickle; an empty one asks to end.
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

from dataflow.core.records import Answer, Job
from dataflow.core.worker import Worker
from dataflow.errors import ConfigError, DataflowError

LENGTH = struct.Struct("!Q")
READY = "ready"
_PR_SET_PDEATHSIG = 1  # Source: linux/prctl.h


def main(descriptor: int) -> None:
    """Serve one worker until the driver ends or says so.

    Args:
        descriptor: of this end of the socket.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    faulthandler.enable()
    with socket.socket(fileno=descriptor) as connection:
        connection.set_inheritable(False)
        asyncio.run(_serve(connection))


async def _serve(connection: socket.socket) -> None:
    inbox: asyncio.Queue[bytes] = asyncio.Queue()
    reading = (connection, inbox, asyncio.get_running_loop())
    threading.Thread(target=_read, args=reading, daemon=True).start()
    try:
        worker = _load(await inbox.get())
        await worker.setup()
    except Exception as error:  # noqa: BLE001 - the driver raises it
        _send(connection, _portable(error))
        await inbox.get()
        return
    _send(connection, READY)
    while message := await inbox.get():
        _send(connection, await _answer(worker, pickle.loads(message)))  # noqa: S301 - from our own driver
    await worker.close()


def _read(connection: socket.socket, inbox: "asyncio.Queue[bytes]", loop: asyncio.AbstractEventLoop) -> None:
    message = b"."
    while message:
        (length,) = LENGTH.unpack(_receive(connection, LENGTH.size))
        message = _receive(connection, length)
        loop.call_soon_threadsafe(inbox.put_nowait, message)


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


def _load(message: bytes) -> Worker:
    try:
        worker = pickle.loads(message)  # noqa: S301 - from our own driver
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"a worker cannot be loaded in a process of its own: {error}. {MOVE}") from error
    assert isinstance(worker, Worker)
    return worker


MOVE = "Define its class in a module that can be imported, not in the script or notebook itself"


async def _answer(worker: Worker, batch: Sequence[Job]) -> Sequence[Answer] | BaseException:
    try:
        answers = await worker.call(batch)
    except Exception as error:  # noqa: BLE001 - the driver raises it
        return _portable(error)
    return [replace(answer, usage=dict(answer.usage)) for answer in answers]


def _portable(error: Exception) -> Exception:
    """The error with its traceback as a note, in a form that surely arrives."""
    error.add_note("".join(["in a worker's process:\n", *traceback.format_exception(error)]))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    except Exception:  # noqa: BLE001 - whatever its class does in pickling
        return DataflowError("".join(traceback.format_exception(error)))
    return error


def _send(connection: socket.socket, value: object) -> None:
    message = pickle.dumps(value)
    connection.sendall(LENGTH.pack(len(message)) + message)
