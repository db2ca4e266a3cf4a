"""What the files of many rows are now, asked by threads where each question takes long, as on a network disk.

A row that is done costs three looks at its pictures. A local disk answers in microseconds, one on the network in half a
millisecond to five: one after the other they would take hours over ten million rows. The first few of a list are
looked at as always, so a disk that answers at once is not asked by threads, which would cost more than they save.
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
_FIRST = 8  # looked at one after the other: they say how quick the disk is
_SLOW = 150e-6  # seconds a file; a local disk takes 5 to 15 µs, beside a thread that computes too


class FileStats:
    """Where the pictures named in rows are, and their stats; outside `ahead` each is looked at when it is asked for.

    Args:
        rules: where a name may lie.
        slow: seconds that a look takes on a disk which is asked by threads.
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
        """The stat of a file.

        Raises:
            OSError: there is none.
        """
        return self._stats.get(path) or os.stat(path)  # noqa: PTH116 - twice as fast, and once per picture and pass

    @contextmanager
    def ahead(self, names: Iterable[str]) -> Iterator[None]:
        """What these are is known for this block; those that are not there are looked for when they are asked for.

        Args:
            names: as rows name them, or paths; taken in full only where the disk is slow.
        """
        left, seconds = iter(names), []
        try:
            for name in islice(left, 1 if self._is_slow else _FIRST):
                began = time.perf_counter()
                self._look(name)
                seconds.append(time.perf_counter() - began)
            self._is_slow = bool(seconds) and median(seconds) > self._slow
            if self._is_slow:
                self._threads = self._threads or ThreadPoolExecutor(_THREADS, "dataflow-stats")
                list(self._threads.map(self._look, dict.fromkeys(left)))
            yield
        finally:
            self._paths.clear()
            self._stats.clear()

    def _look(self, name: str) -> None:
        try:
            plain = self._rules.moved is None and os.path.isabs(name)  # noqa: PTH117 - a str stays one
            path = name if plain else self._rules.resolve(name)
            found = os.stat(path)  # noqa: PTH116 - as above
        except (RowError, OSError):  # whoever asks for it is told
            return
        if stat.S_ISREG(found.st_mode):
            self._paths[name], self._stats[path] = path, found
