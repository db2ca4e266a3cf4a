"""Serves the page of a cache directory on loopback until Ctrl-C."""

import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from dataflow.errors import ConfigError
from dataflow.view.shown import Shown

_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Serving:
    """A page that is about to be served.

    Args:
        address: with the token that opens it.
        port: that it is on.
        run: serves until the process is interrupted or `stop` is called.
        stop: ends serving, from any thread.
    """

    address: str
    port: int
    run: Callable[[], None]
    stop: Callable[[], None]


@contextmanager
def serving(
    cache_path: Path, step: str, *, labels: Path, given: Shown | None = None, port: int = 0
) -> Iterator[Serving]:
    """Open a port for the page of a directory.

    Args:
        cache_path: of a FileStorage.
        step: that is shown first.
        labels: the file of what is said on the page; it need not be there.
        given: columns that somebody named.
        port: 0: any that is free.

    Raises:
        ConfigError: the extra `view` is not installed, the port is taken, or the labels file is none.
    """
    try:
        import uvicorn

        from dataflow.view.app import make_app
        from dataflow.view.guard import Guard
    except ImportError:
        raise ConfigError(
            "the page needs starlette and uvicorn: pip install 'dataflow-mm[view]'; --out report.html works without"
        ) from None
    from dataflow.calibration.labels import read_labels
    from dataflow.view.labelling import Labels
    from dataflow.view.library import Library
    from dataflow.view.thumbnails import Thumbnails

    try:
        read_labels(labels)
    except OSError as error:
        raise ConfigError(f"{labels} cannot be read ({error.strerror}): name another file of labels") from None
    token = secrets.token_urlsafe(16)
    with _listening(port) as listener, Library(cache_path, given) as library:
        here = listener.getsockname()[1]
        app = Guard(make_app(library, Thumbnails(), Labels(labels)), here, token)
        settings = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, ws="none")
        server = uvicorn.Server(settings)
        library.catalogue(step)
        address = f"http://{_LOOPBACK}:{here}/{token}/#step={quote(step)}"

        def stop() -> None:
            server.should_exit = True

        yield Serving(address, here, lambda: server.run([listener]), stop)


def _listening(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_LOOPBACK, port))
        listener.listen(128)  # from here on a browser waits for its answer instead of being refused
    except (OSError, OverflowError) as error:
        listener.close()
        raise ConfigError(f"port {port} cannot be had ({error}): give another, or leave --port out") from None
    return listener
