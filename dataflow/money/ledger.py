"""What a step's requests cost and may cost, and whether the next one may start.

What a directory has spent is the sum over its journal; what is in flight is reserved there at its highest
possible cost, by the line that journals its start. So a limit holds over retries, workers, steps that run at once, and
kills: an attempt that was cut off stays reserved. A request that does not fit waits for those in flight, which
mostly cost less than was reserved; when none is left that could make room, the run stops.

Runs on the event loop's thread, but for `charge` and what reports.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from weakref import WeakKeyDictionary

from dataflow.core.loop import event_loop
from dataflow.core.records import Answer, Charge, Job
from dataflow.core.shard import shard_of_folder
from dataflow.core.words import show_amount
from dataflow.core.worker import Worker
from dataflow.errors import ConfigError, MaxCostReached
from dataflow.journal.journal import Journal
from dataflow.money.budget import Budget

log = logging.getLogger(__name__)

NO_WORKERS: Mapping[str, Worker] = MappingProxyType({})


@dataclass(slots=True)
class _Waiting:
    """Who waits for money in one directory, and the attempts that cost something and are in flight there.

    Attributes:
        live: how many.
        reserved: what they may cost at most, in billionths.
    """

    live: int = 0
    reserved: int = 0
    line: deque[tuple["Ledger", int, Callable[[], None]]] = field(default_factory=deque)


_directories: WeakKeyDictionary[Journal, _Waiting] = WeakKeyDictionary()


class Ledger:
    """One run's view of its directory's money.

    Args:
        journal: of the directory; it sums up.
        budget: of the step.
        workers: name in requests → worker; some take answers of attempts that an earlier run began.
        reads_only: nothing is written, not even the currency of a journal without costs.

    Raises:
        ConfigError: the journal's costs are in another currency.
    """

    def __init__(
        self,
        journal: Journal,
        budget: Budget,
        *,
        workers: Mapping[str, Worker] = NO_WORKERS,
        reads_only: bool = False,
    ) -> None:
        self._journal = journal
        self._workers = workers
        self._budget = budget
        self._waiting = _directories.setdefault(journal, _Waiting())
        self._live = self._reserved = 0  # in flight, and what they may cost at most
        self._dearest: dict[str, int] = {}  # by worker, where an answer cost more than its bound
        self._has_disbelieved = False
        self.closed = False
        money = journal.index.money
        if budget.table is not None and budget.table.currency != money.currency:
            if money.committed:
                raise ConfigError(
                    f"{journal.cache_path} has costs in {money.currency}, and {budget.table.source} is in"
                    f" {budget.table.currency}: choose another cache_path, or give the prices in {money.currency}"
                )
            if not reads_only:
                journal.count_in(budget.table.currency)

    @property
    def currency(self) -> str:
        """Of all amounts; empty where nobody charges and nothing was charged before."""
        money, table = self._journal.index.money, self._budget.table
        if not (self._budget.priced or money.committed or money.unpriced):
            return ""
        return money.currency if table is None else table.currency  # the journal of a dry run does not know it yet

    @property
    def price_date(self) -> str:
        """When the prices were read, as their table says; empty where nobody charges."""
        return "" if self._budget.table is None else self._budget.table.date

    @property
    def spent(self) -> int:
        """Billionths spent in the directory so far, as far as it is known."""
        return self._journal.index.money.spent

    @property
    def unsure(self) -> int:
        """Billionths that may have been spent beside that: attempts whose end or cost is unknown.

        What steps at the same time have in flight is none of them: their end is still waited for.
        """
        money, elsewhere = self._journal.index.money, self._waiting.reserved - self._reserved
        return max(0, money.unsure + money.reserved - elsewhere)

    @property
    def estimated(self) -> int:
        """Billionths of `spent` that are the price of usual pictures, since replies counted no tokens."""
        return self._journal.index.money.estimated

    @property
    def unpriced(self) -> int:
        """Attempts in the directory so far whose cost is unknown, and whose model has no price."""
        return self._journal.index.money.unpriced

    @property
    def left(self) -> int | None:
        """Billionths that the limit leaves in the directory, 0 at least; None: there is no limit."""
        limit, committed = self._budget.max_cost, self._journal.index.money.committed
        if shard_of_folder(self._journal.cache_path.name) is None:  # a dry run of a shard that has no journal yet
            committed = -(-committed // self._budget.shards)
        return None if limit is None else max(0, limit - committed)

    def most(self, job: Job) -> int:
        """What one attempt at this job can cost at most, in billionths."""
        return max(self._budget.most(job.request), self._dearest.get(job.request.worker, 0))

    def charge(self, job: Job, answer: Answer) -> Charge | None:
        """What an attempt that ended so has cost; None where nobody charges for it."""
        charge = self._budget.charge(job, answer)
        if charge is not None and charge.disbelieved and not self._has_disbelieved:
            self._has_disbelieved = True
            log.warning(
                "a reply of %s makes its request cost %.3g %s, which no request costs: %s",
                job.request.worker, charge.disbelieved, self.currency,
                "its cost is taken for unknown" if charge.cost is None else "it is priced by the price table",
            )  # fmt: skip
        if charge is not None and charge.cost is not None and charge.cost > (most := self.most(job)):
            if most and not self._dearest:
                log.warning(
                    "an answer of %s cost %s, which is more than its bounds in the price table allow (%s): raise them",
                    job.request.worker, show_amount(charge.cost, self.currency), show_amount(most, self.currency),
                )  # fmt: skip
            self._dearest[job.request.worker] = charge.cost
        return charge

    def charge_adopted(self, job: Job, answer: Answer) -> Charge | None:
        """What a picture cost that lies on disk without its line; None where this directory did not ask for it.

        Its reply is gone, and the tokens with it: unless pictures are charged each, it counts what its start reserved.
        """
        reserved = self._journal.index.reserved(bytes.fromhex(job.id))
        charge = None if reserved is None else self._budget.charge(job, answer)
        return Charge(None) if charge is not None and charge.estimated and reserved else charge

    def resumes(self, job: Job) -> bool:
        """Whether a start of this job only takes the answer of an attempt that has not ended, which is paid once."""
        worker = self._workers.get(job.request.worker)
        return worker is not None and self._open(job) is not None and worker.holds(job)

    def _open(self, job: Job) -> int | None:
        return self._journal.index.reserved(bytes.fromhex(job.id))

    def _adds(self, job: Job) -> int:
        """What a start of this job adds to what may have been spent, in billionths."""
        most = self.most(job)
        return max(0, most - (self._open(job) or 0)) if self.resumes(job) else most

    def waits(self, job: Job, go_on: Callable[[], None]) -> bool:
        """Whether a job must wait until others in flight have cost what they cost; then `go_on` is called."""
        if self._budget.max_cost is None:
            return False
        adds = self._adds(job)
        if self._fits(adds) or not self._waiting.live:
            return False
        self._waiting.line.append((self, adds, go_on))
        return True

    def refuses(self, job: Job) -> bool:
        """Whether the limit leaves no room for this job."""
        return self._budget.max_cost is not None and not self._fits(self._adds(job))

    def _fits(self, adds: int) -> bool:
        limit = self._budget.max_cost
        return limit is None or not adds or self._journal.index.money.committed + adds <= limit

    def started(self, most: int) -> None:
        """An attempt is in flight; the journal has reserved what it may cost at most, in billionths."""
        self._count(1, most)

    def ended(self, most: int) -> None:
        """An attempt in flight has ended, and its cost is journalled."""
        self._count(-1, -most)
        self._release()

    def _count(self, attempts: int, most: int) -> None:
        self._live, self._reserved = self._live + attempts, self._reserved + most
        self._waiting.live, self._waiting.reserved = self._waiting.live + attempts, self._waiting.reserved + most

    def close(self) -> None:
        """The run is over: what it still has in flight was cut off, and nobody should wait for it."""
        self.closed = True
        event_loop().call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        self._count(-self._live, -self._reserved)
        self._release()

    def _release(self) -> None:
        """Let those go on that fit now, or that nothing in flight can help any more."""
        waiting = self._waiting
        while waiting.line:
            ledger, adds, go_on = waiting.line[0]
            if waiting.live and not ledger.closed and not ledger._fits(adds):
                return
            waiting.line.popleft()
            go_on()

    @property
    def no_room(self) -> str:
        """Why a request is left out, in the same words for each."""
        limit = self._budget.max_cost
        assert limit is not None
        said = show_amount(limit, self._journal.index.money.currency)
        return f"max_cost ({said}{self._of_shards}) leaves no room: raise it to go on"

    @property
    def _of_shards(self) -> str:
        shards = self._budget.shards
        return f", a part of {shards}" if shards > 1 else ""

    def reached(self, job: Job) -> MaxCostReached:
        """The error for a limit that leaves no room for this job."""
        money, limit = self._journal.index.money, self._budget.max_cost
        assert limit is not None

        def show(billionths: int, *, up: bool = False) -> str:
            return show_amount(billionths, money.currency, up=up)

        most = self.most(job)
        unsure = f", up to {show(self.unsure)} more by requests that told no cost" if self.unsure else ""
        again = f" for all {self._budget.shards} shards" if self._of_shards else ""
        return MaxCostReached(
            f"max_cost is {show(limit)}{self._of_shards}: {show(money.spent)} spent in {self._journal.cache_path}"
            f"{unsure}, and the next request may cost {show(most)}. What was answered is kept. To go on, run again with"
            f" max_cost of at least {show(self._budget.shards * (money.committed + self._adds(job)), up=True)}{again};"
            f" a dry run says what the rest may cost"
        )
