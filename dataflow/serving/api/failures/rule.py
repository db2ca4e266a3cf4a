"""One rule of the table of failures: the conditions under which it holds, and the failure that follows."""

from dataclasses import dataclass

from dataflow.errors import Kind
from dataflow.serving.api.failures.attempts import Ending
from dataflow.serving.api.failures.confirmation import Unconfirmed


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
