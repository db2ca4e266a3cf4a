"""When a failed request is asked again.

The jitter comes from the request's id, not from chance, so a run can be repeated exactly.
"""

from dataclasses import dataclass

from dataflow.errors import Failure


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter in the upper half.

    Args:
        retries: further attempts after the first.
        base: seconds before the first retry, on average three quarters of it.
        cap: longest wait in seconds that we choose ourselves; a server may ask for more.
        probe: seconds between two attempts at an address that is down, whoever's they are.
        dead: seconds without an answer after which the run stops.
    """

    retries: int = 4
    base: float = 1.0
    cap: float = 60.0
    probe: float = 30.0
    dead: float = 1800.0

    def allows(self, failure: Failure, attempt: int, alike: int | None = None) -> bool:
        """Whether an attempt after number `attempt` (from 0) may follow this failure.

        Args:
            failure: what the attempt ended with.
            attempt: its number.
            alike: earlier attempts that ended with this kind of failure; None: all of them.
        """
        if failure.retries is not None and (attempt if alike is None else alike) >= failure.retries:
            return False
        return attempt < self.retries

    def delay(self, failure: Failure, attempt: int, request_id: str) -> float:
        """Seconds to wait before attempt number `attempt + 1`."""
        full = min(self.cap, self.base * 2.0**attempt)
        spread = int(request_id[-6:], 16) * (attempt + 1) % 1000 / 1000
        return max(failure.wait, full * (0.5 + spread / 2))
