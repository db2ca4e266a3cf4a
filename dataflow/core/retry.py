"""How often and when a failed request is sent again.

The jitter of the waits is derived from the request's id and not drawn, so that a run can be repeated exactly.
"""

from dataclasses import dataclass

from dataflow.errors import Failure


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff: the wait doubles with each attempt, and lies between half of that and all of it.

    Args:
        retries: most attempts after the first one.
        base: seconds of the longest wait before the first retry.
        cap: seconds of the longest wait, unless a server asks for a longer one.
        probe: seconds between two attempts at an address that is down, over all requests.
        dead: seconds without an answer after which the run stops.
    """

    retries: int = 4
    base: float = 1.0
    cap: float = 60.0
    probe: float = 30.0
    dead: float = 1800.0

    def allows(self, failure: Failure, attempt: int, alike: int | None = None) -> bool:
        """Whether another attempt may follow a failed one.

        Args:
            failure: of the attempt.
            attempt: its number, from 0.
            alike: how many earlier attempts at the request failed in the same way; None: all of them.
        """
        if failure.retries is not None and (attempt if alike is None else alike) >= failure.retries:
            return False
        return attempt < self.retries

    def delay(self, failure: Failure, attempt: int, request_id: str) -> float:
        """Seconds to wait before the next attempt.

        Args:
            failure: of the attempt; it may name a longer wait.
            attempt: its number, from 0.
            request_id: 32 hex digits, from which the jitter is derived.
        """
        full = min(self.cap, self.base * 2.0**attempt)
        spread = int(request_id[-6:], 16) * (attempt + 1) % 1000 / 1000
        return max(failure.wait, full * (0.5 + spread / 2))
