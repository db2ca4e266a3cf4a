"""What is told of attempts that another one follows."""

import logging

from dataflow.core.words import duration
from dataflow.errors import Failure

log = logging.getLogger(__name__)

_LONG_WAIT = 60.0  # seconds
_MOST_WARNINGS = 20


class RetryWarnings:
    """Warns of each reason once; the others are information."""

    def __init__(self) -> None:
        self._warned: set[tuple[str, bool]] = set()

    def tell(self, failure: Failure) -> None:
        """An attempt failed like this, and another one follows."""
        when = f" in {duration(failure.wait)}, as the server wants" if failure.wait >= _LONG_WAIT else ""
        what = (failure.reason, bool(when))  # a long wait is worth a warning, its seconds are not
        is_news = what not in self._warned and len(self._warned) <= _MOST_WARNINGS
        if is_news:
            self._warned.add(what)
        log.log(logging.WARNING if is_news else logging.INFO, "asked again%s: %s", when, failure)
