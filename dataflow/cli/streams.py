"""Standard output and error of a command, made so that a failure to write never stops the work.

A pipe may be closed early (`| head -1`), a terminal may be unable to show a character, and a stream may be closed
before the command starts. None of these is worth losing an answer that was paid for.
"""

import logging
import os
import sys
from typing import TextIO

from dataflow.core.shard import Shard
from dataflow.errors import plain


def open_streams() -> None:
    """Make standard output and error safe to write to. A command calls this first."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # takes the numbers of closed streams: else the journal could get one, and prints would land in it
    os.close(number)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:  # the stream was closed before the start
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - open until the end
        elif mode == "w" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def say(text: str = "") -> None:
    """Print to standard output; control characters in the text are escaped."""
    _write(sys.stdout, f"{plain(text)}\n")


def say_shard(shard: Shard | None, cache_path: str) -> None:
    """Print the shard of a run, if it has one: `DF_SHARD` may set a shard that the user has forgotten."""
    if shard is not None:
        say(f"shard: {shard}, in {cache_path}")


def complain(text: str) -> None:
    """Print to standard error; control characters in the text are escaped."""
    _write(sys.stderr, f"{plain(text)}\n")


def close_streams() -> None:
    """Flush both streams. A command calls this last, since Python would report a closed pipe at its exit."""
    _write(sys.stdout, "")
    _write(sys.stderr, "")


def _write(stream: TextIO, text: str) -> None:
    """Write text; a stream that takes no more is led to the null device, so that later writes succeed."""
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class LogFormat(logging.Formatter):
    """Formats a log record as `warning: ...`, without the name of the module, which means nothing to users."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, and its traceback if there is one; control characters are escaped."""
        return plain(f"{record.levelname.lower()}: {super().format(record)}")
