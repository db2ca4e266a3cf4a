"""One line of the table of failures: when it holds, and what then follows."""

from dataclasses import dataclass

from dataflow.errors import Kind
from dataflow.serving.api.failures.attempts import On
from dataflow.serving.api.failures.confirmation import Unconfirmed


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table; every condition that is given must hold, of `codes` and `says` either.

    Args:
        on: how the attempt ended.
        kind: as `Failure`.
        reason: what happened and what to do, with the fields of `classify._fields`.
        status: HTTP statuses; empty: any.
        codes: codes in the body, or finish reasons, in lower case.
        says: a pattern in the lower-case text of the body.
        path: what the path of the request contains.
        told_to_wait: only if the server said how long to wait.
        retries: as `Failure`.
        refuse_after: as `Failure`.
        maybe_paid: as `Failure`.
        names_field: only if the body names a field that goes with every request; or `says` holds.
        outage: it speaks of the address, not of this request.
        unconfirmed: what such a failure says that is not believed at once, or is worth a warning when it is said often.
    """

    on: On
    kind: Kind
    reason: str
    status: frozenset[int] = frozenset()
    codes: frozenset[str] = frozenset()
    says: str = ""
    path: str = ""
    told_to_wait: bool = False
    retries: int | None = None
    refuse_after: bool = False
    maybe_paid: bool = False
    names_field: bool = False
    outage: bool = False
    unconfirmed: Unconfirmed = ""
