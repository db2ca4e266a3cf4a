"""What happens in one run of a step, counted while it runs."""

from collections import Counter
from dataclasses import dataclass, field


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
    sides: Counter[str] = field(default_factory=Counter)  # rows by side output
