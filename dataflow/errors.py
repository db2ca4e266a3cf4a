"""Every exception of the library, sorted by who must act, and `Failure`, which is a value and not an exception.

There are two trees: errors that stop a run (`ConfigError`, `NotStored`, `MaxCostReached`, `StepFailed`, `WorkerDied`,
`FatalAnswer`, `Interrupted`), and errors of one row or one request (`RowError`, `UnfitAnswer`, `AnswerError`). A failed
request raises nothing: `answer.error` carries its `Failure`, so that an operator can look at the failure and ask again.
`Failure` stands in this file because `AnswerError` holds one.
"""

import os
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Literal, get_args

_PACKAGE = f"{Path(__file__).parent}{os.sep}"
_STANDARD = Path(os.__file__).parent  # Python's own modules: `contextlib` stands in the traceback of a `with`


def plain(text: str) -> str:
    """Escape the characters by which text from rows, files or servers could control a terminal.

    Line ends stay, and so do the joiners that emoji and some scripts are written with.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in _HARMLESS else _escape(each) for each in text)


_HARMLESS = frozenset("\n\t\u00a0\u3000\u200c\u200d")


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


class DataflowError(Exception):
    """The base of every error that this library raises on purpose; the message is safe to show on a terminal."""

    def __str__(self) -> str:
        return plain(super().__str__())

    def _render_traceback_(self) -> list[str]:
        """The lines that IPython shows in place of a traceback: the line of the user's own code, and the message."""
        frames = traceback.extract_tb(self.__traceback__)
        before_ours = takewhile(lambda frame: not frame.filename.startswith(_PACKAGE), frames)
        own = [  # the code that `dataclass` generates has no line
            frame for frame in before_ours if frame.line and Path(frame.filename).parent != _STANDARD
        ]
        said = [f"{type(self).__name__}: {self}"]
        if not own:
            return said
        file = f"{own[-1].filename}, " if Path(own[-1].filename).is_file() else ""  # a notebook's cell is no file
        return [f"{file}line {own[-1].lineno}: {own[-1].line}", *said]


class ConfigError(DataflowError):
    """The user's settings, files or machine are wrong; nothing was spent. The message says what, where and the mend."""


class InputError(ConfigError):
    """An input file is broken; the message names path, line and field."""


class CacheBusy(ConfigError):
    """Another process works in this cache directory; the message names its pid."""


class JournalDamaged(ConfigError):
    """The journal has a damaged line; the message names the line."""


class NotStored(DataflowError):
    """The disk is full, read-only or over a quota; the message says which file, and how many answers were lost."""


class MaxCostReached(DataflowError):
    """The next request could exceed `max_cost`; the message says what was spent, what is needed and how to go on."""


class StepFailed(DataflowError):
    """Every row of a step failed; the errors file has a reason for each row."""


class WorkerDied(DataflowError):
    """A worker's process died again and again; the message ends with the last lines that the process printed."""


class Interrupted(DataflowError):
    """A signal stopped the run; everything answered so far is kept.

    Args:
        message: which work was stopped, and how much of it is done.
        signal_number: number of the signal; 0: no signal came, but an overlapped step ended with an error.
        texts: the texts that `generate_from_input` has got so far, in the order of its prompts; None for a prompt
            without a text. No file keeps these texts.
    """

    def __init__(self, message: str, *, signal_number: int, texts: Sequence[str | None] = ()) -> None:
        super().__init__(message)
        self.signal_number = signal_number
        self.texts = texts

    @property
    def exit_code(self) -> int:
        """128 + the signal's number: 130 for Ctrl-C (SIGINT), 143 for SIGTERM, 129 for SIGHUP."""
        return 128 + self.signal_number


class RowError(DataflowError):
    """One row cannot be asked (a missing picture, an empty conversation); the other rows go on."""


class UnfitAnswer(RowError):
    """A model's answer is not what was asked for (broken JSON, the wrong language); another try may give a fit one.

    Args:
        fault: the kind of fault in one word, by which reports count.
        reason: one sentence for people, which is also sent to the model so that the model can do better.
        short: the reason without the model's own words, equal for rows that failed alike; empty: `reason`.
        earlier: the fault of the answer before, where this answer is that of a second try; empty: it is of the first.
        said: the answer, as the model gave it.
    """

    def __init__(self, fault: str, reason: str, *, short: str = "", earlier: str = "", said: str = "") -> None:
        super().__init__(reason)
        self.fault = fault
        self.short = short or reason
        self.earlier = earlier
        self.said = said


Kind = Literal["failed", "retry", "wait", "refused", "fatal"]
KINDS: tuple[Kind, ...] = get_args(Kind)
KEEP = 0.8  # the share of the calls in flight that may go on once a server asks for less


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one request has no usable answer, and what the run does about it; changed by `dataclasses.replace` alone.

    Args:
        kind: who must act, as the journal and the errors file write it. "retry": nobody; another attempt may succeed,
            and once the attempts are used up the next run asks again. "wait": as "retry", and the server asks for
            less, so fewer requests run at once or start in a minute. "refused": refused for good (a content policy),
            asked again only with `retry_rejected=True`. "fatal": no request of this run can succeed (wrong key, no
            credit, unknown model), so the run stops at once. "failed": this run does not try again, the next run does.
        reason: one sentence for the errors file.
        said: the provider's own text, cut to a few hundred characters.
        maybe_paid: the provider may have charged for this attempt.
        usage: tokens or images charged, as far as the reply says.
        model: the model that gave the reply, by the reply's own words; empty where the reply names none.
        goes_on: the provider goes on with the attempt, and the next run takes the answer; the cost stays reserved.
        attempts: how often the request was sent in all; 0: never.
        retries: how many further attempts this failure deserves; None: as the worker's retry policy says.
        refuse_after: once the retries are used up, the request counts as refused for good.
        wait: seconds the server asks for before the next attempt.
        keep: the share of the calls in flight that may go on, where the kind is "wait".
        suspect: the request was in a process that died and may be the cause of that, so its next attempt is in a batch
            of its own.
        unsent: nothing was sent, since the request itself is wrong.
        outage: the failure concerns the whole address and not this request; many in a row pause the address.
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
        """The same failure, final: no field asks for another attempt any more.

        Args:
            kind: the final kind.
            reason: the final reason; empty: the reason stays.
        """
        words = reason or self.reason
        return replace(
            self, kind=kind, reason=words, retries=None, refuse_after=False, wait=0.0, outage=False, unconfirmed=""
        )


class AnswerError(DataflowError):
    """One request got no usable answer; raised where a caller waits for that answer.

    Args:
        failure: why there is no usable answer.
        texts: the texts that `generate_from_input` has got, in the order of its prompts; None for a prompt without one.
    """

    def __init__(self, failure: Failure, texts: Sequence[str | None] = ()) -> None:
        super().__init__(failure)
        self.failure = failure
        self.texts = texts


class FatalAnswer(AnswerError):
    """No request of this run can succeed, so the run stopped at once; every answer so far is kept."""
