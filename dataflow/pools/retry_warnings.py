"""The log of attempts that failed and that another attempt follows."""

import logging

from dataflow.core.words import duration
from dataflow.errors import Failure

log = logging.getLogger(__name__)

_LONG_WAIT = 60.0  # seconds, from which on the log names how long the wait is
_MOST_WARNINGS = 20  # reasons; more of them are logged as information


class RetryWarnings:
    """Logs the first failure of each reason as a warning, and all others as information."""

    def __init__(self) -> None:
        self._warned: set[tuple[str, bool]] = set()  # reason, and whether the wait is long

    def report(self, failure: Failure) -> None:
        """Log the failure of an attempt that another one follows."""
        when = f" in {duration(failure.wait)}, as the server wants" if failure.wait >= _LONG_WAIT else ""
        what = (failure.reason, bool(when))  # a wait that is longer or shorter by seconds is no news
        is_news = what not in self._warned and len(self._warned) < _MOST_WARNINGS
        if is_news:
            self._warned.add(what)
        log.log(logging.WARNING if is_news else logging.INFO, "asked again%s: %s", when, failure)
