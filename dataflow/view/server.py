"""Serves the page of a cache directory on loopback."""

import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from dataflow.errors import ConfigError
from dataflow.view.shown import ShownColumns

_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class ServedPage:
    """A page that is about to be served.

    Args:
        address: address of the page, with the token that opens it.
        port: on which the server listens.
        run: serves the page until Ctrl-C or `stop`.
        stop: ends `run`; may be called from any thread.
    """

    address: str
    port: int
    run: Callable[[], None]
    stop: Callable[[], None]


@contextmanager
def serve_page(
    cache_path: Path, step: str, *, labels: Path, given: ShownColumns | None = None, port: int = 0
) -> Iterator[ServedPage]:
    """Open a port for the page of a directory.

    Args:
        cache_path: the cache directory.
        step: name of the step that is shown first.
        labels: the labels file that the page adds to; it is made with the first label.
        given: columns that the user named; None: all columns are found.
        port: to listen on; 0: any free port.

    Raises:
        ConfigError: the extra `view` is not installed, the port is taken, or the labels file cannot be read.
        InputError: a line of the labels file is broken.
        LookupError: there is no such step.
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

        yield ServedPage(address, here, lambda: server.run([listener]), stop)


def _listening(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_LOOPBACK, port))
        listener.listen(128)  # from now on a browser waits for an answer; before, its connection was refused
    except (OSError, OverflowError) as error:
        listener.close()
        raise ConfigError(f"port {port} cannot be had ({error}): give another, or leave --port out") from None
    return listener
