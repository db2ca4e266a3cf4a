"""Keeps the catalogues of the steps that somebody looks at, and follows their files as these grow."""

import logging
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from dataflow.errors import ConfigError
from dataflow.view.catalogue import Catalogue, steps_in
from dataflow.view.shown import ShownColumns
from dataflow.view.status import StatusReader

log = logging.getLogger(__name__)

_IDLE_SECONDS = 0.5  # between two looks at files that do not grow
_YIELD_SECONDS = (
    0.001  # between two parts of a file, so that who asks for rows need not wait for the interpreter's lock
)
_MOST_OPEN = 4  # catalogues that are kept open


class Library:
    """The catalogues of a cache directory; a context manager that follows their files on a thread of its own.

    Args:
        cache_path: the cache directory.
        given: columns that the user named; None: all columns are found.
    """

    def __init__(self, cache_path: Path, given: ShownColumns | None = None) -> None:
        self.cache_path = cache_path
        self.reader = StatusReader(cache_path)
        self._given = given
        self._open: dict[str, Catalogue] = {}
        # The thread that follows catalogues closes them, since following opens files.
        self._closing: list[Catalogue] = []
        self._last_error = ""
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._wanted = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="view", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._wanted.set()
        self._thread.join()
        for catalogue in (*self._closing, *self._open.values()):
            catalogue.close()

    def steps(self) -> list[str]:
        """Names of all steps, the newest last."""
        return steps_in(self.cache_path)

    def catalogue(self, step: str) -> Catalogue:
        """The catalogue of a step, which is followed from the first call on.

        Raises:
            LookupError: there is no such step.
            OSError: a file of the step cannot be read.
            ConfigError: a csv, json or parquet file of the step is broken.
        """
        with self._lock:
            if step in self._open:
                self._open[step] = self._open.pop(step)  # last in the dict, whose first catalogue is closed first
                return self._open[step]
        if step not in self.steps():
            raise LookupError(f"there is no step {step}")
        catalogue = Catalogue(self.cache_path, step, self._given)
        catalogue.follow()  # so that the first answer has rows
        with self._lock:
            if step in self._open:  # another request has opened the step meanwhile
                self._closing.append(catalogue)
                return self._open[step]
            while len(self._open) >= _MOST_OPEN:
                self._closing.append(self._open.pop(next(iter(self._open))))
            self._open[step] = catalogue
        self._wanted.set()
        return catalogue

    def _follow(self) -> None:
        while not self._stopped.is_set():
            with self._lock:
                catalogues, closing = list(self._open.values()), self._closing
                self._closing = []
            for catalogue in closing:
                catalogue.close()
            grew = [self._follow_one(catalogue) for catalogue in catalogues]
            if any(grew):
                self._stopped.wait(_YIELD_SECONDS)
            else:
                self._wanted.wait(_IDLE_SECONDS)
                self._wanted.clear()

    def _follow_one(self, catalogue: Catalogue) -> bool:
        try:
            return catalogue.follow()
        except (OSError, ConfigError) as error:  # the folder was moved, or a file is broken
            if str(error) != self._last_error:
                log.warning("%s cannot be read: %s", catalogue.cache_path, error)
            self._last_error = str(error)
            return False
