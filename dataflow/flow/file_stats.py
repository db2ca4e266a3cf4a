"""Stats the picture files of many rows: one after the other on a quick disk, by threads on a slow one.

A row that is done takes three stats of its pictures. A local disk answers in microseconds, a network disk in half a
millisecond to five: one after the other, the stats of ten million rows would take hours. The first few files of a list
are always looked at one after the other, since threads cost more than they save where the disk is quick.
"""

import os
import stat
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from statistics import median

from dataflow.errors import RowError
from dataflow.utils.files import PathRules

_THREADS = 32
_FIRST = 8  # files looked at one after the other, which show how quick the disk is
_SLOW = 150e-6  # seconds a file; a local disk takes 5 to 15 µs, even while another thread computes


class FileStats:
    """Paths and stats of the pictures that rows name; outside of `ahead` each file is looked at when it is asked for.

    Args:
        rules: resolve the names.
        slow: seconds a file from which on a disk counts as slow and is asked by threads.
    """

    def __init__(self, rules: PathRules, *, slow: float = _SLOW) -> None:
        self._rules = rules
        self._slow = slow
        self._paths: dict[str, str] = {}
        self._stats: dict[str, os.stat_result] = {}
        self._is_slow = False
        self._threads: ThreadPoolExecutor | None = None

    def resolve(self, name: str) -> str:
        """The absolute path of a picture named in a row.

        Raises:
            RowError: as `PathRules.resolve`.
        """
        return self._paths.get(name) or self._rules.resolve(name)

    def of(self, path: str) -> os.stat_result:
        """The stat of a file, as `ahead` took it or as it is now.

        Raises:
            OSError: the file does not exist.
        """
        return self._stats.get(path) or os.stat(path)  # noqa: PTH116 - twice as fast, and once per picture and pass

    @contextmanager
    def ahead(self, names: Iterable[str]) -> Iterator[None]:
        """A context manager that stats these files at its beginning and forgets the stats at its end.

        A file that does not exist is looked for again when it is asked for, which then raises the error.

        Args:
            names: of pictures, as rows have them, or paths; all of them are taken only if the disk is slow.
        """
        remaining, seconds = iter(names), []
        try:
            for name in islice(remaining, 1 if self._is_slow else _FIRST):
                began = time.perf_counter()
                self._look(name)
                seconds.append(time.perf_counter() - began)
            self._is_slow = bool(seconds) and median(seconds) > self._slow
            if self._is_slow:
                self._threads = self._threads or ThreadPoolExecutor(_THREADS, "dataflow-stats")
                list(self._threads.map(self._look, dict.fromkeys(remaining)))
            yield
        finally:
            self._paths.clear()
            self._stats.clear()

    def _look(self, name: str) -> None:
        """Stat one picture and keep the result; what is no file is left out."""
        try:
            plain = self._rules.moved is None and os.path.isabs(name)  # noqa: PTH117 - a str stays one
            path = name if plain else self._rules.resolve(name)
            found = os.stat(path)  # noqa: PTH116 - as above
        except (RowError, OSError):  # raised again when the file is asked for
            return
        if stat.S_ISREG(found.st_mode):
            self._paths[name], self._stats[path] = path, found
