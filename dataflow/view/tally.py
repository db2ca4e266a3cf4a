"""What the lines of a journal add up to, step by step: requests, answers, money, and how fast.

Which step a request belongs to is told by `step` and `start` lines. What an older version wrote lacks them, and
counts for the directory alone. Memory holds what is in flight, and half an hour of notes of each running step.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from dataflow.core.records import NANO, Row
from dataflow.journal.totals import Money

_WINDOW = 60.0  # seconds over which a rate is taken
_ENOUGH = 10  # rows that it must cover at least
_NOTES = 900


class Note(NamedTuple):
    """At a time, in seconds since 1970: rows that were answered in this run."""

    at: float
    answered: int


@dataclass(slots=True, eq=False)
class StepTally:
    """One step, by its file; requests and cost of all its runs, the rest of the last.

    Attributes:
        name: of the operator.
        run: number of the run that had it last; 0: none.
        began: when that was, in seconds since 1970.
        told: when the last line about its rows was written.
        over: that run of the step has ended.
        why: it did not end well, for this reason.
        rows: that come in.
        done: rows that need nothing more.
        failed: rows without a result.
        answered: rows that waited for an answer of that run.
        pause: what the run waits for.
        requests: sent.
        retried: attempts that another one followed.
        in_flight: requests under way in that run.
        cost: in billionths of the currency.
    """

    name: str = ""
    run: int = 0
    began: float = 0.0
    told: float = 0.0
    over: bool = False
    why: str = ""
    rows: int = 0
    done: int = 0
    failed: int = 0
    answered: int = 0
    pause: str = ""
    requests: int = 0
    retried: int = 0
    in_flight: int = 0
    cost: int = 0
    notes: deque[Note] = field(default_factory=lambda: deque(maxlen=_NOTES))

    def begin(self, entry: Row, run: int) -> None:
        """A `step` line."""
        self.name, self.rows, self.run = str(entry["name"]), int(entry["of"]), run
        self.began = self.told = float(entry["at"])
        self.over, self.why, self.pause = False, "", ""
        self.done = self.failed = self.answered = self.in_flight = 0
        self.notes.clear()
        self.notes.append(Note(self.began, 0))

    def tell(self, entry: Row) -> None:
        """A `rows` line."""
        self.rows, self.done, self.failed = int(entry["of"]), int(entry["done"]), int(entry["failed"])
        self.answered, self.told = int(entry["answered"]), float(entry["at"])
        self.pause, self.over, self.why = entry.get("pause", ""), "over" in entry, entry.get("why", "")
        self.notes.append(Note(self.told, self.answered))

    def rate(self, now: float) -> float:
        """Rows answered in a second of late; 0 where that is not known yet.

        Rows that an earlier run had answered do not count: they tell nothing about those that must be asked. Nor does
        the time before the first answer, as soon as enough rows have followed it: a model was loaded in it.

        Args:
            now: seconds since 1970.
        """
        first = self.notes[0] if self.notes else Note(now, 0)
        for note in self.notes:
            few = note.answered > self.answered - _ENOUGH
            if few or (note.at > now - _WINDOW and first.answered):
                break
            first = note
        seconds = max(now, self.told) - first.at
        return (self.answered - first.answered) / seconds if seconds >= 1 else 0.0


class _Sent(NamedTuple):
    step: StepTally
    most: int
    run: int


class Tally:
    """Sums up a journal's entries, given in their order.

    Attributes:
        steps: by file, relative to the cache directory.
        money: of the whole directory, as a run would count it.
        priced: whether anybody charged an amount that is known.
        run: how many runs there were: each opens the journal once for one step, or for several at a time.
        pid: of the last.
        told: when the last dated line was written, in seconds since 1970.
    """

    def __init__(self) -> None:
        self.steps: dict[str, StepTally] = {}
        self.money = Money()
        self.priced = False
        self.run = 0
        self.pid = 0
        self.told = 0.0
        self._of_run: dict[int, StepTally] = {}
        self._of_nobody = StepTally()
        self._sent: dict[str, _Sent] = {}

    @property
    def in_flight(self) -> int:
        """Requests of the last run that have not ended."""
        return sum(sent.run == self.run for sent in self._sent.values())

    @property
    def cut_off(self) -> int:
        """Requests of earlier runs that were sent and never ended."""
        return sum(sent.run != self.run for sent in self._sent.values())

    def enter(self, entry: Row) -> None:
        """The next line; kinds that are not known here are passed over."""
        match entry["t"]:
            case "start":
                self._start(entry)
            case "got" | "fail":
                self._end(entry)
            case "rows" if (step := self._of_run.get(entry["k"])) is not None:
                step.tell(entry)
                self.told = step.told
            case "step":
                step = self._of_run[entry["k"]] = self.steps.setdefault(str(entry["file"]), StepTally())
                step.begin(entry, self.run)
                self.told = step.told
            case "run":
                self.run += 1
                self.pid = int(entry.get("pid", 0))
                self.told = float(entry.get("at", 0))
                for step in self._of_run.values():
                    step.in_flight = 0
                self._of_run = {}
            case "currency":
                self.money.currency = str(entry["name"])

    def _start(self, entry: Row) -> None:
        step = self._of_run.get(entry.get("k", 0), self._of_nobody)
        most = round(entry["most"] * NANO) if "most" in entry else 0
        before = self._sent.get(entry["id"])
        if before is not None:  # cut off, and asked again
            self.money.unsure += before.most
            self.money.reserved -= before.most
        self.money.reserved += most
        self.priced = self.priced or most > 0
        self._sent[entry["id"]] = _Sent(step, most, self.run)
        step.requests += 1
        step.in_flight += 1

    def _end(self, entry: Row) -> None:
        sent = self._sent.pop(entry["id"], None)
        step, most = (self._of_nobody, 0) if sent is None else (sent.step, sent.most)
        if sent is not None and sent.run == self.run:
            step.in_flight -= 1
        elif len(self._of_run) == 1:  # a picture found whole: it is the running step's, whoever asked for it
            (step,) = self._of_run.values()
        step.retried += "again" in entry
        self.money.reserved -= most
        if "cost" not in entry:
            return
        if entry["cost"] is not None:
            cost = round(entry["cost"] * NANO)
            self.money.spent += cost
            step.cost += cost
            self.priced = True
        elif most:
            self.money.unsure += most
        else:
            self.money.unpriced += 1
