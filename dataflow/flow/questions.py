"""What the rows of one pass wait for: each question is asked once, however many rows need its answer."""

from collections.abc import Sequence

from dataflow.core.records import Job
from dataflow.flow.ids import Ids
from dataflow.flow.preflight import check_takes_masks
from dataflow.flow.recipe import Recipe
from dataflow.flow.sink import StepSink
from dataflow.flow.walk import Walk
from dataflow.pools.executor import LocalExecutor
from dataflow.pools.pool import Pool


class Questions:
    """Hands jobs to the pools of a step's workers.

    Args:
        recipe: of the step.
        executor: has the pools.
        sink: gets the answers.
        ids: of the requests.

    Attributes:
        pools: open ones, by the worker's name in requests.
    """

    def __init__(self, recipe: Recipe, executor: LocalExecutor, sink: StepSink, ids: Ids) -> None:
        self.pools: dict[str, Pool] = {}
        self._recipe, self._executor, self._sink, self._ids = recipe, executor, sink, ids
        self._waiting: dict[str, list[Walk]] = {}  # by the id of the answer

    def open_pools(self) -> None:
        """One for each worker; may download models.

        Raises:
            ConfigError: a worker is given masks and takes none.
        """
        self.pools |= {name: self._executor.pool(worker) for name, worker in self._recipe.workers.items()}
        check_takes_masks(self._recipe.workers, self._recipe.masked)

    def wait(self, walk: Walk) -> list[Job]:
        """Have a walk wait for all that it misses; what nobody has asked yet.

        It must wait before another answer is looked at: that may be the one.
        """
        new = []
        for job in {job.id: job for job in walk.jobs if job.id in walk.missing}.values():
            waiting = self._waiting.setdefault(job.id, [])
            if not waiting:
                new.append(job)
            waiting.append(walk)
        return new

    def arrived(self, request_id: str) -> Sequence[Walk]:
        """Who waited for an answer."""
        return self._waiting.pop(request_id, ())

    def submit(self, jobs: Sequence[Job], *, begun: bool) -> None:
        """Ask.

        Args:
            jobs: as `wait` returned them.
            begun: they belong to rows that had an answer before, in this step or in one that runs beside it.

        Raises:
            ConfigError: a worker is given a mask and takes none.
        """
        wanted: dict[str, list[Job]] = {}
        for job in jobs:
            wanted.setdefault(job.request.worker, []).append(job)
        masked = [name for name, of_it in wanted.items() if any(job.request.mask is not None for job in of_it)]
        check_takes_masks(self._recipe.workers, masked)
        for name, of_it in wanted.items():
            self._ids.count(name)
            self.pools[name].submit(of_it, self._sink, begun=begun)

    @property
    def pause(self) -> str:
        """What the first pool that waits waits for; empty: none does."""
        return next((pool.pause for pool in self.pools.values() if pool.pause), "")

    @property
    def limit(self) -> str:
        """How many requests are allowed, as far as that was found."""
        return next((pool.limit for pool in self.pools.values() if pool.limit), "")
