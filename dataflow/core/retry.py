"""When a failed request is asked again.

The jitter comes from the request's id, not from chance, so a run can be repeated exactly.
"""

from dataclasses import dataclass

from dataflow.errors import TransientAnswer


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter in the upper half.

    Args:
        retries: further attempts after the first.
        base: seconds before the first retry, on average three quarters of it.
        cap: longest wait in seconds that we choose ourselves; a server may ask for more.
    """

    retries: int = 4
    base: float = 1.0
    cap: float = 60.0

    def allows(self, error: TransientAnswer, attempt: int) -> bool:
        """Whether an attempt after number `attempt` (from 0) may follow this error."""
        return attempt < (self.retries if error.retries is None else min(error.retries, self.retries))

    def delay(self, error: TransientAnswer, attempt: int, request_id: str) -> float:
        """Seconds to wait before attempt number `attempt + 1`."""
        full = min(self.cap, self.base * 2.0**attempt)
        spread = int(request_id[-6:], 16) * (attempt + 1) % 1000 / 1000
        return max(error.wait, full * (0.5 + spread / 2))
