"""Counts what a step's requests cost and may cost, and decides whether the next one may start.

The amount that a directory has spent is the sum over its journal. An attempt in flight is reserved there at its highest
cost, by the line that journals its start. So the limit holds over retries, workers, steps that run at once, and kills:
an attempt that a kill cut off stays reserved. A request that does not fit below the limit waits for the attempts in
flight, which mostly cost less than was reserved for them. If none is in flight and the request still does not fit, the
run stops.

All methods but `charge`, `charge_adopted` and the properties run in the thread of the event loop.
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
    """The attempts in flight and the waiting requests of all runs in one directory.

    Attributes:
        live: number of attempts in flight that may cost something.
        reserved: sum of their highest costs, in billionths.
        queue: the waiting requests: the ledger of the run, the amount that the start adds, and what starts it.
    """

    live: int = 0
    reserved: int = 0
    queue: deque[tuple["Ledger", int, Callable[[], None]]] = field(default_factory=deque)


_directories: WeakKeyDictionary[Journal, _Waiting] = WeakKeyDictionary()


class Ledger:
    """The money of one directory, as one run sees it.

    Args:
        journal: the journal of the directory, whose index has the sums.
        budget: the budget of the step.
        workers: name in requests → worker. A worker such as a batch API may hold attempts that an earlier run began.
        reads_only: True for a dry run: the ledger does not write the currency into a journal without costs.

    Raises:
        ConfigError: the costs in the journal are in another currency than the price table.
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
        self._live = self._reserved = 0  # this run's part of `_waiting.live` and `_waiting.reserved`
        self._dearest: dict[str, int] = {}  # name of a worker → cost of an answer above the highest cost by the table
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
        """The currency of all amounts; "" if nobody charges and nothing was charged in the directory before."""
        money, table = self._journal.index.money, self._budget.table
        if not (self._budget.priced or money.committed or money.unpriced):
            return ""
        return money.currency if table is None else table.currency  # the journal of a dry run does not know it yet

    @property
    def price_date(self) -> str:
        """The day on which the prices were read, as their table says; "" if nobody charges."""
        return "" if self._budget.table is None else self._budget.table.date

    @property
    def spent(self) -> int:
        """Billionths spent in the directory so far, without attempts of unknown cost."""
        return self._journal.index.money.spent

    @property
    def unsure(self) -> int:
        """Highest cost, in billionths, of attempts in the directory whose end or cost is unknown.

        Attempts of other steps that run at the same time are left out, since their end is still awaited.
        """
        money, elsewhere = self._journal.index.money, self._waiting.reserved - self._reserved
        return max(0, money.unsure + money.reserved - elsewhere)

    @property
    def estimated(self) -> int:
        """Billionths of `spent` that were counted at the price of usual pictures, since the replies had no tokens."""
        return self._journal.index.money.estimated

    @property
    def unpriced(self) -> int:
        """Number of attempts in the directory whose cost is unknown and whose model has no price."""
        return self._journal.index.money.unpriced

    @property
    def remaining(self) -> int | None:
        """Billionths that the limit leaves in the directory, from 0; None: there is no limit."""
        limit, committed = self._budget.max_cost, self._journal.index.money.committed
        # A dry run of a shard that has no journal yet reads that of the folder above: the shard begins with its
        # answers, and counts one part of its costs.
        if shard_of_folder(self._journal.cache_path.name) is None:
            committed = -(-committed // self._budget.shards)
        return None if limit is None else max(0, limit - committed)

    def most(self, job: Job) -> int:
        """Return the highest cost of one attempt at a job, in billionths; 0: not known, or nobody charges."""
        return max(self._budget.most(job.request), self._dearest.get(job.request.worker, 0))

    def charge(self, job: Job, answer: Answer) -> Charge | None:
        """Return the charge for an attempt that ended with this answer; None: nobody charges for it.

        An answer that cost more than the highest cost by the price table raises what later attempts of its worker
        reserve.
        """
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
        """Return the charge for a picture that a killed run left on disk without its line in the journal.

        None: this directory did not ask for the picture. The tokens of the reply are lost, so the cost is unknown,
        and the amount that the start reserved counts, unless the model charges for each picture.
        """
        reserved = self._journal.index.reserved(bytes.fromhex(job.id))
        charge = None if reserved is None else self._budget.charge(job, answer)
        return Charge(None) if charge is not None and charge.estimated and reserved else charge

    def resumes(self, job: Job) -> bool:
        """Whether a start of this job only fetches the answer of an earlier attempt, which is paid for once."""
        worker = self._workers.get(job.request.worker)
        return worker is not None and self._reserved_for(job) is not None and worker.holds(job)

    def _reserved_for(self, job: Job) -> int | None:
        """Return what an attempt at this job that has not ended reserved, in billionths; None: there is none."""
        return self._journal.index.reserved(bytes.fromhex(job.id))

    def _added_by(self, job: Job) -> int:
        """Return what a start of this job adds to the spent and reserved amounts, in billionths."""
        most = self.most(job)
        return max(0, most - (self._reserved_for(job) or 0)) if self.resumes(job) else most

    def waits(self, job: Job, go_on: Callable[[], None]) -> bool:
        """Return whether a job must wait for attempts in flight; if so, `go_on` is called once the job may start."""
        if self._budget.max_cost is None:
            return False
        added = self._added_by(job)
        if self._fits(added) or not self._waiting.live:
            return False
        self._waiting.queue.append((self, added, go_on))
        return True

    def refuses(self, job: Job) -> bool:
        """Whether the limit leaves no room for this job."""
        return self._budget.max_cost is not None and not self._fits(self._added_by(job))

    def _fits(self, added: int) -> bool:
        limit = self._budget.max_cost
        return limit is None or not added or self._journal.index.money.committed + added <= limit

    def started(self, most: int) -> None:
        """Count an attempt in flight for which the journal has reserved `most` billionths."""
        self._count(1, most)

    def ended(self, most: int) -> None:
        """Count an attempt with a reserve of `most` billionths as ended; the journal has its cost already."""
        self._count(-1, -most)
        self._release()

    def _count(self, attempts: int, most: int) -> None:
        self._live, self._reserved = self._live + attempts, self._reserved + most
        self._waiting.live, self._waiting.reserved = self._waiting.live + attempts, self._waiting.reserved + most

    def close(self) -> None:
        """End the run of this ledger: its attempts in flight were cut off, and no request waits for them any more."""
        self.closed = True
        event_loop().call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        self._count(-self._live, -self._reserved)
        self._release()

    def _release(self) -> None:
        """Let waiting requests go on, in order: those that fit now, and all of them once no attempt is in flight.

        A request that goes on and does not fit is refused, or ends the run. The order is kept even if a later, cheaper
        request would fit, so that a dear request does not wait for ever.
        """
        waiting = self._waiting
        while waiting.queue:
            ledger, added, go_on = waiting.queue[0]
            if waiting.live and not ledger.closed and not ledger._fits(added):
                return
            waiting.queue.popleft()
            go_on()

    @property
    def no_room(self) -> str:
        """The reason of a row whose request was not sent because of the limit; the same text for all rows."""
        limit = self._budget.max_cost
        assert limit is not None
        amount = show_amount(limit, self._journal.index.money.currency)
        return f"max_cost ({amount}{self._of_shards}) leaves no room: raise it to go on"

    @property
    def _of_shards(self) -> str:
        shards = self._budget.shards
        return f", a part of {shards}" if shards > 1 else ""

    def reached(self, job: Job) -> MaxCostReached:
        """Make the error for a limit that leaves no room for a job."""
        money, limit = self._journal.index.money, self._budget.max_cost
        assert limit is not None

        def show(billionths: int, *, up: bool = False) -> str:
            return show_amount(billionths, money.currency, up=up)

        most = self.most(job)
        unsure = f", up to {show(self.unsure)} more by requests of unknown cost" if self.unsure else ""
        again = f" for all {self._budget.shards} shards" if self._of_shards else ""
        needed = money.committed + self._added_by(job)
        return MaxCostReached(
            f"max_cost is {show(limit)}{self._of_shards}: {show(money.spent)} spent in {self._journal.cache_path}"
            f"{unsure}, and the next request may cost {show(most)}. What was answered is kept. To go on, run again with"
            f" max_cost of at least {show(self._budget.shards * needed, up=True)}{again};"
            f" a dry run says what the rest may cost"
        )
