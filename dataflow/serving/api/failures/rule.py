"""One rule of the table of failures: the conditions under which it holds, and the failure that follows."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from dataflow.errors import Kind
from dataflow.serving.api.failures.attempts import Attempt, Ending, ErrorBody, Target
from dataflow.serving.api.failures.confirmation import Unconfirmed
from dataflow.serving.api.failures.fields import without_request
from dataflow.serving.api.failures.waits import requested_wait


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. It holds if all of its conditions do; of `codes` and `says`, where both are given, one is enough.

    Args:
        ending: condition: how the attempt ended.
        kind: as in `Failure`.
        reason: what happened and what mends it; names in braces are filled in by `classify`.
        status: condition: the HTTP status is one of these; empty: any.
        codes: condition: one of these stands in the body as a code, or is the finish reason; in lower case.
        says: condition: a pattern that the body's text in lower case matches; empty: any text.
        path: condition: the path of the request contains this; empty: any path.
        asks_to_wait: condition: the server says for how long to wait.
        retries: as in `Failure`.
        refuse_after: as in `Failure`.
        maybe_paid: as in `Failure`.
        names_field: condition: the body names a field that goes with every request; `says` may hold in its place.
        outage: as in `Failure`.
        unconfirmed: what such a failure says that is not believed at once, or is worth a warning when it is said often.
    """

    ending: Ending
    kind: Kind
    reason: str
    status: frozenset[int] = frozenset()
    codes: frozenset[str] = frozenset()
    says: str = ""
    path: str = ""
    asks_to_wait: bool = False
    retries: int | None = None
    refuse_after: bool = False
    maybe_paid: bool = False
    names_field: bool = False
    outage: bool = False
    unconfirmed: Unconfirmed = ""

    def holds(self, attempt: Attempt, target: Target, error: ErrorBody) -> bool:
        """Whether all conditions of the rule hold for a failed attempt.

        Args:
            attempt: how it ended.
            target: where the request went.
            error: `read_error` of the attempt's body.
        """
        if self.ending != attempt.ending or self.path not in target.path:
            return False
        if self.status and attempt.status not in self.status:
            return False
        if self.asks_to_wait and not wait_of(attempt, error, limited=False):
            return False
        if self.names_field and _names_field(error.text, target.fields):
            return True
        if not self.codes and not self.says:
            return not self.names_field
        codes, text = error.codes, error.text
        if attempt.ending == "finish":
            codes = frozenset((attempt.finish.lower(), attempt.native_finish.lower() or attempt.finish.lower()))
            text = attempt.text
        return bool(self.codes & codes) or bool(self.says and re.search(self.says, text.lower()))


def wait_of(attempt: Attempt, error: ErrorBody, *, limited: bool) -> float:
    """Seconds for which the reply of an attempt asks us to wait; 0: it does not ask.

    Args:
        attempt: how it ended.
        error: `read_error` of the attempt's body.
        limited: whether the reply says that a rate limit was hit.
    """
    return requested_wait(attempt.headers, error.text, now=attempt.ended_at, limited=limited)


def _names_field(text: str, fields: Iterable[str]) -> bool:
    """Whether an error body names one of these fields: in quotes, or after a word such as "parameter"."""
    text = without_request(text)
    before, after = r"""(?:['"`\[.]|\b(?:parameter|argument|field|property)s?:? )""", r"""(?:['"`\].,:]|$)"""
    return any(re.search(before + re.escape(name) + after, text) for name in fields)
