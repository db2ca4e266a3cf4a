"""The figures of one run of a step while it runs; `Summary` is a frozen snapshot of them."""

import time
from collections import Counter
from dataclasses import dataclass, field

from dataflow.core.words import count_of
from dataflow.flow.answered_by import AnsweredBy
from dataflow.flow.speed import Speed

_REASONS = 1000  # reasons that are counted apart: each may name a file of its own


def kept_words(rows: int, column: str) -> str:
    """A sentence about the rows that are kept since their output column has a value; empty if there are none."""
    have = "it has" if rows == 1 else "they have"
    return f"{count_of(rows, 'row')} kept: {have} `{column}`; overwrite=True or --overwrite asks again" if rows else ""


@dataclass(slots=True)
class Counts:
    """The figures of one run of a step so far; the fields that `Summary` has too are explained there.

    Attributes:
        cost, cost_before, cost_elsewhere, costs, costs_before: in billionths of the currency.
        again: rows of a source that came to nothing, for each of which the source makes another one.
        is_over: whether the run has ended.
        ends_in: seconds for which a stopped run still waits for requests in flight; None: it is not stopped.
        limit: how many requests are allowed, for the bar: ` of 64, 590 a minute`.
        note: how far a source is, in its own words.
        answered_by: which models gave the answers that rows are made of.
        speed: rows a second.
        held_use: the sum over `held_seconds` of the share of the busiest server's places in use.
        started: when the run began, on the monotonic clock in seconds.
    """

    rows_in: int = 0
    rows_done: int = 0
    rows_answered: int = 0
    kept: int = 0
    output: str = ""
    rows: int = 0
    again: int = 0
    failed: int = 0
    requests: int = 0
    in_flight: int = 0
    requests_before: int = 0
    retried: int = 0
    retry_reason: str = ""
    retried_before: int = 0
    reused: int = 0
    adopted: int = 0
    lost: int = 0
    maybe_paid: int = 0
    pictures: int = 0
    accepted: int = 0
    accepted_new: int = 0
    accepted_before: int = 0
    rows_replaced: int = 0
    cost: int = 0
    cost_before: int = 0
    cost_elsewhere: int = 0
    currency: str = ""
    untold: int = 0
    unpaid: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    is_over: bool = False
    ends_in: float | None = None
    held_seconds: float = 0.0
    held_use: float = 0.0
    held_rows: int = 0
    limit: str = ""
    note: str = ""
    pause: str = ""
    reasons: Counter[str] = field(default_factory=Counter)
    sides: Counter[str] = field(default_factory=Counter)
    costs: Counter[str] = field(default_factory=Counter)
    costs_before: Counter[str] = field(default_factory=Counter)
    answered_by: AnsweredBy = field(default_factory=AnsweredBy)
    speed: Speed = field(default_factory=Speed)
    began: float = field(default_factory=time.time)
    started: float = field(default_factory=time.monotonic)

    def accept(self, accepted: int, *, are_new: bool) -> None:
        """Count the accepted results of a row.

        Args:
            accepted: how many pictures, or for a filter how many rows.
            are_new: whether an answer of this run completed the row.
        """
        self.accepted += accepted
        self.accepted_new += accepted if are_new else 0

    def fail(self, reason: str) -> None:
        """Count a failed row and its reason."""
        self.failed += 1
        is_counted_apart = reason in self.reasons or len(self.reasons) < _REASONS
        self.reasons[reason if is_counted_apart else "other reasons"] += 1

    def set_done(self, done: int, *, asks: bool = True) -> None:
        """Set how many of the rows that come in need nothing more.

        In a run that asks, rows that earlier runs answered do not count for the speed.

        Args:
            done: how many rows.
            asks: whether a row waits for an answer.
        """
        self.rows_done = done
        self.speed.mark(self.rows_answered if asks or self.requests else done)
