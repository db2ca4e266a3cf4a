"""What happens in one run of a step, counted while it runs."""

import time
from collections import Counter
from dataclasses import dataclass, field

from dataflow.core.words import count_of
from dataflow.flow.answered_by import AnsweredBy
from dataflow.flow.speed import Speed

_REASONS = 1000  # different ones that are told apart: each may name its own file


def kept_words(rows: int, column: str) -> str:
    """That so many rows have a value in the output column and are kept; empty for none."""
    have = "it has" if rows == 1 else "they have"
    return f"{count_of(rows, 'row')} kept: {have} `{column}`; overwrite=True or --overwrite asks again" if rows else ""


@dataclass(slots=True)
class Counts:
    """The figures of one run of a step so far; `Summary` explains those that it has too.

    Attributes:
        cost, cost_before, cost_elsewhere, costs, costs_before: in billionths of the currency.
        again: rows of a source that came to nothing, each in place of which it makes another.
        is_over: the run has ended.
        ends_in: seconds after which a run that was stopped no longer waits for what is in flight.
        limit: how many requests are allowed: ` of 64, 590 a minute`.
        note: what a source says of how far it is.
        answered_by: whose answers rows are made of.
        speed: at which rows are done.
        held_use: seconds times the share of the busiest server's places that was in use then.
        started: when the run began, on the monotonic clock.
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
        """So much of what a row came to is accepted.

        Args:
            accepted: pictures; of a filter, rows.
            are_new: an answer of this run completed the row.
        """
        self.accepted += accepted
        self.accepted_new += accepted if are_new else 0

    def fail(self, reason: str) -> None:
        """A row has no result, for this reason."""
        self.failed += 1
        is_told_apart = reason in self.reasons or len(self.reasons) < _REASONS
        self.reasons[reason if is_told_apart else "other reasons"] += 1

    def set_done(self, done: int, *, asks: bool = True) -> None:
        """So many of the rows that come in need nothing more; of a run that asks, those answered before have no speed.

        Args:
            done: how many.
            asks: some row waits for an answer.
        """
        self.rows_done = done
        self.speed.mark(self.rows_answered if asks or self.requests else done)
