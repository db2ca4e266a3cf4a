"""What happened in one run of a step: counted while it runs, summed up at its end."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from dataflow.core.records import NANO
from dataflow.core.words import count_of, show_amount, three_digits
from dataflow.money.estimate import Estimate


@dataclass(slots=True)
class Counts:
    """What happened in one run of a step so far."""

    rows: int = 0
    failed: int = 0
    sent: int = 0
    in_flight: int = 0
    retried: int = 0
    reused: int = 0
    adopted: int = 0
    lost: int = 0
    maybe_paid: int = 0
    pictures: int = 0
    accepted: int = 0
    cost: int = 0  # billionths of the currency
    currency: str = ""
    untold: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    limit: str = ""  # of 64, 590 a minute
    pause: str = ""  # what answers wait for
    reasons: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Summary:
    """What one run of a step came to.

    Args:
        step: the step's number.
        target: path of the step's file.
        rows: rows written, failed ones included but for those of a filter or a source.
        failed: rows without a result.
        reasons: how many rows failed for each reason.
        requests: requests sent in this run, retries included.
        reused: answers taken from the journal.
        adopted: pictures that lay whole on disk without a journal line.
        lost: journalled answers asked again because their picture was gone.
        maybe_paid: requests that may have been paid without an answer: of this run, those that broke off after
            they were sent; of earlier runs, those that were sent and never ended.
        seconds: wall time.
        pictures: pictures received in this run.
        currency: of the costs; empty where nobody charges.
        cost: what this run of the step cost, failed attempts and refusals included.
        spent: what everything in the directory has cost so far, by its journal.
        unsure: what attempts that told no cost, or were cut off, may have cost at most beside that.
        untold: attempts of this run whose cost is unknown: nobody told, or the model has no price.
        unpriced: attempts in the directory whose cost nobody told, and whose model has no price.
        input_tokens: tokens sent in this run, as the replies told.
        output_tokens: tokens that came back.
        accepted: pictures in the step's file that were made for it, in this run or before.
        estimate: of a dry run, which sent and wrote nothing.
    """

    step: int
    target: str
    rows: int
    failed: int
    reasons: Mapping[str, int]
    requests: int
    reused: int
    adopted: int
    lost: int
    maybe_paid: int
    seconds: float
    pictures: int
    currency: str = ""
    cost: float = 0.0
    spent: float = 0.0
    unsure: float = 0.0
    untold: int = 0
    unpriced: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    accepted: int = 0
    estimate: Estimate | None = None

    @property
    def cost_per_image(self) -> float | None:
        """What the directory has cost so far for each accepted picture; None if there is none, or it is not known."""
        return self.spent / self.accepted if self.accepted and self.currency and not self.unpriced else None

    def __str__(self) -> str:
        if self.estimate is not None:
            return self._rehearsed(self.estimate)
        parts = [f"step {self.step}: {count_of(self.rows, 'row')}", f"{self.failed:,} failed"]
        if self.failed:
            parts[1] += f" ({self._why()})"
        if self.pictures:
            parts.append(f"{three_digits(self.pictures / max(self.seconds, 1e-3))} images/s")
        parts.append(f"{count_of(self.requests, 'request')} sent, {self.reused:,} answered before")
        if self.adopted:
            parts.append(f"{count_of(self.adopted, 'picture')} adopted")
        if self.lost:
            parts.append(f"{self.lost:,} asked again (picture gone)")
        if self.maybe_paid:
            parts.append(f"{self.maybe_paid:,} may have been paid without an answer")
        if self.currency:
            parts.append(self._money())
        parts.append(f"{self.seconds:.1f} s")
        return ", ".join(parts) + f" -> {self.target}"

    def _rehearsed(self, estimate: Estimate) -> str:
        upto = "up to " if estimate.up_to else ""
        parts = [f"step {self.step} (dry run): {upto}{count_of(self.rows, 'row')}"]
        if self.failed:
            parts.append(f"{self.failed:,} cannot be asked ({self._why()})")
        parts.append(estimate.describe(self.currency))
        if self.lost:
            parts.append(f"{self.lost:,} of them again (picture gone)")
        if self.spent or self.unsure:
            parts.append(f"{show_amount(round(self.spent * NANO), self.currency)} spent so far")
        return ", ".join(parts)

    def _why(self) -> str:
        """The most frequent reason, and how many rows failed for others."""
        reason, times = max(self.reasons.items(), key=lambda item: item[1])
        others = self.failed - times
        return f"{times:,} x {reason[:120]}" + (f", {others:,} for other reasons" if others else "")

    def _money(self) -> str:
        def show(amount: float) -> str:
            return show_amount(round(amount * NANO), self.currency)

        parts = [f"{show(self.cost)} spent" + (" as far as known" if self.unpriced else "")]
        if self.spent > self.cost:
            parts.append(f"{show(self.spent)} in all")
        if self.unsure:
            parts.append(f"up to {show(self.unsure)} more by requests that told no cost")
        if self.unpriced:
            unknown = f"{count_of(self.unpriced, 'attempt')} of unknown cost"
            parts.append(f"{unknown}: the model has no price, give one with prices= or --prices")
        elif self.untold:
            parts.append(f"{count_of(self.untold, 'attempt')} of unknown cost")
        if self.cost_per_image is not None:
            parts.append(f"{show(self.cost_per_image)} per accepted picture")
        if self.input_tokens or self.output_tokens:
            parts.append(f"{self.input_tokens:,} tokens in and {self.output_tokens:,} out")
        return f"{parts[0]} ({', '.join(parts[1:])})" if len(parts) > 1 else parts[0]
