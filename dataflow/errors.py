"""Every exception of the library, by who must act; and `Failure`, which is no exception.

Two trees: what stops a run (`ConfigError`, `NotStored`, `MaxCostReached`, `StepFailed`, `WorkerDied`,
`FatalAnswer`, `Interrupted`) and what stays with one row or one request (`RowError`, `UnfitAnswer`, `AnswerError`). A
failed request is not raised: `answer.error` carries its `Failure`, so an operator can look at it and ask again.
`Failure` stands here, below the other values, since `AnswerError` holds it.
"""

import os
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Literal, get_args

_PACKAGE = f"{Path(__file__).parent}{os.sep}"
_STANDARD = Path(os.__file__).parent  # Python's own modules, such as what ends a `with`


def plain(text: str) -> str:
    """Text from rows, files and servers as a terminal may show it: what would act on one stands as an escape.

    Ends of lines stay, and so do the joiners that emoji and scripts are written with.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in _HARMLESS else _escape(each) for each in text)


_HARMLESS = frozenset("\n\t\u00a0\u3000\u200c\u200d")


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


class DataflowError(Exception):
    """Base of everything this library raises on purpose; its message is safe to show."""

    def __str__(self) -> str:
        return plain(super().__str__())

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback: the user's own line, and the message."""
        frames = traceback.extract_tb(self.__traceback__)
        before_ours = takewhile(lambda frame: not frame.filename.startswith(_PACKAGE), frames)
        own = [  # a dataclass's own code has no line
            frame for frame in before_ours if frame.line and Path(frame.filename).parent != _STANDARD
        ]
        said = [f"{type(self).__name__}: {self}"]
        if not own:
            return said
        file = f"{own[-1].filename}, " if Path(own[-1].filename).is_file() else ""  # a cell has none
        return [f"{file}line {own[-1].lineno}: {own[-1].line}", *said]


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
    """A signal stopped the run; everything answered so far is kept.

    Args:
        message: what was stopped, and how far it came.
        signal_number: which signal; 0: none, but the end of a step that ran at the same time.
        texts: what `generate_from_input` was answered, which is kept nowhere else; as that of `AnswerError`.
    """

    def __init__(self, message: str, *, signal_number: int, texts: Sequence[str | None] = ()) -> None:
        super().__init__(message)
        self.signal_number = signal_number
        self.texts = texts

    @property
    def exit_code(self) -> int:
        """128 + the signal: 130 for Ctrl-C (SIGINT), 143 for SIGTERM, 129 for SIGHUP."""
        return 128 + self.signal_number


class RowError(DataflowError):
    """One row cannot be asked (a missing picture, an empty conversation); the others go on."""


class UnfitAnswer(RowError):
    """A model answered, but not what was asked for (broken JSON, the wrong language): another try may.

    Args:
        fault: its kind in one word, to be counted by.
        reason: one sentence that also tells the model what is wrong.
        short: the same without what the model said, so that rows which failed alike have it alike; empty: as `reason`.
        earlier: the kind of fault in the answer before, where this one was asked for again.
        said: the answer.
    """

    def __init__(self, fault: str, reason: str, *, short: str = "", earlier: str = "", said: str = "") -> None:
        super().__init__(reason)
        self.fault = fault
        self.short = short or reason
        self.earlier = earlier
        self.said = said


Kind = Literal["failed", "retry", "wait", "refused", "fatal"]
KINDS: tuple[Kind, ...] = get_args(Kind)
KEEP = 0.8  # of the calls in flight, once a server asks for less


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one request has no usable answer, and what follows from that; changed by `dataclasses.replace` alone.

    Args:
        kind: who must act, as the journal and the errors file write it. "retry": nobody, another attempt may do better,
            and if attempts run out the next run asks again. "wait": the same, and the server asks for less: fewer
            requests run at once or start in a minute. "refused": refused for good (a content policy), asked again
            only with `retry_rejected=True`. "fatal": no request of this run can succeed (wrong key, no credit, unknown
            model), so the run stops at once. "failed": not tried again in this run, but by the next one.
        reason: one sentence for the errors file.
        said: the provider's own text, cut to a few hundred characters.
        maybe_paid: the provider may have charged for this attempt.
        usage: tokens or images charged, as far as the reply says.
        model: who gave the reply, as it says itself; empty where it does not.
        goes_on: the attempt goes on at the provider, where the next run takes its answer; its cost stays reserved.
        attempts: how often the request was sent before this became its last word; 0 if it never was.
        retries: how many further attempts this signal deserves; None: as the worker's policy says.
        refuse_after: once those are used up the request counts as refused for good.
        wait: seconds the server asks for before the next attempt.
        keep: the share of the calls in flight that may go on, where the kind is "wait".
        suspect: the request was in a process that died, and may be the cause: asked again in a batch of its own.
        unsent: nothing was sent, since the request itself is wrong.
        outage: the failure speaks of the whole address, not of this request: many in a row pause the address.
        unconfirmed: what the failure says that a second one must confirm before the run believes it; a serving's own,
            empty once the failure leaves the serving.

    Raises:
        ValueError: another kind.
    """

    kind: Kind
    reason: str
    _: KW_ONLY
    said: str = ""
    maybe_paid: bool = False
    usage: Mapping[str, float] = field(default_factory=dict)
    model: str = ""
    goes_on: bool = False
    attempts: int = 0
    retries: int | None = None
    refuse_after: bool = False
    wait: float = 0.0
    keep: float = KEEP
    suspect: bool = False
    unsent: bool = False
    outage: bool = False
    unconfirmed: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"Failure({self.kind!r:.80}, ...): its kind is one of {', '.join(KINDS)}")

    def __str__(self) -> str:
        return self.reason

    @property
    def transient(self) -> bool:
        """Whether another attempt may do better."""
        return self.kind in ("retry", "wait")

    def last_word(self, kind: Literal["refused", "fatal"], reason: str = "") -> "Failure":
        """The same failure as a last word: whatever asks for another attempt is taken off.

        Args:
            kind: of the last word.
            reason: of the last word; empty: as it is.
        """
        words = reason or self.reason
        return replace(
            self, kind=kind, reason=words, retries=None, refuse_after=False, wait=0.0, outage=False, unconfirmed=""
        )


class AnswerError(DataflowError):
    """One request got no usable answer; raised where a caller waits for that answer.

    Args:
        failure: why.
        texts: what `generate_from_input` was answered, in the order of its prompts; None for a prompt that was not.
    """

    def __init__(self, failure: Failure, texts: Sequence[str | None] = ()) -> None:
        super().__init__(failure)
        self.failure = failure
        self.texts = texts


class FatalAnswer(AnswerError):
    """No request of this run can succeed: the run stopped at once, and everything answered is kept."""
