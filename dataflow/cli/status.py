"""`dataflowmm status`: shows how far the steps of a cache directory are, during a run or after it."""

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from dataflow.cli.streams import close_streams
from dataflow.errors import plain
from dataflow.shards.status import ShardsReader, reader_of
from dataflow.view.status import Status, StatusReader
from dataflow.view.status_text import describe, describe_briefly

_REFRESH_SECONDS = 2.0
_INTERRUPTED = 130


def show_status(
    cache_dir: Path, *, watch: bool = False, as_json: bool = False, seconds: float = _REFRESH_SECONDS
) -> int:
    """Print the status once, or again and again until the run ends.

    Args:
        cache_dir: the `cache_path` of a FileStorage.
        watch: read the status again and again; a terminal is refreshed in place, elsewhere each change is a line.
        as_json: print a JSON object each time the status is read.
        seconds: time between two readings.

    Returns:
        The exit code: 0; 130 when watching was interrupted.

    Raises:
        ConfigError: this is no cache directory, or it cannot be read.
    """
    reader = reader_of(cache_dir.expanduser())
    try:
        if not watch:
            _print(reader.look(), as_json=as_json)
        elif sys.stdout.isatty() and not as_json:
            _watch_in_place(reader, seconds)
        else:
            _watch_in_lines(reader, seconds, as_json=as_json)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:  # such as `| head`, which reads some lines alone
        close_streams()
    return 0


def _watch_in_place(reader: StatusReader | ShardsReader, seconds: float) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console()
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:

        def show(status: Status) -> None:
            live.update(Text(plain("\n".join(describe(status, console.width)))), refresh=True)

        _watch(reader, seconds, show)


def _watch_in_lines(reader: StatusReader | ShardsReader, seconds: float, *, as_json: bool) -> None:
    shown: list[str] = []

    def show(status: Status) -> None:
        if as_json:
            _print(status, as_json=True)
            return
        lines = describe_briefly(status)
        timeless = [line.partition(" ")[2] for line in lines]
        if timeless != shown:
            shown[:] = timeless
            print(plain("\n".join(lines)), flush=True)

    last = _watch(reader, seconds, show)
    if not as_json:
        _print(last, as_json=False)


def _watch(reader: StatusReader | ShardsReader, seconds: float, show: Callable[[Status], None]) -> Status:
    """Read and show the status until no process works in the directory; returns the last status.

    A script between two steps begins the next step soon, so watching goes on. The kernel of a notebook lives on with
    nothing to do, so watching ends once a status "between steps" is equal to the one before.
    """
    before: Status | None = None
    while True:
        status = reader.look()
        show(status)
        if status.state != "running" and (status.state != "between steps" or status == before):
            return status
        before = status
        time.sleep(seconds)


def _print(status: Status, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(orjson.dumps(status).decode() + "\n")
    else:
        print(plain("\n".join(describe(status, shutil.get_terminal_size().columns))))
    sys.stdout.flush()
