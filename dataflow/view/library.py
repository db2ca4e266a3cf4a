"""The steps of one cache directory, each followed as it grows once somebody has looked at it."""

import logging
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from dataflow.errors import ConfigError
from dataflow.view.catalogue import Catalogue, steps_in
from dataflow.view.shown import Shown
from dataflow.view.status import StatusReader

log = logging.getLogger(__name__)

_SECONDS = 0.5  # between two looks at files that did not grow
_BREATH = 0.001  # between two parts of a file, so that who asks for rows need not wait for the interpreter's lock
_OPEN = 4  # steps that are followed at once


class Library:
    """Catalogues by step; a context manager whose end stops following.

    Args:
        cache_path: of a FileStorage.
        given: columns that somebody named.
    """

    def __init__(self, cache_path: Path, given: Shown | None = None) -> None:
        self.cache_path = cache_path
        self.reader = StatusReader(cache_path)
        self._given = given
        self._open: dict[str, Catalogue] = {}
        self._closing: list[Catalogue] = []  # by the thread that follows them: following opens files
        self._told = ""
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._asked = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="view", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._asked.set()
        self._thread.join()
        for catalogue in (*self._closing, *self._open.values()):
            catalogue.close()

    def steps(self) -> list[str]:
        """Names of all steps, the newest last."""
        return steps_in(self.cache_path)

    def catalogue(self, step: str) -> Catalogue:
        """Of a step; one that is looked at for the first time is read from here on.

        Raises:
            LookupError: there is no such step.
            OSError, ConfigError: a file of it cannot be read.
        """
        with self._lock:
            if step in self._open:
                self._open[step] = self._open.pop(step)  # the one that was asked for longest ago is let go first
                return self._open[step]
        if step not in self.steps():
            raise LookupError(f"there is no step {step}")
        catalogue = Catalogue(self.cache_path, step, self._given)
        catalogue.follow()  # so that the first answer shows something
        with self._lock:
            if step in self._open:  # somebody else looked at it for the first time, too
                self._closing.append(catalogue)
                return self._open[step]
            while len(self._open) >= _OPEN:
                self._closing.append(self._open.pop(next(iter(self._open))))
            self._open[step] = catalogue
        self._asked.set()
        return catalogue

    def _follow(self) -> None:
        while not self._over.is_set():
            with self._lock:
                catalogues, closing = list(self._open.values()), self._closing
                self._closing = []
            for catalogue in closing:
                catalogue.close()
            grew = [self._grew(each) for each in catalogues]
            if any(grew):
                self._over.wait(_BREATH)
            else:
                self._asked.wait(_SECONDS)
                self._asked.clear()

    def _grew(self, catalogue: Catalogue) -> bool:
        try:
            return catalogue.follow()
        except (OSError, ConfigError) as error:  # a folder that is moved meanwhile, a broken file
            if str(error) != self._told:
                log.warning("%s cannot be read: %s", catalogue.cache_path, error)
            self._told = str(error)
            return False
