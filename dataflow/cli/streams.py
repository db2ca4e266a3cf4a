"""What a command writes for people: its work goes on, and ends quietly, where nobody reads any more.

A pipe that is closed (`| head -1`), a terminal that cannot write every character, a stream that was closed before the
start: none of them is worth an answer that was paid for.
"""

import logging
import os
import sys
from typing import TextIO

from dataflow.core.shard import Shard
from dataflow.errors import plain


def open_streams() -> None:
    """Make standard output and error safe to write to; the first thing that a command does."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # takes the number of a closed stream; else the journal could get it, and with it what is printed
    os.close(number)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:  # it was closed before the start
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - open until the end
        elif mode == "w" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def say(text: str = "") -> None:
    """Print to standard output; nothing in the text acts on a terminal."""
    _write(sys.stdout, f"{plain(text)}\n")


def say_shard(shard: Shard | None, cache_path: str) -> None:
    """Say which part of the rows is taken, if not all are: the environment may say so where nobody thinks of it."""
    if shard is not None:
        say(f"shard: {shard}, in {cache_path}")


def complain(text: str) -> None:
    """Print to standard error; nothing in the text acts on a terminal."""
    _write(sys.stderr, f"{plain(text)}\n")


def close_streams() -> None:
    """Write what is still held; the last thing that a command does, since Python would complain of a closed pipe."""
    _write(sys.stdout, "")
    _write(sys.stderr, "")


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class LogFormat(logging.Formatter):
    """`warning: ...`, without the module's name, which tells a user nothing."""

    def format(self, record: logging.LogRecord) -> str:
        """One record, its traceback if it has one."""
        return plain(f"{record.levelname.lower()}: {super().format(record)}")
