"""Every exception of the library, by who must act.

Two trees: what stops a run (`ConfigError`, `NotStored`, `MaxCostReached`, `StepFailed`, `WorkerDied`,
`FatalAnswer`, `Interrupted`) and what stays with one row or one request (`RowError`, `UnfitAnswer`, `AnswerError`). A
failed request is not raised but carried as `answer.error`, so an operator can look at it and ask again.
"""


class DataflowError(Exception):
    """Base of everything this library raises on purpose."""


class ConfigError(DataflowError):
    """The user's settings, files or machine are wrong; nothing was spent. Says what, where and the fix."""


class InputError(ConfigError):
    """An input file is broken: names path, line and field."""


class CacheBusy(ConfigError):
    """Another process works in this cache directory: names its pid."""


class JournalDamaged(ConfigError):
    """The journal has a line that cannot be trusted: names the line."""


class NotStored(DataflowError):
    """The disk is full, read-only or over a limit: says what could not be written, and how many answers that cost."""


class MaxCostReached(DataflowError):
    """The next request could cost more than `max_cost` leaves: says what was spent, what is needed, how to go on."""


class StepFailed(DataflowError):
    """Every row of a step failed; the errors file has the reason of each."""


class WorkerDied(DataflowError):
    """A worker's process died again and again; says what it last printed."""


class Interrupted(DataflowError):
    """A signal stopped the run; everything answered so far is kept."""

    def __init__(self, message: str, *, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number

    @property
    def exit_code(self) -> int:
        """128 + the signal: 130 for SIGINT, 143 for SIGTERM."""
        return 128 + self.signal_number


class RowError(DataflowError):
    """One row cannot be asked (a missing picture, an empty conversation); the others go on."""


class UnfitAnswer(RowError):
    """A model answered, but not what was asked for (broken JSON, the wrong language): another try may.

    Args:
        fault: its kind in one word, to be counted by.
        reason: one sentence that also tells the model what is wrong.
        earlier: the kind of fault in the answer before, where this one was asked for again.
    """

    def __init__(self, fault: str, reason: str, *, earlier: str = "") -> None:
        super().__init__(reason)
        self.fault = fault
        self.earlier = earlier


class AnswerError(DataflowError):
    """One request got no usable answer.

    Args:
        reason: one sentence for the errors file.
        said: the provider's own text, cut to a few hundred characters.
        maybe_paid: the provider may have charged for this attempt.
        usage: tokens or images charged, as far as the reply told.

    Attributes:
        attempts: how often the request was sent before this became its last word; 0 if it never was.
        doubt: why one such failure is not yet believed; a serving's own, empty once it leaves there.
        outage: it speaks of the whole address, not of this request: many in a row pause it.
    """

    kind = "failed"
    attempts = 0
    doubt: str = ""
    outage: bool = False

    def __init__(
        self, reason: str, *, said: str = "", maybe_paid: bool = False, usage: dict[str, float] | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.said = said
        self.maybe_paid = maybe_paid
        self.usage = usage or {}


class TransientAnswer(AnswerError):
    """Worth another attempt now; if attempts run out, the next run asks again.

    Args:
        retries: how many further attempts this signal deserves; None: as the worker's policy says.
        refuse_after: once those are used up the request counts as refused for good.
        wait: seconds the server asked us to wait before the next attempt.
        outage: as the attribute.
    """

    kind = "retry"

    def __init__(
        self,
        reason: str,
        *,
        said: str = "",
        maybe_paid: bool = False,
        usage: dict[str, float] | None = None,
        retries: int | None = None,
        refuse_after: bool = False,
        wait: float = 0.0,
        outage: bool = False,
    ) -> None:
        super().__init__(reason, said=said, maybe_paid=maybe_paid, usage=usage)
        self.retries = retries
        self.refuse_after = refuse_after
        self.wait = wait
        self.outage = outage


class LostAnswer(TransientAnswer):
    """The process that worked on it died: asked again in a batch of its own, since it may be the cause."""


class RateLimited(TransientAnswer):
    """The server asks for less: this request waits for `wait`, and fewer run at once or start in a minute.

    Attributes:
        keep: the share of the calls in flight that may go on.
    """

    kind = "wait"
    keep = 0.8


class CreditHeld(RateLimited):
    """A gateway holds more credit for what runs at once than is left: half as many run."""

    keep = 0.5


class RefusedAnswer(AnswerError):
    """Refused for good for this request (a content policy): asked again only with `retry_rejected=True`."""

    kind = "refused"


class FatalAnswer(AnswerError):
    """No request of this run can succeed (wrong key, no credit, unknown model): the run stops at once."""

    kind = "fatal"
