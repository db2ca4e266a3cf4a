"""Runs commands at a pseudo-terminal."""

import os
import pty
import re
import subprocess
import termios
from threading import Thread


def terminal(width: int) -> tuple[int, int]:
    """Open a pseudo-terminal of a width in columns; returns our end and the command's end."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, width))
    return ours, theirs


def run_at_terminal(*command: str) -> tuple[str, list[str]]:
    """What a command writes to standard output, a pipe, and its lines on standard error, a terminal of 80 columns."""
    ours, theirs = terminal(80)
    parts: list[bytes] = []

    def read() -> None:
        try:
            while part := os.read(ours, 65536):
                parts.append(part)
        except OSError:  # the other end is closed, as Linux says it
            pass

    reader = Thread(target=read)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, text=True) as process:
        os.close(theirs)
        reader.start()
        printed, _ = process.communicate(timeout=60)
    reader.join()
    os.close(ours)
    assert process.returncode == 0, parts
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", b"".join(parts).decode())
    return printed, re.split(r"[\r\n]+", plain)
